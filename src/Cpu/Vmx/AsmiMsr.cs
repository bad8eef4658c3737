namespace Xenolith.Cpu;

/// <summary>
/// MSRs that ASMI adds (docs/asmi.md). The numbers lie in the range that SDM 4 leaves to software emulators (0x40000000 to 0x400000FF),
/// at its end, away from those that hypervisors use.
/// </summary>
public static class AsmiMsr
{
    /// <summary>
    /// First byte of the range that the hypervisor declares its own before its first VMLAUNCH (G8). Locked by registration.
    /// </summary>
    public const uint HypervisorBase = 0x4000_00E0;

    /// <summary>Size in bytes of that range. Locked by registration.</summary>
    public const uint HypervisorSize = 0x4000_00E1;

    /// <summary>VMIDR, read-only, root operation only.</summary>
    public const uint Vmidr = 0x4000_00E2;

    /// <summary>Segment size in bytes, read-only.</summary>
    public const uint SegmentSize = 0x4000_00E3;

    /// <summary>TSEG: number of segments, read-only.</summary>
    public const uint Tseg = 0x4000_00E4;
}
