using System.Collections.Generic;
using System.CommandLine;

using Xenolith.Cli.Trace;
using Xenolith.Mmu;
using Xenolith.Toolstack;

namespace Xenolith.Cli.Commands;

/// <summary>The options that ask for a trace and say what it keeps.</summary>
internal sealed class TraceOptionSet
{
    private readonly Option<string?> _file = new("--trace")
    {
        HelpName = "FILE",
        Description = "Write each translation as a line of JSON (docs/translation-record.md)",
    };

    private readonly Option<string[]> _domains = new("--trace-domain")
    {
        HelpName = "NAME|ID",
        Description = "Keep only translations of this domain (xen: those of Xen itself); may be given again",
    };

    private readonly Option<string[]> _addresses = new("--trace-address")
    {
        HelpName = "RANGE",
        Description = "Keep only translations whose GVA, GPA or HPA lies in 0xSTART-0xEND or 0xSTART+SIZE; may be given again",
    };

    private readonly Option<string[]> _kinds = new("--trace-kind")
    {
        HelpName = "read|write|execute",
        Description = "Keep only accesses of this kind; may be given again",
    };

    private readonly Option<bool> _faults = new("--trace-faults")
    {
        Description = "Keep only translations that ended in a fault or were refused",
    };

    public static TraceOptionSet AddTo(Command command)
    {
        TraceOptionSet set = new();
        command.Add(set._file);
        command.Add(set._domains);
        command.Add(set._addresses);
        command.Add(set._kinds);
        command.Add(set._faults);
        return set;
    }

    /// <summary>Opens the trace; null when none was asked for.</summary>
    /// <exception cref="InputException">A filter is malformed or has no trace to work on, or the file cannot be made.</exception>
    public TraceFile? Open(ParseResult arguments, out TraceFilter filter)
    {
        List<AccessKind> kinds = [];
        foreach (string text in arguments.GetValue(_kinds) ?? [])
        {
            foreach (string name in text.Split(','))
            {
                kinds.Add(Names.TryParse(name, out AccessKind kind)
                    ? kind
                    : throw new InputException($"--trace-kind: '{name}' is unknown; known are read, write and execute"));
            }
        }

        List<(ulong First, ulong Last)> addresses = [];
        foreach (string range in arguments.GetValue(_addresses) ?? [])
        {
            addresses.Add(TraceFilter.ParseRange(range));
        }

        filter = new TraceFilter
        {
            Domains = arguments.GetValue(_domains) ?? [],
            Addresses = addresses,
            Kinds = kinds,
            FaultsOnly = arguments.GetValue(_faults),
        };
        if (arguments.GetValue(_file) is { } path)
        {
            return new TraceFile(path);
        }

        bool isFiltered = filter.Domains.Count > 0 || addresses.Count > 0 || kinds.Count > 0 || filter.FaultsOnly;
        return isFiltered ? throw new InputException("--trace-... options want --trace FILE") : null;
    }
}
