using System.Runtime.CompilerServices;

namespace Xenolith.Mmu;

/// <summary>
/// Pro-mem as judge: ASMI Algorithm 2 (docs/asmi.md P11), asked for every physical access between paging and memory. Its other half,
/// <see cref="ProMemControl"/>, keeps the table that this half reads.
/// </summary>
public readonly unsafe struct ProMem : IIsolationUnit
{
    private const ulong SlotSizeBytes = 8;

    private readonly ulong* _table;
    private readonly ulong _segmentCount;
    private readonly ulong _segmentMask;
    private readonly int _segmentShift;
    private readonly bool _guardsSlots;
    private readonly PhysicalBus _bus;
    private readonly MptCache? _cache;

    internal ProMem(PhysicalBus bus, ProMemControl control)
    {
        _bus = bus;
        _table = control.Table.Entries;
        _segmentCount = control.Table.SegmentCount;
        _segmentShift = System.Numerics.BitOperations.Log2(control.SegmentSizeBytes);
        _segmentMask = control.SegmentSizeBytes - 1;
        _guardsSlots = control.Profile.IsHardened;
        _cache = control.Cache;
    }

    /// <summary>Algorithm 2: MPT[SegID(PA)] == VMIDR.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // the walker's inner loop: a call per reference otherwise
    public Verdict Judge(in PhysicalAccess access)
    {
        ulong segment = access.Address.Value >> _segmentShift; // 1: calculate the segment_ID of the physical_address
        if (segment >= _segmentCount)
        {
            return BeyondSegments(in access, segment);
        }

        ulong entry = _table[segment]; // 2: get vmid of the corresponding segment_ID from MPT table
        uint lookups = _cache is null ? 1 : _cache.LookUp(segment);
        Vmid owner = MemoryProtectionTable.Owner(entry);
        bool isSecond = access.Name != Vmid.None && MemoryProtectionTable.Second(entry) == access.Name; // G12, G17
        if (owner != access.Name && !isSecond)
        {
            return NotAllotted(in access, segment, owner, lookups);
        }

        // 3-4: equal, non_zero: the access goes on.
        if (_guardsSlots && (entry & MemoryProtectionTable.SlotFlag) != 0)
        {
            return InFirstSegment(in access, segment, owner, lookups);
        }

        return Verdict.AllowAllKinds(segment, owner, lookups);
    }

    /// <summary>5-6: not equal, zero. Device registers are no memory, even where their window hides some: they have no owner.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private Verdict NotAllotted(in PhysicalAccess access, ulong segment, Vmid owner, uint lookups) => _bus.IsRam(access.Address, 1)
        ? Verdict.Deny(segment, owner, lookups)
        : Verdict.AllowAllKinds(segment, Vmid.None, lookups);

    /// <summary>G1: the VMIDR slot is nobody's but Pro-mem's, and the rest of its page must not be cached together with it.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private Verdict InFirstSegment(in PhysicalAccess access, ulong segment, Vmid owner, uint lookups)
    {
        ulong offset = access.Address.Value & _segmentMask;
        if (offset < SlotSizeBytes)
        {
            return Verdict.Deny(segment, Vmid.Unit, lookups) with { HoldsForPage = false };
        }

        return Verdict.AllowAllKinds(segment, owner, lookups) with { HoldsForPage = offset >= Pages.Size };
    }

    /// <summary>P4: the table itself, and a rest of memory too small for a segment. Beyond RAM there is nothing to protect.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private Verdict BeyondSegments(in PhysicalAccess access, ulong segment) => _bus.IsRam(access.Address, 1)
        ? Verdict.Deny(segment, Vmid.Unit)
        : Verdict.AllowAllKinds(segment);
}
