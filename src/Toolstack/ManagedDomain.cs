using System;

using Xenolith.Mmu;
using Xenolith.Toolstack.Console;
using Xenolith.Toolstack.Xenstore;
using Xenolith.Xen;
using Xenolith.Xen.Abi;

namespace Xenolith.Toolstack;

/// <summary>A domain that the toolstack has built and looks after until it is destroyed.</summary>
public sealed class ManagedDomain
{
    internal ManagedDomain(DomainConfig config, Domain report, DomainFacts facts)
    {
        Config = config;
        Report = report;
        Facts = facts;
    }

    public DomainConfig Config { get; }

    /// <summary>State, counters and reason of its end, for reports.</summary>
    public Domain Report { get; }

    public ushort Id => Report.Id;

    public string Name => Config.Name;

    /// <summary>Its memory has gone back, or the toolstack has given up on it.</summary>
    public bool IsDestroyed { get; internal set; }

    /// <summary>Typed bytes wait for the guest to take them.</summary>
    public bool HasInput => Console is { HasInput: true };

    /// <summary>Dom0 was refused the domain's console ring, when it last looked: what the domain prints there is not seen.</summary>
    public bool IsConsoleRefused { get; internal set; }

    /// <summary>Its end has been told.</summary>
    internal bool IsEndReported { get; set; }

    internal DomainFacts Facts { get; }

    internal ConsoleRing? Console { get; set; }

    internal XenstoreRing? Store { get; set; }

    internal ForeignRingPage? ConsolePage { get; set; }

    internal ForeignRingPage? StorePage { get; set; }
}

/// <summary>Receives what a domain prints, on its own console or on Xen's.</summary>
public delegate void DomainOutput(ManagedDomain domain, ReadOnlySpan<byte> bytes);
