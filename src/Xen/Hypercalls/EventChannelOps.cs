using Xenolith.Xen.Abi;

namespace Xenolith.Xen;

/// <summary>event_channel_op, two-level ABI (xen/include/public/event_channel.h).</summary>
internal static class EventChannelOps
{
    public static unsafe HypercallEntry[] Rows { get; } =
    [
        HypercallEntry.Serve(
            HypercallNumber.EventChannelOp, 0, "EVTCHNOP_bind_interdomain", &Shells.Struct<BindInterdomain, EvtchnBindInterdomain>, "every domain"),
        HypercallEntry.Serve(HypercallNumber.EventChannelOp, 1, "EVTCHNOP_bind_virq", &Shells.Struct<BindVirq, EvtchnBindVirq>, "every domain; global ones Dom0"),
        HypercallEntry.Refuse(HypercallNumber.EventChannelOp, 2, "EVTCHNOP_bind_pirq", Errno.EINVAL, "no domain has a physical interrupt"),
        HypercallEntry.Serve(HypercallNumber.EventChannelOp, 3, "EVTCHNOP_close", &Shells.Struct<Close, EvtchnPort>, "every domain"),
        HypercallEntry.Serve(HypercallNumber.EventChannelOp, 4, "EVTCHNOP_send", &Shells.Struct<Send, EvtchnPort>, "every domain"),
        HypercallEntry.Serve(HypercallNumber.EventChannelOp, 5, "EVTCHNOP_status", &Shells.Struct<Status, EvtchnStatus>, "every domain of itself; Dom0"),
        HypercallEntry.Serve(
            HypercallNumber.EventChannelOp, 6, "EVTCHNOP_alloc_unbound", &Shells.Struct<AllocUnbound, EvtchnAllocUnbound>, "every domain for itself; Dom0"),
        HypercallEntry.Serve(HypercallNumber.EventChannelOp, 7, "EVTCHNOP_bind_ipi", &Shells.Struct<BindIpi, EvtchnBindIpi>, "every domain"),
        HypercallEntry.Serve(HypercallNumber.EventChannelOp, 8, "EVTCHNOP_bind_vcpu", &Shells.Struct<BindVcpu, EvtchnBindVcpu>, "every domain"),
        HypercallEntry.Serve(HypercallNumber.EventChannelOp, 9, "EVTCHNOP_unmask", &Shells.Struct<Unmask, EvtchnPort>, "every domain"),
        HypercallEntry.Serve(HypercallNumber.EventChannelOp, 10, "EVTCHNOP_reset", &Shells.Struct<Reset, EvtchnReset>, "every domain for itself; Dom0"),
        HypercallEntry.Refuse(HypercallNumber.EventChannelOp, 11, "EVTCHNOP_init_control", Errno.ENOSYS, "the FIFO ABI is not offered yet"),
        HypercallEntry.Refuse(HypercallNumber.EventChannelOp, 12, "EVTCHNOP_expand_array", Errno.ENOSYS, "the FIFO ABI is not offered yet"),
        HypercallEntry.Refuse(HypercallNumber.EventChannelOp, 13, "EVTCHNOP_set_priority", Errno.ENOSYS, "the FIFO ABI is not offered yet"),
        HypercallEntry.Refuse(HypercallNumber.EventChannelOp, 14, "EVTCHNOP_reset_cont", Errno.ENOSYS, "Xen's own continuation"),
    ];

    /// <summary>Virtual interrupts that a vCPU has; the others are the whole host's and go to Dom0.</summary>
    private static bool IsPerVcpu(Virq virq) => virq is Virq.Timer or Virq.Debug or Virq.Xenoprof or Virq.Xenpmu;

    private readonly struct AllocUnbound : IHypercall<EvtchnAllocUnbound>
    {
        public static bool WritesBack => true;

        public static long Execute(HypercallContext call, ref EvtchnAllocUnbound arg)
        {
            Errno error = call.TryFindTarget(arg.Dom, out Domain target);
            if (error != Errno.None)
            {
                return error.Negated();
            }

            error = target.Events.TryOpen(EvtchnState.Unbound, out arg.Port, out EventChannel channel);
            channel.RemoteDomain = arg.RemoteDom == DomId.Self ? call.Caller.Id : arg.RemoteDom;
            return error.Negated();
        }
    }

    private readonly struct BindInterdomain : IHypercall<EvtchnBindInterdomain>
    {
        public static bool WritesBack => true;

        public static long Execute(HypercallContext call, ref EvtchnBindInterdomain arg)
        {
            ushort remoteId = arg.RemoteDom == DomId.Self ? call.Caller.Id : arg.RemoteDom;
            if (call.Hypervisor.FindDomain(remoteId) is not { } remote)
            {
                return Errno.ESRCH.Negated();
            }

            if (remote.Events.Find(arg.RemotePort) is not { State: EvtchnState.Unbound } far || far.RemoteDomain != call.Caller.Id)
            {
                return Errno.EINVAL.Negated();
            }

            Errno error = call.Caller.Events.TryOpen(EvtchnState.Interdomain, out arg.LocalPort, out EventChannel near);
            if (error != Errno.None)
            {
                return error.Negated();
            }

            near.RemoteDomain = remoteId;
            near.RemotePort = arg.RemotePort;
            far.State = EvtchnState.Interdomain;
            far.RemotePort = arg.LocalPort;

            // An event sent before the binding must not be lost.
            call.Caller.Events.Deliver(arg.LocalPort);
            return 0;
        }
    }

    private readonly struct BindVirq : IHypercall<EvtchnBindVirq>
    {
        public static bool WritesBack => true;

        public static long Execute(HypercallContext call, ref EvtchnBindVirq arg)
        {
            if (arg.Virq >= Virq.Count)
            {
                return Errno.EINVAL.Negated();
            }

            if (!IsPerVcpu(arg.Virq) && arg.Vcpu != 0)
            {
                return Errno.EINVAL.Negated();
            }

            if (call.Caller.FindVcpu(arg.Vcpu) is null)
            {
                return Errno.ENOENT.Negated();
            }

            if (call.Caller.Events.FindVirq(arg.Virq, (int)arg.Vcpu) != 0)
            {
                return Errno.EEXIST.Negated();
            }

            Errno error = call.Caller.Events.TryOpen(EvtchnState.Virq, out arg.Port, out EventChannel channel);
            channel.Virq = arg.Virq;
            channel.Vcpu = (int)arg.Vcpu;
            return error.Negated();
        }
    }

    private readonly struct BindIpi : IHypercall<EvtchnBindIpi>
    {
        public static bool WritesBack => true;

        public static long Execute(HypercallContext call, ref EvtchnBindIpi arg)
        {
            if (call.Caller.FindVcpu(arg.Vcpu) is null)
            {
                return Errno.ENOENT.Negated();
            }

            Errno error = call.Caller.Events.TryOpen(EvtchnState.Ipi, out arg.Port, out EventChannel channel);
            channel.Vcpu = (int)arg.Vcpu;
            return error.Negated();
        }
    }

    private readonly struct Close : IHypercall<EvtchnPort>
    {
        public static long Execute(HypercallContext call, ref EvtchnPort arg) => call.Caller.Events.Close(arg.Port).Negated();
    }

    /// <summary>EVTCHNOP_send (xen/include/public/event_channel.h).</summary>
    private readonly struct Send : IHypercall<EvtchnPort>
    {
        public static long Execute(HypercallContext call, ref EvtchnPort arg) => call.Caller.Events.Send(arg.Port).Negated();
    }

    private readonly struct Unmask : IHypercall<EvtchnPort>
    {
        public static long Execute(HypercallContext call, ref EvtchnPort arg) => call.Caller.Events.Unmask(arg.Port).Negated();
    }

    private readonly struct Status : IHypercall<EvtchnStatus>
    {
        public static bool WritesBack => true;

        public static long Execute(HypercallContext call, ref EvtchnStatus arg)
        {
            Errno error = call.TryFindTarget(arg.Dom, out Domain target);
            if (error != Errno.None)
            {
                return error.Negated();
            }

            if (arg.Port == 0 || arg.Port >= target.Events.Limit)
            {
                return Errno.EINVAL.Negated();
            }

            EventChannel channel = target.Events.Find(arg.Port) ?? new EventChannel();
            arg.Status = channel.State;
            arg.Vcpu = (uint)channel.Vcpu;
            arg.DomOrVirq = channel.State == EvtchnState.Virq ? (uint)channel.Virq : channel.RemoteDomain;
            arg.RemotePort = channel.RemotePort;
            return 0;
        }
    }

    private readonly struct BindVcpu : IHypercall<EvtchnBindVcpu>
    {
        public static long Execute(HypercallContext call, ref EvtchnBindVcpu arg)
        {
            if (call.Caller.FindVcpu(arg.Vcpu) is null)
            {
                return Errno.ENOENT.Negated();
            }

            if (call.Caller.Events.Find(arg.Port) is not { } channel)
            {
                return Errno.EINVAL.Negated();
            }

            // A virtual interrupt of one vCPU, and an IPI, stay where they were bound.
            if (channel.State == EvtchnState.Ipi || (channel.State == EvtchnState.Virq && IsPerVcpu(channel.Virq)))
            {
                return Errno.EINVAL.Negated();
            }

            channel.Vcpu = (int)arg.Vcpu;
            return 0;
        }
    }

    private readonly struct Reset : IHypercall<EvtchnReset>
    {
        public static long Execute(HypercallContext call, ref EvtchnReset arg)
        {
            Errno error = call.TryFindTarget(arg.Dom, out Domain target);
            if (error == Errno.None)
            {
                target.Events.CloseAll();
            }

            return error.Negated();
        }
    }
}
