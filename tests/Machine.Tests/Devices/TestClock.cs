using Xenolith.Machine;

namespace Xenolith.Machine.Tests;

/// <summary>A clock that a test moves: timers on the way fire at their own tick, as on the machine.</summary>
internal sealed class TestClock
{
    private ulong _now;

    public TestClock() => Clock = new MachineClock(() => _now);

    public MachineClock Clock { get; }

    public ulong Now => _now;

    public void GoTo(ulong tick)
    {
        while (Clock.NextDeadline <= tick)
        {
            _now = ulong.Max(_now, Clock.NextDeadline);
            Clock.RunDue();
        }

        _now = tick;
    }

    public void Pass(ulong ticks) => GoTo(_now + ticks);
}
