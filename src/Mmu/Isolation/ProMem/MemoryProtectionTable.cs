using System;
using System.Runtime.CompilerServices;

namespace Xenolith.Mmu;

/// <summary>
/// The MPT (ASMI 3.1, docs/asmi.md P4): SegID to VMID, one entry of eight bytes per segment, in the topmost frames of the machine's own
/// RAM. Those frames belong to no segment that anybody can own, so only Pro-mem reaches them.
/// </summary>
/// <remarks>
/// <code>
///  63   62........32   31     30.........0
/// +----+-------------+------+-------------+
/// | 0  | second VMID | slot | owner VMID  |
/// +----+-------------+------+-------------+
/// </code>
/// Slot: the segment is its owner's first, whose first eight bytes are the VMIDR slot (P9). All zero: free.
/// </remarks>
internal sealed unsafe class MemoryProtectionTable
{
    public const ulong SlotFlag = 1UL << 31;

    /// <summary>The greatest VMID that an entry can hold; zero means free.</summary>
    public const uint MaxIdentity = 0x7FFF_FFFF;

    private const int EntrySizeBytes = 8;

    /// <exception cref="ArgumentOutOfRangeException">No whole segment is left below the table.</exception>
    public MemoryProtectionTable(PhysicalBus bus, ulong segmentSizeBytes)
    {
        ulong memorySize = bus.Memory.SizeBytes;
        IsolationControl.CheckSegmentSize(memorySize, segmentSizeBytes);
        ulong tableSize = memorySize / segmentSizeBytes * EntrySizeBytes;
        Start = new Hpa(memorySize > tableSize ? (memorySize - tableSize) & ~Pages.OffsetMask : 0);
        if (Start.Value < segmentSizeBytes)
        {
            throw new ArgumentOutOfRangeException(nameof(segmentSizeBytes), "the memory holds no whole segment besides the memory protection table");
        }

        Entries = (ulong*)bus.RamPointer(Start);
        SegmentCount = Start.Value / segmentSizeBytes;
    }

    /// <summary>Where the table begins; from here to the end of RAM nobody but Pro-mem has business.</summary>
    public Hpa Start { get; }

    /// <summary>TSEG.</summary>
    public ulong SegmentCount { get; }

    public ulong* Entries { get; }

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // once per judged access
    public static Vmid Owner(ulong entry) => new((uint)entry & MaxIdentity);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vmid Second(ulong entry) => new((uint)(entry >> 32));

    public static ulong Entry(Vmid owner, Vmid second, bool holdsSlot) => owner.Value | ((ulong)second.Value << 32) | (holdsSlot ? SlotFlag : 0);
}
