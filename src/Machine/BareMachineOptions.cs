using Xenolith.Mmu;

namespace Xenolith.Machine;

/// <summary>What a bare machine is made of.</summary>
public sealed record BareMachineOptions
{
    /// <summary>Most processors that a machine has.</summary>
    public const int MaxProcessors = 8;

    /// <summary>Size of the RAM in bytes, whole pages. What is above 3 GiB lies at 4 GiB and up.</summary>
    public ulong MemoryBytes { get; init; } = 128UL << 20;

    /// <summary>
    /// Bytes of memory that end at 4 GiB and hold a firmware: whole pages. What lies between it and the RAM is empty.
    /// </summary>
    public uint RomBytes { get; init; }

    /// <summary>How many processors, 1 to <see cref="MaxProcessors"/>.</summary>
    public int Processors { get; init; } = 1;

    /// <summary>The isolation unit between paging and memory; null is none.</summary>
    public IsolationFactory? Isolation { get; init; }

    /// <summary>The unit's profile and segment size.</summary>
    public IsolationOptions IsolationOptions { get; init; } = new(string.Empty, Pages.Size);

    /// <summary>Who receives translation records; null runs without a probe, at full speed.</summary>
    public ITranslationSink? Sink { get; init; }

    /// <summary>Seed of everything on this machine that is not fixed by its input.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>What the machine's calendar shows at tick 0, in seconds since 1970 (UTC).</summary>
    public ulong BootTimeSeconds { get; init; } = 1_767_225_600; // 2026-01-01T00:00:00Z

    /// <summary>Pins of the IO-APIC: 24, or 48 as on boards with two of them.</summary>
    public int IoApicPins { get; init; } = 24;

    /// <summary>Instructions of a processor's turn while others could run too; the seed spreads it over [this, 1.5 of this).</summary>
    public long SliceInstructions { get; init; } = 4_000;

    /// <summary>Ticks of idle time after which a run that nothing but input could end comes back.</summary>
    public ulong IdleTicks { get; init; } = 10 * MachineClock.TicksPerSecond;
}
