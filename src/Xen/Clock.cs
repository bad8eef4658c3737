using System.Runtime.InteropServices;

namespace Xenolith.Xen;

/// <summary>struct vcpu_time_info; the same for all callers (xen/include/public/xen.h).</summary>
[StructLayout(LayoutKind.Sequential, Pack = 4)]
internal struct VcpuTimeInfo
{
    public uint Version;
    public uint Pad0;
    public ulong TscTimestamp;
    public ulong SystemTime;
    public uint TscToSystemMul;
    public sbyte TscShift;
    public byte Flags;
    public ushort Pad1;
}

/// <summary>
/// Xen's time on this machine: one tick is 1 ns, the time-stamp counter counts ticks (1 GHz), and system time is the tick count since
/// the machine started. Nothing drifts, so that one description of the clock is true for ever.
/// </summary>
internal static class Clock
{
    public const uint TscKhz = 1_000_000;

    /// <summary>XEN_PVCLOCK_TSC_STABLE_BIT.</summary>
    private const byte TscStable = 1;

    /// <summary>ns = ((tsc &lt;&lt; 1) * 2^31) >> 32.</summary>
    public const uint TscToSystemMul = 0x8000_0000;
    public const sbyte TscShift = 1;

    public static VcpuTimeInfo TimeInfo { get; } = new()
    {
        Version = 2,
        TscToSystemMul = TscToSystemMul,
        TscShift = TscShift,
        Flags = TscStable,
    };
}
