using System.CommandLine;

using Xenolith.Cli.Machine;
using Xenolith.Cli.Output;
using Xenolith.Cli.Trace;
using Xenolith.Guests;
using Xenolith.Mmu;
using Xenolith.Toolstack;

namespace Xenolith.Cli.Commands;

/// <summary>
/// <c>xenolith translate</c>: explains how one address is translated, as a tree: of a guest that is run and then stopped, or of one
/// record of a trace.
/// </summary>
internal sealed class TranslateCommand
{
    private readonly Terminal _terminal;
    private readonly MachineOptionSet _machine;

    private readonly Argument<string?> _config = new("CFG")
    {
        Description = "Domain to run and to stop",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private readonly Option<string?> _gva = new("--gva") { HelpName = "ADDRESS|SYMBOL", Description = "Linear address to explain; default: the next instruction's" };

    private readonly Option<string> _kind = new("--kind")
    {
        HelpName = "read|write|execute",
        Description = "What the access wants",
        DefaultValueFactory = static _ => "read",
    };

    private readonly Option<bool> _user = new("--user") { Description = "The access is made in user mode" };

    private readonly Option<ulong?> _atInstruction = new("--at-instruction")
    {
        HelpName = "N",
        Description = "Stop the guest after so many instructions; default: where it ends by itself",
    };

    private readonly Option<string?> _trace = new("--trace") { HelpName = "FILE", Description = "Explain a record of this trace instead" };

    private readonly Option<long> _record = new("--record")
    {
        HelpName = "N",
        Description = "Line of the trace, counted from 1",
        DefaultValueFactory = static _ => 1L,
    };

    private readonly Option<string?> _symbols = new("--symbols") { HelpName = "FILE", Description = "A System.map; default: the one beside the kernel" };

    private TranslateCommand(Terminal terminal, Command command)
    {
        _terminal = terminal;
        command.Add(_config);
        command.Add(_gva);
        command.Add(_kind);
        command.Add(_user);
        command.Add(_atInstruction);
        command.Add(_trace);
        command.Add(_record);
        command.Add(_symbols);
        _machine = MachineOptionSet.AddTo(command);
        command.SetAction(Run);
    }

    public static Command Create(Terminal terminal)
    {
        Command command = new("translate", "Explain the translation of one address, step by step");
        _ = new TranslateCommand(terminal, command);
        return command;
    }

    private int Run(ParseResult arguments)
    {
        string? config = arguments.GetValue(_config);
        string? trace = arguments.GetValue(_trace);
        if ((config is null) == (trace is null))
        {
            throw new InputException("translate wants either a CFG with --gva, or --trace FILE with --record");
        }

        SystemMap? symbols = arguments.GetValue(_symbols) is { } path ? Symbols.Load(path) : null;
        if (trace is not null)
        {
            TranslationTree.Write(_terminal.Output, TraceFile.Read(trace, arguments.GetValue(_record)), symbols);
            return ExitCode.Ok;
        }

        return Explain(arguments, config!, symbols);
    }

    private int Explain(ParseResult arguments, string path, SystemMap? symbols)
    {
        MachineOptions options = _machine.Read(arguments) with { MaxInstructions = arguments.GetValue(_atInstruction) ?? ulong.MaxValue };
        DomainConfig config = DomainConfigReader.Read(path, (uint)(options.MemoryBytes >> 20));
        symbols ??= Symbols.ForKernel(config.Kernel);
        if (!Names.TryParse(arguments.GetRequiredValue(_kind), out AccessKind kind))
        {
            throw new InputException($"--kind: '{arguments.GetValue(_kind)}' is unknown; known are read, write and execute");
        }

        Gva? gva = arguments.GetValue(_gva) is { } text ? ParseAddress(text, symbols) : null;
        TraceRecord? explained = null;
        TraceRecorder recorder = new(new TraceFilter(), record => explained = record) { IsEnabled = false };
        using MachineSession session = new(options, recorder);
        session.Manager.PreserveEnded = true;
        ManagedDomain domain = session.Manager.Create(config);
        Xen.RunStop stop = session.Run();

        gva ??= session.Hypervisor.NextInstruction(domain.Report, vcpu: 0);
        recorder.IsEnabled = true;
        AccessMode mode = arguments.GetValue(_user) ? AccessMode.User : AccessMode.Supervisor;
        session.Hypervisor.Inspect(domain.Report, vcpu: 0, gva.Value, kind, mode);
        RunReport report = RunReport.Of(session, options, stop, new ConsolePrinter(null, withNames: false));
        _terminal.Output.WriteLine(EndText.Of(report.Domains[0], report));
        if (explained is null)
        {
            _terminal.Output.WriteLine($"GVA {gva} is not canonical, or the guest has no address space any more: nothing is translated");
            return ExitCode.GuestFailed;
        }

        TranslationTree.Write(_terminal.Output, explained, symbols);
        return ExitCode.Ok;
    }

    private static Gva ParseAddress(string text, SystemMap? symbols) =>
        TraceFilter.TryParseNumber(text, out ulong number) ? new Gva(number)
        : symbols is not null && symbols.TryFind(text, out Gva address) ? address
        : throw new InputException($"--gva: '{text}' is neither an address nor a symbol of the guest");
}
