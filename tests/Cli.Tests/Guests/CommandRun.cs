using System;
using System.IO;
using System.Text;
using System.Text.RegularExpressions;

namespace Xenolith.Cli.Tests.Guests;

/// <summary>What a command line did.</summary>
internal sealed partial record CommandResult(int ExitCode, string Output, string Error)
{
    /// <summary>The output without terminal control sequences (ECMA-48 CSI) and carriage returns.</summary>
    public string PlainOutput => ControlSequence().Replace(Output, string.Empty).Replace("\r", string.Empty, StringComparison.Ordinal);

    [GeneratedRegex("\x1b\\[[0-9;?]*[A-Za-z]")]
    private static partial Regex ControlSequence();
}

/// <summary>Runs the xenolith command inside of the test's process, with its streams in memory and nobody at the keyboard.</summary>
internal static class CommandRun
{
    public static CommandResult Of(params string[] arguments)
    {
        using MemoryStream output = new();
        using StreamWriter text = new(output, new UTF8Encoding(false)) { AutoFlush = true, NewLine = "\n" };
        using StringWriter error = new() { NewLine = "\n" };
        int code = Program.Run(arguments, new Terminal { Output = text, Error = error, RawOutput = output });
        text.Flush();
        return new CommandResult(code, Encoding.UTF8.GetString(output.ToArray()), error.ToString());
    }
}
