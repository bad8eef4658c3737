using System;
using System.Runtime.InteropServices;

using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <summary>
/// One logical processor: its state, its TLB and block cache, its engine. Parts of this class by subject: memory access, operands,
/// faults and their delivery, system registers, the engine, VMX (<see cref="Vmx"/>).
/// </summary>
public sealed unsafe partial class Processor : IDisposable
{
    private GCHandle _self;

    /// <param name="memory">Translation and isolation of the machine that the processor sits in.</param>
    /// <param name="platform">Ports, clock and interrupts.</param>
    public Processor(MemoryUnit memory, IPlatform platform)
    {
        Memory = memory;
        Platform = platform;
        Tlb = new Tlb(memory);
        State = (CpuState*)NativeMemory.AlignedAlloc((nuint)sizeof(CpuState), 64);
        *State = default;
        _self = GCHandle.Alloc(this, GCHandleType.Weak);
        State->Self = GCHandle.ToIntPtr(_self);
        State->RflagsSystem = RflagsBits.Fixed1;
        LazyFlags.Write(State, 0);
        memory.Bus.Observe(this);
        Reset();
        RefreshMode();
    }

    /// <summary>The architectural state; the pointer is valid for the life of the processor.</summary>
    public CpuState* State { get; private set; }

    public MemoryUnit Memory { get; }

    public IPlatform Platform { get; }

    /// <summary>
    /// The TLB. Whoever changes CR0, CR3, CR4, EFER, PKRU, VPID, EPTP or VMIDR tells it so.
    /// </summary>
    public Tlb Tlb { get; }

    /// <summary>The fault of the instruction that ended with <see cref="Outcome.Fault"/>.</summary>
    public Fault PendingFault;

    /// <summary>The translation that failed, when <see cref="PendingFault"/> came from one.</summary>
    public Translation FailedTranslation;

    /// <summary>Address of the instruction after the one that runs, as an offset in CS, cut to the code size.</summary>
    public ulong NextRip { get; set; }

    public void Dispose()
    {
        if (State != null)
        {
            _self.Free();
            Tlb.Dispose();
            Memory.Bus.StopObserving(this);
            _blocks?.Dispose();
            NativeMemory.AlignedFree(_cutBuffer);
            NativeMemory.AlignedFree(State);
            State = null;
        }
    }
}
