namespace Xenolith.Machine;

/// <summary>What a local APIC needs of the processor that it belongs to, and of the bus between them.</summary>
public interface ILocalApicOwner
{
    /// <summary>Time in ticks: the APIC timer counts them, divided.</summary>
    ulong Now { get; }

    /// <summary>The processor's time-stamp counter.</summary>
    ulong TimeStamp { get; }

    /// <summary>Call <see cref="LocalApic.OnTimer"/> at this tick, in place of any asked for before; all ones is never.</summary>
    void SetApicTimer(ulong tick);

    /// <summary>Sends an interprocessor interrupt.</summary>
    void SendInterrupt(in ApicMessage message, ApicShorthand shorthand);

    /// <summary>The end of a level-triggered interrupt, for the IO-APICs.</summary>
    void BroadcastEndOfInterrupt(byte vector);

    /// <summary>What <see cref="LocalApic.HasInterrupt"/> says may have changed.</summary>
    void OnInterruptChange();

    /// <summary>IA32_APIC_BASE has changed: the page of registers may lie elsewhere.</summary>
    void OnApicBaseChange();

    void SignalNmi();

    void SignalInit();

    void SignalStartup(byte vector);
}
