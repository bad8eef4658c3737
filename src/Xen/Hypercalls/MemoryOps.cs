using System;
using System.Collections.Generic;

using Xenolith.Mmu;
using Xenolith.Xen.Abi;

namespace Xenolith.Xen;

/// <summary>memory_op: reservations and the memory map (xen/include/public/memory.h). Physmap changes are in PhysmapOps.</summary>
internal static class MemoryOps
{
    /// <summary>MEMOP_EXTENT_SHIFT: the command's upper bits say where a preempted call goes on.</summary>
    public const int ExtentShift = 6;

    /// <summary>Extents that a call does before others get their turn.</summary>
    private const ulong ExtentsPerPart = 4096;
    private const uint CommandMask = (1 << ExtentShift) - 1;
    private const int MaxOrderOfGuest = 9;
    private const int MaxOrderOfDom0 = 18;
    private const uint MaxE820Entries = 128;
    private const string Pv = "for PV guests only";

    public static unsafe HypercallEntry[] Rows { get; } =
    [
        HypercallEntry.Refuse(HypercallNumber.MemoryOp, 0, "XENMEM_increase_reservation", Errno.EOPNOTSUPP, "a translated guest names memory by guest frames"),
        HypercallEntry.Serve(
            HypercallNumber.MemoryOp,
            1,
            "XENMEM_decrease_reservation",
            &Shells.Compat<Decrease, XenMemoryReservation, CompatMemoryReservation, ReservationLayout>,
            "every domain of itself; Dom0"),
        HypercallEntry.Serve(HypercallNumber.MemoryOp, 2, "XENMEM_maximum_ram_page", &Shells.Plain<MaximumRamPage>, "every domain"),
        HypercallEntry.Serve(HypercallNumber.MemoryOp, 3, "XENMEM_current_reservation", &Shells.Struct<CurrentReservation, ushort>, "every domain of itself; Dom0"),
        HypercallEntry.Serve(HypercallNumber.MemoryOp, 4, "XENMEM_maximum_reservation", &Shells.Struct<MaximumReservation, ushort>, "every domain of itself; Dom0"),
        HypercallEntry.Refuse(HypercallNumber.MemoryOp, 5, "XENMEM_machphys_mfn_list", Errno.ENOSYS, Pv),
        HypercallEntry.Serve(
            HypercallNumber.MemoryOp,
            6,
            "XENMEM_populate_physmap",
            &Shells.Compat<Populate, XenMemoryReservation, CompatMemoryReservation, ReservationLayout>,
            "every domain for itself; Dom0"),
        HypercallEntry.Serve(
            HypercallNumber.MemoryOp, 9, "XENMEM_memory_map", &Shells.Compat<MemoryMap, XenMemoryMap, CompatMemoryMap, MemoryMap>, "every domain"),
        HypercallEntry.Refuse(HypercallNumber.MemoryOp, 10, "XENMEM_machine_memory_map", Errno.EPERM, "for a hardware domain"),
        HypercallEntry.Refuse(HypercallNumber.MemoryOp, 11, "XENMEM_exchange", Errno.EINVAL, Pv),
        HypercallEntry.Refuse(HypercallNumber.MemoryOp, 12, "XENMEM_machphys_mapping", Errno.ENOSYS, Pv),
        HypercallEntry.Serve(
            HypercallNumber.MemoryOp,
            13,
            "XENMEM_set_memory_map",
            &Shells.Compat<SetMemoryMap, XenForeignMemoryMap, CompatForeignMemoryMap, SetMemoryMap>,
            "every domain for itself; Dom0"),
        HypercallEntry.Serve(HypercallNumber.MemoryOp, 14, "XENMEM_maximum_gpfn", &Shells.Struct<MaximumGpfn, ushort>, "every domain of itself; Dom0"),
        HypercallEntry.Refuse(HypercallNumber.MemoryOp, 16, "XENMEM_set_pod_target", Errno.EOPNOTSUPP, "no populate-on-demand"),
        HypercallEntry.Refuse(HypercallNumber.MemoryOp, 17, "XENMEM_get_pod_target", Errno.EOPNOTSUPP, "no populate-on-demand"),
        HypercallEntry.Refuse(HypercallNumber.MemoryOp, 18, "XENMEM_get_sharing_freed_pages", Errno.EOPNOTSUPP, "no memory sharing"),
        HypercallEntry.Refuse(HypercallNumber.MemoryOp, 19, "XENMEM_get_sharing_shared_pages", Errno.EOPNOTSUPP, "no memory sharing"),
        HypercallEntry.Refuse(HypercallNumber.MemoryOp, 20, "XENMEM_paging_op", Errno.EOPNOTSUPP, "no paging by Xen"),
        HypercallEntry.Refuse(HypercallNumber.MemoryOp, 21, "XENMEM_access_op", Errno.EOPNOTSUPP, "no monitor"),
        HypercallEntry.Refuse(HypercallNumber.MemoryOp, 22, "XENMEM_sharing_op", Errno.EOPNOTSUPP, "no memory sharing"),
        HypercallEntry.Serve(
            HypercallNumber.MemoryOp,
            24,
            "XENMEM_claim_pages",
            &Shells.Compat<ClaimPages, XenMemoryReservation, CompatMemoryReservation, ReservationLayout>,
            "Dom0: nothing is set aside, the answer is whether it would fit"),
        HypercallEntry.Refuse(HypercallNumber.MemoryOp, 25, "XENMEM_machphys_compat_mfn_list", Errno.ENOSYS, Pv),
        HypercallEntry.Refuse(HypercallNumber.MemoryOp, 26, "XENMEM_get_vnumainfo", Errno.EOPNOTSUPP, "no virtual NUMA"),
        HypercallEntry.Refuse(HypercallNumber.MemoryOp, 27, "XENMEM_reserved_device_memory_map", Errno.EOPNOTSUPP, "no device is passed through"),
        HypercallEntry.Refuse(HypercallNumber.MemoryOp, 28, "XENMEM_acquire_resource", Errno.EOPNOTSUPP, "grant frames are mapped by add_to_physmap"),
    ];

    private static ulong StartExtent(HypercallContext call) => (uint)call.Args[0] >> ExtentShift;

    /// <summary>Arguments that no extent can be done of: as Xen, the number of extents done before.</summary>
    private static bool CannotStart(HypercallContext call, in XenMemoryReservation arg) =>
        StartExtent(call) >= arg.NrExtents || arg.NrExtents > uint.MaxValue >> ExtentShift
        || arg.ExtentOrder > (call.IsPrivileged ? MaxOrderOfDom0 : MaxOrderOfGuest);

    private readonly struct ReservationLayout : ICompatLayout<CompatMemoryReservation, XenMemoryReservation>
    {
        public static XenMemoryReservation Widen(in CompatMemoryReservation compat) => new()
        {
            ExtentStart = compat.ExtentStart,
            NrExtents = compat.NrExtents,
            ExtentOrder = compat.ExtentOrder,
            MemFlags = compat.MemFlags,
            DomId = compat.DomId,
        };

        public static void Narrow(in XenMemoryReservation native, ref CompatMemoryReservation compat)
        {
        }
    }

    /// <summary>Returns how many extents are populated; the first that fails ends it.</summary>
    private readonly struct Populate : IHypercall<XenMemoryReservation>
    {
        public static long Execute(HypercallContext call, ref XenMemoryReservation arg)
        {
            ulong done = StartExtent(call);
            if (CannotStart(call, in arg) || call.TryFindTarget(arg.DomId, out Domain target) != Errno.None)
            {
                return (long)done;
            }

            for (ulong end = done + ExtentsPerPart; done < arg.NrExtents; done++)
            {
                if (done == end)
                {
                    return call.Preempt(((uint)call.Args[0] & CommandMask) | (done << ExtentShift));
                }

                if (!call.TryReadLong(arg.ExtentStart, done, out ulong gfn)
                    || (gfn & ((1UL << (int)arg.ExtentOrder) - 1)) != 0
                    || gfn >> (Physmap.AddressBits - Pages.Shift) != 0
                    || call.Hypervisor.PhysmapChanges.Populate(target, new Gfn(gfn), (int)arg.ExtentOrder) != Errno.None)
                {
                    break;
                }
            }

            return (long)done;
        }
    }

    /// <summary>Returns how many extents are freed; the first that is not the domain's own memory ends it.</summary>
    private readonly struct Decrease : IHypercall<XenMemoryReservation>
    {
        public static long Execute(HypercallContext call, ref XenMemoryReservation arg)
        {
            ulong done = StartExtent(call);
            if (CannotStart(call, in arg) || call.TryFindTarget(arg.DomId, out Domain target) != Errno.None)
            {
                return (long)done;
            }

            for (ulong end = done + ExtentsPerPart; done < arg.NrExtents; done++)
            {
                if (done == end)
                {
                    return call.Preempt(((uint)call.Args[0] & CommandMask) | (done << ExtentShift));
                }

                if (!call.TryReadLong(arg.ExtentStart, done, out ulong gfn) || !TryFree(call, target, gfn, (int)arg.ExtentOrder))
                {
                    break;
                }
            }

            return (long)done;
        }

        private static bool TryFree(HypercallContext call, Domain target, ulong gfn, int order)
        {
            for (ulong i = 0; i < 1UL << order; i++)
            {
                Gfn frame = new(gfn + i);
                if (target.Physmap.Find(frame).Type != PhysmapType.Ram || call.Hypervisor.PhysmapChanges.Remove(target, frame) != Errno.None)
                {
                    return false;
                }
            }

            return true;
        }
    }

    private readonly struct ClaimPages : IHypercall<XenMemoryReservation>
    {
        public static long Execute(HypercallContext call, ref XenMemoryReservation arg)
        {
            Errno error = call.TryFindTarget(arg.DomId, out Domain target);
            return !call.IsPrivileged ? Errno.EPERM.Negated()
                : error != Errno.None ? error.Negated()
                : arg.ExtentOrder != 0 || arg.ExtentStart != 0 ? Errno.EINVAL.Negated()
                : arg.NrExtents > target.MaxPages ? Errno.ENOMEM.Negated()
                : 0;
        }
    }

    private readonly struct MaximumRamPage : IHypercall
    {
        public static long Execute(HypercallContext call) => (long)(call.Hypervisor.Board.Memory.SizeBytes >> Pages.Shift) - 1;
    }

    private readonly struct CurrentReservation : IHypercall<ushort>
    {
        public static long Execute(HypercallContext call, ref ushort arg)
        {
            Errno error = call.TryFindTarget(arg, out Domain target);
            return error == Errno.None ? (long)target.TotalPages : error.Negated();
        }
    }

    private readonly struct MaximumReservation : IHypercall<ushort>
    {
        public static long Execute(HypercallContext call, ref ushort arg)
        {
            Errno error = call.TryFindTarget(arg, out Domain target);
            return error == Errno.None ? (long)Math.Min(target.MaxPages, long.MaxValue) : error.Negated();
        }
    }

    private readonly struct MaximumGpfn : IHypercall<ushort>
    {
        public static long Execute(HypercallContext call, ref ushort arg)
        {
            Errno error = call.TryFindTarget(arg, out Domain target);
            return error == Errno.None ? (long)target.Physmap.MaxGfn - 1 : error.Negated();
        }
    }

    private readonly struct MemoryMap : IHypercall<XenMemoryMap>, ICompatLayout<CompatMemoryMap, XenMemoryMap>
    {
        private const uint EntryBytes = 20;

        public static bool WritesBack => true;

        public static XenMemoryMap Widen(in CompatMemoryMap compat) => new() { NrEntries = compat.NrEntries, Buffer = compat.Buffer };

        public static void Narrow(in XenMemoryMap native, ref CompatMemoryMap compat) => compat.NrEntries = native.NrEntries;

        public static long Execute(HypercallContext call, ref XenMemoryMap arg)
        {
            IReadOnlyList<E820Entry> map = call.Caller.MemoryMap;
            if (map.Count == 0)
            {
                return Errno.ENOSYS.Negated();
            }

            arg.NrEntries = Math.Min(arg.NrEntries, (uint)map.Count);
            for (int i = 0; i < (int)arg.NrEntries; i++)
            {
                if (!call.TryCopyOut(arg.Buffer + ((uint)i * EntryBytes), map[i]))
                {
                    return Errno.EFAULT.Negated();
                }
            }

            return 0;
        }
    }

    private readonly struct SetMemoryMap : IHypercall<XenForeignMemoryMap>, ICompatLayout<CompatForeignMemoryMap, XenForeignMemoryMap>
    {
        public static XenForeignMemoryMap Widen(in CompatForeignMemoryMap compat) =>
            new() { DomId = compat.DomId, Map = MemoryMap.Widen(in compat.Map) };

        public static void Narrow(in XenForeignMemoryMap native, ref CompatForeignMemoryMap compat)
        {
        }

        public static long Execute(HypercallContext call, ref XenForeignMemoryMap arg)
        {
            if (arg.Map.NrEntries > MaxE820Entries)
            {
                return Errno.E2BIG.Negated();
            }

            Errno error = call.TryFindTarget(arg.DomId, out Domain target);
            if (error != Errno.None)
            {
                return error.Negated();
            }

            E820Entry[] entries = new E820Entry[arg.Map.NrEntries];
            if (!call.TryReadArray<E820Entry>(arg.Map.Buffer, entries))
            {
                return Errno.EFAULT.Negated();
            }

            target.MemoryMap = entries;
            return 0;
        }
    }
}
