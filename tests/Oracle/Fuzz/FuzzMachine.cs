using System;
using System.Collections.Generic;
using System.Numerics;

using Xenolith.Cpu;
using Xenolith.Mmu;

namespace Xenolith.Oracle.Fuzz;

/// <summary>Which engine a machine runs.</summary>
internal enum FuzzEngine
{
    Careful,
    Looped,
    Threaded,

    /// <summary>Threaded, and every block that is met becomes hot code at once.</summary>
    Hot,
}

/// <summary>A machine of one megabyte that runs case after case on one engine.</summary>
internal sealed unsafe class FuzzMachine : IDisposable
{
    private readonly FuzzEngine _engine;
    private readonly HostMemory _memory;
    private readonly PhysicalBus _bus;
    private readonly MemoryUnit _unit;
    private readonly FuzzPlatform _platform = new();
    private Processor _processor;

    public FuzzMachine(FuzzEngine engine)
    {
        _engine = engine;
        _memory = new HostMemory(FuzzMap.MemorySize);
        _bus = new PhysicalBus(_memory);
        _unit = new NoIsolationFactory().Build(_bus, new IsolationOptions("", 0x1000), null);
        _processor = MakeProcessor();
    }

    public ReadOnlySpan<byte> Memory => new(_memory.Base, (int)FuzzMap.MemorySize);

    public CpuState* State => _processor.State;

    public void Dispose()
    {
        _processor.Dispose();
        _memory.Dispose();
    }

    /// <summary>Starts a case.</summary>
    public void Load(FuzzCase next)
    {
        if (_processor.Vmx.InOperation || next.Number % 1024 == 0)
        {
            // VMX operation survives a reset of the rest; and a new processor now and then shows what is not given back.
            _processor.Dispose();
            _processor = MakeProcessor();
        }

        for (int page = 0; page < (int)(FuzzMap.MemorySize / Pages.Size); page++)
        {
            ReadOnlySpan<byte> wanted = next.Image.AsSpan(page << 12, (int)Pages.Size);
            Span<byte> there = new(_memory.Base + (page << 12), (int)Pages.Size);
            if (!wanted.SequenceEqual(there))
            {
                _bus.NoteWrite(new Hpa((ulong)page << 12), Pages.Size);
                wanted.CopyTo(there);
            }
        }

        _platform.Reset();
        _processor.Reset();
        next.Load(_processor);
        _processor.Tlb.OnContextChange();
    }

    /// <summary>The instruction at CS:RIP, in words, as far as it can be fetched.</summary>
    public string NextInstruction => _processor.TryDecodeAt(State->Rip, out Iced.Intel.Instruction instruction)
        ? $"{State->Rip:x}: {instruction} ({instruction.Code})"
        : $"{State->Rip:x}: cannot be fetched";

    /// <summary>Runs one slice; false when the machine has stopped for good.</summary>
    public bool Run(int instructions, int what)
    {
        if (what == -1)
        {
            _processor.SignalNmi();
        }
        else if (what >= 0)
        {
            _platform.Interrupts.Enqueue((byte)what);
            _processor.RequestBoundary();
        }

        return _processor.Run(instructions) != StopReason.Shutdown;
    }

    /// <summary>Everything that software could see, as words; the names go along on demand.</summary>
    public void Describe(List<ulong> words, List<string>? names)
    {
        CpuState* cpu = _processor.State;
        void Add(string name, ulong value)
        {
            words.Add(value);
            names?.Add(name);
        }

        Add("rip", cpu->Rip);
        Add("rflags", _processor.Rflags);
        for (int i = 0; i < 16; i++)
        {
            Add(names is null ? "" : $"gpr{i}", cpu->Gpr[i]);
        }

        for (int i = 0; i < 8; i++)
        {
            ref SegmentRegister segment = ref cpu->Segments[i];
            Add(names is null ? "" : $"{(SegmentIndex)i}", segment.Selector | ((ulong)segment.AccessRights << 32));
            Add(names is null ? "" : $"{(SegmentIndex)i}.base", segment.Base);
            Add(names is null ? "" : $"{(SegmentIndex)i}.limit", segment.Limit);
            Add(names is null ? "" : $"dr{i}", cpu->Dr[i]);
        }

        Add("gdtr", cpu->Gdtr.Base ^ ((ulong)cpu->Gdtr.Limit << 48));
        Add("idtr", cpu->Idtr.Base ^ ((ulong)cpu->Idtr.Limit << 48));
        Add("cr0", cpu->Paging.Cr0);
        Add("cr2", cpu->Cr2);
        Add("cr3", cpu->Paging.Cr3);
        Add("cr4", cpu->Paging.Cr4);
        Add("cr8", cpu->Cr8);
        Add("efer", cpu->Paging.Efer);
        Add("pkru", cpu->Paging.Pkru);
        Add("xcr0", cpu->Xcr0);
        for (int i = 0; i < 16; i++)
        {
            for (int word = 0; word < 4; word++)
            {
                Add(names is null ? "" : $"ymm{i}.{word}", cpu->Vector[i].U64[word]);
            }
        }

        for (int i = 0; i < 8; i++)
        {
            Add(names is null ? "" : $"x87.{i}", cpu->X87[i].Significand ^ BitOperations.RotateLeft((ulong)cpu->X87[i].SignExponent, 48));
        }

        Add("mxcsr", cpu->Mxcsr);
        Add("fcw", cpu->Fcw);
        Add("fsw", cpu->Fsw);
        Add("ftw", cpu->Ftw);
        Add("fip", cpu->Fip);
        Add("fdp", cpu->Fdp);
        Add("debugctl", cpu->Msr.DebugCtl);
        Add("kernelgsbase", cpu->Msr.KernelGsBase);
        Add("activity", (ulong)cpu->Activity);
        Add("interruptibility", cpu->Interruptibility);
        Add("pendingdebug", cpu->PendingDebug);
        Add("tscoffset", cpu->TscOffset);
        Add("retired", _processor.RetiredInstructions);
        Add("accesses", cpu->DataAccesses);
        Add("ports", _platform.Log);
    }

    private Processor MakeProcessor()
    {
        _platform.Processor = null;
        Processor processor = new(_unit, _platform) { UseCarefulEngine = _engine == FuzzEngine.Careful };
        if (_engine == FuzzEngine.Looped)
        {
            processor.UseLoopEngine = true;
        }

        if (_engine == FuzzEngine.Hot)
        {
            processor.Hot.Interval = 24;
            processor.Hot.Enough = 1;
        }

        _platform.Processor = processor;
        return processor;
    }

    /// <summary>Ports that answer by a rule and remember what was done to them; interrupts in a queue.</summary>
    private sealed class FuzzPlatform : IPlatform
    {
        public Processor? Processor { get; set; }

        public Queue<byte> Interrupts { get; } = new();

        public ulong Log { get; private set; }

        public ulong Now => Processor?.RetiredInstructions ?? 0;

        public bool InterruptPending => Interrupts.Count != 0;

        public byte AcknowledgeInterrupt() => Interrupts.Dequeue();

        public uint ReadPort(ushort port, int sizeBytes)
        {
            Note(port, (uint)sizeBytes);
            return (uint)(port * 0x9E37_79B1u) >> (32 - (8 * sizeBytes));
        }

        public void WritePort(ushort port, int sizeBytes, uint value) => Note(port, value);

        public void Reset()
        {
            Interrupts.Clear();
            Log = 0;
        }

        private void Note(ushort port, uint value) => Log = (BitOperations.RotateLeft(Log, 7) ^ port) * 0x9E37_79B9_7F4A_7C15 + value;
    }
}
