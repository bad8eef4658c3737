using System.Collections.Generic;
using System.CommandLine;
using System.IO;
using System.Text.Json;

using Xenolith.Cli.Machine;
using Xenolith.Cli.Output;
using Xenolith.Cli.Trace;

namespace Xenolith.Cli.Commands;

/// <summary>
/// <c>xenolith demo</c>: what the machine is for, in one story. It runs the same three guests on the same infected Xen twice, checks
/// each sentence it
/// says, and fails when one does not hold.
/// </summary>
internal sealed class DemoCommand
{
    private readonly Terminal _terminal;
    private readonly MachineOptionSet _machine;
    private readonly Option<bool> _json = new("--json") { Description = "Print the story as JSON, and nothing else" };

    private DemoCommand(Terminal terminal, Command command)
    {
        _terminal = terminal;
        _machine = MachineOptionSet.AddTo(command);
        command.Add(_json);
        command.SetAction(Run);
    }

    public static Command Create(Terminal terminal)
    {
        Command command = new("demo", "Two tenants and a prowler under a Xen that betrays them, without and with isolation");
        _ = new DemoCommand(terminal, command);
        return command;
    }

    private int Run(ParseResult arguments)
    {
        MachineOptions options = _machine.Read(arguments);
        string images = DemoScenario.FindImages();
        bool isJson = arguments.GetValue(_json);
        if (!isJson)
        {
            WriteOpening(_terminal.Output);
        }

        DemoScenario open = DemoScenario.Run(options with { Isolation = "none" }, images);
        if (!isJson)
        {
            WriteOpen(_terminal.Output, open);
        }

        DemoScenario guarded = DemoScenario.Run(options, images);
        DemoStory story = new(open, guarded);
        List<Claim> claims = story.Claims();
        if (isJson)
        {
            WriteJson(open, guarded, story, claims);
        }
        else
        {
            WriteGuarded(_terminal.Output, guarded, story);
            WriteClaims(_terminal.Output, claims);
        }

        return claims.TrueForAll(static claim => claim.Holds) ? ExitCode.Ok : ExitCode.GuestFailed;
    }

    private static void WriteOpening(TextWriter output)
    {
        output.WriteLine("Three guests share a machine: two tenants, who keep a secret each in their memory, and a prowler, who reads whatever an");
        output.WriteLine("address can name. Their Xen is infected: it maps all of tenant A's frames into the prowler's EPT, at GPA 0x40000000.");
        output.WriteLine();
    }

    private static void WriteOpen(TextWriter output, DemoScenario open)
    {
        output.WriteLine("1. A machine as they are today (--isolation none)");
        WriteLine(output, open.Prowler, DemoStory.LineWith(open.Prowler, "window at 1 GiB"));
        WriteLine(output, open.Prowler, DemoStory.LineWith(open.Prowler, "FOUND a secret"));
        WriteLine(output, open.Victim, DemoStory.LastLine(open.Victim));
        output.WriteLine("   The prowler has read A's secret, and A never noticed.");
        output.WriteLine();
    }

    private static void WriteGuarded(TextWriter output, DemoScenario guarded, DemoStory story)
    {
        output.WriteLine($"2. The same guests, the same infected Xen, with an isolation unit before memory (--isolation {guarded.Report.Isolation})");
        WriteLine(output, guarded.Prowler, DemoStory.LineWith(guarded.Prowler, "window at 1 GiB"));
        output.WriteLine("   xenolith: " + EndText.Of(guarded.Prowler, guarded.Report));
        WriteLine(output, guarded.Victim, DemoStory.LastLine(guarded.Victim));
        WriteLine(output, guarded.Bystander, DemoStory.LastLine(guarded.Bystander));
        output.WriteLine();
        if (story.Refused is { } refused)
        {
            output.WriteLine("3. The access that was refused, from the trace");
            TranslationTree.Write(output, refused, guarded.ProwlerSymbols);
            output.WriteLine();
        }
    }

    private static void WriteLine(TextWriter output, DomainReport domain, string? line) =>
        output.WriteLine($"   {domain.Domain.Name}| {line ?? "(said nothing of the kind)"}");

    private static void WriteClaims(TextWriter output, List<Claim> claims)
    {
        output.WriteLine("What was claimed, checked:");
        foreach (Claim claim in claims)
        {
            output.WriteLine($"   {(claim.Holds ? "ok    " : "FAILED")} {claim.Text}");
        }
    }

    private void WriteJson(DemoScenario open, DemoScenario guarded, DemoStory story, List<Claim> claims)
    {
        using (Utf8JsonWriter json = RunReportJson.NewWriter(_terminal.RawOutput))
        {
            json.WriteStartObject();
            json.WriteNumber("schema", RunReportJson.SchemaVersion);
            json.WriteBoolean("holds", claims.TrueForAll(static claim => claim.Holds));
            json.WriteStartArray("claims");
            foreach (Claim claim in claims)
            {
                json.WriteStartObject();
                json.WriteString("text", claim.Text);
                json.WriteBoolean("holds", claim.Holds);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteStartArray("runs");
            foreach (DemoScenario scenario in (DemoScenario[])[open, guarded])
            {
                json.WriteStartObject();
                RunReportJson.WriteBody(json, scenario.Report);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WritePropertyName("refused");
            if (story.Refused is { } refused)
            {
                TraceRecordJson.Write(json, refused);
            }
            else
            {
                json.WriteNullValue();
            }

            json.WriteEndObject();
        }

        _terminal.RawOutput.WriteByte((byte)'\n');
        _terminal.RawOutput.Flush();
    }
}
