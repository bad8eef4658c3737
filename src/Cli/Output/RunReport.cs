using System.Collections.Generic;

using Xenolith.Cli.Machine;
using Xenolith.Mmu;
using Xenolith.Toolstack;
using Xenolith.Xen;

namespace Xenolith.Cli.Output;

/// <summary>Costs in the units of docs/counting.md, of one domain or of several together.</summary>
internal sealed class Costs
{
    public ulong Instructions { get; private set; }

    public TranslationCounters Translation;

    public ulong DataAccesses { get; private set; }

    public ulong DataTlbMisses { get; private set; }

    public ulong DataTlbHits { get; private set; }

    public ulong VmEntries { get; private set; }

    public SortedDictionary<uint, ulong> Exits { get; } = [];

    public ulong ExitCount { get; private set; }

    public ulong SlotAccesses { get; private set; }

    public ulong Hypercalls { get; private set; }

    public ulong Events { get; private set; }

    public ulong RefusedXenWrites { get; private set; }

    public ulong ConsoleBytes { get; private set; }

    public ulong ConsoleBytesDropped { get; private set; }

    /// <summary>VM entries and exits.</summary>
    public ulong Transitions => VmEntries + ExitCount;

    public static Costs Of(DomainCounters counters)
    {
        Costs costs = new();
        costs.Add(counters);
        return costs;
    }

    public void Add(DomainCounters counters)
    {
        Instructions += counters.Instructions;
        Translation.Walks += counters.Translation.Walks;
        Translation.GuestReferences += counters.Translation.GuestReferences;
        Translation.EptReferences += counters.Translation.EptReferences;
        Translation.Judged += counters.Translation.Judged;
        Translation.Lookups += counters.Translation.Lookups;
        Translation.Denied += counters.Translation.Denied;
        DataAccesses += counters.DataAccesses;
        DataTlbMisses += counters.DataTlbMisses;
        DataTlbHits += counters.DataTlbHits;
        VmEntries += counters.VmEntries;
        SlotAccesses += counters.SlotAccesses;
        Hypercalls += counters.Hypercalls;
        Events += counters.EventsReceived;
        RefusedXenWrites += counters.RefusedXenWrites;
        ConsoleBytes += counters.ConsoleBytes;
        ConsoleBytesDropped += counters.ConsoleBytesDropped;
        foreach ((uint reason, ulong count) in counters.Exits)
        {
            Exits[reason] = Exits.GetValueOrDefault(reason) + count;
            ExitCount += count;
        }
    }
}

/// <summary>What became of one domain.</summary>
internal sealed record DomainReport(ManagedDomain Domain, DomainExit Exit, Costs Costs, string Console, bool ConsoleIsCut)
{
    /// <summary>It came to an end of its own will, and a good one.</summary>
    public bool IsGood => Exit.Kind is DomainExitKind.Poweroff or DomainExitKind.Reboot or DomainExitKind.Suspend;

    /// <summary>It had not ended when the run did.</summary>
    public bool IsAlive => Exit.Kind == DomainExitKind.None;
}

/// <summary>A finished run: everything that summaries, in text or JSON, are made from.</summary>
internal sealed record RunReport
{
    public required RunStop Stop { get; init; }

    /// <summary>What Xen last said, when it could not go on; else empty.</summary>
    public string Panic { get; init; } = "";

    public required MachineOptions Options { get; init; }

    public required string Isolation { get; init; }

    public required ulong Instructions { get; init; }

    public required ulong IdleTicks { get; init; }

    /// <summary>Everything that was translated and judged on the machine, Xen's and Dom0's own accesses included.</summary>
    public required TranslationCounters Machine { get; init; }

    public required IReadOnlyList<DomainReport> Domains { get; init; }

    public required Costs Total { get; init; }

    /// <summary>Names of the identities that reports mention.</summary>
    public required IReadOnlyDictionary<uint, string> Names { get; init; }

    public static RunReport Of(MachineSession session, MachineOptions options, RunStop stop, ConsolePrinter printer)
    {
        Costs total = new();
        List<DomainReport> domains = [];
        SortedDictionary<uint, string> names = [];
        names[session.Board.MemoryUnit.Control.Hypervisor.Value] = "xen";
        foreach (Domain domain in session.Hypervisor.Domains)
        {
            names[domain.Vmid.Value] = domain.Label;
        }

        foreach (ManagedDomain domain in session.Manager.Domains)
        {
            DomainCounters counters = domain.Report.Counters;
            total.Add(counters);
            domains.Add(new DomainReport(domain, domain.Report.Exit, Costs.Of(counters), printer.TextOf(domain), printer.IsCut(domain)));
        }

        return new RunReport
        {
            Stop = stop,
            Panic = session.Hypervisor.PanicMessage,
            Options = options,
            Isolation = session.Isolation.ToString(),
            Instructions = session.Board.RetiredInstructions,
            IdleTicks = session.Board.IdleTicks,
            Machine = session.Board.MemoryUnit.Counters,
            Domains = domains,
            Total = total,
            Names = names,
        };
    }

    public string NameOf(Vmid vmid) => vmid == Vmid.None ? "nobody" : Names.TryGetValue(vmid.Value, out string? name) ? name : $"VMID {vmid}";

    /// <summary>What the shell is told: a guest that failed counts more than one that did not come to its end.</summary>
    public int ToExitCode()
    {
        foreach (DomainReport domain in Domains)
        {
            if (!domain.IsGood && !domain.IsAlive && domain.Exit.Kind != DomainExitKind.Killed)
            {
                return ExitCode.GuestFailed;
            }
        }

        return Stop switch
        {
            RunStop.AllEnded => ExitCode.Ok,
            RunStop.InstructionLimit => ExitCode.InstructionLimit,
            RunStop.Idle => ExitCode.Idle,
            RunStop.Panic => ExitCode.GuestFailed, // no guest can go on, and one of them may have brought it about
            _ => ExitCode.Interrupted,
        };
    }
}
