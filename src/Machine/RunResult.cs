namespace Xenolith.Machine;

/// <summary>How a run of a bare machine ended.</summary>
public enum RunEnd : byte
{
    /// <summary>The limit of instructions is reached; the machine can go on.</summary>
    Limit,

    /// <summary>The program ended the machine through an exit device; <see cref="RunResult.Status"/> has its word.</summary>
    GuestExit,

    /// <summary>The program asked for a reset: the keyboard controller, port 92H, port 0CF9H.</summary>
    Reset,

    /// <summary>The program switched the power off (ACPI S5).</summary>
    PowerOff,

    /// <summary>A triple fault: the processor has shut down, where a board would reset it.</summary>
    Shutdown,

    /// <summary>All processors are halted with interrupts off, or wait for a startup message that nobody can send.</summary>
    Halted,

    /// <summary>
    /// All processors are halted, and nothing but time has passed for <see cref="BareMachineOptions.IdleTicks"/>: they wait for input,
    /// or for ever.
    /// </summary>
    Idle,
}

/// <param name="End">How it ended.</param>
/// <param name="Status">The program's own number, for <see cref="RunEnd.GuestExit"/>.</param>
/// <param name="Instructions">Instructions that this run retired.</param>
public readonly record struct RunResult(RunEnd End, int Status, ulong Instructions);
