using System;
using System.IO;
using Xenolith.Shared;

namespace Xenolith.Cli.Tests.Guests;

/// <summary>A folder for a test's own configurations and broken images; it goes away with the test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("xenolith-test-");

    /// <summary>Writes an xl.cfg that starts a shipped guest with another command line, and returns its path.</summary>
    public string Config(string name, string guest, int mebibytes, string commandLine) =>
        ConfigOf(name, Repository.Image($"{guest}/{guest}.elf"), mebibytes, commandLine);

    /// <summary>Writes an image of these bytes and an xl.cfg that starts it, and returns the latter's path.</summary>
    public string ConfigOf(string name, byte[] image)
    {
        File.WriteAllBytes(Path.Combine(_folder.FullName, name + ".elf"), image);
        return ConfigOf(name, name + ".elf", 8, string.Empty);
    }

    public void Dispose() => _folder.Delete(recursive: true);

    private string ConfigOf(string name, string kernel, int mebibytes, string commandLine)
    {
        string path = Path.Combine(_folder.FullName, name + ".cfg");
        File.WriteAllText(path, $"name = \"{name}\"\ntype = \"pvh\"\nkernel = \"{kernel}\"\nmemory = {mebibytes}\ncmdline = \"{commandLine}\"\n");
        return path;
    }
}
