using Xenolith.Mmu;

namespace Xenolith.Xen;

/// <summary>Where a domain is in its life.</summary>
public enum DomainState : byte
{
    /// <summary>Created, never unpaused: its memory is not its own yet.</summary>
    Building,

    /// <summary>At least one vCPU may run.</summary>
    Running,

    /// <summary>Paused by the toolstack.</summary>
    Paused,

    /// <summary>It has shut down or was crashed; the toolstack has still to destroy it.</summary>
    Shutdown,

    /// <summary>Destroyed: its memory has gone back.</summary>
    Dead,
}

/// <summary>Why a domain stopped running.</summary>
public enum DomainExitKind : byte
{
    /// <summary>It has not stopped.</summary>
    None,
    Poweroff,
    Reboot,
    Suspend,

    /// <summary>SCHEDOP_shutdown(crash): the guest itself said so.</summary>
    GuestCrash,
    Watchdog,
    TripleFault,

    /// <summary>The isolation unit refused one of its accesses.</summary>
    IsolationViolation,

    /// <summary>The processor refused to enter it: its state is one that no processor can be in.</summary>
    InvalidGuestState,

    /// <summary>It executed where there is no memory, or did what this Xen cannot emulate.</summary>
    Unemulated,

    /// <summary>Destroyed while it was alive.</summary>
    Killed,
}

/// <summary>How a domain ended, with what a report needs.</summary>
public sealed record DomainExit(DomainExitKind Kind)
{
    /// <summary>One line for a report; empty when the kind says it all.</summary>
    public string Detail { get; init; } = string.Empty;

    public int Vcpu { get; init; }

    public ulong Rip { get; init; }

    /// <summary>For isolation violations: the access that was refused.</summary>
    public IsolationFault? Fault { get; init; }
}

/// <summary>One refused access of a guest.</summary>
/// <param name="Gva">Linear address, when <paramref name="HasGva"/>.</param>
/// <param name="IsPagingStructure">The reference was to a paging structure of the guest.</param>
public sealed record IsolationFault(
    bool HasGva, Gva Gva, Gpa Gpa, Hpa Hpa, AccessKind Kind, bool IsPagingStructure, ulong Segment, Vmid Owner, Vmid Name);
