using System;
using System.Collections.Generic;

namespace Xenolith.Mmu;

/// <summary>
/// Pro-mem as keeper of the MPT, of identities and of SegMax (ASMI 3.1-3.4). docs/asmi.md goes through its rules one by one; the
/// comments here name them.
/// </summary>
public sealed unsafe class ProMemControl : IsolationControl
{
    /// <summary>How many segments of one VM may have a second identity (G17): a bound on what can be left open at birth.</summary>
    public const int SharedSegmentLimit = 128;

    /// <summary>What Pro-mem itself keeps of each identity; the hypervisor has an entry too.</summary>
    private sealed class Holder
    {
        public ulong Segments;
        public ulong FirstSegment = NoSegment;
        public int SharedSegments;

        /// <summary>
        /// VMIDR as stored at the last transition: what the slot holds, for a hardened unit and while there is no segment.
        /// </summary>
        public Vmid Stored;
    }

    private const ulong NoSegment = ulong.MaxValue;

    private readonly PhysicalBus _bus;
    private readonly SortedDictionary<uint, Holder> _holders = [];
    private readonly Stack<ulong> _released = new();
    private ulong _nextFresh;

    internal ProMemControl(PhysicalBus bus, ulong segmentSizeBytes, ProMemProfile profile)
        : this(bus, segmentSizeBytes, profile, new MemoryProtectionTable(bus, segmentSizeBytes))
    {
    }

    private ProMemControl(PhysicalBus bus, ulong segmentSizeBytes, ProMemProfile profile, MemoryProtectionTable table)
        : base(table.Start.Value, segmentSizeBytes)
    {
        _bus = bus;
        Profile = profile;
        Table = table;
        Cache = profile.HasCache ? new MptCache() : null;
    }

    public ProMemProfile Profile { get; }

    internal MemoryProtectionTable Table { get; }

    internal MptCache? Cache { get; }

    /// <summary>TOT: VMs and hypervisor (P6).</summary>
    public override ulong Tot => (ulong)_holders.Count;

    /// <summary>SegMax, which holds MSEG = TSEG / TOT; zero at boot (P6).</summary>
    public override ulong SegMax => Tot == 0 ? 0 : SegmentCount / Tot;

    /// <summary>Segments wiped before they became free (G5).</summary>
    public ulong ScrubbedSegments { get; private set; }

    /// <summary>How many segments an identity holds.</summary>
    public ulong SegmentsOf(Vmid holder) => _holders.TryGetValue(holder.Value, out Holder? found) ? found.Segments : 0;

    public override Vmid OwnerOf(ulong segment) => segment < SegmentCount ? MemoryProtectionTable.Owner(Table.Entries[segment]) : Vmid.Unit;

    public override Vmid SecondOf(ulong segment) => segment < SegmentCount ? MemoryProtectionTable.Second(Table.Entries[segment]) : Vmid.None;

    /// <summary>Where the VMIDR slot of an identity lies (P9); false while it holds no segment.</summary>
    public bool TryGetSlot(Vmid holder, out Hpa slot)
    {
        bool found = _holders.TryGetValue(holder.Value, out Holder? state) && state.FirstSegment != NoSegment;
        slot = found ? SegmentStart(state!.FirstSegment) : default;
        return found;
    }

    /// <inheritdoc/>
    public override IsolationError RegisterHypervisor(ulong firstSegment, ulong segmentCount, out Vmid hypervisor)
    {
        hypervisor = Vmid.None;
        if (HasHypervisor)
        {
            return IsolationError.NotSupported; // one hypervisor per boot
        }

        if (firstSegment > SegmentCount || segmentCount > SegmentCount - firstSegment)
        {
            return IsolationError.NoSuchObject;
        }

        if (!TryNextIdentity(out hypervisor))
        {
            return IsolationError.IdentitiesExhausted;
        }

        Hypervisor = hypervisor;
        _holders.Add(hypervisor.Value, new Holder { Stored = hypervisor });
        for (ulong segment = firstSegment; segment < firstSegment + segmentCount; segment++)
        {
            Assign(segment, hypervisor, Vmid.None); // G8: what it declared before its first VMLAUNCH
        }

        Generation++; // until now everything was reachable in the name 0
        return IsolationError.None;
    }

    /// <inheritdoc/>
    public override IsolationError CreateVm(out Vmid vm)
    {
        vm = Vmid.None;
        if (!HasHypervisor)
        {
            return IsolationError.NoSuchObject;
        }

        if (!TryNextIdentity(out vm))
        {
            return IsolationError.IdentitiesExhausted; // G16
        }

        _holders.Add(vm.Value, new Holder { Stored = vm }); // TOT + 1, MSEG anew (P7)
        return IsolationError.None;
    }

    /// <inheritdoc/>
    public override IsolationError DestroyVm(Vmid vm)
    {
        if (vm == Hypervisor || !_holders.Remove(vm.Value)) // TOT - 1, MSEG anew (P8)
        {
            return IsolationError.NoSuchObject;
        }

        for (ulong segment = 0; segment < SegmentCount; segment++)
        {
            ulong entry = Table.Entries[segment];
            if (MemoryProtectionTable.Owner(entry) == vm)
            {
                Free(segment);
            }
            else if (MemoryProtectionTable.Second(entry) == vm)
            {
                SetSecond(segment, Vmid.None);
                _holders[MemoryProtectionTable.Owner(entry).Value].SharedSegments--;
            }
        }

        Generation++;
        return IsolationError.None;
    }

    protected override bool VmclearDestroys => !Profile.IsHardened; // G6

    /// <inheritdoc/>
    public override IsolationError OnVmEntry(Vmid vm, ref Vmid vmidr)
    {
        if (!_holders.TryGetValue(vm.Value, out Holder? state))
        {
            return IsolationError.NoSuchObject;
        }

        StoreSlot(_holders[Hypervisor.Value], vmidr);
        vmidr = LoadSlot(state);
        Transitions++;
        return IsolationError.None;
    }

    /// <inheritdoc/>
    public override void OnVmExit(Vmid vm, ref Vmid vmidr)
    {
        if (_holders.TryGetValue(vm.Value, out Holder? state))
        {
            StoreSlot(state, vmidr);
        }

        vmidr = HasHypervisor ? LoadSlot(_holders[Hypervisor.Value]) : Vmid.None;
        Transitions++;
    }

    /// <summary>
    /// Algorithm 1 for whole segments; frames within the asker's segments (lines 1-4) are the affair of the hypervisor's allocator.
    /// </summary>
    public override IsolationError AllocateSegment(Vmid asker, out ulong segment)
    {
        segment = 0;
        if (!_holders.ContainsKey(asker.Value))
        {
            return IsolationError.NoSuchObject;
        }

        while (!TryTakeFree(out segment)) // G3: a free segment is the asker's, whatever its share
        {
            // 5: if any VM has more than MSEG segments (the one furthest above gives first)
            if (!TryFindVictim(asker, out Vmid victim))
            {
                return IsolationError.MemoryFull; // 9: memory_full_exception
            }

            // 6: free one segment of that VM by requesting it to swap; 7: go to 1.
            SwapRequests++;
            int freeBefore = _released.Count;
            if (SwapResponder is null || !SwapResponder.FreeOneSegment(victim) || _released.Count <= freeBefore)
            {
                return IsolationError.MemoryFull; // G4: the request stayed unanswered
            }
        }

        Assign(segment, asker, Vmid.None);
        return IsolationError.None;
    }

    /// <inheritdoc/>
    public override IsolationError Transfer(Vmid giver, ulong segment, Vmid receiver)
    {
        IsolationError error = MayGive(giver, segment, out Holder? state);
        if (error != IsolationError.None)
        {
            return error;
        }

        if (!_holders.TryGetValue(receiver.Value, out Holder? receiverState))
        {
            return IsolationError.NoSuchObject;
        }

        if (!IsConsentProven(giver))
        {
            return IsolationError.NoConsent; // G18
        }

        Vmid second = MemoryProtectionTable.Second(Table.Entries[segment]);
        if (second != Vmid.None && !TryCountShared(receiver, receiverState))
        {
            return IsolationError.NotSupported;
        }

        Withdraw(segment, state!);
        Assign(segment, receiver, second);
        Generation++;
        return IsolationError.None;
    }

    /// <inheritdoc/>
    public override IsolationError Release(Vmid owner, ulong segment)
    {
        IsolationError error = MayGive(owner, segment, out Holder? state);
        if (error != IsolationError.None)
        {
            return error;
        }

        Withdraw(segment, state!);
        Free(segment);
        Generation++;
        return IsolationError.None;
    }

    /// <inheritdoc/>
    public override IsolationError Share(Vmid owner, ulong segment, Vmid second, SharePurpose purpose)
    {
        if (!Profile.IsHardened || (purpose == SharePurpose.Grant && !Profile.HasSharing))
        {
            return IsolationError.NotSupported; // G12, G17
        }

        if (segment >= SegmentCount || (second != Vmid.None && !_holders.ContainsKey(second.Value)))
        {
            return IsolationError.NoSuchObject;
        }

        ulong entry = Table.Entries[segment];
        if (owner == Vmid.None || MemoryProtectionTable.Owner(entry) != owner)
        {
            return IsolationError.NotOwner;
        }

        if (second != Vmid.None && purpose != SharePurpose.Grant && !IsConsentProven(owner))
        {
            return IsolationError.NoConsent; // G18; to end an access needs none
        }

        Vmid before = MemoryProtectionTable.Second(entry);
        if (before == Vmid.None && second != Vmid.None && !TryCountShared(owner, _holders[owner.Value]))
        {
            return IsolationError.NotSupported;
        }

        if (before != Vmid.None)
        {
            _holders[owner.Value].SharedSegments -= second == Vmid.None ? 1 : 0;
            Generation++; // the former second identity may still have it in a TLB
        }

        SetSecond(segment, second);
        return IsolationError.None;
    }

    /// <summary>
    /// What the hypervisor opens of its own is its own affair; what a VM receives with a second identity on it is bounded (G17).
    /// </summary>
    private bool TryCountShared(Vmid owner, Holder state)
    {
        if (owner != Hypervisor && state.SharedSegments >= SharedSegmentLimit)
        {
            return false;
        }

        state.SharedSegments++;
        return true;
    }

    /// <summary>
    /// G18: whoever asks for a change of ownership runs in root operation, so the hypervisor's is the one identity that a hardened
    /// unit can see consenting. What it says in a VM's name proves nothing.
    /// </summary>
    private bool IsConsentProven(Vmid owner) => !Profile.IsHardened || owner == Hypervisor;

    private Hpa SegmentStart(ulong segment) => new(segment * SegmentSizeBytes);

    /// <summary>Owns it, and is free to give it: the first segment stays with its owner as long as there are others (G1).</summary>
    private IsolationError MayGive(Vmid giver, ulong segment, out Holder? state)
    {
        state = null;
        if (segment >= SegmentCount)
        {
            return IsolationError.NoSuchObject;
        }

        if (giver == Vmid.None || OwnerOf(segment) != giver || !_holders.TryGetValue(giver.Value, out state))
        {
            return IsolationError.NotOwner;
        }

        bool isSlotInUse = Profile.IsHardened && state.FirstSegment == segment && state.Segments > 1;
        return isSlotInUse ? IsolationError.SlotInUse : IsolationError.None;
    }

    private bool TryTakeFree(out ulong segment)
    {
        if (_released.TryPop(out segment))
        {
            return true;
        }

        while (_nextFresh < SegmentCount && Table.Entries[_nextFresh] != 0)
        {
            _nextFresh++;
        }

        segment = _nextFresh;
        return _nextFresh < SegmentCount;
    }

    /// <summary>The VM furthest above MSEG; nobody when that is the asker itself. The hypervisor's own range is not asked for.</summary>
    private bool TryFindVictim(Vmid asker, out Vmid victim)
    {
        ulong most = Math.Max(SegMax, SegmentsOf(asker));
        victim = Vmid.None;
        foreach ((uint identity, Holder state) in _holders)
        {
            if (identity != Hypervisor.Value && identity != asker.Value && state.Segments > most)
            {
                victim = new Vmid(identity);
                most = state.Segments;
            }
        }

        return victim != Vmid.None;
    }

    private void Assign(ulong segment, Vmid owner, Vmid second)
    {
        Holder state = _holders[owner.Value];
        state.Segments++;
        bool isFirst = state.FirstSegment == NoSegment;
        SetEntry(segment, MemoryProtectionTable.Entry(owner, second, isFirst));
        if (isFirst)
        {
            state.FirstSegment = segment;
            WriteSlot(state);
        }
    }

    /// <summary>The owner's books, before the segment goes to somebody else or becomes free.</summary>
    private void Withdraw(ulong segment, Holder state)
    {
        state.Segments--;
        if (MemoryProtectionTable.Second(Table.Entries[segment]) != Vmid.None)
        {
            state.SharedSegments--;
        }

        if (state.FirstSegment == segment)
        {
            Vmid owner = OwnerOf(segment);
            SetEntry(segment, 0);
            MoveSlot(owner, state);
        }
    }

    /// <summary>Literal profile: with the first segment gone, the lowest of the others is the first.</summary>
    private void MoveSlot(Vmid owner, Holder state)
    {
        state.FirstSegment = NoSegment;
        for (ulong segment = 0; segment < SegmentCount && state.Segments != 0; segment++)
        {
            if (OwnerOf(segment) == owner)
            {
                SetEntry(segment, Table.Entries[segment] | MemoryProtectionTable.SlotFlag);
                state.FirstSegment = segment;
                WriteSlot(state);
                return;
            }
        }
    }

    private void Free(ulong segment)
    {
        if (Profile.IsHardened)
        {
            _bus.Clear(SegmentStart(segment), SegmentSizeBytes); // G5: nothing remains for the next owner
            ScrubbedSegments++;
        }

        SetEntry(segment, 0);
        _released.Push(segment);
    }

    private void SetSecond(ulong segment, Vmid second)
    {
        ulong entry = Table.Entries[segment];
        SetEntry(segment, (uint)entry | ((ulong)second.Value << 32));
    }

    private void SetEntry(ulong segment, ulong entry)
    {
        Table.Entries[segment] = entry;
        Cache?.Forget(segment);
    }

    private void StoreSlot(Holder state, Vmid vmidr)
    {
        SlotAccesses++;
        state.Stored = vmidr;
        WriteSlot(state);
    }

    /// <summary>Literal: VMIDR lies in ordinary memory of its owner, who can change it there (G1).</summary>
    private void WriteSlot(Holder state)
    {
        if (!Profile.IsHardened && state.FirstSegment != NoSegment)
        {
            Hpa slot = SegmentStart(state.FirstSegment);
            _bus.NoteWrite(slot, 8);
            *(ulong*)_bus.RamPointer(slot) = state.Stored.Value;
        }
    }

    private Vmid LoadSlot(Holder state)
    {
        SlotAccesses++;
        return Profile.IsHardened || state.FirstSegment == NoSegment
            ? state.Stored
            : new Vmid((uint)*(ulong*)_bus.RamPointer(SegmentStart(state.FirstSegment)));
    }
}
