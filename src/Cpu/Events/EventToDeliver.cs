namespace Xenolith.Cpu;

/// <summary>
/// An event on its way through the IDT. <see cref="Information"/> is its form in the interruption-information fields of the VMCS
/// (SDM 3C "VM-Entry Controls for Event Injection"): vector 7:0, type 10:8, error code delivered 11, valid 31.
/// </summary>
internal struct EventToDeliver
{
    public bool IsValid;
    public byte Vector;
    public EventType Type;
    public bool HasErrorCode;
    public uint ErrorCode;

    /// <summary>By VM entry: CR2 and DR6 stay as the hypervisor has prepared them.</summary>
    public bool IsInjected;

    /// <summary>Of the instruction that caused a software event: the handler returns behind it.</summary>
    public uint InstructionLength;

    /// <summary>CR2 for #PF, DR6 bits for #DB.</summary>
    public ulong Qualification;

    public readonly uint Information => Vector | ((uint)Type << 8) | (HasErrorCode ? 1u << 11 : 0) | (1u << 31);

    public readonly bool IsSoftware =>
        Type is EventType.SoftwareInterrupt or EventType.SoftwareException or EventType.PrivilegedSoftwareException;

    /// <summary>EXT in error codes: the event did not come from INT n, INT3 or INTO (SDM 3A "Error Code").</summary>
    public readonly uint Ext => Type is EventType.SoftwareInterrupt or EventType.SoftwareException ? 0u : 1u;

    /// <summary>
    /// The gate's DPL guards INT n, INT3 and INTO, but not INT1 and hardware (SDM 3A "Protection of Exception- and Interrupt-Handler
    /// Procedures").
    /// </summary>
    public readonly bool ChecksGateDpl => Ext == 0;

    public static EventToDeliver Exception(in Fault fault) => new()
    {
        IsValid = true,
        Vector = (byte)fault.Vector,
        Type = EventType.HardwareException,
        HasErrorCode = fault.HasErrorCode,
        ErrorCode = fault.ErrorCode,
        Qualification = fault.Qualification,
    };

    public static EventToDeliver Interrupt(byte vector) => new() { IsValid = true, Vector = vector, Type = EventType.ExternalInterrupt };

    public static EventToDeliver Software(EventType type, byte vector, uint instructionLength) =>
        new() { IsValid = true, Vector = vector, Type = type, InstructionLength = instructionLength };
}
