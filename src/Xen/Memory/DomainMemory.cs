using System.Collections.Generic;

using Xenolith.Mmu;
using Xenolith.Xen.Abi;

namespace Xenolith.Xen;

/// <summary>
/// The segments of one domain. While the domain is being built its ordinary segments are Xen's own, open to the builder, who loads the
/// image; the first unpause hands them over and closes them. An owner must consent itself to whatever happens to its segments
/// (docs/asmi.md, G18): so a builder that owned them could not have them handed over by Xen. The first segment of every domain is
/// acquired in its own name at birth and its
/// first page stays out of the guest's sight: Pro-mem keeps VMIDR there (docs/asmi.md, P9).
/// </summary>
internal sealed class DomainMemory(FrameAllocator allocator, Domain domain)
{
    private readonly SortedDictionary<ulong, Segment> _segments = [];
    private readonly List<Segment>[] _partial = [[], [], []];
    private Vmid _builder;

    /// <summary>Segments that the domain holds.</summary>
    public int SegmentCount => _segments.Count;

    public IEnumerable<Segment> Segments => _segments.Values;

    private bool IsBuilding => _builder != Vmid.None;

    /// <summary>Acquires the first segment, in the newborn domain's name, and sets its first page aside.</summary>
    public Errno AcquireFirst()
    {
        Errno error = Acquire(domain.Vmid, FrameUse.Ordinary, out Segment? segment);
        return error != Errno.None ? error : segment!.TryTake(0, out _) ? Errno.None : Errno.ENOMEM;
    }

    public void BeginBuilding(Vmid builder) => _builder = builder;

    /// <summary>Takes 2^order contiguous, aligned frames for a use.</summary>
    public Errno TryAllocate(FrameUse use, int order, out Mfn frame)
    {
        frame = default;
        if (1u << order > allocator.FramesPerSegment)
        {
            return Errno.ENOMEM;
        }

        foreach (Segment partial in _partial[(int)use])
        {
            if ((use != FrameUse.Ordinary || !IsBuilding || partial.Owner != domain.Vmid) && partial.TryTake(order, out frame))
            {
                Forget(partial);
                return Errno.None;
            }
        }

        Errno error = AcquireFor(use, out Segment? segment);
        if (error != Errno.None)
        {
            return error;
        }

        _ = segment!.TryTake(order, out frame);
        Forget(segment);
        return Errno.None;
    }

    /// <summary>Frames come back; a segment without used frames goes back to the unit.</summary>
    public void Free(Mfn frame, int order)
    {
        if (allocator.Find(frame) is not { } segment || segment.Domain != domain)
        {
            return;
        }

        segment.Return(frame, order);
        List<Segment> partial = _partial[(int)segment.Use];
        if (!partial.Contains(segment))
        {
            partial.Add(segment);
        }

        ReleaseIfEmpty(segment);
    }

    /// <summary>A frame of this domain leaves another domain's physmap: what waited for that goes back now.</summary>
    public void EndForeignMapping(Segment segment)
    {
        segment.ForeignMappings--;
        ReleaseIfEmpty(segment);
    }

    /// <summary>
    /// The page becomes one that Dom0's daemons go on using (a ring). With segments of one page its segment changes its use; larger
    /// segments need another frame, which is for the caller to allocate.
    /// </summary>
    public bool TryConvert(Mfn frame, FrameUse use)
    {
        if (allocator.FramesPerSegment != 1 || allocator.Find(frame) is not { } segment || segment.Domain != domain)
        {
            return false;
        }

        segment.Use = use;
        Share(segment);
        return true;
    }

    /// <summary>First unpause: what was open to the builder is closed to it and becomes the domain's (docs/asmi.md, G18).</summary>
    public Errno HandOver()
    {
        foreach (Segment segment in _segments.Values)
        {
            if (segment.Owner == domain.Vmid)
            {
                continue;
            }

            if (segment.Use == FrameUse.Ordinary)
            {
                _ = allocator.Control.Share(segment.Owner, segment.Index, Vmid.None, SharePurpose.Building);
            }

            if (allocator.Control.Transfer(segment.Owner, segment.Index, domain.Vmid) != IsolationError.None)
            {
                return Errno.EPERM;
            }

            segment.Owner = domain.Vmid;
        }

        _builder = Vmid.None;
        return Errno.None;
    }

    /// <summary>Gives everything back that nobody else has mapped. True when nothing is left.</summary>
    public bool ReleaseAll()
    {
        bool xenScrubs = true;
        foreach (Segment segment in new List<Segment>(_segments.Values))
        {
            if (segment.ForeignMappings == 0)
            {
                allocator.Release(segment, ref xenScrubs);
                _ = _segments.Remove(segment.Index);
            }
        }

        foreach (List<Segment> partial in _partial)
        {
            partial.Clear();
        }

        return _segments.Count == 0;
    }

    private Errno AcquireFor(FrameUse use, out Segment? segment)
    {
        bool isPlain = use == FrameUse.Ordinary && !IsBuilding;
        Errno error = Acquire(isPlain ? domain.Vmid : allocator.Control.Hypervisor, use, out segment);
        if (error != Errno.None || isPlain)
        {
            return error;
        }

        if (use != FrameUse.SharedWithXen && IsBuilding)
        {
            OpenToBuilder(segment!);
            return Errno.None;
        }

        Share(segment!);
        error = allocator.Control.Transfer(segment!.Owner, segment.Index, domain.Vmid) == IsolationError.None ? Errno.None : Errno.EPERM;
        segment.Owner = domain.Vmid;
        return error;
    }

    /// <summary>
    /// A unit without sharing cannot open a segment: there the builder must own it (literal, which believes what Xen says in its name).
    /// </summary>
    private void OpenToBuilder(Segment segment)
    {
        if (allocator.Control.Share(segment.Owner, segment.Index, _builder, SharePurpose.Building) == IsolationError.NotSupported
            && allocator.Control.Transfer(segment.Owner, segment.Index, _builder) == IsolationError.None)
        {
            segment.Owner = _builder;
        }
    }

    /// <summary>
    /// The owner consents to a second user. A unit without sharing refuses; what then does not work is counted where it is tried.
    /// </summary>
    private void Share(Segment segment)
    {
        Vmid second = segment.Use == FrameUse.SharedWithXen ? allocator.Control.Hypervisor : domain.Hypervisor.Dom0.Domain.Vmid;
        _ = allocator.Control.Share(segment.Owner, segment.Index, second, SharePurpose.AbiPage);
    }

    private Errno Acquire(Vmid asker, FrameUse use, out Segment? segment)
    {
        Errno error = allocator.TryAcquire(asker, domain, use, out segment);
        if (error == Errno.None)
        {
            _segments.Add(segment!.Index, segment);
            _partial[(int)use].Add(segment);
        }

        return error;
    }

    /// <summary>A full segment leaves the list of those with free frames.</summary>
    private void Forget(Segment segment)
    {
        if (segment.UsedFrames == segment.FrameCount)
        {
            _ = _partial[(int)segment.Use].Remove(segment);
        }
    }

    private void ReleaseIfEmpty(Segment segment)
    {
        if (segment.UsedFrames != 0 || segment.ForeignMappings != 0)
        {
            return;
        }

        bool xenScrubs = true;
        allocator.Release(segment, ref xenScrubs);
        _ = _segments.Remove(segment.Index);
        _ = _partial[(int)segment.Use].Remove(segment);
    }
}
