using System.Collections.Generic;

using Xenolith.Mmu;

namespace Xenolith.Xen;

/// <summary>
/// A domain as a report sees it. Everything that acts on one goes through hypercalls; ended domains stay in
/// <see cref="Hypervisor.Domains"/>, so that their reason and counters can be read.
/// </summary>
public sealed partial class Domain
{
    internal Domain(Hypervisor hypervisor, ushort id)
    {
        Hypervisor = hypervisor;
        Id = id;
    }

    public ushort Id { get; }

    /// <summary>What reports call the domain. Nothing in the machine depends on it; the toolstack sets it.</summary>
    public string Label { get; set; } = string.Empty;

    /// <summary>Its identity before the isolation unit.</summary>
    public Vmid Vmid { get; internal set; }

    public DomainState State { get; internal set; }

    /// <summary>Why it stopped; of kind None while it lives.</summary>
    public DomainExit Exit { get; internal set; } = new(DomainExitKind.None);

    public DomainCounters Counters { get; } = new();

    /// <summary>Pages that belong to the domain now.</summary>
    public ulong TotalPages { get; internal set; }

    /// <summary>Pages that it may have (XEN_DOMCTL_max_mem).</summary>
    public ulong MaxPages { get; internal set; }

    internal Hypervisor Hypervisor { get; }
}
