using System;
using System.IO;
using System.Text;
using System.Text.Json;

namespace Xenolith.Cli.Tests;

/// <summary>One run of the command inside the test's process: what it printed and returned.</summary>
internal sealed record CommandRun(int ExitCode, string Output, string Error)
{
    /// <summary>The shipped guests.</summary>
    public static string Images { get; } = FindImages();

    public JsonElement Json => JsonDocument.Parse(Output).RootElement;

    /// <summary>The one line that standard error holds; fails the test by exception when it is not one.</summary>
    public string OnlyErrorLine
    {
        get
        {
            string[] lines = Error.TrimEnd('\n').Split('\n');
            return lines.Length == 1 ? lines[0] : throw new InvalidOperationException($"{lines.Length} lines on standard error:\n{Error}");
        }
    }

    public static string Image(string path) => Path.Combine(Images, path);

    public static CommandRun Of(params string[] arguments)
    {
        using MemoryStream raw = new();
        using StringWriter error = new() { NewLine = "\n" };
        using StreamWriter output = new(raw, new UTF8Encoding(false)) { AutoFlush = true, NewLine = "\n" };
        int exitCode = Program.Run(arguments, new Terminal { Output = output, Error = error, RawOutput = raw });
        return new CommandRun(exitCode, Encoding.UTF8.GetString(raw.ToArray()), error.ToString());
    }

    private static string FindImages()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "images", "hello", "hello.cfg")))
        {
            folder = folder.Parent;
        }

        return Path.Combine(folder?.FullName ?? throw new DirectoryNotFoundException("images"), "images");
    }
}
