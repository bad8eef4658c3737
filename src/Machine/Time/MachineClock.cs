using System;
using System.Collections.Generic;

namespace Xenolith.Machine;

/// <summary>
/// Machine time, and who wants to be called when. One tick is one nanosecond; what is due is run in the order of its time, and at
/// one time in the order in which the timers were made: the same input gives the same order.
/// </summary>
/// <param name="now">Reads the time.</param>
public sealed class MachineClock(Func<ulong> now)
{
    /// <summary>Ticks in a second.</summary>
    public const ulong TicksPerSecond = 1_000_000_000;

    private readonly List<MachineTimer> _timers = [];

    public ulong Now => now();

    /// <summary>When the next timer is due; <see cref="ulong.MaxValue"/> when none is set.</summary>
    public ulong NextDeadline { get; private set; } = ulong.MaxValue;

    /// <param name="onDue">Called once for each <see cref="MachineTimer.Set"/>, when its time has come or is past.</param>
    public MachineTimer CreateTimer(Action onDue)
    {
        MachineTimer timer = new(this, onDue);
        _timers.Add(timer);
        return timer;
    }

    /// <summary>Calls every timer that is due.</summary>
    public void RunDue()
    {
        ulong time = Now;
        while (NextDeadline <= time)
        {
            MachineTimer due = _timers[0];
            foreach (MachineTimer timer in _timers)
            {
                due = timer.Deadline < due.Deadline ? timer : due;
            }

            due.Fire();
        }
    }

    internal void OnDeadlineChanged()
    {
        ulong next = ulong.MaxValue;
        foreach (MachineTimer timer in _timers)
        {
            next = ulong.Min(next, timer.Deadline);
        }

        NextDeadline = next;
    }
}

/// <summary>One thing that a device waits for.</summary>
public sealed class MachineTimer
{
    private readonly MachineClock _clock;
    private readonly Action _onDue;

    internal MachineTimer(MachineClock clock, Action onDue)
    {
        _clock = clock;
        _onDue = onDue;
    }

    /// <summary>The tick that it is set to; <see cref="ulong.MaxValue"/> while it is not set.</summary>
    public ulong Deadline { get; private set; } = ulong.MaxValue;

    /// <summary>Sets it to a tick, past or future, in place of what it was set to.</summary>
    public void Set(ulong tick)
    {
        Deadline = tick;
        _clock.OnDeadlineChanged();
    }

    public void Clear() => Set(ulong.MaxValue);

    internal void Fire()
    {
        Clear();
        _onDue();
    }
}
