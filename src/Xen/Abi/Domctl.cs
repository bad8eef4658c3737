using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Xenolith.Xen.Abi;

/// <summary>XEN_DOMCTL_* commands (xen/include/public/domctl.h).</summary>
public enum DomctlCommand : uint
{
    CreateDomain = 1,
    DestroyDomain = 2,
    PauseDomain = 3,
    UnpauseDomain = 4,
    GetDomainInfo = 5,
    SetVcpuAffinity = 9,
    ShadowOp = 10,
    MaxMem = 11,
    SetVcpuContext = 12,
    GetVcpuContext = 13,
    GetVcpuInfo = 14,
    MaxVcpus = 15,
    SchedulerOp = 16,
    SetDomainHandle = 17,
    SetTimeOffset = 24,
    GetVcpuAffinity = 25,
    ResumeDomain = 27,
    SendTrigger = 28,
    GetHvmContext = 33,
    SetHvmContext = 34,
    SetAddressSize = 35,
    GetAddressSize = 36,
    GetHvmContextPartial = 55,
    GetTscInfo = 59,
    SetTscInfo = 60,
    GetPageFrameInfo3 = 61,
    SetVirqHandler = 66,
    GetCpuPolicy = 82,
    SetCpuPolicy = 83,
    GetPagingMempoolSize = 85,
    SetPagingMempoolSize = 86,
}

/// <summary>struct xen_domctl: a header and a union of 128 bytes (xen/include/public/domctl.h).</summary>
[StructLayout(LayoutKind.Sequential, Pack = 8, Size = 144)]
public unsafe struct XenDomctl
{
    /// <summary>XEN_DOMCTL_INTERFACE_VERSION of Xen 4.17.</summary>
    public const uint CurrentInterfaceVersion = 0x15;

    public DomctlCommand Cmd;
    public uint InterfaceVersion;
    public ushort Domain;
    private fixed ushort _pad[3];
    private fixed byte _union[128];

    public XenDomctl(DomctlCommand command, ushort domain)
    {
        Cmd = command;
        InterfaceVersion = CurrentInterfaceVersion;
        Domain = domain;
    }

    /// <summary>The union, seen as the argument of one command.</summary>
    [System.Diagnostics.CodeAnalysis.UnscopedRef]
    public ref T Argument<T>()
        where T : unmanaged
        => ref Unsafe.As<byte, T>(ref _union[0]);
}

/// <summary>xen_domain_handle_t: 16 bytes, a UUID (xen/include/public/xen.h).</summary>
[InlineArray(16)]
public struct XenDomainHandle
{
    private byte _first;
}

/// <summary>struct xen_arch_domainconfig (xen/include/public/arch-x86/xen.h).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct XenArchDomainconfig
{
    /// <summary>XEN_X86_EMU_LAPIC, the one device that libxl asks for PVH.</summary>
    public const uint EmuLapic = 1;

    public uint EmulationFlags;
    public uint MiscFlags;
}

/// <summary>
/// struct xen_domctl_createdomain (xen/include/public/domctl.h). The new number comes back in <see cref="XenDomctl.Domain"/>.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
public struct XenDomctlCreatedomain
{
    public const uint CdfHvm = 1 << 0;
    public const uint CdfHap = 1 << 1;
    public const uint CdfMax = 1 << 7;

    public uint Ssidref;
    public XenDomainHandle Handle;
    public uint Flags;
    public uint IommuOpts;
    public uint MaxVcpus;
    public uint MaxEvtchnPort;

    /// <summary>Negative: the hypervisor's default.</summary>
    public int MaxGrantFrames;
    public int MaxMaptrackFrames;
    public uint GrantOpts;
    public uint VmtraceSize;
    public uint CpupoolId;
    public XenArchDomainconfig Arch;
}

/// <summary>struct xen_domctl_getdomaininfo (xen/include/public/domctl.h).</summary>
[StructLayout(LayoutKind.Sequential, Pack = 8)]
public unsafe struct XenDomctlGetdomaininfo
{
    public const uint Dying = 1 << 0;
    public const uint HvmGuest = 1 << 1;
    public const uint Shutdown = 1 << 2;
    public const uint Paused = 1 << 3;
    public const uint Blocked = 1 << 4;
    public const uint Running = 1 << 5;
    public const uint Hap = 1 << 8;

    /// <summary>Bits 23:16 of <see cref="Flags"/> hold the <see cref="ShutdownReason"/>.</summary>
    public const int ShutdownShift = 16;

    public ushort Domain;
    public ushort Pad1;
    public uint Flags;
    public ulong TotPages;
    public ulong MaxPages;
    public ulong OutstandingPages;
    public ulong ShrPages;
    public ulong PagedPages;
    public ulong SharedInfoFrame;

    /// <summary>Time on the processor, ns.</summary>
    public ulong CpuTime;
    public uint NrOnlineVcpus;
    public uint MaxVcpuId;
    public uint Ssidref;
    public XenDomainHandle Handle;
    public uint Cpupool;
    public byte GpaddrBits;
    private fixed byte _pad2[7];
    public XenArchDomainconfig ArchConfig;
}

/// <summary>struct xen_domctl_max_mem (xen/include/public/domctl.h).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct XenDomctlMaxMem
{
    public ulong MaxMemkb;
}

/// <summary>struct xen_domctl_max_vcpus (xen/include/public/domctl.h).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct XenDomctlMaxVcpus
{
    public uint Max;
}

/// <summary>struct xen_domctl_setdomainhandle (xen/include/public/domctl.h).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct XenDomctlSetdomainhandle
{
    public XenDomainHandle Handle;
}

/// <summary>struct xen_domctl_hvmcontext (xen/include/public/domctl.h).</summary>
[StructLayout(LayoutKind.Sequential, Pack = 8)]
public struct XenDomctlHvmcontext
{
    public uint Size;

    /// <summary>Guest handle of the records; zero asks for the size.</summary>
    public ulong Buffer;
}

/// <summary>struct xen_domctl_hvmcontext_partial (xen/include/public/domctl.h).</summary>
[StructLayout(LayoutKind.Sequential, Pack = 8)]
public struct XenDomctlHvmcontextPartial
{
    public uint Type;
    public uint Instance;
    public ulong Bufsz;
    public ulong Buffer;
}

/// <summary>struct xen_domctl_getvcpuinfo (xen/include/public/domctl.h).</summary>
[StructLayout(LayoutKind.Sequential, Pack = 8)]
public struct XenDomctlGetvcpuinfo
{
    public uint Vcpu;
    public byte Online;
    public byte Blocked;
    public byte Running;
    public ulong CpuTime;
    public uint Cpu;
}
