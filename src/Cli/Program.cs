using System;
using System.CommandLine;
using System.Diagnostics.CodeAnalysis;
using System.IO;
using System.Text;

using Xenolith.Cli.Commands;
using Xenolith.Cli.Input;
using Xenolith.Toolstack;

namespace Xenolith.Cli;

/// <summary>The <c>xenolith</c> command: sets up the process's streams, and turns what goes wrong into one line and an exit code.</summary>
internal static class Program
{
    private static int Main(string[] arguments)
    {
        UTF8Encoding encoding = new(encoderShouldEmitUTF8Identifier: false);
        using Stream output = Console.OpenStandardOutput();
        using StreamWriter text = new(output, encoding) { AutoFlush = true, NewLine = "\n" };
        using StreamWriter error = new(Console.OpenStandardError(), encoding) { AutoFlush = true, NewLine = "\n" };
        using StreamReader input = new(Console.OpenStandardInput(), encoding);
        using ProcessKeyboard keyboard = new(static () => Environment.Exit(ExitCode.Interrupted));
        return Run(arguments, new Terminal
        {
            Output = text,
            Error = error,
            RawOutput = output,
            Keyboard = keyboard,
            Input = input,
            ShowsProgress = !Console.IsErrorRedirected,
        });
    }

    /// <summary>Runs one command line. Nothing that it meets gets past here as an exception.</summary>
    [SuppressMessage("Design", "CA1031", Justification = "the outermost handler: whatever happened, the user gets one line and an exit code")]
    internal static int Run(string[] arguments, Terminal terminal)
    {
        try
        {
            ParseResult parsed = CreateRoot(terminal).Parse(arguments);
            if (parsed.Errors.Count > 0)
            {
                string problem = parsed.CommandResult.Command is RootCommand && parsed.UnmatchedTokens.Count > 0
                    ? $"unknown command '{parsed.UnmatchedTokens[0]}'"
                    : parsed.Errors[0].Message;
                terminal.Error.WriteLine($"xenolith: {problem} (see xenolith {CommandOf(parsed)}--help)");
                return ExitCode.BadInput;
            }

            return parsed.Invoke(new InvocationConfiguration
            {
                Output = terminal.Output,
                Error = terminal.Error,
                EnableDefaultExceptionHandler = false,
            });
        }
        catch (InputException e)
        {
            terminal.Error.WriteLine("xenolith: " + e.Message);
            return ExitCode.BadInput;
        }
        catch (IOException e)
        {
            // The reader of our output has gone (a closed pipe), or the disk is full.
            terminal.Error.WriteLine("xenolith: " + e.Message);
            return ExitCode.BadInput;
        }
        catch (Exception e)
        {
            terminal.Error.WriteLine($"xenolith: internal error: {e.GetType().Name}: {e.Message.ReplaceLineEndings(" ")}");
            if (Environment.GetEnvironmentVariable("XENOLITH_DEBUG") is { Length: > 0 })
            {
                terminal.Error.WriteLine(e);
            }
            else
            {
                terminal.Error.WriteLine("xenolith: this is a bug; XENOLITH_DEBUG=1 shows where");
            }

            return ExitCode.Internal;
        }
    }

    private static RootCommand CreateRoot(Terminal terminal) => new(
        "An x86-64 machine with Xen inside, built to test memory isolation.\n\n" + ExitCode.Help)
    {
        RunCommand.Create(terminal),
        TranslateCommand.Create(terminal),
        DemoCommand.Create(terminal),
        ExecCommand.Create(terminal),
        BootCommand.Create(terminal),
    };

    private static string CommandOf(ParseResult parsed) => parsed.CommandResult.Command is RootCommand ? "" : parsed.CommandResult.Command.Name + " ";
}
