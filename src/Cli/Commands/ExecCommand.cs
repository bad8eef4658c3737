using System;
using System.Collections.Generic;
using System.CommandLine;
using System.Diagnostics.CodeAnalysis;
using System.IO;
using System.Text.Json;

using Xenolith.Cli.Exec;
using Xenolith.Machine;
using Xenolith.Toolstack;

namespace Xenolith.Cli.Commands;

/// <summary><c>xenolith exec</c>: what does this sequence of instructions do? docs/exec.md.</summary>
internal sealed class ExecCommand
{
    private const ulong MaxDump = 1 << 24;

    private readonly Terminal _terminal;

    private readonly Argument<string?> _file = new("CODE") { Description = "File with flat code", Arity = ArgumentArity.ZeroOrOne };

    private readonly Option<string?> _code = new("--code") { HelpName = "HEX", Description = "The code itself, instead of a file" };

    private readonly Option<string> _base = new("--base")
    {
        HelpName = "ADDRESS",
        Description = "Where the code lies and begins",
        DefaultValueFactory = static _ => "0x10000",
    };

    private readonly Option<string> _mode = new("--mode") { HelpName = "64|32", Description = "Mode of the processor", DefaultValueFactory = static _ => "64" };

    private readonly Option<string[]> _map = new("--map") { HelpName = "START:LENGTH", Description = "Memory to map besides the code's own, zeroed" };

    private readonly Option<string[]> _memory = new("--mem") { HelpName = "ADDRESS:HEX", Description = "Bytes that mapped memory holds at the start" };

    private readonly Option<string[]> _registers = new("--reg") { HelpName = "NAME=VALUE", Description = "A register at the start: " + ExecRegisters.Known };

    private readonly Option<string[]> _dump = new("--dump") { HelpName = "START:LENGTH", Description = "Memory to show at the end" };

    private readonly Option<string?> _limit = new("--limit") { HelpName = "N", Description = "Stop after so many instructions; default: ten million" };

    private readonly Option<bool> _json = new("--json") { Description = "Print the whole state as one line of JSON" };

    private readonly Option<bool> _trace = new("--trace") { Description = "Print each instruction with what it changed" };

    private readonly Option<string?> _batch = new("--batch")
    {
        HelpName = "FILE",
        Description = "Run the cases of a file, one JSON object a line (- is standard input), and answer with one line each",
    };

    private ExecCommand(Terminal terminal, Command command)
    {
        _terminal = terminal;
        command.Add(_file);
        foreach (Option option in (ReadOnlySpan<Option>)[_code, _base, _mode, _map, _memory, _registers, _dump, _limit, _json, _trace, _batch])
        {
            command.Add(option);
        }

        command.SetAction(Run);
    }

    public static Command Create(Terminal terminal)
    {
        Command command = new("exec", "Run flat code in user mode until HLT: what does this sequence do?");
        _ = new ExecCommand(terminal, command);
        return command;
    }

    private int Run(ParseResult arguments)
    {
        string? batch = arguments.GetValue(_batch);
        string? file = arguments.GetValue(_file);
        string? code = arguments.GetValue(_code);
        int given = (batch is null ? 0 : 1) + (file is null ? 0 : 1) + (code is null ? 0 : 1);
        if (given != 1)
        {
            throw new InputException("exec wants one of CODE, --code HEX and --batch FILE");
        }

        if (batch is not null)
        {
            return RunBatch(batch);
        }

        using UserMachine machine = new();
        UserProgram program = ReadProgram(arguments, file, code);
        try
        {
            bool isTraced = arguments.GetValue(_trace);
            bool isJson = arguments.GetValue(_json);
            TextWriter traceOutput = isJson ? _terminal.Error : _terminal.Output;
            List<(ulong Start, ulong Length)> wanted = ReadRanges("--dump", arguments.GetValue(_dump));
            UserResult result = machine.Run(program, isTraced ? step => ExecText.WriteStep(traceOutput, step, program.Mode) : null);
            List<(ulong Start, byte[] Bytes)> dumps = Dump(machine, wanted);
            if (isJson)
            {
                using ExecAnswerJson answer = new(_terminal.RawOutput);
                answer.Write(program.Name, result, dumps);
            }
            else
            {
                ExecText.Write(_terminal.Output, program, result);
                foreach ((ulong start, byte[] bytes) in dumps)
                {
                    ExecText.WriteDump(_terminal.Output, start, bytes);
                }
            }

            return result.Stop switch { UserStop.Hlt => ExitCode.Ok, UserStop.Limit => ExitCode.InstructionLimit, _ => ExitCode.GuestFailed };
        }
        catch (UserProgramException e)
        {
            throw new InputException(e.Message, e);
        }
    }

    private UserProgram ReadProgram(ParseResult arguments, string? file, string? code)
    {
        UserProgram program = new()
        {
            Name = file is null ? "" : Path.GetFileName(file),
            Mode = (int)ulong.Min(ExecNumber.Parse("--mode", arguments.GetRequiredValue(_mode)), int.MaxValue),
            Base = ExecNumber.Parse("--base", arguments.GetRequiredValue(_base)),
            Code = code is null ? ReadFile(file!) : ExecNumber.Bytes("--code", code),
        };
        foreach ((ulong start, ulong length) in ReadRanges("--map", arguments.GetValue(_map)))
        {
            program.Maps.Add((start, length));
        }

        foreach (string text in arguments.GetValue(_memory) ?? [])
        {
            (string address, string bytes) = Cut("--mem", text, ':');
            program.Contents.Add((ExecNumber.Parse("--mem", address), ExecNumber.Bytes("--mem", bytes)));
        }

        foreach (string text in arguments.GetValue(_registers) ?? [])
        {
            (string name, string value) = Cut("--reg", text, '=');
            ExecRegisters.Set(program, name, value);
        }

        if (arguments.GetValue(_limit) is { } limit)
        {
            program.Limit = ExecNumber.Parse("--limit", limit);
        }

        return program;
    }

    /// <summary>Each line is answered, whatever is wrong with it; the exit code says whether something was.</summary>
    private int RunBatch(string path)
    {
        int exitCode = ExitCode.Ok;
        UserMachine machine = new();
        try
        {
            using TextReader lines = OpenBatch(path);
            using ExecAnswerJson answer = new(_terminal.RawOutput);
            while (lines.ReadLine() is { } line)
            {
                if (string.IsNullOrWhiteSpace(line))
                {
                    continue;
                }

                int outcome = Answer(machine, answer, line);
                exitCode = int.Max(exitCode, outcome);
                if (outcome == ExitCode.Internal)
                {
                    machine.Dispose(); // it may be in any state
                    machine = new UserMachine();
                }
            }
        }
        finally
        {
            machine.Dispose();
        }

        return exitCode;
    }

    [SuppressMessage("Design", "CA1031", Justification = "a bug that one case meets shall not cost the others their answers")]
    private static int Answer(UserMachine machine, ExecAnswerJson answer, string line)
    {
        string name = "";
        try
        {
            using JsonDocument json = JsonDocument.Parse(line);
            name = ExecCase.NameOf(json.RootElement);
            if (json.RootElement.ValueKind != JsonValueKind.Object)
            {
                throw new InputException("a case is a JSON object");
            }

            List<(ulong Start, ulong Length)> wanted = [];
            UserResult result = machine.Run(ExecCase.Read(json.RootElement, wanted));
            answer.Write(name, result, Dump(machine, wanted));
            return ExitCode.Ok;
        }
        catch (JsonException e)
        {
            answer.WriteError(name, "this is no JSON: " + e.Message);
            return ExitCode.BadInput;
        }
        catch (Exception e) when (e is InputException or UserProgramException)
        {
            answer.WriteError(name, e.Message);
            return ExitCode.BadInput;
        }
        catch (Exception e) when (e is not IOException)
        {
            answer.WriteError(name, $"internal error: {e.GetType().Name}: {e.Message}");
            return ExitCode.Internal;
        }
    }

    private static List<(ulong Start, ulong Length)> ReadRanges(string option, string[]? texts)
    {
        List<(ulong Start, ulong Length)> ranges = [];
        foreach (string text in texts ?? [])
        {
            (string start, string length) = Cut(option, text, ':');
            ranges.Add((ExecNumber.Parse(option, start), ExecNumber.Parse(option, length)));
        }

        return ranges;
    }

    private static List<(ulong Start, byte[] Bytes)> Dump(UserMachine machine, List<(ulong Start, ulong Length)> ranges)
    {
        List<(ulong Start, byte[] Bytes)> dumps = [];
        foreach ((ulong start, ulong length) in ranges)
        {
            byte[] bytes = new byte[length <= MaxDump ? length : throw new InputException($"dump: 0x{length:x} bytes are more than 0x{MaxDump:x}")];
            dumps.Add(machine.TryRead(start, bytes)
                ? (start, bytes)
                : throw new InputException($"dump: 0x{start:x} and 0x{length:x} bytes lie outside what is mapped"));
        }

        return dumps;
    }

    private TextReader OpenBatch(string path)
    {
        if (path == "-")
        {
            return _terminal.Input ?? TextReader.Null;
        }

        try
        {
            return new StreamReader(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"{path}: cannot be read: {e.Message}", e);
        }
    }

    private static byte[] ReadFile(string path)
    {
        try
        {
            return File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"{path}: cannot be read: {e.Message}", e);
        }
    }

    private static (string Left, string Right) Cut(string option, string text, char separator)
    {
        int at = text.IndexOf(separator, StringComparison.Ordinal);
        return at > 0
            ? (text[..at], text[(at + 1)..])
            : throw new InputException($"{option}: '{text}' has no '{separator}'");
    }
}
