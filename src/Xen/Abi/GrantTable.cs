using System.Runtime.InteropServices;

namespace Xenolith.Xen.Abi;

/// <summary>GNTTABOP_* sub-operations (xen/include/public/grant_table.h).</summary>
public enum GnttabOp : uint
{
    MapGrantRef = 0,
    UnmapGrantRef = 1,
    SetupTable = 2,
    DumpTable = 3,
    Transfer = 4,
    Copy = 5,
    QuerySize = 6,
    UnmapAndReplace = 7,
    SetVersion = 8,
    GetStatusFrames = 9,
    GetVersion = 10,
    SwapGrantRef = 11,
    CacheFlush = 12,
}

/// <summary>GNTST_*: how a grant operation ended (xen/include/public/grant_table.h).</summary>
public enum GrantStatus : short
{
    Okay = 0,
    GeneralError = -1,
    BadDomain = -2,
    BadGntref = -3,
    BadHandle = -4,
    BadVirtAddr = -5,
    BadDevAddr = -6,
    NoDeviceSpace = -7,
    PermissionDenied = -8,
    BadPage = -9,
    BadCopyArg = -10,
    AddressTooBig = -11,
    Eagain = -12,
    NoSpace = -13,
}

/// <summary>struct grant_entry_v1: what a guest writes into its table (xen/include/public/grant_table.h).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct GrantEntryV1
{
    public const ushort TypeMask = 3;
    public const ushort PermitAccess = 1;
    public const ushort ReadOnly = 1 << 2;
    public const ushort Reading = 1 << 3;
    public const ushort Writing = 1 << 4;

    public ushort Flags;
    public ushort DomId;

    /// <summary>The granted guest frame.</summary>
    public uint Frame;
}

/// <summary>struct gnttab_map_grant_ref; the same for all callers (xen/include/public/grant_table.h).</summary>
[StructLayout(LayoutKind.Sequential, Pack = 8)]
public struct GnttabMapGrantRef
{
    public const uint DeviceMap = 1 << 0;
    public const uint HostMap = 1 << 1;
    public const uint ReadOnly = 1 << 2;
    public const uint ContainsPte = 1 << 4;

    /// <summary>Guest-physical address of the page, for translated guests.</summary>
    public ulong HostAddr;
    public uint Flags;
    public uint Ref;
    public ushort Dom;
    public GrantStatus Status;
    public uint Handle;
    public ulong DevBusAddr;
}

/// <summary>struct gnttab_unmap_grant_ref; the same for all callers (xen/include/public/grant_table.h).</summary>
[StructLayout(LayoutKind.Sequential, Pack = 8, Size = 24)]
public struct GnttabUnmapGrantRef
{
    public ulong HostAddr;
    public ulong DevBusAddr;
    public uint Handle;
    public GrantStatus Status;
}

/// <summary>struct gnttab_setup_table, 64-bit callers (xen/include/public/grant_table.h).</summary>
[StructLayout(LayoutKind.Sequential, Pack = 8)]
public struct GnttabSetupTable
{
    public ushort Dom;
    public uint NrFrames;
    public GrantStatus Status;

    /// <summary>Guest handle of xen_pfn_t[nr_frames].</summary>
    public ulong FrameList;
}

/// <summary>struct gnttab_setup_table, 32-bit callers.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 4)]
public struct CompatSetupTable
{
    public ushort Dom;
    public uint NrFrames;
    public GrantStatus Status;
    public uint FrameList;
}

/// <summary>struct gnttab_copy_ptr, 64-bit callers: the union is a grant reference or a guest frame.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 8)]
public struct GnttabCopyPtr
{
    public ulong RefOrGmfn;
    public ushort DomId;
    public ushort Offset;
}

/// <summary>struct gnttab_copy, 64-bit callers (xen/include/public/grant_table.h).</summary>
[StructLayout(LayoutKind.Sequential, Pack = 8)]
public struct GnttabCopy
{
    public const ushort SourceGref = 1;
    public const ushort DestGref = 2;

    public GnttabCopyPtr Source;
    public GnttabCopyPtr Dest;
    public ushort Len;
    public ushort Flags;
    public GrantStatus Status;
}

/// <summary>struct gnttab_copy, 32-bit callers: 24 bytes.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 4)]
public struct CompatCopy
{
    public uint SourceRefOrGmfn;
    public ushort SourceDomId;
    public ushort SourceOffset;
    public uint DestRefOrGmfn;
    public ushort DestDomId;
    public ushort DestOffset;
    public ushort Len;
    public ushort Flags;
    public GrantStatus Status;
}

/// <summary>struct gnttab_query_size (xen/include/public/grant_table.h).</summary>
[StructLayout(LayoutKind.Sequential, Size = 16)]
public struct GnttabQuerySize
{
    public ushort Dom;
    public uint NrFrames;
    public uint MaxNrFrames;
    public GrantStatus Status;
}

/// <summary>struct gnttab_set_version (xen/include/public/grant_table.h).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct GnttabSetVersion
{
    public uint Version;
}

/// <summary>struct gnttab_get_version (xen/include/public/grant_table.h).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct GnttabGetVersion
{
    public ushort Dom;
    public ushort Pad;
    public uint Version;
}
