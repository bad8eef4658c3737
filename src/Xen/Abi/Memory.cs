using System.Runtime.InteropServices;

namespace Xenolith.Xen.Abi;

/// <summary>XENMEM_* sub-operations (xen/include/public/memory.h).</summary>
public enum XenMem : uint
{
    IncreaseReservation = 0,
    DecreaseReservation = 1,
    MaximumRamPage = 2,
    CurrentReservation = 3,
    MaximumReservation = 4,
    MachphysMfnList = 5,
    PopulatePhysmap = 6,
    AddToPhysmap = 7,
    MemoryMap = 9,
    MachineMemoryMap = 10,
    Exchange = 11,
    MachphysMapping = 12,
    SetMemoryMap = 13,
    MaximumGpfn = 14,
    RemoveFromPhysmap = 15,
    SetPodTarget = 16,
    GetPodTarget = 17,
    GetSharingFreedPages = 18,
    GetSharingSharedPages = 19,
    PagingOp = 20,
    AccessOp = 21,
    SharingOp = 22,
    AddToPhysmapBatch = 23,
    ClaimPages = 24,
    MachphysCompatMfnList = 25,
    GetVnumainfo = 26,
    ReservedDeviceMemoryMap = 27,
    AcquireResource = 28,
}

/// <summary>XENMAPSPACE_* (xen/include/public/memory.h).</summary>
public enum XenMapSpace : uint
{
    SharedInfo = 0,
    GrantTable = 1,
    Gmfn = 2,
    GmfnRange = 3,
    GmfnForeign = 4,
    DevMmio = 5,
}

/// <summary>struct xen_memory_reservation, 64-bit callers (xen/include/public/memory.h).</summary>
[StructLayout(LayoutKind.Sequential, Pack = 8)]
public struct XenMemoryReservation
{
    /// <summary>Guest handle of xen_pfn_t[nr_extents].</summary>
    public ulong ExtentStart;
    public ulong NrExtents;
    public uint ExtentOrder;
    public uint MemFlags;
    public ushort DomId;
}

/// <summary>struct xen_memory_reservation, 32-bit callers.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 4)]
public struct CompatMemoryReservation
{
    public uint ExtentStart;
    public uint NrExtents;
    public uint ExtentOrder;
    public uint MemFlags;
    public ushort DomId;
}

/// <summary>struct xen_add_to_physmap, 64-bit callers (xen/include/public/memory.h).</summary>
[StructLayout(LayoutKind.Sequential, Pack = 8)]
public struct XenAddToPhysmap
{
    public ushort DomId;

    /// <summary>Number of pages for <see cref="XenMapSpace.GmfnRange"/>.</summary>
    public ushort Size;
    public XenMapSpace Space;
    public ulong Idx;
    public ulong Gpfn;
}

/// <summary>struct xen_add_to_physmap, 32-bit callers.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 4)]
public struct CompatAddToPhysmap
{
    public ushort DomId;
    public ushort Size;
    public XenMapSpace Space;
    public uint Idx;
    public uint Gpfn;
}

/// <summary>struct xen_add_to_physmap_batch, 64-bit callers (xen/include/public/memory.h).</summary>
[StructLayout(LayoutKind.Sequential, Pack = 8)]
public struct XenAddToPhysmapBatch
{
    public ushort DomId;
    public ushort Space;
    public ushort Size;

    /// <summary>u.foreign_domid for <see cref="XenMapSpace.GmfnForeign"/>, zero otherwise.</summary>
    public ushort ForeignDomId;

    /// <summary>Guest handles: xen_ulong_t[size], xen_pfn_t[size], int[size].</summary>
    public ulong Idxs;
    public ulong Gpfns;
    public ulong Errs;
}

/// <summary>struct xen_add_to_physmap_batch, 32-bit callers.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 4)]
public struct CompatAddToPhysmapBatch
{
    public ushort DomId;
    public ushort Space;
    public ushort Size;
    public ushort ForeignDomId;
    public uint Idxs;
    public uint Gpfns;
    public uint Errs;
}

/// <summary>struct xen_remove_from_physmap, 64-bit callers (xen/include/public/memory.h).</summary>
[StructLayout(LayoutKind.Sequential, Pack = 8)]
public struct XenRemoveFromPhysmap
{
    public ushort DomId;
    public ulong Gpfn;
}

/// <summary>struct xen_remove_from_physmap, 32-bit callers.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 4)]
public struct CompatRemoveFromPhysmap
{
    public ushort DomId;
    public uint Gpfn;
}

/// <summary>struct xen_memory_map, 64-bit callers (xen/include/public/memory.h).</summary>
[StructLayout(LayoutKind.Sequential, Pack = 8)]
public struct XenMemoryMap
{
    public uint NrEntries;

    /// <summary>Guest handle of <see cref="E820Entry"/>[nr_entries].</summary>
    public ulong Buffer;
}

/// <summary>struct xen_memory_map, 32-bit callers.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 4)]
public struct CompatMemoryMap
{
    public uint NrEntries;
    public uint Buffer;
}

/// <summary>struct xen_foreign_memory_map, 64-bit callers (xen/include/public/memory.h).</summary>
[StructLayout(LayoutKind.Sequential, Pack = 8)]
public struct XenForeignMemoryMap
{
    public ushort DomId;
    public XenMemoryMap Map;
}

/// <summary>struct xen_foreign_memory_map, 32-bit callers.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 4)]
public struct CompatForeignMemoryMap
{
    public ushort DomId;
    public CompatMemoryMap Map;
}

/// <summary>One entry of the memory map, as INT 15h E820h returns it: 20 bytes.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 4)]
public struct E820Entry
{
    public ulong Address;
    public ulong Size;
    public E820Type Type;
}

/// <summary>E820 region types (xen/include/public/hvm/e820.h).</summary>
public enum E820Type : uint
{
    Ram = 1,
    Reserved = 2,
    Acpi = 3,
    Nvs = 4,
    Unusable = 5,
}
