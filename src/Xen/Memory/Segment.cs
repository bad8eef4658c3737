using System.Collections.Generic;

using Xenolith.Mmu;

namespace Xenolith.Xen;

/// <summary>What the frames of a segment are for: pages that two parties use lie in segments of their own.</summary>
internal enum FrameUse : byte
{
    /// <summary>The domain's own memory.</summary>
    Ordinary,

    /// <summary>shared_info and grant frames: the domain's, shared with Xen.</summary>
    SharedWithXen,

    /// <summary>Console and xenstore rings: the domain's, shared with Dom0.</summary>
    SharedWithDom0,
}

/// <summary>One segment that Xen has got from the isolation unit, cut into frames of order 0 (4K), 9 (2M) and 18 (1G).</summary>
internal sealed class Segment
{
    private static readonly int[] s_orders = [0, 9, 18];

    private readonly Stack<uint>[] _free = [new(), new(), new()];

    public Segment(ulong index, uint frames, Domain domain, FrameUse use, Vmid owner)
    {
        Index = index;
        FrameCount = frames;
        Domain = domain;
        Use = use;
        Owner = owner;
        int level = frames >= 1u << 18 ? 2 : frames >= 1u << 9 ? 1 : 0;
        for (long offset = frames - (1u << s_orders[level]); offset >= 0; offset -= 1u << s_orders[level])
        {
            _free[level].Push((uint)offset);
        }
    }

    /// <summary>The segment's number.</summary>
    public ulong Index { get; }

    public uint FrameCount { get; }

    public Domain Domain { get; }

    public FrameUse Use { get; set; }

    /// <summary>Who owned it when Xen last arranged its ownership; the unit's table is the truth.</summary>
    public Vmid Owner { get; set; }

    public uint UsedFrames { get; private set; }

    /// <summary>Mappings of its frames in the physmaps of other domains.</summary>
    public int ForeignMappings { get; set; }

    public Mfn FirstFrame => new(Index * FrameCount);

    /// <summary>Takes 2^order contiguous, aligned frames. False when the segment has none.</summary>
    public bool TryTake(int order, out Mfn frame)
    {
        int wanted = System.Array.IndexOf(s_orders, order);
        int level = wanted;
        while (level < _free.Length && _free[level].Count == 0)
        {
            level++;
        }

        if (wanted < 0 || level == _free.Length)
        {
            frame = default;
            return false;
        }

        for (; level > wanted; level--)
        {
            Split(level);
        }

        frame = FirstFrame + _free[wanted].Pop();
        UsedFrames += 1u << order;
        return true;
    }

    public void Return(Mfn frame, int order)
    {
        _free[System.Array.IndexOf(s_orders, order)].Push((uint)(frame.Value - FirstFrame.Value));
        UsedFrames -= 1u << order;
    }

    private void Split(int level)
    {
        uint offset = _free[level].Pop();
        uint size = 1u << s_orders[level];
        uint part = 1u << s_orders[level - 1];
        for (uint at = size; at > 0; at -= part)
        {
            _free[level - 1].Push(offset + at - part);
        }
    }
}
