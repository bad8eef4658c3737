using Xenolith.Mmu;
using Xenolith.Xen.Abi;

namespace Xenolith.Xen;

/// <summary>memory_op: what appears at which guest frame (xen/include/public/memory.h).</summary>
internal static class PhysmapOps
{
    public static unsafe HypercallEntry[] Rows { get; } =
    [
        HypercallEntry.Serve(
            HypercallNumber.MemoryOp,
            7,
            "XENMEM_add_to_physmap",
            &Shells.Compat<Add, XenAddToPhysmap, CompatAddToPhysmap, Add>,
            "every domain for itself: shared_info, grant_table, gmfn, gmfn_range; Dom0"),
        HypercallEntry.Serve(
            HypercallNumber.MemoryOp,
            15,
            "XENMEM_remove_from_physmap",
            &Shells.Compat<Remove, XenRemoveFromPhysmap, CompatRemoveFromPhysmap, Remove>,
            "every domain for itself; Dom0"),
        HypercallEntry.Serve(
            HypercallNumber.MemoryOp,
            23,
            "XENMEM_add_to_physmap_batch",
            &Shells.Compat<AddBatch, XenAddToPhysmapBatch, CompatAddToPhysmapBatch, AddBatch>,
            "as add_to_physmap, and gmfn_foreign for Dom0"),
    ];

    private static Errno AddOne(HypercallContext call, Domain target, XenMapSpace space, ulong index, ulong gpfn, ushort foreignDomId)
    {
        if (gpfn >> (Physmap.AddressBits - Pages.Shift) != 0)
        {
            return Errno.EINVAL;
        }

        PhysmapChanges changes = call.Hypervisor.PhysmapChanges;
        Gfn gfn = new(gpfn);
        switch (space)
        {
            case XenMapSpace.SharedInfo:
                return index == 0 ? call.Hypervisor.MapSharedInfo(call, target, gfn) : Errno.EINVAL;
            case XenMapSpace.GrantTable:
                return target.Grants.MapFrame(changes, index, gfn);
            case XenMapSpace.Gmfn or XenMapSpace.GmfnRange:
                return index >> (Physmap.AddressBits - Pages.Shift) != 0 ? Errno.EINVAL : changes.Move(target, new Gfn(index), gfn);
            case XenMapSpace.GmfnForeign:
                return AddForeign(call, target, foreignDomId, index, gfn);
            default:
                return Errno.EOPNOTSUPP;
        }
    }

    private static Errno AddForeign(HypercallContext call, Domain target, ushort foreignDomId, ulong index, Gfn gfn)
    {
        if (call.Hypervisor.FindDomain(foreignDomId) is not { } owner)
        {
            return Errno.ESRCH;
        }

        return !call.IsPrivileged ? Errno.EPERM
            : owner == target || index >> (Physmap.AddressBits - Pages.Shift) != 0 ? Errno.EINVAL
            : call.Hypervisor.PhysmapChanges.MapForeign(target, gfn, owner, new Gfn(index));
    }

    private readonly struct Add : IHypercall<XenAddToPhysmap>, ICompatLayout<CompatAddToPhysmap, XenAddToPhysmap>
    {
        public static XenAddToPhysmap Widen(in CompatAddToPhysmap compat) => new()
        {
            DomId = compat.DomId,
            Size = compat.Size,
            Space = compat.Space,
            Idx = compat.Idx,
            Gpfn = compat.Gpfn,
        };

        public static void Narrow(in XenAddToPhysmap native, ref CompatAddToPhysmap compat)
        {
        }

        public static long Execute(HypercallContext call, ref XenAddToPhysmap arg)
        {
            Errno error = call.TryFindTarget(arg.DomId, out Domain target);
            if (error != Errno.None)
            {
                return error.Negated();
            }

            if (arg.Space == XenMapSpace.GmfnForeign)
            {
                return Errno.EINVAL.Negated(); // only the batched call names the other domain
            }

            ulong count = arg.Space == XenMapSpace.GmfnRange ? arg.Size : 1u;
            for (ulong i = 0; i < count && error == Errno.None; i++)
            {
                error = AddOne(call, target, arg.Space, arg.Idx + i, arg.Gpfn + i, DomId.Invalid);
            }

            return error.Negated();
        }
    }

    private readonly struct AddBatch : IHypercall<XenAddToPhysmapBatch>, ICompatLayout<CompatAddToPhysmapBatch, XenAddToPhysmapBatch>
    {
        public static XenAddToPhysmapBatch Widen(in CompatAddToPhysmapBatch compat) => new()
        {
            DomId = compat.DomId,
            Space = compat.Space,
            Size = compat.Size,
            ForeignDomId = compat.ForeignDomId,
            Idxs = compat.Idxs,
            Gpfns = compat.Gpfns,
            Errs = compat.Errs,
        };

        public static void Narrow(in XenAddToPhysmapBatch native, ref CompatAddToPhysmapBatch compat)
        {
        }

        /// <summary>Each page has its own errno in errs; the call itself fails only when the arrays cannot be reached.</summary>
        public static long Execute(HypercallContext call, ref XenAddToPhysmapBatch arg)
        {
            Errno error = call.TryFindTarget(arg.DomId, out Domain target);
            if (error != Errno.None)
            {
                return error.Negated();
            }

            XenMapSpace space = (XenMapSpace)arg.Space;
            if (space == XenMapSpace.GmfnRange || (space != XenMapSpace.GmfnForeign && arg.ForeignDomId != 0))
            {
                return Errno.EINVAL.Negated();
            }

            for (ulong i = 0; i < arg.Size; i++)
            {
                if (!call.TryReadLong(arg.Idxs, i, out ulong index) || !call.TryReadLong(arg.Gpfns, i, out ulong gpfn))
                {
                    return Errno.EFAULT.Negated();
                }

                int result = (int)AddOne(call, target, space, index, gpfn, arg.ForeignDomId).Negated();
                if (!call.TryCopyOut(arg.Errs + (i * sizeof(int)), result))
                {
                    return Errno.EFAULT.Negated();
                }
            }

            return 0;
        }
    }

    private readonly struct Remove : IHypercall<XenRemoveFromPhysmap>, ICompatLayout<CompatRemoveFromPhysmap, XenRemoveFromPhysmap>
    {
        public static XenRemoveFromPhysmap Widen(in CompatRemoveFromPhysmap compat) => new() { DomId = compat.DomId, Gpfn = compat.Gpfn };

        public static void Narrow(in XenRemoveFromPhysmap native, ref CompatRemoveFromPhysmap compat)
        {
        }

        public static long Execute(HypercallContext call, ref XenRemoveFromPhysmap arg)
        {
            Errno error = call.TryFindTarget(arg.DomId, out Domain target);
            return (error != Errno.None ? error : call.Hypervisor.PhysmapChanges.Remove(target, new Gfn(arg.Gpfn))).Negated();
        }
    }
}
