using System.Runtime.InteropServices;

using Xenolith.Mmu;
using Xenolith.Xen.Abi;

namespace Xenolith.Xen;

/// <summary>struct xen_hvm_get_mem_type (xen/include/public/hvm/hvm_op.h).</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct XenHvmGetMemType
{
    public const ushort RamRw = 0;
    public const ushort MmioDm = 2;

    public ushort DomId;
    public ushort MemType;
    public uint Pad;
    public ulong Pfn;
}

/// <summary>struct xen_hvm_get_time (xen/include/public/hvm/hvm_op.h).</summary>
internal struct XenHvmGetTime
{
    public ulong Now;
}

/// <summary>hvm_op (xen/include/public/hvm/hvm_op.h).</summary>
internal static class HvmOps
{
    public static unsafe HypercallEntry[] Rows { get; } =
    [
        HypercallEntry.Serve(HypercallNumber.HvmOp, 0, "HVMOP_set_param", &Shells.Struct<SetParam, XenHvmParam>, "every domain, its own part of the list; Dom0"),
        HypercallEntry.Serve(HypercallNumber.HvmOp, 1, "HVMOP_get_param", &Shells.Struct<GetParam, XenHvmParam>, "every domain, its own part of the list; Dom0"),
        HypercallEntry.Refuse(HypercallNumber.HvmOp, 2, "HVMOP_set_pci_intx_level", Errno.ENOSYS, "moved to dm_op in Xen 4.9"),
        HypercallEntry.Refuse(HypercallNumber.HvmOp, 3, "HVMOP_set_isa_irq_level", Errno.ENOSYS, "moved to dm_op in Xen 4.9"),
        HypercallEntry.Refuse(HypercallNumber.HvmOp, 4, "HVMOP_set_pci_link_route", Errno.ENOSYS, "moved to dm_op in Xen 4.9"),
        HypercallEntry.Serve(HypercallNumber.HvmOp, 5, "HVMOP_flush_tlbs", &Shells.Plain<FlushTlbs>, "every domain, for itself"),
        HypercallEntry.Refuse(HypercallNumber.HvmOp, 9, "HVMOP_pagetable_dying", Errno.EINVAL, "a hint for shadow paging, which there is none of"),
        HypercallEntry.Serve(HypercallNumber.HvmOp, 10, "HVMOP_get_time", &Shells.Struct<GetTime, XenHvmGetTime>, "every domain"),
        HypercallEntry.Refuse(HypercallNumber.HvmOp, 11, "HVMOP_xentrace", Errno.ENOSYS, "there is no trace buffer"),
        HypercallEntry.Refuse(HypercallNumber.HvmOp, 12, "HVMOP_set_mem_access", Errno.ENOSYS, "moved to memory_op"),
        HypercallEntry.Refuse(HypercallNumber.HvmOp, 13, "HVMOP_get_mem_access", Errno.ENOSYS, "moved to memory_op"),
        HypercallEntry.Serve(HypercallNumber.HvmOp, 15, "HVMOP_get_mem_type", &Shells.Struct<GetMemType, XenHvmGetMemType>, "every domain of itself; Dom0"),
        HypercallEntry.Serve(
            HypercallNumber.HvmOp, 23, "HVMOP_set_evtchn_upcall_vector", &Shells.Struct<SetUpcallVector, XenHvmEvtchnUpcallVector>, "every domain, for its own vCPUs"),
        HypercallEntry.Refuse(HypercallNumber.HvmOp, 24, "HVMOP_guest_request_vm_event", Errno.EOPNOTSUPP, "there is no monitor"),
        HypercallEntry.Refuse(HypercallNumber.HvmOp, 25, "HVMOP_altp2m", Errno.EOPNOTSUPP, "there are no alternate physmaps"),
    ];

    /// <summary>Parameters that a guest may set for itself.</summary>
    private static bool GuestMaySet(HvmParam index) => index is HvmParam.CallbackIrq or HvmParam.Vm86Tss or HvmParam.Vm86TssSized
        or HvmParam.AcpiSState or HvmParam.VmGenerationIdAddr or HvmParam.StoreEvtchn or HvmParam.ConsoleEvtchn or HvmParam.X87FipWidth;

    /// <summary>Parameters that a guest may read of itself.</summary>
    private static bool GuestMayGet(HvmParam index) => GuestMaySet(index)
        || index is HvmParam.StorePfn or HvmParam.ConsolePfn or HvmParam.PaeEnabled or HvmParam.Altp2m;

    /// <summary>Parameters that mean nothing any more, or need what this Xen has not.</summary>
    private static bool IsUnknown(HvmParam index) => index is (HvmParam)3 or (HvmParam)7 or (HvmParam)8 or (>= (HvmParam)20 and <= (HvmParam)23)
        or (HvmParam)25 or (HvmParam)30;

    private static Errno Check(HypercallContext call, in XenHvmParam arg, bool isSet, out Domain target)
    {
        target = call.Caller;
        if (arg.Index >= HvmParam.Count)
        {
            return Errno.EINVAL;
        }

        Errno error = call.TryFindTarget(arg.DomId, out target);
        if (error != Errno.None)
        {
            return error;
        }

        if (IsUnknown(arg.Index))
        {
            return Errno.EINVAL;
        }

        bool allowed = call.IsPrivileged || (isSet ? GuestMaySet(arg.Index) : GuestMayGet(arg.Index));
        return allowed ? Errno.None : Errno.EPERM;
    }

    private readonly struct SetParam : IHypercall<XenHvmParam>
    {
        private const int CallbackTypeShift = 56;
        private const ulong CallbackTypeVector = 2;
        private const byte FirstUsableVector = 16;

        public static long Execute(HypercallContext call, ref XenHvmParam arg)
        {
            Errno error = Check(call, in arg, isSet: true, out Domain target);
            if (error != Errno.None)
            {
                return error.Negated();
            }

            switch (arg.Index)
            {
                case HvmParam.CallbackIrq:
                    error = SetCallback(call, target, arg.Value);
                    break;
                case HvmParam.StorePfn or HvmParam.ConsolePfn when call.IsPrivileged:
                    error = target.HasStarted ? Errno.None : call.Hypervisor.PhysmapChanges.MakeRing(target, new Gfn(arg.Value));
                    break;
                case HvmParam.Viridian or HvmParam.Nestedhvm or HvmParam.Altp2m when arg.Value != 0:
                    error = Errno.EOPNOTSUPP;
                    break;
                default:
                    break;
            }

            if (error == Errno.None)
            {
                target.SetParam(arg.Index, arg.Value);
            }

            return error.Negated();
        }

        /// <summary>
        /// Only the type "vector" brings an interrupt here; lines of an interrupt controller wait for the full HVM platform.
        /// </summary>
        private static Errno SetCallback(HypercallContext call, Domain target, ulong value)
        {
            byte vector = value >> CallbackTypeShift == CallbackTypeVector ? (byte)value : (byte)0;
            if (value >> CallbackTypeShift == CallbackTypeVector && vector < FirstUsableVector)
            {
                return Errno.EINVAL;
            }

            target.CallbackVector = vector;
            call.Hypervisor.LatchSharedInfoWidth(call);
            return Errno.None;
        }
    }

    private readonly struct GetParam : IHypercall<XenHvmParam>
    {
        public static bool WritesBack => true;

        public static long Execute(HypercallContext call, ref XenHvmParam arg)
        {
            Errno error = Check(call, in arg, isSet: false, out Domain target);
            if (error == Errno.None)
            {
                arg.Value = target.GetParam(arg.Index);
            }

            return error.Negated();
        }
    }

    private readonly struct FlushTlbs : IHypercall
    {
        public static long Execute(HypercallContext call)
        {
            if (call.Pointer != 0)
            {
                return Errno.EINVAL.Negated();
            }

            call.Caller.Physmap.NeedsFlush = true;
            return 0;
        }
    }

    private readonly struct GetTime : IHypercall<XenHvmGetTime>
    {
        public static bool WritesBack => true;

        public static long Execute(HypercallContext call, ref XenHvmGetTime arg)
        {
            arg.Now = call.Hypervisor.Board.Now;
            return 0;
        }
    }

    private readonly struct GetMemType : IHypercall<XenHvmGetMemType>
    {
        public static bool WritesBack => true;

        public static long Execute(HypercallContext call, ref XenHvmGetMemType arg)
        {
            Errno error = call.TryFindTarget(arg.DomId, out Domain target);
            if (error == Errno.None)
            {
                PhysmapType type = target.Physmap.Find(new Gfn(arg.Pfn)).Type;
                arg.MemType = type is PhysmapType.None or PhysmapType.Hole ? XenHvmGetMemType.MmioDm : XenHvmGetMemType.RamRw;
            }

            return error.Negated();
        }
    }

    private readonly struct SetUpcallVector : IHypercall<XenHvmEvtchnUpcallVector>
    {
        private const byte FirstUsableVector = 16;

        public static long Execute(HypercallContext call, ref XenHvmEvtchnUpcallVector arg)
        {
            if (call.Caller.FindVcpu(arg.Vcpu) is not { } target)
            {
                return Errno.ENOENT.Negated();
            }

            if (arg.Vector < FirstUsableVector)
            {
                return Errno.EINVAL.Negated();
            }

            target.UpcallVector = arg.Vector;
            target.IsUpcallRaised = call.Caller.SharedInfo.IsUpcallPending(target);
            return 0;
        }
    }
}
