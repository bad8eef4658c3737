using System;
using System.Collections.Generic;

using Xenolith.Mmu;
using Xenolith.Toolstack.Console;
using Xenolith.Toolstack.Xenstore;
using Xenolith.Xen;
using Xenolith.Xen.Abi;

namespace Xenolith.Toolstack;

/// <summary>
/// Dom0's software: builds domains, runs the console and xenstore daemons for them, and destroys them when they have ended. Its
/// daemons run when events arrive for Dom0, between time slices, so that runs repeat bit for bit.
/// </summary>
public sealed class DomainManager
{
    private readonly Dom0Client _dom0;
    private readonly List<ManagedDomain> _domains = [];
    private readonly Dictionary<uint, ManagedDomain> _byConsolePort = [];
    private readonly Dictionary<uint, ManagedDomain> _byStorePort = [];
    private readonly uint _domainEventPort;

    public DomainManager(Hypervisor hypervisor)
    {
        Hypervisor = hypervisor;
        _dom0 = new Dom0Client(hypervisor.Dom0);
        hypervisor.Dom0.Upcall = OnUpcall;
        hypervisor.Dom0.Tick = PollAll; // for guests that poll their rings, and where no event may be written
        hypervisor.ConsoleOutput = OnXenConsole;
        Store.Write("/local/domain/0/name", "Domain-0");
        Store.Write("/local/domain/0/domid", "0");

        EvtchnBindVirq bind = new() { Virq = Virq.DomExc };
        Dom0Client.Check(_dom0.EventChannelOp(EvtchnOp.BindVirq, ref bind), "EVTCHNOP_bind_virq of VIRQ_DOM_EXC");
        _domainEventPort = bind.Port;
    }

    public Hypervisor Hypervisor { get; }

    public XenstoreServer Store { get; } = new();

    /// <summary>Every domain built, in order, destroyed ones included.</summary>
    public IReadOnlyList<ManagedDomain> Domains => _domains;

    /// <summary>Where the consoles' output goes.</summary>
    public DomainOutput? Output { get; set; }

    /// <summary>Called when a domain has ended, before anything of it is taken away: <see cref="Domain.Exit"/> says why.</summary>
    public Action<ManagedDomain>? Ended { get; set; }

    /// <summary>Ended domains keep their memory until <see cref="Destroy"/>, so that they can be looked into.</summary>
    public bool PreserveEnded { get; set; }

    /// <summary>Builds a domain; it stays paused until <see cref="Unpause"/>.</summary>
    /// <exception cref="InputException">The image cannot be used, or the machine has not what the domain needs.</exception>
    public ManagedDomain Create(DomainConfig config)
    {
        BuiltDomain built = DomainBuilder.Build(_dom0, config);
        DomainFacts facts = new()
        {
            Id = built.Id,
            Name = config.Name,
            Uuid = DomainIdentity.UuidOf(config.Name),
            MemoryMiB = config.MemoryMiB,
            MaxMemoryMiB = config.MaxMemoryMiB,
            Vcpus = config.Vcpus,
            StorePort = built.StorePort,
            StoreFrame = DomainBuilder.StoreFrame.Value,
            ConsolePort = built.ConsolePort,
            ConsoleFrame = DomainBuilder.ConsoleFrame.Value,
        };
        ManagedDomain domain = new(config, FindReport(built.Id), facts);
        domain.Report.Label = config.Name;
        _domains.Add(domain);
        try
        {
            AttachDaemons(domain);
        }
        catch (InputException)
        {
            Destroy(domain);
            throw;
        }

        return domain;
    }

    public void Unpause(ManagedDomain domain)
    {
        XenDomctl argument = new(DomctlCommand.UnpauseDomain, domain.Id);
        Dom0Client.Check(_dom0.Domctl(ref argument), $"{domain.Config.Path}: XEN_DOMCTL_unpausedomain");
    }

    public void Pause(ManagedDomain domain)
    {
        XenDomctl argument = new(DomctlCommand.PauseDomain, domain.Id);
        _dom0.Domctl(ref argument);
    }

    /// <summary>Types on a domain's PV console.</summary>
    public void Type(ManagedDomain domain, ReadOnlySpan<byte> bytes)
    {
        if (domain.Console is { } console)
        {
            console.Type(bytes);
            PollConsole(domain);
        }
    }

    /// <summary>Takes everything of a domain away; its counters and reason stay readable.</summary>
    public void Destroy(ManagedDomain domain)
    {
        if (domain.IsDestroyed)
        {
            return;
        }

        domain.IsDestroyed = true;
        domain.Store?.Close();
        Detach(domain.ConsolePage, _byConsolePort);
        Detach(domain.StorePage, _byStorePort);
        domain.Console = null;
        domain.Store = null;
        DomainBuilder.Destroy(_dom0, domain.Id);
        DomainNodes.Remove(Store, domain.Facts);
    }

    /// <summary>
    /// Looks after every domain once: rings that moved without an event, domains that ended. True when something was done.
    /// </summary>
    public bool PollAll()
    {
        bool moved = false;
        foreach (ManagedDomain domain in _domains)
        {
            moved |= PollConsole(domain);
            moved |= domain.Store?.Poll() ?? false;
        }

        return moved | ReapEnded();
    }

    private void AttachDaemons(ManagedDomain domain)
    {
        domain.ConsolePage = MapRing(domain, DomainBuilder.ConsoleFrame, domain.Facts.ConsolePort);
        domain.StorePage = MapRing(domain, DomainBuilder.StoreFrame, domain.Facts.StorePort);
        domain.Console = new ConsoleRing(domain.ConsolePage);
        _byConsolePort.Add(domain.ConsolePage.LocalPort, domain);
        _byStorePort.Add(domain.StorePage.LocalPort, domain);
        DomainNodes.Write(Store, domain.Facts);
        domain.Store = new XenstoreRing(Store, domain.Id, domain.StorePage);
    }

    private ForeignRingPage MapRing(ManagedDomain domain, Gfn frame, uint remotePort)
    {
        if (!_dom0.TryMap(domain.Id, frame, out Gpa address, out Errno error))
        {
            throw new InputException($"{domain.Config.Path}: ring frame {frame} of domain {domain.Name} cannot be mapped: {error}");
        }

        EvtchnBindInterdomain bind = new() { RemoteDom = domain.Id, RemotePort = remotePort };
        Dom0Client.Check(_dom0.EventChannelOp(EvtchnOp.BindInterdomain, ref bind), $"{domain.Config.Path}: EVTCHNOP_bind_interdomain");
        return new ForeignRingPage(_dom0, address, bind.LocalPort);
    }

    private void Detach(ForeignRingPage? page, Dictionary<uint, ManagedDomain> ports)
    {
        if (page is null)
        {
            return;
        }

        ports.Remove(page.LocalPort);
        EvtchnPort close = new() { Port = page.LocalPort };
        _dom0.EventChannelOp(EvtchnOp.Close, ref close);
        _dom0.Unmap(page.Address);
    }

    /// <summary>Dom0's interrupt handler: each pending port belongs to a daemon.</summary>
    private void OnUpcall()
    {
        for (uint port = _dom0.Context.TakePendingPort(); port != 0; port = _dom0.Context.TakePendingPort())
        {
            if (port == _domainEventPort)
            {
                ReapEnded();
            }
            else if (_byConsolePort.TryGetValue(port, out ManagedDomain? console))
            {
                PollConsole(console);
            }
            else if (_byStorePort.TryGetValue(port, out ManagedDomain? store))
            {
                store.Store?.Poll();
            }
        }
    }

    private bool PollConsole(ManagedDomain domain)
    {
        if (domain.Console is not { } console)
        {
            return false;
        }

        bool moved = console.Poll(bytes => Output?.Invoke(domain, bytes));
        domain.IsConsoleRefused = console.IsRefused;
        return moved;
    }

    private void OnXenConsole(Domain domain, ReadOnlySpan<byte> bytes)
    {
        foreach (ManagedDomain managed in _domains)
        {
            if (ReferenceEquals(managed.Report, domain))
            {
                Output?.Invoke(managed, bytes);
            }
        }
    }

    private bool ReapEnded()
    {
        bool any = false;
        foreach (ManagedDomain domain in _domains.ToArray())
        {
            if (domain.IsDestroyed || !HasShutDown(domain) || domain.IsEndReported)
            {
                continue;
            }

            any = true;
            domain.IsEndReported = true;
            PollConsole(domain); // its last words
            Ended?.Invoke(domain);
            if (!PreserveEnded)
            {
                Destroy(domain);
            }
        }

        return any;
    }

    private bool HasShutDown(ManagedDomain domain)
    {
        XenDomctl argument = new(DomctlCommand.GetDomainInfo, domain.Id);
        return !_dom0.Domctl(ref argument).IsError
            && argument.Domain == domain.Id
            && (argument.Argument<XenDomctlGetdomaininfo>().Flags & XenDomctlGetdomaininfo.Shutdown) != 0;
    }

    private Domain FindReport(ushort id)
    {
        for (int i = Hypervisor.Domains.Count - 1; i >= 0; i--)
        {
            if (Hypervisor.Domains[i].Id == id)
            {
                return Hypervisor.Domains[i];
            }
        }

        throw new InvalidOperationException($"domain {id} was created but is not there");
    }
}
