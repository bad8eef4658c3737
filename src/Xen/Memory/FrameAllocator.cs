using System;
using System.Collections.Generic;

using Xenolith.Mmu;
using Xenolith.Xen.Abi;

namespace Xenolith.Xen;

/// <summary>
/// All memory outside Xen's heap. Xen asks the isolation unit for whole segments (ASMI Algorithm 1), each for one domain and one use,
/// and cuts frames from them. Which identity owns a segment at which time is told in docs/asmi.md.
/// </summary>
internal sealed class FrameAllocator(MemoryUnit memory, XenMemory xenMemory)
{
    private readonly Dictionary<ulong, Segment> _segments = [];
    private readonly IsolationControl _control = memory.Control;

    public IsolationControl Control => _control;

    public uint FramesPerSegment { get; } = (uint)(memory.Control.SegmentSizeBytes >> Pages.Shift);

    /// <summary>Segments that are held for some domain.</summary>
    public int SegmentsInUse => _segments.Count;

    /// <summary>The segment that a frame lies in, when Xen has handed it to a domain.</summary>
    public Segment? Find(Mfn frame) => _segments.GetValueOrDefault(frame.Value / FramesPerSegment);

    /// <summary>One more segment, allocated in <paramref name="asker"/>'s name.</summary>
    public Errno TryAcquire(Vmid asker, Domain domain, FrameUse use, out Segment? segment)
    {
        segment = null;
        if (_control.AllocateSegment(asker, out ulong index) != IsolationError.None)
        {
            return Errno.ENOMEM;
        }

        segment = new Segment(index, FramesPerSegment, domain, use, asker);
        _segments.Add(index, segment);
        return Errno.None;
    }

    /// <summary>
    /// Gives a segment back to the unit. Its pages are scrubbed by whoever may: the unit, or Xen where Xen can reach them.
    /// </summary>
    /// <param name="xenScrubs">Cleared when the unit refuses Xen: then it is of no use to try the domain's other segments.</param>
    public void Release(Segment segment, ref bool xenScrubs)
    {
        if (xenScrubs)
        {
            xenScrubs = TryScrub(segment);
        }

        _ = _segments.Remove(segment.Index);
        _ = _control.Release(segment.Owner, segment.Index);
    }

    /// <summary>
    /// Without isolation it is Xen that scrubs, in its own name. Where the unit refuses one page it refuses them all: then either
    /// the unit scrubs at release (hardened), or nobody does (docs/asmi.md, G5). Pages that are zero are left alone: they may never
    /// have been touched, and then cost the host nothing.
    /// </summary>
    private bool TryScrub(Segment segment)
    {
        Span<byte> page = stackalloc byte[(int)Pages.Size];
        for (uint i = 0; i < segment.FrameCount; i++)
        {
            Mfn frame = segment.FirstFrame + i;
            if (!xenMemory.TryRead(frame.Address, page))
            {
                return false;
            }

            if (page.ContainsAnyExcept((byte)0) && !xenMemory.TryClearPage(frame))
            {
                return false;
            }
        }

        return true;
    }
}
