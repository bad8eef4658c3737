using System.Collections.Generic;

using Xenolith.Xen.Abi;

namespace Xenolith.Xen;

/// <summary>One end of an event channel: what a port of a domain is bound to.</summary>
internal sealed class EventChannel
{
    public EvtchnState State { get; set; }

    /// <summary>The vCPU that is notified.</summary>
    public int Vcpu { get; set; }

    /// <summary>Unbound: who may bind to it. Interdomain: who is at the other end.</summary>
    public ushort RemoteDomain { get; set; }

    public uint RemotePort { get; set; }

    public Virq Virq { get; set; }
}

/// <summary>The ports of one domain, two-level ABI (xen/include/public/event_channel.h).</summary>
internal sealed class EventChannels(Domain domain, uint maxPort)
{
    private readonly List<EventChannel> _ports = [new()]; // port 0 is never used

    /// <summary>One past the highest port that may exist.</summary>
    public uint Limit => System.Math.Min(domain.SharedInfo.ChannelCount, maxPort == uint.MaxValue ? uint.MaxValue : maxPort + 1);

    public EventChannel? Find(uint port) =>
        port != 0 && port < (uint)_ports.Count && _ports[(int)port].State != EvtchnState.Closed ? _ports[(int)port] : null;

    /// <summary>True for every port number that the domain could ever use, open or not.</summary>
    public bool IsValid(uint port) => port != 0 && port < (uint)_ports.Count;

    /// <summary>A free port. ENOSPC when the domain has them all.</summary>
    public Errno TryOpen(EvtchnState state, out uint port, out EventChannel channel)
    {
        for (port = 1; port < (uint)_ports.Count; port++)
        {
            channel = _ports[(int)port];
            if (channel.State == EvtchnState.Closed)
            {
                channel.State = state;
                channel.Vcpu = 0;
                return Errno.None;
            }
        }

        channel = new EventChannel();
        if (port >= Limit)
        {
            return Errno.ENOSPC;
        }

        channel.State = state;
        _ports.Add(channel);
        return Errno.None;
    }

    /// <summary>The port that a virtual interrupt is bound to on a vCPU; zero: none.</summary>
    public uint FindVirq(Virq virq, int vcpu)
    {
        for (int port = 1; port < _ports.Count; port++)
        {
            EventChannel channel = _ports[port];
            if (channel.State == EvtchnState.Virq && channel.Virq == virq && channel.Vcpu == vcpu)
            {
                return (uint)port;
            }
        }

        return 0;
    }

    /// <summary>EVTCHNOP_send on a port of this domain's.</summary>
    public Errno Send(uint port)
    {
        switch (Find(port))
        {
            case null:
                return Errno.EINVAL;
            case { State: EvtchnState.Interdomain } channel:
                domain.Hypervisor.FindDomain(channel.RemoteDomain)?.Events.Deliver(channel.RemotePort);
                return Errno.None;
            case { State: EvtchnState.Ipi }:
                Deliver(port);
                return Errno.None;
            case { State: EvtchnState.Unbound }:
                return Errno.None; // silently dropped, as Xen does
            default:
                return Errno.EINVAL;
        }
    }

    /// <summary>A virtual interrupt of a vCPU happens; unbound ones are lost.</summary>
    public void RaiseVirq(Virq virq, int vcpu)
    {
        uint port = FindVirq(virq, vcpu);
        if (port != 0)
        {
            Deliver(port);
        }
    }

    /// <summary>Makes a port pending and tells its vCPU (evtchn_2l_set_pending).</summary>
    public void Deliver(uint port)
    {
        if (Find(port) is not { } channel || domain.FindVcpu((uint)channel.Vcpu) is not { } vcpu)
        {
            return;
        }

        domain.Counters.EventsReceived++;
        if (domain.SharedInfo.TestAndSetPending(port) != false)
        {
            return;
        }

        if (!domain.SharedInfo.IsMasked(port) && domain.SharedInfo.TestAndSetSelector(vcpu, port) == false)
        {
            vcpu.MarkEventsPending();
        }

        WakePollers(port);
    }

    /// <summary>EVTCHNOP_unmask: an event that waited behind the mask is delivered now.</summary>
    public Errno Unmask(uint port)
    {
        if (Find(port) is not { } channel || domain.FindVcpu((uint)channel.Vcpu) is not { } vcpu)
        {
            return Errno.EINVAL;
        }

        bool wasMasked = domain.SharedInfo.IsMasked(port);
        domain.SharedInfo.ClearMask(port);
        if (wasMasked && domain.SharedInfo.IsPending(port) && domain.SharedInfo.TestAndSetSelector(vcpu, port) == false)
        {
            vcpu.MarkEventsPending();
        }

        return Errno.None;
    }

    /// <summary>EVTCHNOP_close: the other end, if there is one, waits for a new partner.</summary>
    public Errno Close(uint port)
    {
        if (Find(port) is not { } channel)
        {
            return Errno.EINVAL;
        }

        if (channel.State == EvtchnState.Interdomain
            && domain.Hypervisor.FindDomain(channel.RemoteDomain)?.Events.Find(channel.RemotePort) is { State: EvtchnState.Interdomain } remote)
        {
            remote.State = EvtchnState.Unbound;
            remote.RemoteDomain = domain.Id;
            remote.RemotePort = 0;
        }

        domain.SharedInfo.ClearPending(port);
        _ports[(int)port] = new EventChannel();
        return Errno.None;
    }

    public void CloseAll()
    {
        for (uint port = 1; port < (uint)_ports.Count; port++)
        {
            _ = Close(port);
        }
    }

    private void WakePollers(uint port)
    {
        foreach (Vcpu vcpu in domain.Vcpus)
        {
            vcpu.OnPortPending(port);
        }
    }
}
