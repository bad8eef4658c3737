using System.Collections.Generic;
using System.Globalization;
using System.IO;

using Xenolith.Guests;
using Xenolith.Mmu;

namespace Xenolith.Cli.Trace;

/// <summary>
/// One translation as a tree for people: each reference of the guest's walk with the EPT references that it needed, the entry's bits by
/// name, in whose
/// name it was judged, whose segment it met, and the verdict.
/// </summary>
internal sealed class TranslationTree
{
    private readonly TraceRecord _record;
    private readonly SystemMap? _symbols;
    private readonly TextWriter _output;

    private TranslationTree(TraceRecord record, SystemMap? symbols, TextWriter output)
    {
        _record = record;
        _symbols = symbols;
        _output = output;
    }

    /// <param name="symbols">Names addresses of the guest; null shows numbers only.</param>
    public static void Write(TextWriter output, TraceRecord record, SystemMap? symbols) => new TranslationTree(record, symbols, output).Write();

    private static string Hex(ulong value) => TraceRecordJson.Hex(value);

    private void Write()
    {
        _output.WriteLine(Headline());
        List<List<TraceStep>> groups = Group();
        for (int i = 0; i < groups.Count; i++)
        {
            WriteGroup(groups[i], isLast: i == groups.Count - 1);
        }

        _output.WriteLine(Outcome());
        _output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"cost: {_record.References} references, {_record.Updates} updates of A and D bits, {_record.Lookups} look-ups of the isolation unit"));
    }

    /// <summary>Steps in groups: EPT entries lead to the guest's entry, or the datum, that follows them.</summary>
    private List<List<TraceStep>> Group()
    {
        List<List<TraceStep>> groups = [];
        List<TraceStep> current = [];
        foreach (TraceStep step in _record.Steps)
        {
            current.Add(step);
            if (step.Stage != WalkStage.Ept)
            {
                groups.Add(current);
                current = [];
            }
        }

        if (current.Count > 0)
        {
            groups.Add(current);
        }

        return groups;
    }

    private void WriteGroup(List<TraceStep> group, bool isLast)
    {
        TraceStep target = group[^1];
        _output.WriteLine((isLast ? "└─ " : "├─ ") + GroupTitle(target));
        string indent = isLast ? "   " : "│  ";
        for (int i = 0; i < group.Count; i++)
        {
            _output.WriteLine(indent + (i == group.Count - 1 ? "└─ " : "├─ ") + StepText(group[i]));
        }
    }

    private string Headline()
    {
        string what = _record.Gva is { } gva ? $"GVA {Symbolic(gva)}" : _record.Gpa is { } gpa ? $"GPA {Hex(gpa)}" : "physical memory";
        string who = _record.Rip is { } rip ? $"{_record.DomainName}, at RIP {Symbolic(rip)}" : _record.DomainName;
        return $"{Names.Of(_record.Kind)} of {what} by {who} ({Names.Of(_record.Mode)} mode)";
    }

    private static string GroupTitle(TraceStep target) => target switch
    {
        { Stage: WalkStage.Datum } => $"the datum, GPA {Hex(target.Gpa)}",
        { Stage: WalkStage.Ept } => "the next reference",
        { IsUpdate: true } => $"guest {EntryBits.LevelName(target.Level)} entry, GPA {Hex(target.Gpa)}: accessed and dirty bits",
        _ => $"guest {EntryBits.LevelName(target.Level)} entry, GPA {Hex(target.Gpa)}",
    };

    private string StepText(TraceStep step)
    {
        string what = step.Stage switch
        {
            WalkStage.Datum => $"HPA {Hex(step.Hpa)}",
            WalkStage.Ept => $"EPT {EntryBits.LevelName(step.Level),-4} at HPA {Hex(step.Hpa)}{EntryText(step)}",
            _ => $"HPA {Hex(step.Hpa)}{EntryText(step)}",
        };
        string owner = step.Owner == 0 ? "" : $" of {_record.NameOf(step.Owner)}";
        string verdict = step.IsAllowed ? "allowed" : "DENIED";
        return $"{what}; {Names.Of(step.Kind)} as {_record.NameOf(step.Name)}: segment {Hex(step.Segment)}{owner}, {verdict}";
    }

    private static string EntryText(TraceStep step) =>
        !step.IsAllowed ? "" : $" {(step.IsUpdate ? "becomes" : "=")} {Hex(step.Entry)} [{EntryBits.Of(step)}]";

    private string Outcome()
    {
        switch (_record.Status)
        {
            case TranslationStatus.Ok:
                return $"=> HPA {Hex(_record.Hpa ?? 0)} (mapping of {PageSize()})";
            case TranslationStatus.PageFault:
                return $"=> page fault, error code {Hex(_record.ErrorCode ?? 0)} [{PageFaultText((PageFaultCode)(_record.ErrorCode ?? 0))}]";
            case TranslationStatus.IsolationViolation when _record.Denied is { } denied:
                return $"=> isolation violation: {_record.NameOf(denied.Name)} may not {Names.Of(denied.Kind)} HPA {Hex(denied.Hpa)}: "
                    + $"segment {Hex(denied.Segment)} belongs to {_record.NameOf(denied.Owner)}";
            default:
                return $"=> {Names.Of(_record.Status)} at GPA {Hex(_record.FaultGpa ?? 0)}, exit qualification {Hex(_record.ExitQualification ?? 0)}";
        }
    }

    private string PageSize() => _record.PageShift switch { 12 => "4 KiB", 21 => "2 MiB", 22 => "4 MiB", 30 => "1 GiB", _ => $"2^{_record.PageShift} bytes" };

    private static string PageFaultText(PageFaultCode code) =>
        code == PageFaultCode.None ? "read, not present" : code.ToString().Replace(",", "", System.StringComparison.Ordinal);

    private string Symbolic(ulong address)
    {
        const ulong FarAway = 1 << 20; // further behind the last symbol, the name only misleads
        return _symbols is not null && _symbols.TryNearest(new Gva(address), out _, out ulong offset) && offset < FarAway
            ? $"{Hex(address)} <{_symbols.Describe(new Gva(address))}>"
            : Hex(address);
    }
}
