using System;
using System.Numerics;

using Xenolith.Cpu;

namespace Xenolith.Machine;

/// <summary>One processor of a bare machine with its local APIC: what the processor sees of the board, and the board of it.</summary>
public sealed unsafe class Vcpu : IPlatform, IRunnable, ILocalApicOwner
{
    private const uint LeafFeatures = 1;
    private const uint LeafCaches = 4;
    private const uint LeafTopology = 0xB;
    private const uint LeafTopologyV2 = 0x1F;

    private readonly BareMachine _machine;
    private readonly MachineTimer _timer;

    internal Vcpu(BareMachine machine, int index)
    {
        _machine = machine;
        Index = index;
        _timer = machine.Clock.CreateTimer(OnApicTimer);
        Apic = new LocalApic(this, (uint)index, isBootstrap: index == 0);
        Processor = new Processor(machine.MemoryUnit, this);
        Wait();
    }

    /// <summary>Number of the processor, which is its APIC id.</summary>
    public int Index { get; }

    public LocalApic Apic { get; }

    public Processor Processor { get; }

    /// <summary>Something came that may end a halt; the processor looks at it when it runs next.</summary>
    internal bool IsPoked { get; set; }

    /// <inheritdoc/>
    public bool IsRunnable => IsPoked || Processor.State->Activity == ActivityState.Active;

    /// <inheritdoc cref="IPlatform.Now"/>
    public ulong Now => _machine.Clock.Now;

    /// <inheritdoc/>
    public ulong NextEventTime => _machine.Clock.NextDeadline;

    /// <inheritdoc/>
    public bool InterruptPending => Apic.HasInterrupt;

    /// <inheritdoc/>
    public bool HasLocalApic => true;

    /// <inheritdoc/>
    public ulong TaskPriority
    {
        get => Apic.TaskPriorityClass;
        set => Apic.TaskPriorityClass = value;
    }

    /// <inheritdoc/>
    public ulong TimeStamp => Processor is null ? 0 : _machine.Clock.Now + Processor.State->TscOffset;

    /// <summary>It can be woken by an NMI or INIT only.</summary>
    internal bool IsDeaf => Processor.State->Activity == ActivityState.WaitForSipi
        || (Processor.State->Activity == ActivityState.Hlt && (Processor.State->RflagsSystem & RflagsBits.IF) == 0
            && !Processor.WaitsForAnyInterrupt && !Apic.MayReceiveLocalNmi);

    /// <inheritdoc/>
    public byte AcknowledgeInterrupt()
    {
        int vector = Apic.Acknowledge();
        return vector >= 0 ? (byte)vector : _machine.AcknowledgePic();
    }

    /// <inheritdoc/>
    public uint ReadPort(ushort port, int sizeBytes) => _machine.Ports.Read(port, sizeBytes);

    /// <inheritdoc/>
    public void WritePort(ushort port, int sizeBytes, uint value) => _machine.Ports.Write(port, sizeBytes, value);

    /// <inheritdoc/>
    public void CatchUp()
    {
        if (_machine.Clock.NextDeadline <= _machine.Clock.Now)
        {
            _machine.Clock.RunDue();
        }
    }

    /// <inheritdoc/>
    public bool TryReadApicMsr(uint msr, out ulong value) => Apic.TryReadMsr(msr, out value);

    /// <inheritdoc/>
    public bool TryWriteApicMsr(uint msr, ulong value) => Apic.TryWriteMsr(msr, value);

    /// <inheritdoc/>
    public void OnInit() => Apic.Init();

    /// <inheritdoc/>
    public void OnTimeStampWritten() => Apic.OnTimeStampWritten();

    /// <inheritdoc/>
    public void SignalFpuError() => _machine.RaiseCoprocessorError();

    /// <inheritdoc/>
    public void OnPause()
    {
        if (_machine.OthersCanRun(this))
        {
            Processor.RequestStop();
        }
    }

    /// <summary>
    /// The board's part of CPUID (SDM 2A "CPUID"): APIC id and topology (each processor a core of one package), x2APIC, TSC deadline.
    /// </summary>
    public CpuidLeaf AnswerCpuid(uint leaf, uint subleaf, CpuidLeaf answer)
    {
        const uint FeatureX2Apic = 1u << 21;
        const uint FeatureTscDeadline = 1u << 24;
        const uint FeatureApic = 1u << 9;
        const uint FeatureHtt = 1u << 28;
        uint count = (uint)_machine.Processors.Count;
        uint ids = BitOperations.RoundUpToPowerOf2(count);
        switch (leaf)
        {
            case 0:
                return answer with { Eax = LeafTopologyV2 };
            case LeafFeatures:
                uint edx = Apic.IsEnabled ? answer.Edx : answer.Edx & ~FeatureApic;
                return answer with
                {
                    Ebx = (answer.Ebx & 0xFF00) | (ids << 16) | (Apic.InitialId << 24),
                    Ecx = answer.Ecx | FeatureX2Apic | FeatureTscDeadline,
                    Edx = edx | (count > 1 ? FeatureHtt : 0),
                };
            case LeafCaches when (answer.Eax & 0x1F) != 0:
                return answer with { Eax = (answer.Eax & 0x03FF_FFFF) | ((ids - 1) << 26) };
            case LeafTopology or LeafTopologyV2:
                return Topology(subleaf, count, (uint)BitOperations.Log2(ids));
            case > CpuidModel.MaxBasicLeaf and < LeafTopologyV2:
                return default;
            default:
                return answer;
        }
    }

    void ILocalApicOwner.SetApicTimer(ulong tick) => _timer.Set(tick);

    void ILocalApicOwner.SendInterrupt(in ApicMessage message, ApicShorthand shorthand) =>
        _machine.ApicBus.Send(Apic, in message, shorthand);

    void ILocalApicOwner.BroadcastEndOfInterrupt(byte vector) => _machine.EndOfInterrupt(vector);

    void ILocalApicOwner.OnInterruptChange()
    {
        if (Processor is not null && Apic.HasInterrupt)
        {
            Poke();
        }
    }

    void ILocalApicOwner.OnApicBaseChange() => _machine.MapLocalApic(Apic);

    void ILocalApicOwner.SignalNmi()
    {
        Processor.SignalNmi();
        Poke();
    }

    void ILocalApicOwner.SignalInit()
    {
        Processor.SignalInit();
        Poke();
    }

    void ILocalApicOwner.SignalStartup(byte vector)
    {
        Processor.SignalStartup(vector);
        if (Processor.HasSignal)
        {
            Poke(); // a processor that runs has lost the message
        }
    }

    /// <summary>SDM 3A "Hierarchical Mapping of Shared Resources": threads (one in each core), then cores.</summary>
    private CpuidLeaf Topology(uint subleaf, uint count, uint shift) => subleaf switch
    {
        0 => new CpuidLeaf(0, 1, subleaf | (1 << 8), Apic.InitialId),
        1 => new CpuidLeaf(shift, count, subleaf | (2 << 8), Apic.InitialId),
        _ => new CpuidLeaf(0, 0, subleaf, Apic.InitialId),
    };

    /// <summary>RESET of the processor and its local APIC.</summary>
    internal void Reset()
    {
        Apic.Reset();
        Processor.Reset();
        Wait();
        IsPoked = false;
    }

    /// <summary>All but the first processor wait for a startup message (SDM 3A "MP Initialization Protocol").</summary>
    private void Wait() => Processor.State->Activity = Apic.IsBootstrap ? ActivityState.Active : ActivityState.WaitForSipi;

    private void OnApicTimer() => Apic.OnTimer();

    private void Poke()
    {
        Processor.RequestBoundary();
        IsPoked = true;
        _machine.OnPoked(this);
    }
}
