using System;
using System.Runtime.InteropServices;

using Xenolith.Xen.Abi;

namespace Xenolith.Xen;

/// <summary>struct multicall_entry, 64-bit callers (xen/include/public/xen.h).</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct MulticallEntry
{
    public ulong Op;
    public long Result;
    public fixed ulong Args[6];
}

/// <summary>struct multicall_entry, 32-bit callers.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct CompatMulticallEntry
{
    public uint Op;
    public int Result;
    public fixed uint Args[6];
}

/// <summary>multicall, vm_assist, and the hypercalls that this Xen refuses as a whole.</summary>
internal static class OtherOps
{
    private const string Pv = "for PV guests only";
    private const string Privileged = "for the privileged, and not needed by this toolstack";

    public static unsafe HypercallEntry[] Rows { get; } =
    [
        HypercallEntry.Serve(HypercallNumber.Multicall, null, "multicall", &Shells.Plain<Multicall>, "every domain"),
        HypercallEntry.Serve(HypercallNumber.VmAssist, null, "vm_assist", &Shells.Plain<VmAssist>, "every domain: runstate_update_flag"),
        HypercallEntry.Refuse(HypercallNumber.SetTrapTable, null, "set_trap_table", Errno.ENOSYS, Pv),
        HypercallEntry.Refuse(HypercallNumber.MmuUpdate, null, "mmu_update", Errno.ENOSYS, Pv),
        HypercallEntry.Refuse(HypercallNumber.SetGdt, null, "set_gdt", Errno.ENOSYS, Pv),
        HypercallEntry.Refuse(HypercallNumber.StackSwitch, null, "stack_switch", Errno.ENOSYS, Pv),
        HypercallEntry.Refuse(HypercallNumber.SetCallbacks, null, "set_callbacks", Errno.ENOSYS, Pv),
        HypercallEntry.Refuse(HypercallNumber.FpuTaskswitch, null, "fpu_taskswitch", Errno.ENOSYS, Pv),
        HypercallEntry.Refuse(HypercallNumber.SchedOpCompat, null, "sched_op_compat", Errno.ENOSYS, "the interface of Xen 3.0"),
        HypercallEntry.Refuse(HypercallNumber.PlatformOp, null, "platform_op", Errno.EPERM, Privileged),
        HypercallEntry.Refuse(HypercallNumber.SetDebugreg, null, "set_debugreg", Errno.ENOSYS, Pv),
        HypercallEntry.Refuse(HypercallNumber.GetDebugreg, null, "get_debugreg", Errno.ENOSYS, Pv),
        HypercallEntry.Refuse(HypercallNumber.UpdateDescriptor, null, "update_descriptor", Errno.ENOSYS, Pv),
        HypercallEntry.Refuse(HypercallNumber.UpdateVaMapping, null, "update_va_mapping", Errno.ENOSYS, Pv),
        HypercallEntry.Refuse(HypercallNumber.EventChannelOpCompat, null, "event_channel_op_compat", Errno.ENOSYS, "the interface of Xen 3.2"),
        HypercallEntry.Refuse(HypercallNumber.PhysdevOpCompat, null, "physdev_op_compat", Errno.ENOSYS, "the interface of Xen 3.2"),
        HypercallEntry.Refuse(HypercallNumber.UpdateVaMappingOtherdomain, null, "update_va_mapping_otherdomain", Errno.ENOSYS, Pv),
        HypercallEntry.Refuse(HypercallNumber.Iret, null, "iret", Errno.ENOSYS, Pv),
        HypercallEntry.Refuse(HypercallNumber.SetSegmentBase, null, "set_segment_base", Errno.ENOSYS, Pv),
        HypercallEntry.Refuse(HypercallNumber.MmuextOp, null, "mmuext_op", Errno.ENOSYS, Pv),
        HypercallEntry.Refuse(HypercallNumber.XsmOp, null, "xsm_op", Errno.ENOSYS, "no policy module is loaded"),
        HypercallEntry.Refuse(HypercallNumber.NmiOp, null, "nmi_op", Errno.ENOSYS, Pv),
        HypercallEntry.Refuse(HypercallNumber.CallbackOp, null, "callback_op", Errno.ENOSYS, Pv),
        HypercallEntry.Refuse(HypercallNumber.XenoprofOp, null, "xenoprof_op", Errno.ENOSYS, "not configured"),
        HypercallEntry.Refuse(HypercallNumber.PhysdevOp, null, "physdev_op", Errno.ENOSYS, "no domain has a physical interrupt or device"),
        HypercallEntry.Refuse(HypercallNumber.Sysctl, null, "sysctl", Errno.EPERM, Privileged),
        HypercallEntry.Refuse(HypercallNumber.KexecOp, null, "kexec_op", Errno.EPERM, Privileged),
        HypercallEntry.Refuse(HypercallNumber.TmemOp, null, "tmem_op", Errno.ENOSYS, "gone since Xen 4.13"),
        HypercallEntry.Refuse(HypercallNumber.ArgoOp, null, "argo_op", Errno.ENOSYS, "not configured"),
        HypercallEntry.Refuse(HypercallNumber.XenpmuOp, null, "xenpmu_op", Errno.EOPNOTSUPP, "no performance counters"),
        HypercallEntry.Refuse(HypercallNumber.DmOp, null, "dm_op", Errno.EPERM, "no domain is a device model"),
        HypercallEntry.Refuse(HypercallNumber.HypfsOp, null, "hypfs_op", Errno.EPERM, Privileged),
    ];

    private readonly struct VmAssist : IHypercall
    {
        private const uint Disable = 1;
        private const uint RunstateUpdateFlag = 5;

        public static long Execute(HypercallContext call) =>
            call.Args[0] <= Disable && call.Args[1] == RunstateUpdateFlag ? 0
            : call.Args[0] <= Disable ? Errno.EINVAL.Negated()
            : Errno.ENOSYS.Negated();
    }

    private readonly unsafe struct Multicall : IHypercall
    {
        private const ulong MaxCalls = 1 << 16;

        /// <summary>multicall(list, nr): each entry is done like a hypercall of its own; its result goes into the entry.</summary>
        public static long Execute(HypercallContext call)
        {
            ulong list = call.Args[0];
            ulong count = Math.Min((uint)call.Args[1], MaxCalls);
            for (ulong i = 0; i < count; i++)
            {
                bool done = call.Is32Bit
                    ? TryOne(call, list + (i * (ulong)sizeof(CompatMulticallEntry)))
                    : TryOneNative(call, list + (i * (ulong)sizeof(MulticallEntry)));
                if (!done)
                {
                    return Errno.EFAULT.Negated();
                }
            }

            return 0;
        }

        private static bool TryOneNative(HypercallContext call, ulong address)
        {
            if (!call.TryCopyIn(address, out MulticallEntry entry))
            {
                return false;
            }

            long result = Run(call, entry.Op, entry.Args[0], entry.Args[1], entry.Args[2], entry.Args[3], entry.Args[4]);
            return call.TryCopyOut(address + sizeof(ulong), result);
        }

        private static bool TryOne(HypercallContext call, ulong address)
        {
            if (!call.TryCopyIn(address, out CompatMulticallEntry entry))
            {
                return false;
            }

            long result = Run(call, entry.Op, entry.Args[0], entry.Args[1], entry.Args[2], entry.Args[3], entry.Args[4]);
            return call.TryCopyOut(address + sizeof(uint), (int)result);
        }

        /// <summary>A multicall within a multicall is refused, as Xen does.</summary>
        private static long Run(HypercallContext call, ulong number, ulong arg1, ulong arg2, ulong arg3, ulong arg4, ulong arg5)
        {
            if (number == (ulong)HypercallNumber.Multicall)
            {
                return Errno.EINVAL.Negated();
            }

            HypercallContext inner = new(call.Hypervisor, call.Vcpu) { Is32Bit = call.Is32Bit };
            inner.SetArgs(arg1, arg2, arg3, arg4, arg5);
            return HypercallTable.DispatchWhole(inner, number);
        }
    }
}
