using Xenolith.Mmu;

namespace Xenolith.Machine;

/// <summary>What a board is made of.</summary>
public sealed record BoardOptions
{
    /// <summary>Size of the RAM in bytes, a whole number of segments.</summary>
    public ulong MemoryBytes { get; init; } = 1UL << 30;

    /// <summary>The isolation unit to put between paging and memory.</summary>
    public required IsolationFactory Isolation { get; init; }

    /// <summary>The unit's profile and segment size.</summary>
    public IsolationOptions IsolationOptions { get; init; } = new(string.Empty, Pages.Size);

    /// <summary>Who receives translation records; null runs without a probe, at full speed.</summary>
    public ITranslationSink? Sink { get; init; }

    /// <summary>Seed of everything on this machine that is not fixed by its input.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>What the machine's calendar shows at tick 0, in seconds since 1970 (UTC).</summary>
    public ulong BootTimeSeconds { get; init; } = 1_767_225_600; // 2026-01-01T00:00:00Z
}
