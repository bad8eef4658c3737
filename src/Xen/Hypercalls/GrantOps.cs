using System.Runtime.CompilerServices;

using Xenolith.Xen.Abi;

namespace Xenolith.Xen;

/// <summary>grant_table_op(cmd, array, count), version 1 (xen/include/public/grant_table.h).</summary>
internal static class GrantOps
{
    /// <summary>More elements than anybody needs in one call; Xen would go on by a continuation.</summary>
    private const ulong MaxCount = 1 << 16;

    public static unsafe HypercallEntry[] Rows { get; } =
    [
        HypercallEntry.Serve(
            HypercallNumber.GrantTableOp, 0, "GNTTABOP_map_grant_ref", &Batch<MapRef, GnttabMapGrantRef>, "every domain, as grants and the isolation unit permit"),
        HypercallEntry.Serve(HypercallNumber.GrantTableOp, 1, "GNTTABOP_unmap_grant_ref", &Batch<UnmapRef, GnttabUnmapGrantRef>, "every domain"),
        HypercallEntry.Serve(
            HypercallNumber.GrantTableOp,
            2,
            "GNTTABOP_setup_table",
            &CompatBatch<SetupTable, GnttabSetupTable, CompatSetupTable, SetupTable>,
            "every domain for itself; Dom0"),
        HypercallEntry.Refuse(HypercallNumber.GrantTableOp, 3, "GNTTABOP_dump_table", Errno.EPERM, "a debug key of the host's"),
        HypercallEntry.Refuse(HypercallNumber.GrantTableOp, 4, "GNTTABOP_transfer", Errno.ENOSYS, "for PV guests only"),
        HypercallEntry.Serve(
            HypercallNumber.GrantTableOp, 5, "GNTTABOP_copy", &CompatBatch<CopyPage, GnttabCopy, CompatCopy, CopyPage>, "every domain, as grants permit"),
        HypercallEntry.Serve(HypercallNumber.GrantTableOp, 6, "GNTTABOP_query_size", &Batch<QuerySize, GnttabQuerySize>, "every domain of itself; Dom0"),
        HypercallEntry.Refuse(HypercallNumber.GrantTableOp, 7, "GNTTABOP_unmap_and_replace", Errno.ENOSYS, "for PV guests only"),
        HypercallEntry.Serve(HypercallNumber.GrantTableOp, 8, "GNTTABOP_set_version", &Batch<SetVersion, GnttabSetVersion>, "every domain; version 1 only"),
        HypercallEntry.Refuse(HypercallNumber.GrantTableOp, 9, "GNTTABOP_get_status_frames", Errno.ENOSYS, "version 2 is not offered yet"),
        HypercallEntry.Serve(HypercallNumber.GrantTableOp, 10, "GNTTABOP_get_version", &Batch<GetVersion, GnttabGetVersion>, "every domain of itself; Dom0"),
        HypercallEntry.Refuse(HypercallNumber.GrantTableOp, 11, "GNTTABOP_swap_grant_ref", Errno.ENOSYS, "not offered yet"),
        HypercallEntry.Refuse(HypercallNumber.GrantTableOp, 12, "GNTTABOP_cache_flush", Errno.ENOSYS, "for ARM"),
    ];

    /// <summary>The shell of grant operations: an array, each element copied in, done and copied back on its own.</summary>
    private static long Batch<TOp, TArg>(HypercallContext call)
        where TOp : struct, IHypercall<TArg>
        where TArg : unmanaged
    {
        ulong element = call.Pointer;
        ulong count = (uint)call.Args[2];
        for (ulong i = 0; i < count && i < MaxCount; i++, element += (uint)Unsafe.SizeOf<TArg>())
        {
            if (!call.TryCopyIn(element, out TArg arg))
            {
                return Errno.EFAULT.Negated();
            }

            long result = TOp.Execute(call, ref arg);
            if (result < 0)
            {
                return result;
            }

            if (!call.TryCopyOut(element, in arg))
            {
                return Errno.EFAULT.Negated();
            }
        }

        return 0;
    }

    private static long CompatBatch<TOp, TArg, TCompat, TLayout>(HypercallContext call)
        where TOp : struct, IHypercall<TArg>
        where TArg : unmanaged
        where TCompat : unmanaged
        where TLayout : struct, ICompatLayout<TCompat, TArg>
    {
        if (!call.Is32Bit)
        {
            return Batch<TOp, TArg>(call);
        }

        ulong element = call.Pointer;
        ulong count = (uint)call.Args[2];
        for (ulong i = 0; i < count && i < MaxCount; i++, element += (uint)Unsafe.SizeOf<TCompat>())
        {
            if (!call.TryCopyIn(element, out TCompat compat))
            {
                return Errno.EFAULT.Negated();
            }

            TArg arg = TLayout.Widen(in compat);
            long result = TOp.Execute(call, ref arg);
            if (result < 0)
            {
                return result;
            }

            TLayout.Narrow(in arg, ref compat);
            if (!call.TryCopyOut(element, in compat))
            {
                return Errno.EFAULT.Negated();
            }
        }

        return 0;
    }

    private static GrantStatus ToStatus(Errno error) => error switch
    {
        Errno.None => GrantStatus.Okay,
        Errno.ESRCH => GrantStatus.BadDomain,
        Errno.EPERM => GrantStatus.PermissionDenied,
        _ => GrantStatus.GeneralError,
    };

    private readonly struct MapRef : IHypercall<GnttabMapGrantRef>
    {
        public static long Execute(HypercallContext call, ref GnttabMapGrantRef arg)
        {
            arg.Status = call.Hypervisor.GrantMappings.Map(call.Caller, ref arg);
            arg.DevBusAddr = 0;
            return 0;
        }
    }

    private readonly struct UnmapRef : IHypercall<GnttabUnmapGrantRef>
    {
        public static long Execute(HypercallContext call, ref GnttabUnmapGrantRef arg)
        {
            arg.Status = call.Hypervisor.GrantMappings.Unmap(call.Caller, arg.Handle);
            return 0;
        }
    }

    private readonly struct SetupTable : IHypercall<GnttabSetupTable>, ICompatLayout<CompatSetupTable, GnttabSetupTable>
    {
        public static GnttabSetupTable Widen(in CompatSetupTable compat) =>
            new() { Dom = compat.Dom, NrFrames = compat.NrFrames, FrameList = compat.FrameList };

        public static void Narrow(in GnttabSetupTable native, ref CompatSetupTable compat) => compat.Status = native.Status;

        public static long Execute(HypercallContext call, ref GnttabSetupTable arg)
        {
            if ((uint)call.Args[2] != 1)
            {
                return Errno.EINVAL.Negated();
            }

            Errno error = call.TryFindTarget(arg.Dom, out Domain target);
            if (error == Errno.None)
            {
                error = target.Grants.Grow(arg.NrFrames);
            }

            arg.Status = ToStatus(error);
            for (uint i = 0; i < arg.NrFrames && error == Errno.None; i++)
            {
                if (!call.TryWriteLong(arg.FrameList, i, target.Grants.GfnOf((int)i)))
                {
                    return Errno.EFAULT.Negated();
                }
            }

            return 0;
        }
    }

    private readonly struct CopyPage : IHypercall<GnttabCopy>, ICompatLayout<CompatCopy, GnttabCopy>
    {
        public static GnttabCopy Widen(in CompatCopy compat) => new()
        {
            Source = new() { RefOrGmfn = compat.SourceRefOrGmfn, DomId = compat.SourceDomId, Offset = compat.SourceOffset },
            Dest = new() { RefOrGmfn = compat.DestRefOrGmfn, DomId = compat.DestDomId, Offset = compat.DestOffset },
            Len = compat.Len,
            Flags = compat.Flags,
        };

        public static void Narrow(in GnttabCopy native, ref CompatCopy compat) => compat.Status = native.Status;

        public static long Execute(HypercallContext call, ref GnttabCopy arg)
        {
            arg.Status = call.Hypervisor.GrantMappings.Copy(call.Caller, in arg);
            return 0;
        }
    }

    private readonly struct QuerySize : IHypercall<GnttabQuerySize>
    {
        public static long Execute(HypercallContext call, ref GnttabQuerySize arg)
        {
            if ((uint)call.Args[2] != 1)
            {
                return Errno.EINVAL.Negated();
            }

            Errno error = call.TryFindTarget(arg.Dom, out Domain target);
            arg.Status = ToStatus(error);
            if (error == Errno.None)
            {
                arg.NrFrames = target.Grants.FrameCount;
                arg.MaxNrFrames = target.Grants.MaxFrames;
            }

            return 0;
        }
    }

    private readonly struct SetVersion : IHypercall<GnttabSetVersion>
    {
        public static long Execute(HypercallContext call, ref GnttabSetVersion arg)
        {
            Errno error = arg.Version == 1 ? Errno.None : arg.Version == 2 ? Errno.ENOSYS : Errno.EINVAL;
            arg.Version = 1;
            return error.Negated();
        }
    }

    private readonly struct GetVersion : IHypercall<GnttabGetVersion>
    {
        public static long Execute(HypercallContext call, ref GnttabGetVersion arg)
        {
            Errno error = call.TryFindTarget(arg.Dom, out _);
            arg.Version = 1;
            return error.Negated();
        }
    }
}
