using System.Collections.Generic;

using Xenolith.Mmu;

namespace Xenolith.Xen;

/// <summary>What a domain has cost, in the units of docs/counting.md.</summary>
public sealed class DomainCounters
{
    private readonly SortedDictionary<uint, ulong> _exits = [];

    /// <summary>Instructions retired in non-root operation.</summary>
    public ulong Instructions { get; internal set; }

    /// <summary>Walks, references and look-ups made while the domain's vCPUs ran.</summary>
    public TranslationCounters Translation;

    /// <summary>Data accesses to memory; hits of the TLB are accesses minus misses.</summary>
    public ulong DataAccesses { get; internal set; }

    public ulong DataTlbMisses { get; internal set; }

    public ulong DataTlbHits => DataAccesses > DataTlbMisses ? DataAccesses - DataTlbMisses : 0;

    /// <summary>VM entries; each ends in one exit.</summary>
    public ulong VmEntries { get; internal set; }

    /// <summary>VM exits by basic exit reason (SDM 3C App. C; 165 is the isolation violation).</summary>
    public IReadOnlyDictionary<uint, ulong> Exits => _exits;

    public ulong Hypercalls { get; internal set; }

    /// <summary>
    /// Pro-mem's accesses to the domain's and the hypervisor's slots: two at each entry and each exit (docs/asmi.md, P9).
    /// </summary>
    public ulong SlotAccesses { get; internal set; }

    /// <summary>Writes of Xen's for this domain (shared_info, vcpu_info) that the isolation unit refused.</summary>
    public ulong RefusedXenWrites { get; internal set; }

    public ulong ConsoleBytes { get; internal set; }

    public ulong ConsoleBytesDropped { get; internal set; }

    public ulong EventsReceived { get; internal set; }

    internal void CountExit(uint reason) => _exits[reason] = _exits.GetValueOrDefault(reason) + 1;
}
