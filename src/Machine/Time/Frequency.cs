using System;

namespace Xenolith.Machine;

/// <summary>
/// An oscillator beside the machine's clock: its cycles and machine ticks are converted by rational arithmetic, so that nothing drifts.
/// </summary>
/// <param name="cycles">Cycles in <paramref name="seconds"/> seconds.</param>
/// <param name="seconds">The denominator of the frequency in Hz.</param>
public readonly struct Frequency(ulong cycles, ulong seconds = 1)
{
    /// <summary>Whole cycles that have begun by a tick.</summary>
    public ulong CyclesAt(ulong tick) => (ulong)((UInt128)tick * cycles / ((UInt128)seconds * MachineClock.TicksPerSecond));

    /// <summary>The first tick at which so many cycles are complete; <see cref="ulong.MaxValue"/> beyond the end of time.</summary>
    public ulong TickOf(ulong cycle)
    {
        UInt128 tick = (((UInt128)cycle * seconds * MachineClock.TicksPerSecond) + cycles - 1) / cycles;
        return tick >= ulong.MaxValue ? ulong.MaxValue : (ulong)tick;
    }
}
