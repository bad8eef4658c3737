namespace Xenolith.Cpu;

/// <summary>
/// What the board gives one processor. Called on cold paths only. The members with a body are for boards that have more than a
/// clock, ports and one interrupt line: timers, a local APIC, other processors.
/// </summary>
public interface IPlatform
{
    /// <summary>Machine time in ticks of 1 ns: one retired instruction is one tick, plus the time skipped while all was idle.</summary>
    ulong Now { get; }

    /// <summary>IN: <paramref name="sizeBytes"/> is 1, 2 or 4; where nothing answers, all ones.</summary>
    uint ReadPort(ushort port, int sizeBytes);

    void WritePort(ushort port, int sizeBytes, uint value);

    /// <summary>True while INTR is asserted to this processor.</summary>
    bool InterruptPending { get; }

    /// <summary>FERR#: an x87 exception waits while CR0.NE is clear; a PC makes it IRQ 13.</summary>
    void SignalFpuError()
    {
    }

    /// <summary>INTA: the vector of the highest-priority interrupt.</summary>
    byte AcknowledgeInterrupt();

    /// <summary>The tick at which a timer is due next: the engine stops there, and <see cref="CatchUp"/> is called.</summary>
    ulong NextEventTime => ulong.MaxValue;

    /// <summary>At an instruction boundary, before events are looked for: timers that are due do their work.</summary>
    void CatchUp()
    {
    }

    /// <summary>True when IA32_APIC_BASE, IA32_TSC_DEADLINE, the MSRs 800H-8FFH and CR8 are the platform's.</summary>
    bool HasLocalApic => false;

    /// <summary>RDMSR of a register of the local APIC; false is #GP(0).</summary>
    bool TryReadApicMsr(uint msr, out ulong value)
    {
        value = 0;
        return false;
    }

    /// <summary>WRMSR to a register of the local APIC; false is #GP(0).</summary>
    bool TryWriteApicMsr(uint msr, ulong value) => false;

    /// <summary>CR8: bits 7:4 of the task-priority register.</summary>
    ulong TaskPriority
    {
        get => 0;
        set => _ = value;
    }

    /// <summary>The processor takes an INIT: its local APIC is initialised with it.</summary>
    void OnInit()
    {
    }

    /// <summary>Software has changed the time-stamp counter: a TSC deadline lies elsewhere now.</summary>
    void OnTimeStampWritten()
    {
    }

    /// <summary>PAUSE: the program waits for another processor, and may give it the rest of its slice.</summary>
    void OnPause()
    {
    }

    /// <summary>What CPUID answers, given the answer of the processor's model: identity and topology are the board's business.</summary>
    CpuidLeaf AnswerCpuid(uint leaf, uint subleaf, CpuidLeaf answer) => answer;
}
