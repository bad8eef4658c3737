using System;
using System.Collections.Generic;
using System.IO;

using Xenolith.Cli.Machine;
using Xenolith.Cli.Output;
using Xenolith.Cli.Trace;
using Xenolith.Guests;
using Xenolith.Toolstack;
using Xenolith.Xen;
using Xenolith.Xen.Rogue;

namespace Xenolith.Cli.Commands;

/// <summary>Two tenants and a prowler on a Xen that betrays the first tenant, run once under one isolation unit.</summary>
internal sealed record DemoScenario
{
    private const ushort VictimId = 1;
    private const ushort ProwlerId = 3;

    /// <summary>Much more than the story needs; only a machine that is broken runs into it.</summary>
    private const ulong InstructionLimit = 2_000_000_000;

    public required RunReport Report { get; init; }

    /// <summary>The translations that the isolation unit refused.</summary>
    public required IReadOnlyList<TraceRecord> Refused { get; init; }

    /// <summary>The prowler's symbols, for its addresses.</summary>
    public required SystemMap? ProwlerSymbols { get; init; }

    public DomainReport Victim => Report.Domains[0];

    public DomainReport Bystander => Report.Domains[1];

    public DomainReport Prowler => Report.Domains[2];

    /// <exception cref="InputException">The images are not where they should be.</exception>
    public static DemoScenario Run(MachineOptions options, string imagesFolder)
    {
        options = options with { MaxInstructions = Math.Min(options.MaxInstructions, InstructionLimit) };
        List<TraceRecord> refused = [];
        TraceFilter filter = new() { FaultsOnly = true };
        TraceRecorder recorder = new(filter, record =>
        {
            if (record.Denied is not null)
            {
                refused.Add(record);
            }
        });
        using MachineSession session = new(options, recorder, new RogueOptions(VictimId, ProwlerId));
        ConsolePrinter printer = new(null, withNames: true);
        session.Manager.Output = printer.Print;
        SystemMap? symbols = null;
        foreach (string path in (string[])["tenant-a.cfg", "tenant-b.cfg", "prowler.cfg"])
        {
            DomainConfig config = DomainConfigReader.Read(Path.Combine(imagesFolder, "demo", path), (uint)(options.MemoryBytes >> 20));
            session.Manager.Create(config);
            symbols = Symbols.ForKernel(config.Kernel);
        }

        RunStop stop = session.Run();
        return new DemoScenario
        {
            Report = RunReport.Of(session, options, stop, printer),
            Refused = refused,
            ProwlerSymbols = symbols,
        };
    }

    /// <summary>Finds the folder of the shipped guests: beside the program or above it, as in a clone.</summary>
    /// <exception cref="InputException">It is not there.</exception>
    public static string FindImages()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            string images = Path.Combine(folder.FullName, "images");
            if (File.Exists(Path.Combine(images, "demo", "tenant-a.cfg")))
            {
                return images;
            }
        }

        throw new InputException("the shipped guests (folder images) are not found beside the program; run xenolith from its clone");
    }
}
