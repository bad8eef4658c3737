namespace Xenolith.Cpu;

/// <summary>What the board gives a processor. Called on cold paths only.</summary>
public interface IPlatform
{
    /// <summary>Machine time in ticks of 1 ns: one retired instruction is one tick, plus the time skipped while all was idle.</summary>
    ulong Now { get; }

    /// <summary>IN: <paramref name="sizeBytes"/> is 1, 2 or 4; where nothing answers, all ones.</summary>
    uint ReadPort(ushort port, int sizeBytes);

    void WritePort(ushort port, int sizeBytes, uint value);

    /// <summary>True while INTR is asserted to this processor.</summary>
    bool InterruptPending { get; }

    /// <summary>INTA: the vector of the highest-priority interrupt.</summary>
    byte AcknowledgeInterrupt();
}
