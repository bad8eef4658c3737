using Xenolith.Mmu;
using Xenolith.Xen.Abi;

namespace Xenolith.Xen;

/// <summary>Changes of a domain's physmap together with what they mean for the frames: allocation, freeing, foreign mappings.</summary>
internal sealed class PhysmapChanges(Hypervisor hypervisor)
{
    private FrameAllocator Frames => hypervisor.Frames;

    /// <summary>Backs 2^order guest frames with memory; pieces that no segment can hold whole are taken page by page.</summary>
    public Errno Populate(Domain domain, Gfn first, int order)
    {
        ulong count = 1UL << order;
        if (domain.TotalPages + count > domain.MaxPages)
        {
            return Errno.ENOMEM;
        }

        ulong done = 0;
        while (done < count)
        {
            int piece = LargestPiece(first.Value + done, count - done);
            Errno error = PopulatePiece(domain, first + done, ref piece);
            if (error != Errno.None)
            {
                Undo(domain, first, done);
                return error;
            }

            done += 1UL << piece;
        }

        return Errno.None;
    }

    /// <summary>Takes whatever a guest frame stands for away; memory of the domain's own is freed.</summary>
    public Errno Remove(Domain domain, Gfn gfn)
    {
        PhysmapEntry entry = domain.Physmap.Find(gfn);
        if (!entry.IsMapped)
        {
            return Errno.ENOENT;
        }

        Errno error = domain.Physmap.Clear(gfn, 0);
        if (error != Errno.None)
        {
            return error;
        }

        switch (entry.Type)
        {
            case PhysmapType.Ram:
                domain.Memory.Free(entry.Frame, 0);
                domain.TotalPages--;
                break;
            case PhysmapType.Foreign:
                EndForeign(entry.Frame);
                break;
            default:
                break;
        }

        return Errno.None;
    }

    /// <summary>Puts a page of Xen's making (shared_info, grant frame) at a guest frame, and forgets where it was before.</summary>
    public Errno MapXenPage(Domain domain, Gfn gfn, Mfn frame, ulong previousGfn)
    {
        if (previousGfn != ulong.MaxValue && domain.Physmap.Find(new Gfn(previousGfn)) is { Type: PhysmapType.XenPage } previous && previous.Frame == frame)
        {
            _ = domain.Physmap.Clear(new Gfn(previousGfn), 0);
        }

        return Replace(domain, gfn, frame, PhysmapType.XenPage);
    }

    /// <summary>XENMAPSPACE_gmfn: the page at one guest frame moves to another.</summary>
    public Errno Move(Domain domain, Gfn from, Gfn to)
    {
        PhysmapEntry entry = domain.Physmap.Find(from);
        if (entry.Type != PhysmapType.Ram)
        {
            return Errno.EINVAL;
        }

        if (from == to)
        {
            return Errno.None;
        }

        Errno error = domain.Physmap.Clear(from, 0);
        return error != Errno.None ? error : Replace(domain, to, entry.Frame, PhysmapType.Ram);
    }

    /// <summary>XENMAPSPACE_gmfn_foreign: a frame of another domain's appears in a privileged domain's physmap.</summary>
    public Errno MapForeign(Domain domain, Gfn gfn, Domain owner, Gfn foreign)
    {
        PhysmapEntry entry = owner.Physmap.Find(foreign);
        if (entry.Type is not (PhysmapType.Ram or PhysmapType.XenPage) || Frames.Find(entry.Frame) is not { } segment)
        {
            return Errno.EINVAL;
        }

        Errno error = Replace(domain, gfn, entry.Frame, PhysmapType.Foreign);
        if (error == Errno.None)
        {
            segment.ForeignMappings++;
        }

        return error;
    }

    /// <summary>A frame of another domain's is no longer mapped: what waited for that goes on.</summary>
    public void EndForeign(Mfn frame)
    {
        if (Frames.Find(frame) is not { } segment)
        {
            return;
        }

        segment.Domain.Memory.EndForeignMapping(segment);
        if (segment.Domain.IsDying)
        {
            hypervisor.FinishDestroying(segment.Domain);
        }
    }

    /// <summary>
    /// A ring that Dom0's daemons go on using is to lie at this guest frame: its memory moves into a segment that the domain shares with
    /// Dom0, unless its segment is a page of its own anyway.
    /// </summary>
    public Errno MakeRing(Domain domain, Gfn gfn)
    {
        PhysmapEntry entry = domain.Physmap.Find(gfn);
        if (entry.Type != PhysmapType.Ram || domain.Memory.TryConvert(entry.Frame, FrameUse.SharedWithDom0))
        {
            return Errno.None;
        }

        Errno error = domain.Memory.TryAllocate(FrameUse.SharedWithDom0, 0, out Mfn frame);
        if (error == Errno.None)
        {
            error = Replace(domain, gfn, frame, PhysmapType.Ram);
            domain.TotalPages++;
        }

        return error;
    }

    private Errno Replace(Domain domain, Gfn gfn, Mfn frame, PhysmapType type)
    {
        Errno error = Remove(domain, gfn);
        return error is Errno.None or Errno.ENOENT ? domain.Physmap.Set(gfn, frame, 0, type) : error;
    }

    private static int LargestPiece(ulong gfn, ulong left) =>
        left >= 1 << 18 && (gfn & ((1 << 18) - 1)) == 0 ? 18
        : left >= 1 << 9 && (gfn & ((1 << 9) - 1)) == 0 ? 9
        : 0;

    private Errno PopulatePiece(Domain domain, Gfn gfn, ref int order)
    {
        while (true)
        {
            Errno error = domain.Memory.TryAllocate(FrameUse.Ordinary, order, out Mfn frame);
            if (error == Errno.None)
            {
                for (ulong i = 0; i < 1UL << order; i++)
                {
                    _ = Remove(domain, gfn + i);
                }

                error = domain.Physmap.Set(gfn, frame, order, PhysmapType.Ram);
                if (error != Errno.None)
                {
                    domain.Memory.Free(frame, order);
                    return error;
                }

                domain.TotalPages += 1UL << order;
                return Errno.None;
            }

            if (order == 0)
            {
                return error;
            }

            order -= 9;
        }
    }

    private void Undo(Domain domain, Gfn first, ulong count)
    {
        for (ulong i = 0; i < count; i++)
        {
            _ = Remove(domain, first + i);
        }
    }
}
