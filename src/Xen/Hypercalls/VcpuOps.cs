using System;

using Xenolith.Mmu;
using Xenolith.Xen.Abi;

namespace Xenolith.Xen;

/// <summary>vcpu_op(cmd, vcpuid, arg) and set_timer_op (xen/include/public/vcpu.h).</summary>
internal static class VcpuOps
{
    private const ulong MinPeriodNs = 1_000_000;

    public static unsafe HypercallEntry[] Rows { get; } =
    [
        HypercallEntry.Serve(HypercallNumber.VcpuOp, 0, "VCPUOP_initialise", &Shells.Plain<Initialise>, "every domain, for its own vCPUs"),
        HypercallEntry.Serve(HypercallNumber.VcpuOp, 1, "VCPUOP_up", &Shells.Plain<Up>, "every domain, for its own vCPUs"),
        HypercallEntry.Serve(HypercallNumber.VcpuOp, 2, "VCPUOP_down", &Shells.Plain<Down>, "every domain, for its own vCPUs"),
        HypercallEntry.Serve(HypercallNumber.VcpuOp, 3, "VCPUOP_is_up", &Shells.Plain<IsUp>, "every domain, for its own vCPUs"),
        HypercallEntry.Serve(HypercallNumber.VcpuOp, 4, "VCPUOP_get_runstate_info", &Shells.Plain<GetRunstateInfo>, "every domain, for its own vCPUs"),
        HypercallEntry.Serve(
            HypercallNumber.VcpuOp, 5, "VCPUOP_register_runstate_memory_area", &Shells.Plain<RegisterRunstate>, "every domain, for its own vCPUs"),
        HypercallEntry.Serve(
            HypercallNumber.VcpuOp, 6, "VCPUOP_set_periodic_timer", &Shells.Struct<SetPeriodic, VcpuSetPeriodicTimer>, "every domain, for its own vCPUs"),
        HypercallEntry.Serve(HypercallNumber.VcpuOp, 7, "VCPUOP_stop_periodic_timer", &Shells.Plain<StopPeriodic>, "every domain, for its own vCPUs"),
        HypercallEntry.Serve(
            HypercallNumber.VcpuOp,
            8,
            "VCPUOP_set_singleshot_timer",
            &Shells.Compat<SetSingleshot, VcpuSetSingleshotTimer, CompatSetSingleshotTimer, SetSingleshot>,
            "every domain, for the calling vCPU"),
        HypercallEntry.Serve(HypercallNumber.VcpuOp, 9, "VCPUOP_stop_singleshot_timer", &Shells.Plain<StopSingleshot>, "every domain, for the calling vCPU"),
        HypercallEntry.Serve(
            HypercallNumber.VcpuOp, 10, "VCPUOP_register_vcpu_info", &Shells.Struct<RegisterInfo, VcpuRegisterVcpuInfo>, "every domain, for its own vCPUs"),
        HypercallEntry.Refuse(HypercallNumber.VcpuOp, 11, "VCPUOP_send_nmi", Errno.ENOSYS, "NMIs are not injected yet"),
        HypercallEntry.Refuse(HypercallNumber.VcpuOp, 12, "VCPUOP_get_physid", Errno.EINVAL, "for a hardware domain that is pinned only"),
        HypercallEntry.Refuse(HypercallNumber.VcpuOp, 13, "VCPUOP_register_vcpu_time_memory_area", Errno.ENOSYS, "not for HVM guests"),
        HypercallEntry.Serve(HypercallNumber.SetTimerOp, null, "set_timer_op", &Shells.Plain<SetTimer>, "every domain, for the calling vCPU"),
    ];

    /// <summary>The vCPU that the second argument names. Xen asks before it looks at anything else: ENOENT.</summary>
    private static Vcpu Target(HypercallContext call) => call.Caller.FindVcpu((uint)call.Args[1])!;

    private readonly struct Initialise : IHypercall
    {
        /// <summary>struct vcpu_hvm_context (xen/include/public/hvm/hvm_vcpu.h): mode at 0, registers from 8 on.</summary>
        private const int ContextBytes = 128;
        private const uint Mode32 = 0;
        private const uint Mode64 = 1;

        public static long Execute(HypercallContext call)
        {
            Span<byte> context = stackalloc byte[ContextBytes];
            if (!call.TryReadBytes(call.Pointer, context))
            {
                return Errno.EFAULT.Negated();
            }

            Vcpu target = Target(call);
            if (target.IsInitialised)
            {
                return Errno.EEXIST.Negated();
            }

            uint mode = BitConverter.ToUInt32(context);
            if (mode is not (Mode32 or Mode64))
            {
                return Errno.EINVAL.Negated();
            }

            HvmHwCpu cpu = mode == Mode32 ? HvmVcpuContext.Read32(context[8..]) : HvmVcpuContext.Read64(context[8..]);
            target.SetRegisters(in cpu);
            return 0;
        }
    }

    private readonly struct Up : IHypercall
    {
        public static long Execute(HypercallContext call)
        {
            Vcpu target = Target(call);
            if (!target.IsInitialised)
            {
                return Errno.EINVAL.Negated();
            }

            target.IsOnline = true;
            return 0;
        }
    }

    private readonly struct Down : IHypercall
    {
        public static long Execute(HypercallContext call)
        {
            Target(call).IsOnline = false;
            call.Hypervisor.OnVcpuDown(call.Caller, call.Vcpu);
            return 0;
        }
    }

    private readonly struct IsUp : IHypercall
    {
        public static long Execute(HypercallContext call) => Target(call).IsOnline ? 1 : 0;
    }

    private readonly struct GetRunstateInfo : IHypercall
    {
        public static long Execute(HypercallContext call) =>
            Target(call).WriteRunstate(call, call.Pointer) ? 0 : Errno.EFAULT.Negated();
    }

    private readonly struct RegisterRunstate : IHypercall
    {
        public static long Execute(HypercallContext call)
        {
            if (!call.TryCopyIn(call.Pointer, out VcpuRegisterMemoryArea area))
            {
                return Errno.EFAULT.Negated();
            }

            ulong address = call.Is32Bit ? (uint)area.Address : area.Address;
            Vcpu target = Target(call);
            target.RunstateArea = address;
            target.Call.Is32Bit = call.Is32Bit;
            return target.WriteRunstate(call, address) ? 0 : Errno.EFAULT.Negated();
        }
    }

    private readonly struct SetPeriodic : IHypercall<VcpuSetPeriodicTimer>
    {
        public static long Execute(HypercallContext call, ref VcpuSetPeriodicTimer arg)
        {
            if (arg.PeriodNs is < MinPeriodNs or > long.MaxValue)
            {
                return Errno.EINVAL.Negated();
            }

            Vcpu target = Target(call);
            target.PeriodNs = arg.PeriodNs;
            target.PeriodicDeadline = Vcpu.Deadline(call.Hypervisor.Board.Now + arg.PeriodNs);
            return 0;
        }
    }

    private readonly struct StopPeriodic : IHypercall
    {
        public static long Execute(HypercallContext call)
        {
            Target(call).PeriodicDeadline = Vcpu.Never;
            return 0;
        }
    }

    private readonly struct SetSingleshot : IHypercall<VcpuSetSingleshotTimer>, ICompatLayout<CompatSetSingleshotTimer, VcpuSetSingleshotTimer>
    {
        public static VcpuSetSingleshotTimer Widen(in CompatSetSingleshotTimer compat) =>
            new() { TimeoutAbsNs = compat.TimeoutAbsNs, Flags = compat.Flags };

        public static void Narrow(in VcpuSetSingleshotTimer native, ref CompatSetSingleshotTimer compat)
        {
        }

        public static long Execute(HypercallContext call, ref VcpuSetSingleshotTimer arg)
        {
            Vcpu target = Target(call);
            if (target != call.Vcpu)
            {
                return Errno.EINVAL.Negated();
            }

            if ((arg.Flags & VcpuSetSingleshotTimer.Future) != 0 && arg.TimeoutAbsNs < call.Hypervisor.Board.Now)
            {
                return Errno.ETIME.Negated();
            }

            target.SingleshotDeadline = Vcpu.Deadline(arg.TimeoutAbsNs);
            return 0;
        }
    }

    private readonly struct StopSingleshot : IHypercall
    {
        public static long Execute(HypercallContext call)
        {
            Vcpu target = Target(call);
            if (target != call.Vcpu)
            {
                return Errno.EINVAL.Negated();
            }

            target.SingleshotDeadline = Vcpu.Never;
            return 0;
        }
    }

    private readonly struct RegisterInfo : IHypercall<VcpuRegisterVcpuInfo>
    {
        private const uint VcpuInfoBytes = 64;

        /// <summary>The call is the owner's consent that Xen writes to this page (docs/asmi.md, G17).</summary>
        public static long Execute(HypercallContext call, ref VcpuRegisterVcpuInfo arg)
        {
            if (arg.Offset > Pages.Size - VcpuInfoBytes)
            {
                return Errno.EINVAL.Negated();
            }

            Vcpu target = Target(call);
            if (target.HasRegisteredInfo || (target != call.Vcpu && target.IsOnline))
            {
                return Errno.EINVAL.Negated();
            }

            PhysmapEntry entry = call.Caller.Physmap.Find(new Gfn(arg.Mfn));
            if (entry.Type != PhysmapType.Ram || call.Hypervisor.Frames.Find(entry.Frame) is not { } segment)
            {
                return Errno.EINVAL.Negated();
            }

            IsolationControl control = call.Hypervisor.Frames.Control;
            if (control.Share(call.Caller.Vmid, segment.Index, control.Hypervisor, SharePurpose.AbiPage) != IsolationError.None)
            {
                return Errno.EOPNOTSUPP.Negated();
            }

            target.RegisterInfo(entry.Frame.Address + arg.Offset);
            return 0;
        }
    }

    private readonly struct SetTimer : IHypercall
    {
        /// <summary>set_timer_op(timeout): absolute system time; 32-bit callers pass it in two halves. Zero stops the timer.</summary>
        public static long Execute(HypercallContext call)
        {
            ulong timeout = call.Is32Bit ? (uint)call.Args[0] | (call.Args[1] << 32) : call.Args[0];
            call.Vcpu.SingleshotDeadline = timeout == 0 ? Vcpu.Never : Vcpu.Deadline(timeout);
            return 0;
        }
    }
}
