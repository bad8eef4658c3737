using System;

using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <summary>
/// One logical processor: its state, its TLB and block cache, its engine. Parts of this class by subject: memory access, faults and
/// delivery, system registers, the engine, VMX (<see cref="Vmx"/>).
/// </summary>
public sealed unsafe partial class Processor
{
    /// <param name="memory">Translation and isolation of the machine that the processor sits in.</param>
    /// <param name="platform">Ports, clock and interrupts.</param>
    public Processor(MemoryUnit memory, IPlatform platform)
    {
        Memory = memory;
        Platform = platform;
        State = (CpuState*)System.Runtime.InteropServices.NativeMemory.AlignedAlloc((nuint)sizeof(CpuState), 64);
        *State = default;
    }

    /// <summary>The architectural state; the pointer is valid for the life of the processor.</summary>
    public CpuState* State { get; }

    public MemoryUnit Memory { get; }

    public IPlatform Platform { get; }

    /// <summary>The fault of the instruction that ended with <see cref="Outcome.Fault"/>.</summary>
    public Fault PendingFault;
}
