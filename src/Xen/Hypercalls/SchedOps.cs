using System;

using Xenolith.Xen.Abi;

namespace Xenolith.Xen;

/// <summary>sched_op (xen/include/public/sched.h).</summary>
internal static class SchedOps
{
    public static unsafe HypercallEntry[] Rows { get; } =
    [
        HypercallEntry.Serve(HypercallNumber.SchedOp, 0, "SCHEDOP_yield", &Shells.Plain<Yield>, "every domain"),
        HypercallEntry.Serve(HypercallNumber.SchedOp, 1, "SCHEDOP_block", &Shells.Plain<Block>, "every domain"),
        HypercallEntry.Serve(HypercallNumber.SchedOp, 2, "SCHEDOP_shutdown", &Shells.Struct<Shutdown, SchedShutdown>, "every domain"),
        HypercallEntry.Serve(
            HypercallNumber.SchedOp, 3, "SCHEDOP_poll", &Shells.Compat<Poll, SchedPoll, CompatSchedPoll, Poll>, "every domain"),
        HypercallEntry.Serve(
            HypercallNumber.SchedOp, 4, "SCHEDOP_remote_shutdown", &Shells.Struct<RemoteShutdown, SchedRemoteShutdown>, "Dom0"),
        HypercallEntry.Serve(HypercallNumber.SchedOp, 5, "SCHEDOP_shutdown_code", &Shells.Struct<ShutdownCode, SchedShutdown>, "every domain"),
        HypercallEntry.Serve(HypercallNumber.SchedOp, 6, "SCHEDOP_watchdog", &Shells.Struct<Watchdog, SchedWatchdog>, "every domain"),
        HypercallEntry.Refuse(HypercallNumber.SchedOp, 7, "SCHEDOP_pin_override", Errno.EPERM, "for the hardware domain's firmware calls only"),
    ];

    private static bool IsValid(ShutdownReason reason) => reason <= ShutdownReason.SoftReset;

    private readonly struct Yield : IHypercall
    {
        public static long Execute(HypercallContext call)
        {
            call.Hypervisor.EndSlice();
            return 0;
        }
    }

    private readonly struct Block : IHypercall
    {
        public static long Execute(HypercallContext call)
        {
            call.Caller.SharedInfo.ClearUpcallMask(call.Vcpu);
            call.Vcpu.Block();
            return 0;
        }
    }

    private readonly struct Shutdown : IHypercall<SchedShutdown>
    {
        public static long Execute(HypercallContext call, ref SchedShutdown arg)
        {
            if (!IsValid(arg.Reason))
            {
                return Errno.EINVAL.Negated();
            }

            call.Hypervisor.ShutDown(call.Caller, arg.Reason, call.Vcpu);
            return 0;
        }
    }

    private readonly struct Poll : IHypercall<SchedPoll>, ICompatLayout<CompatSchedPoll, SchedPoll>
    {
        private const uint MaxPorts = 128;

        public static SchedPoll Widen(in CompatSchedPoll compat) =>
            new() { Ports = compat.Ports, NrPorts = compat.NrPorts, Timeout = compat.Timeout };

        public static void Narrow(in SchedPoll native, ref CompatSchedPoll compat)
        {
        }

        public static long Execute(HypercallContext call, ref SchedPoll arg)
        {
            if (arg.NrPorts > MaxPorts)
            {
                return Errno.EINVAL.Negated();
            }

            uint[] ports = new uint[arg.NrPorts];
            if (!call.TryReadArray<uint>(arg.Ports, ports))
            {
                return Errno.EFAULT.Negated();
            }

            bool pending = false;
            foreach (uint port in ports)
            {
                if (!call.Caller.Events.IsValid(port))
                {
                    return Errno.EINVAL.Negated();
                }

                pending |= call.Caller.SharedInfo.IsPending(port);
            }

            if (!pending && (arg.Timeout == 0 || arg.Timeout > call.Hypervisor.Board.Now))
            {
                call.Vcpu.Poll(ports, arg.Timeout == 0 ? Vcpu.Never : arg.Timeout);
            }

            return 0;
        }
    }

    private readonly struct RemoteShutdown : IHypercall<SchedRemoteShutdown>
    {
        public static long Execute(HypercallContext call, ref SchedRemoteShutdown arg)
        {
            if (call.Hypervisor.FindDomain(arg.DomainId) is not { } target)
            {
                return Errno.ESRCH.Negated();
            }

            if (!call.IsPrivileged)
            {
                return Errno.EPERM.Negated();
            }

            if (!IsValid(arg.Reason) || target.IsPrivileged)
            {
                return Errno.EINVAL.Negated();
            }

            call.Hypervisor.ShutDown(target, arg.Reason, null);
            return 0;
        }
    }

    private readonly struct ShutdownCode : IHypercall<SchedShutdown>
    {
        public static long Execute(HypercallContext call, ref SchedShutdown arg)
        {
            if (!IsValid(arg.Reason))
            {
                return Errno.EINVAL.Negated();
            }

            call.Caller.ShutdownCode = arg.Reason;
            return 0;
        }
    }

    private readonly struct Watchdog : IHypercall<SchedWatchdog>
    {
        private const ulong NsPerSecond = 1_000_000_000;

        /// <summary>
        /// Id zero asks for a free watchdog and returns its id; another id sets that one anew, or ends it with timeout zero.
        /// </summary>
        public static long Execute(HypercallContext call, ref SchedWatchdog arg)
        {
            ulong[] watchdogs = call.Caller.Watchdogs;
            if (arg.Id > (uint)watchdogs.Length)
            {
                return Errno.EINVAL.Negated();
            }

            ulong deadline = arg.Timeout == 0 ? 0 : Vcpu.Deadline(call.Hypervisor.Board.Now + (arg.Timeout * NsPerSecond));
            if (arg.Id == 0)
            {
                int free = Array.IndexOf(watchdogs, 0UL);
                if (arg.Timeout == 0 || free < 0)
                {
                    return arg.Timeout == 0 ? Errno.EINVAL.Negated() : Errno.ENOSPC.Negated();
                }

                watchdogs[free] = deadline;
                return free + 1;
            }

            if (watchdogs[arg.Id - 1] == 0)
            {
                return Errno.EINVAL.Negated();
            }

            watchdogs[arg.Id - 1] = deadline;
            return 0;
        }
    }
}
