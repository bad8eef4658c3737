using System;

using Xenolith.Mmu;
using Xenolith.Xen.Abi;

namespace Xenolith.Xen;

/// <content>Events, timers, and what a vCPU waits for.</content>
internal sealed partial class Vcpu
{
    /// <summary>No deadline.</summary>
    public const ulong Never = ulong.MaxValue;

    /// <summary>Deadlines beyond this tick (146 years) never come, so that no guest can wind the machine's clock to its end.</summary>
    private const ulong LastTick = 1UL << 62;

    private uint[] _polledPorts = [];
    private Hpa _info;
    private bool _hasInfo;

    /// <summary>Machine tick of VCPUOP_set_singleshot_timer; <see cref="Never"/>: off.</summary>
    public ulong SingleshotDeadline { get; set; } = Never;

    /// <summary>Next tick of VCPUOP_set_periodic_timer; <see cref="Never"/>: off.</summary>
    public ulong PeriodicDeadline { get; set; } = Never;

    public ulong PeriodNs { get; set; }

    /// <summary>When SCHEDOP_poll gives up; <see cref="Never"/>: it does not, or nothing is polled.</summary>
    public ulong PollDeadline { get; private set; } = Never;

    /// <summary>HVMOP_set_evtchn_upcall_vector; zero: the domain's callback is used.</summary>
    public byte UpcallVector { get; set; }

    /// <summary>With <see cref="UpcallVector"/>: the interrupt has been raised and not yet been taken.</summary>
    public bool IsUpcallRaised { get; set; }

    /// <summary>Where VCPUOP_register_runstate_memory_area wants the runstate: linear address, zero for none.</summary>
    public ulong RunstateArea { get; set; }

    /// <summary>Ticks on the processor.</summary>
    public ulong CpuTimeNs { get; set; }

    /// <summary>VCPUOP_register_vcpu_info: once in a vCPU's life.</summary>
    public bool HasRegisteredInfo => _hasInfo;

    /// <summary>Where this vCPU's vcpu_info lies. False for vCPUs past 31 that have registered none.</summary>
    public bool TryFindInfo(out Hpa info)
    {
        if (_hasInfo)
        {
            info = _info;
            return true;
        }

        return Domain.SharedInfo.TryFindDefaultInfo(Id, out info);
    }

    public void RegisterInfo(Hpa info)
    {
        _info = info;
        _hasInfo = true;
        Domain.SharedInfo.WriteTime(this);
        Domain.SharedInfo.MarkAllPending(this);
        IsUpcallRaised = true;
        Unblock();
    }

    /// <summary>A deadline that a guest names, as a tick at which the machine may arrive.</summary>
    public static ulong Deadline(ulong tick) => tick > LastTick ? Never : tick;

    /// <summary>vcpu_mark_events_pending: sets evtchn_upcall_pending and wakes the vCPU.</summary>
    public void MarkEventsPending()
    {
        if (Domain.SharedInfo.TestAndSetUpcallPending(this) != false)
        {
            return;
        }

        IsUpcallRaised = true;
        Unblock();
    }

    /// <summary>SCHEDOP_block and HLT: waits, unless an event is pending already.</summary>
    public void Block()
    {
        IsBlocked = !Domain.SharedInfo.IsUpcallPending(this);
    }

    /// <summary>SCHEDOP_poll: waits for one of some ports, whatever their masks, or for a deadline.</summary>
    public void Poll(uint[] ports, ulong deadline)
    {
        _polledPorts = ports;
        PollDeadline = Deadline(deadline);
        IsBlocked = true;
    }

    public void OnPortPending(uint port)
    {
        if (Array.IndexOf(_polledPorts, port) >= 0)
        {
            Unblock();
        }
    }

    /// <summary>The earliest tick at which time alone changes something for this vCPU.</summary>
    public ulong NextDeadline => Math.Min(Math.Min(SingleshotDeadline, PeriodicDeadline), PollDeadline);

    /// <summary>Fires the timers that are due.</summary>
    public void FireTimers(ulong now)
    {
        if (SingleshotDeadline <= now)
        {
            SingleshotDeadline = Never;
            Domain.Events.RaiseVirq(Virq.Timer, Id);
        }

        if (PeriodicDeadline <= now)
        {
            // Ticks that were missed are not made up for.
            PeriodicDeadline = Deadline(PeriodicDeadline + (PeriodNs * (((now - PeriodicDeadline) / PeriodNs) + 1)));
            Domain.Events.RaiseVirq(Virq.Timer, Id);
        }

        if (PollDeadline <= now)
        {
            Unblock();
        }
    }

    /// <summary>The vector of the upcall that waits to be injected; -1: none.</summary>
    public int PendingVector()
    {
        if (UpcallVector != 0)
        {
            return IsUpcallRaised ? UpcallVector : -1;
        }

        return Domain.CallbackVector != 0 && Domain.SharedInfo.IsUpcallPending(this) ? Domain.CallbackVector : -1;
    }

    /// <summary>Whatever it waited for, it goes on (vcpu_unblock).</summary>
    public void Unblock()
    {
        _polledPorts = [];
        PollDeadline = Never;
        IsBlocked = false;
    }
}
