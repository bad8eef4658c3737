using System.Runtime.InteropServices;

namespace Xenolith.Xen.Abi;

/// <summary>EVTCHNOP_* sub-operations (xen/include/public/event_channel.h).</summary>
public enum EvtchnOp : uint
{
    BindInterdomain = 0,
    BindVirq = 1,
    BindPirq = 2,
    Close = 3,
    Send = 4,
    Status = 5,
    AllocUnbound = 6,
    BindIpi = 7,
    BindVcpu = 8,
    Unmask = 9,
    Reset = 10,
    InitControl = 11,
    ExpandArray = 12,
    SetPriority = 13,
    ResetCont = 14,
}

/// <summary>EVTCHNSTAT_*: what a port is bound to (xen/include/public/event_channel.h).</summary>
public enum EvtchnState : uint
{
    Closed = 0,
    Unbound = 1,
    Interdomain = 2,
    Pirq = 3,
    Virq = 4,
    Ipi = 5,
}

/// <summary>struct evtchn_alloc_unbound (xen/include/public/event_channel.h).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct EvtchnAllocUnbound
{
    public ushort Dom;
    public ushort RemoteDom;
    public uint Port;
}

/// <summary>struct evtchn_bind_interdomain (xen/include/public/event_channel.h).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct EvtchnBindInterdomain
{
    public ushort RemoteDom;
    public uint RemotePort;
    public uint LocalPort;
}

/// <summary>struct evtchn_bind_virq (xen/include/public/event_channel.h).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct EvtchnBindVirq
{
    public Virq Virq;
    public uint Vcpu;
    public uint Port;
}

/// <summary>struct evtchn_bind_ipi (xen/include/public/event_channel.h).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct EvtchnBindIpi
{
    public uint Vcpu;
    public uint Port;
}

/// <summary>struct evtchn_close, evtchn_send, evtchn_unmask: one port (xen/include/public/event_channel.h).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct EvtchnPort
{
    public uint Port;
}

/// <summary>struct evtchn_status (xen/include/public/event_channel.h).</summary>
[StructLayout(LayoutKind.Sequential, Size = 24)]
public struct EvtchnStatus
{
    public ushort Dom;
    public uint Port;
    public EvtchnState Status;
    public uint Vcpu;

    /// <summary>The union: u.unbound.dom or u.interdomain.dom (low 16 bits), or u.virq.</summary>
    public uint DomOrVirq;

    /// <summary>The union: u.interdomain.port.</summary>
    public uint RemotePort;
}

/// <summary>struct evtchn_bind_vcpu (xen/include/public/event_channel.h).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct EvtchnBindVcpu
{
    public uint Port;
    public uint Vcpu;
}

/// <summary>struct evtchn_reset (xen/include/public/event_channel.h).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct EvtchnReset
{
    public ushort Dom;
}
