namespace Xenolith.Machine;

/// <summary>Delivery modes (SDM 3A "Interrupt Command Register (ICR)"; 82093AA data sheet "I/O Redirection Table Registers").</summary>
public enum ApicDelivery : byte
{
    Fixed = 0,
    LowestPriority = 1,
    Smi = 2,
    Reserved = 3,
    Nmi = 4,
    Init = 5,
    Startup = 6,
    ExtInt = 7,
}

/// <summary>Destination shorthands (SDM 3A "Interrupt Command Register (ICR)").</summary>
public enum ApicShorthand : byte
{
    None = 0,
    Self = 1,
    AllIncludingSelf = 2,
    AllExcludingSelf = 3,
}

/// <summary>What travels between interrupt controllers.</summary>
/// <param name="Vector">Vector, or the startup page.</param>
/// <param name="Delivery">Delivery mode.</param>
/// <param name="Destination">APIC id, or a logical destination; all ones is everybody (eight bits from xAPICs and IO-APICs).</param>
/// <param name="IsLogical">The destination is logical.</param>
/// <param name="IsLevel">Level-triggered: its end is to be told to the IO-APICs.</param>
/// <param name="IsX2">Sent by a local APIC in x2APIC mode: the destination has 32 bits.</param>
public readonly record struct ApicMessage(
    byte Vector, ApicDelivery Delivery, uint Destination, bool IsLogical = false, bool IsLevel = false, bool IsX2 = false)
{
    /// <summary>The destination that names everybody.</summary>
    public bool IsBroadcast => Destination == (IsX2 ? uint.MaxValue : byte.MaxValue);
}
