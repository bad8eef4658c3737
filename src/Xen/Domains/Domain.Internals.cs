using System;
using System.Collections.Generic;

using Xenolith.Mmu;
using Xenolith.Xen.Abi;

namespace Xenolith.Xen;

/// <content>What Xen knows of a domain.</content>
public sealed partial class Domain
{
    private readonly ulong[] _hvmParams = new ulong[(int)HvmParam.Count];

    /// <summary>Dom0 and nobody else.</summary>
    internal bool IsPrivileged => Id == 0;

    internal Physmap Physmap { get; set; } = null!;

    internal DomainMemory Memory { get; set; } = null!;

    internal List<Vcpu> Vcpus { get; } = [];

    /// <summary>How many vCPUs it may have (XEN_DOMCTL_createdomain).</summary>
    internal uint MaxVcpus { get; set; } = 1;

    internal EventChannels Events { get; set; } = null!;

    internal GrantTable Grants { get; set; } = null!;

    internal SharedInfo SharedInfo { get; set; } = null!;

    internal XenDomainHandle Handle { get; set; }

    internal XenArchDomainconfig ArchConfig { get; set; }

    internal uint Ssidref { get; set; }

    /// <summary>The map that XENMEM_memory_map returns.</summary>
    internal IReadOnlyList<E820Entry> MemoryMap { get; set; } = [];

    /// <summary>XEN_DOMCTL_pausedomain minus unpausedomain; created paused, as Xen does.</summary>
    internal int PauseCount { get; set; } = 1;

    /// <summary>Unpaused at least once: its memory is its own.</summary>
    internal bool HasStarted { get; set; }

    /// <summary>SCHEDOP_shutdown, or what ended it; null while it lives.</summary>
    internal ShutdownReason? ShutdownReason { get; set; }

    /// <summary>SCHEDOP_shutdown_code: what a crash without a word of the guest's is reported as.</summary>
    internal ShutdownReason? ShutdownCode { get; set; }

    internal bool IsDying { get; set; }

    /// <summary>HVM_PARAM_CALLBACK_IRQ of type vector; zero: none.</summary>
    internal byte CallbackVector { get; set; }

    /// <summary>SCHEDOP_watchdog timers: expiry tick, zero when off.</summary>
    internal ulong[] Watchdogs { get; } = new ulong[2];

    internal bool MayRun => HasStarted && PauseCount == 0 && ShutdownReason is null && !IsDying;

    internal ulong GetParam(HvmParam index) => _hvmParams[(int)index];

    internal void SetParam(HvmParam index, ulong value) => _hvmParams[(int)index] = value;

    internal Vcpu? FindVcpu(uint id) => id < (uint)Vcpus.Count ? Vcpus[(int)id] : null;

    /// <summary>Keeps <see cref="State"/> true after any change of what it depends on.</summary>
    internal void UpdateState() => State = IsDying ? DomainState.Dead
        : ShutdownReason is not null ? DomainState.Shutdown
        : !HasStarted ? DomainState.Building
        : PauseCount > 0 ? DomainState.Paused
        : DomainState.Running;
}
