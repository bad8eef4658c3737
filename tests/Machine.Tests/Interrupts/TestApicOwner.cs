using System.Collections.Generic;

using Xenolith.Machine;

namespace Xenolith.Machine.Tests;

/// <summary>The processor and bus around a local APIC under test: they write down what it does.</summary>
internal sealed class TestApicOwner : ILocalApicOwner
{
    private readonly TestClock _clock;
    private readonly MachineTimer _timer;

    public TestApicOwner(TestClock clock, uint id = 0, ApicBus? bus = null)
    {
        _clock = clock;
        _timer = clock.Clock.CreateTimer(() => Apic!.OnTimer());
        Bus = bus ?? new ApicBus();
        Apic = new LocalApic(this, id, isBootstrap: id == 0);
        Bus.Attach(Apic);
        Log.Clear();
    }

    public LocalApic Apic { get; }

    public ApicBus Bus { get; }

    public List<string> Log { get; } = [];

    public ulong TscOffset { get; set; }

    public ulong Now => _clock.Now;

    public ulong TimeStamp => _clock.Now + TscOffset;

    /// <summary>A 32-bit register in the page.</summary>
    public uint this[uint offset]
    {
        get => (uint)Apic.ReadPage(offset, 4);
        set => Apic.WritePage(offset, 4, value);
    }

    public ulong? Msr(uint msr) => Apic.TryReadMsr(msr, out ulong value) ? value : null;

    /// <summary>Takes what waits, as a processor with interrupts on would; -2 when nothing does.</summary>
    public int Take() => Apic.HasInterrupt ? Apic.Acknowledge() : -2;

    public void SetApicTimer(ulong tick) => _timer.Set(tick);

    public void SendInterrupt(in ApicMessage message, ApicShorthand shorthand) => Bus.Send(Apic, in message, shorthand);

    public void BroadcastEndOfInterrupt(byte vector) => Log.Add($"eoi {vector:x2}");

    public void OnInterruptChange()
    {
    }

    public void OnApicBaseChange() => Log.Add("base");

    public void SignalNmi() => Log.Add("nmi");

    public void SignalInit() => Log.Add("init");

    public void SignalStartup(byte vector) => Log.Add($"startup {vector:x2}");
}
