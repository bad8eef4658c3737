using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;

using Spectre.Console;

using Xenolith.Cli.Trace;
using Xenolith.Cpu;

namespace Xenolith.Cli.Output;

/// <summary>A run for people: how each domain ended, and a table of what it cost.</summary>
internal static class RunReportText
{
    private const int TableWidth = 160;

    public static void WriteEnds(TextWriter output, RunReport run)
    {
        if (run.Panic.Length > 0)
        {
            output.WriteLine("xenolith: Xen panicked: " + run.Panic);
        }

        foreach (DomainReport domain in run.Domains)
        {
            output.WriteLine("xenolith: " + EndText.Of(domain, run));
            if (domain.Domain.IsConsoleRefused)
            {
                output.WriteLine($"xenolith: {domain.Domain.Name}: {run.Isolation} refuses Dom0 its PV console: what it printed there is not seen");
            }
        }
    }

    /// <summary>One column for each domain and, if there are several, one for all.</summary>
    public static void WriteCosts(TextWriter output, RunReport run)
    {
        List<(string Name, Costs Costs)> columns = [];
        foreach (DomainReport domain in run.Domains)
        {
            columns.Add((domain.Domain.Name, domain.Costs));
        }

        if (columns.Count > 1)
        {
            columns.Add(("all", run.Total));
        }

        Table table = new Table().Border(TableBorder.Simple).AddColumn(new TableColumn($"cost ({Markup.Escape(run.Isolation)})").NoWrap());
        foreach ((string name, _) in columns)
        {
            table.AddColumn(new TableColumn(Markup.Escape(name)).RightAligned().NoWrap());
        }

        Row(table, columns, "instructions", static costs => costs.Instructions);
        Row(table, columns, "data accesses", static costs => costs.DataAccesses);
        Row(table, columns, "  TLB hits", static costs => costs.DataTlbHits);
        Row(table, columns, "  TLB misses", static costs => costs.DataTlbMisses);
        Row(table, columns, "walks", static costs => costs.Translation.Walks);
        Row(table, columns, "  guest references", static costs => costs.Translation.GuestReferences);
        Row(table, columns, "  EPT references", static costs => costs.Translation.EptReferences);
        Row(table, columns, "judged accesses", static costs => costs.Translation.Judged);
        Row(table, columns, "  look-ups", static costs => costs.Translation.Lookups);
        Row(table, columns, "  denied", static costs => costs.Translation.Denied);
        Row(table, columns, "slot accesses", static costs => costs.SlotAccesses);
        Row(table, columns, "VM exits", static costs => costs.ExitCount);
        foreach (uint reason in run.Total.Exits.Keys)
        {
            Row(table, columns, "  " + Names.Of((ExitReason)reason), costs => costs.Exits.GetValueOrDefault(reason));
        }

        Row(table, columns, "hypercalls", static costs => costs.Hypercalls);
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.No,
            ColorSystem = ColorSystemSupport.NoColors,
            Out = new PlainOutput(output),
        });
        console.Write(table);
    }

    private static void Row(Table table, List<(string Name, Costs Costs)> columns, string title, Func<Costs, ulong> value)
    {
        string[] cells = new string[columns.Count + 1];
        cells[0] = Markup.Escape(title);
        for (int i = 0; i < columns.Count; i++)
        {
            cells[i + 1] = value(columns[i].Costs).ToString("N0", CultureInfo.InvariantCulture);
        }

        table.AddRow(cells);
    }

    /// <summary>A text writer of fixed width: the table is the same wherever it is printed.</summary>
    private sealed class PlainOutput(TextWriter writer) : IAnsiConsoleOutput
    {
        public TextWriter Writer => writer;

        public bool IsTerminal => false;

        public int Width => TableWidth;

        public int Height => 1000;

        public void SetEncoding(System.Text.Encoding encoding)
        {
        }
    }
}
