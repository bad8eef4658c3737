using System;
using System.CommandLine;
using System.Globalization;
using System.IO;
using System.Text.Json;

using Xenolith.Cli.Input;
using Xenolith.Cli.Machine;
using Xenolith.Cli.Output;
using Xenolith.Machine;
using Xenolith.Toolstack;

namespace Xenolith.Cli.Commands;

/// <summary><c>xenolith boot IMAGE</c>: starts an image, or a BIOS, on a bare machine and stays until it ends.</summary>
internal sealed class BootCommand
{
    private const string DefaultBios = "/usr/share/seabios/bios-256k.bin";
    private const string FetchedBios = "images/debian/cache/bios-256k.bin";
    private const int OutputBufferBytes = 4096;

    private readonly Terminal _terminal;
    private readonly MachineOptionSet _machine;

    private readonly Argument<string?> _image = new("IMAGE")
    {
        Description = "Multiboot 1 or 2, PVH (ELF), bzImage, or a boot sector; may be absent with --bios",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private readonly Option<int> _processors = new("--cpus")
    {
        HelpName = "N",
        Description = $"Processors, 1 to {BareMachineOptions.MaxProcessors}",
        DefaultValueFactory = static _ => 1,
    };

    private readonly Option<string> _commandLine = new("--append")
    {
        HelpName = "TEXT",
        Description = "Command line for the image",
        DefaultValueFactory = static _ => string.Empty,
    };

    private readonly Option<string> _modules = new("--initrd")
    {
        HelpName = "FILE[ ARGS][,FILE...]",
        Description = "Initial ramdisk, or modules",
        DefaultValueFactory = static _ => string.Empty,
    };

    private readonly Option<string> _serial = new("--serial")
    {
        HelpName = "stdio|FILE",
        Description = "Where COM1 goes; stdio reads from standard input too",
        DefaultValueFactory = static _ => "stdio",
    };

    private readonly Option<string?> _bios = new("--bios")
    {
        HelpName = "FILE",
        Description = $"Start a BIOS at the reset vector; without FILE, SeaBIOS from {DefaultBios} or {FetchedBios}",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private readonly Option<string?> _log = new("--bios-log")
    {
        HelpName = "FILE",
        Description = "What the BIOS writes to its debug port 402H goes here",
    };

    private readonly Option<string?> _input = new("--input")
    {
        HelpName = "TEXT|@FILE",
        Description = @"Type this on COM1; \n is Enter, \p{TEXT} waits until TEXT was printed",
    };

    private readonly Option<string?> _until = new("--until")
    {
        HelpName = "TEXT",
        Description = "End the run, with code 0, when COM1 has printed TEXT",
    };

    private readonly Option<bool> _json = new("--json")
    {
        Description = "Print a summary as JSON at the end: to standard output when --serial is a file, else to standard error",
    };

    private readonly Option<bool> _quiet = new("--quiet", "-q")
    {
        Description = "Print what COM1 says, and a line only when the machine ended badly",
    };

    private BootCommand(Terminal terminal, Command command)
    {
        _terminal = terminal;
        command.Add(_image);
        command.Add(_processors);
        command.Add(_commandLine);
        command.Add(_modules);
        command.Add(_serial);
        command.Add(_bios);
        command.Add(_log);
        command.Add(_input);
        command.Add(_until);
        _machine = MachineOptionSet.AddTo(command, BootOptions.DefaultIsolation, BootOptions.DefaultMemory);
        command.Add(_json);
        command.Add(_quiet);
        command.SetAction(Run);
    }

    public static Command Create(Terminal terminal)
    {
        Command command = new("boot", "Boot a bare-metal image, or a BIOS, and run it to its end\n\n" + ExitCode.BootHelp);
        _ = new BootCommand(terminal, command);
        return command;
    }

    private int Run(ParseResult arguments)
    {
        BootOptions options = Read(arguments);
        bool isJson = arguments.GetValue(_json);
        bool isQuiet = arguments.GetValue(_quiet);
        string serial = arguments.GetRequiredValue(_serial);
        bool isStdio = serial == "stdio";
        InputScript? script = arguments.GetValue(_input) is { } input ? InputScript.Parse(input) : null;
        using BootSession session = new(options);
        foreach (string warning in session.Warnings)
        {
            _terminal.Warn(warning);
        }

        using FileStream? file = isStdio ? null : CreateFile(serial);
        using FileStream? log = arguments.GetValue(_log) is { } path ? CreateFile(path) : null;
        using BufferedStream? bufferedLog = log is null ? null : new BufferedStream(log);
        SerialPrinter printer = new((Stream?)file ?? _terminal.RawOutput, OutputBufferBytes, script);
        if (arguments.GetValue(_until) is { Length: > 0 } text)
        {
            printer.Await(System.Text.Encoding.UTF8.GetBytes(text), session.Stop);
        }

        session.Output = printer.Print;
        session.Firmware.Log = bufferedLog is null ? null : bufferedLog.WriteByte;
        session.LookAround = () =>
        {
            printer.Flush();
            bufferedLog?.Flush();
            ShowProgress(session, isStdio);
        };
        RunEnd end = RunInterruptibly(session, script, isStdio && script is null ? _terminal.Keyboard : null);
        printer.Flush();
        if (!isStdio && _terminal.ShowsProgress)
        {
            _terminal.Error.Write("\r");
        }

        return Report(new BootReport(session, options, end), isJson, isQuiet, isStdio);
    }

    /// <summary>Control-C ends the run, not the report.</summary>
    private static RunEnd RunInterruptibly(BootSession session, InputScript? script, IKeyboard? keyboard)
    {
        void OnCancel(object? sender, ConsoleCancelEventArgs e)
        {
            e.Cancel = true;
            session.Interrupt();
        }

        Console.CancelKeyPress += OnCancel;
        try
        {
            return session.Run(script, keyboard);
        }
        finally
        {
            Console.CancelKeyPress -= OnCancel;
        }
    }

    private static FileStream CreateFile(string path)
    {
        try
        {
            return File.Create(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new InputException($"{path}: cannot be written: {e.Message}", e);
        }
    }

    private BootOptions Read(ParseResult arguments)
    {
        string? image = arguments.GetValue(_image);
        bool hasBios = arguments.GetResult(_bios) is { Implicit: false };
        string? bios = hasBios ? arguments.GetValue(_bios) ?? FindBios() : null;
        int processors = arguments.GetValue(_processors);
        if (image is null && !hasBios)
        {
            throw new InputException("give an IMAGE, or --bios (see xenolith boot --help)");
        }

        if (processors is < 1 or > BareMachineOptions.MaxProcessors)
        {
            throw new InputException($"--cpus: {processors} is impossible; give 1 to {BareMachineOptions.MaxProcessors}");
        }

        return new BootOptions
        {
            Machine = _machine.Read(arguments),
            Processors = processors,
            Image = image,
            Bios = bios,
            CommandLine = arguments.GetRequiredValue(_commandLine),
            Modules = arguments.GetRequiredValue(_modules),
        };
    }

    private static string FindBios()
    {
        foreach (string path in (string[])[FetchedBios, DefaultBios])
        {
            if (File.Exists(path))
            {
                return path;
            }
        }

        throw new InputException($"--bios: there is no {DefaultBios}; install Debian's package seabios, run images/debian/fetch, or name a FILE");
    }

    // The console has the terminal to itself: progress is shown when it goes elsewhere.
    private void ShowProgress(BootSession session, bool isStdio)
    {
        if (_terminal.ShowsProgress && !isStdio)
        {
            _terminal.Error.Write(
                string.Create(CultureInfo.InvariantCulture, $"\rxenolith: {session.Machine.RetiredInstructions / 1_000_000} million instructions "));
        }
    }

    private int Report(BootReport report, bool isJson, bool isQuiet, bool isStdio)
    {
        if (!isQuiet || report.IsBad)
        {
            _terminal.Error.WriteLine("xenolith: " + report.Text);
        }

        if (isJson)
        {
            using MemoryStream text = new();
            using (Utf8JsonWriter json = RunReportJson.NewWriter(text))
            {
                report.WriteJson(json);
            }

            (isStdio ? _terminal.Error : _terminal.Output).WriteLine(System.Text.Encoding.UTF8.GetString(text.ToArray()));
        }

        return report.ExitCode;
    }
}
