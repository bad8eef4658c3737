using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Text;

namespace Xenolith.Tidy.Tests.Text;

/// <summary>One file of the project: its path from the root with forward slashes, and its bytes.</summary>
internal sealed class SourceFile(string path, byte[] bytes)
{
    private string? _text;
    private string[]? _lines;

    public SourceFile(string path, string text)
        : this(path, Encoding.UTF8.GetBytes(text))
    {
    }

    public string Path => path;

    public byte[] Bytes => bytes;

    public string Text => _text ??= Encoding.UTF8.GetString(bytes);

    public string[] Lines => _lines ??= Text.TrimEnd('\n').Split('\n');

    public string Folder => System.IO.Path.GetDirectoryName(path)!.Replace('\\', '/');

    public string Extension => System.IO.Path.GetExtension(path);

    /// <summary>A NUL byte near the start: no text file has one.</summary>
    public bool IsBinary => Array.IndexOf(bytes, (byte)0, 0, Math.Min(bytes.Length, 8192)) >= 0;

    public bool IsCSharp => Extension == ".cs";
}

/// <summary>
/// The files that the rules read: those of the working tree that git tracks or would track, or a handful made up by a test.
/// </summary>
internal sealed class SourceTree(IReadOnlyList<SourceFile> files)
{
    private static readonly Lazy<SourceTree> ThisProject = new(Load);

    public SourceTree(params (string Path, string Text)[] files)
        : this([.. files.Select(file => new SourceFile(file.Path, file.Text))])
    {
    }

    /// <summary>The working tree that this assembly was built from.</summary>
    public static SourceTree Project => ThisProject.Value;

    public IReadOnlyList<SourceFile> Files => files;

    public IEnumerable<SourceFile> CSharp => files.Where(file => file.IsCSharp);

    public IEnumerable<SourceFile> Markdown => files.Where(file => file.Extension == ".md");

    public SourceFile? Find(string path) => files.FirstOrDefault(file => file.Path == path);

    /// <summary>True for a file, and for a folder that holds one.</summary>
    public bool Exists(string path)
    {
        string folder = path.TrimEnd('/') + "/";
        return folder == "/" || files.Any(file => file.Path == path || file.Path.StartsWith(folder, StringComparison.Ordinal));
    }

    private static SourceTree Load()
    {
        string root = FindRoot();
        List<SourceFile> files = [];
        foreach (string path in ListTracked(root))
        {
            string full = Path.Combine(root, path);
            if (File.Exists(full))
            {
                files.Add(new SourceFile(path, File.ReadAllBytes(full)));
            }
        }

        return new SourceTree(files);
    }

    private static string FindRoot()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Xenolith.slnx")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException("no Xenolith.slnx above the tests: they must run inside the work tree");
    }

    private static string[] ListTracked(string root)
    {
        ProcessStartInfo start = new("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        {
            WorkingDirectory = root,
            RedirectStandardOutput = true,
        };
        using Process git = Process.Start(start) ?? throw new InvalidOperationException("git does not start");
        string output = git.StandardOutput.ReadToEnd();
        git.WaitForExit();
        Debug.Assert(git.ExitCode == 0, "git ls-files failed");
        return [.. output.Split('\0', StringSplitOptions.RemoveEmptyEntries).Distinct().Order(StringComparer.Ordinal)];
    }
}
