using Xenolith.Mmu;

namespace Xenolith.Xen;

/// <summary>Xen's command line, so to say.</summary>
public sealed record HypervisorOptions
{
    /// <summary>Bytes of [0, heap) that Xen declares as its own and keeps its structures in; 0 chooses by the size of the RAM.</summary>
    public ulong HeapBytes { get; init; }

    /// <summary>Memory that Dom0 gets at GPA 0.</summary>
    public ulong Dom0MemoryBytes { get; init; } = 4UL << 20;

    /// <summary>Mean length of a time slice, in instructions.</summary>
    public long SliceInstructions { get; init; } = 100_000;

    /// <summary>
    /// Domains that Xen betrays: the demonstration of an infected hypervisor. Null is a Xen that keeps its word.
    /// </summary>
    public Rogue.RogueOptions? Rogue { get; init; }

    /// <summary>Bytes of console_io output that one domain may write before the rest is dropped and counted.</summary>
    public ulong ConsoleLimitBytes { get; init; } = 16UL << 20;
}
