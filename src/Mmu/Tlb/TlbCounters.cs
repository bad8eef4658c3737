namespace Xenolith.Mmu;

/// <summary>What a TLB did. Data hits = data accesses of the processor - <see cref="DataMisses"/>. Read as differences.</summary>
public struct TlbCounters
{
    /// <summary>Data accesses that needed a walk.</summary>
    public ulong DataMisses;

    /// <summary>Instruction fetches that needed a walk.</summary>
    public ulong FetchMisses;

    /// <summary>Slow-path accesses that the second level answered.</summary>
    public ulong SecondLevelHits;

    /// <summary>Entries of the second level that an invalidation removed.</summary>
    public ulong Invalidated;

    /// <summary>Times that everything was dropped because ownership of memory had changed (docs/asmi.md, G14).</summary>
    public ulong Shootdowns;
}
