using System;
using System.Collections.Generic;
using System.CommandLine;
using System.Globalization;
using System.IO;
using System.Text.Json;

using Xenolith.Cli.Input;
using Xenolith.Cli.Machine;
using Xenolith.Cli.Output;
using Xenolith.Cli.Trace;
using Xenolith.Toolstack;
using Xenolith.Xen;

namespace Xenolith.Cli.Commands;

/// <summary><c>xenolith run A.cfg [B.cfg ...]</c>: boots domains on one machine and stays until they have ended.</summary>
internal sealed class RunCommand
{
    private readonly Terminal _terminal;
    private readonly MachineOptionSet _machine;
    private readonly TraceOptionSet _trace;

    private readonly Argument<string[]> _configs = new("CFG")
    {
        Description = "Domain configurations in xl.cfg format",
        Arity = ArgumentArity.OneOrMore,
    };

    private readonly Option<string?> _input = new("--input")
    {
        HelpName = "TEXT|@FILE",
        Description = @"Type this on the first domain's console; \n is Enter, \p{TEXT} waits until TEXT was printed",
    };

    private readonly Option<bool> _json = new("--json")
    {
        Description = "Print a summary as JSON, and nothing else",
    };

    private readonly Option<bool> _quiet = new("--quiet", "-q")
    {
        Description = "Print the consoles only, no costs",
    };

    private RunCommand(Terminal terminal, Command command)
    {
        _terminal = terminal;
        command.Add(_configs);
        _machine = MachineOptionSet.AddTo(command);
        _trace = TraceOptionSet.AddTo(command);
        command.Add(_input);
        command.Add(_json);
        command.Add(_quiet);
        command.SetAction(Run);
    }

    public static Command Create(Terminal terminal)
    {
        Command command = new("run", "Boot domains from xl.cfg files and run them to their end");
        _ = new RunCommand(terminal, command);
        return command;
    }

    private int Run(ParseResult arguments)
    {
        MachineOptions options = _machine.Read(arguments);
        bool isJson = arguments.GetValue(_json);
        InputScript? script = arguments.GetValue(_input) is { } input ? InputScript.Parse(input) : null;
        List<DomainConfig> configs = ReadConfigs(arguments.GetRequiredValue(_configs), options);
        using TraceFile? trace = _trace.Open(arguments, out TraceFilter filter);
        TraceRecorder? recorder = trace is null ? null : new TraceRecorder(filter, trace.Write);
        using MachineSession session = new(options, recorder);
        ConsolePrinter printer = new(isJson ? null : _terminal.RawOutput, withNames: configs.Count > 1);
        session.Manager.Output = (domain, bytes) =>
        {
            printer.Print(domain, bytes);
            if (ReferenceEquals(domain, session.Manager.Domains[0]))
            {
                script?.OnOutput(bytes);
            }
        };
        foreach (DomainConfig config in configs)
        {
            session.Manager.Create(config);
        }

        if (isJson && _terminal.ShowsProgress)
        {
            session.LookAround = () => _terminal.Error.Write(
                string.Create(CultureInfo.InvariantCulture, $"\rxenolith: {session.Board.RetiredInstructions / 1_000_000} million instructions "));
        }

        bool isInteractive = configs.Count == 1 && script is null && !isJson;
        RunStop stop = RunInterruptibly(session, () => session.Run(script, isInteractive ? _terminal.Keyboard : null));
        printer.Flush();
        Report(RunReport.Of(session, options, stop, printer), isJson, arguments.GetValue(_quiet), out int exitCode);
        return exitCode;
    }

    /// <summary>Control-C ends the run, not the report.</summary>
    private static RunStop RunInterruptibly(MachineSession session, Func<RunStop> run)
    {
        void OnCancel(object? sender, ConsoleCancelEventArgs e)
        {
            e.Cancel = true;
            session.Interrupt();
        }

        Console.CancelKeyPress += OnCancel;
        try
        {
            return run();
        }
        finally
        {
            Console.CancelKeyPress -= OnCancel;
        }
    }

    private List<DomainConfig> ReadConfigs(string[] paths, MachineOptions options)
    {
        List<DomainConfig> configs = [];
        foreach (string path in paths)
        {
            if (path.StartsWith('-') && !File.Exists(path))
            {
                throw new InputException($"unknown option '{path}' (see xenolith run --help)");
            }

            DomainConfig config = DomainConfigReader.Read(path, (uint)(options.MemoryBytes >> 20));
            if (configs.Find(other => other.Name == config.Name) is { } same)
            {
                throw new InputException($"{path}: the name '{config.Name}' is taken by {same.Path}");
            }

            foreach (string warning in config.Warnings)
            {
                _terminal.Warn(warning);
            }

            configs.Add(config);
        }

        return configs;
    }

    private void Report(RunReport report, bool isJson, bool isQuiet, out int exitCode)
    {
        exitCode = report.ToExitCode();
        if (isJson)
        {
            using (Utf8JsonWriter json = RunReportJson.NewWriter(_terminal.RawOutput))
            {
                RunReportJson.Write(json, report);
            }

            _terminal.RawOutput.WriteByte((byte)'\n');
            _terminal.RawOutput.Flush();
        }
        else if (!isQuiet)
        {
            RunReportText.WriteEnds(_terminal.Error, report);
            RunReportText.WriteCosts(_terminal.Error, report);
        }
        else if (exitCode != ExitCode.Ok)
        {
            RunReportText.WriteEnds(_terminal.Error, report);
        }
    }
}
