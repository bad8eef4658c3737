using System.Collections.Generic;

using Xenolith.Mmu;

namespace Xenolith.Cli.Machine;

/// <summary>The machine that a command wants.</summary>
internal sealed record MachineOptions
{
    public const string DefaultIsolation = "asmi";
    public const ulong DefaultMemoryBytes = 1UL << 30;

    /// <summary>NAME[:PROFILE] of the isolation unit.</summary>
    public string Isolation { get; init; } = DefaultIsolation;

    /// <summary>Assemblies that bring further units.</summary>
    public IReadOnlyList<string> PlugIns { get; init; } = [];

    public ulong SegmentSizeBytes { get; init; } = Pages.Size;

    public ulong MemoryBytes { get; init; } = DefaultMemoryBytes;

    public ulong Seed { get; init; } = 1;

    public ulong MaxInstructions { get; init; } = ulong.MaxValue;
}
