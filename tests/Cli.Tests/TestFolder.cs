using System;
using System.IO;

namespace Xenolith.Cli.Tests;

/// <summary>A folder that is gone after the test.</summary>
internal sealed class TestFolder : IDisposable
{
    private readonly string _path = Directory.CreateTempSubdirectory("xenolith-").FullName;

    public string File(string name) => Path.Combine(_path, name);

    public string Write(string name, string text)
    {
        System.IO.File.WriteAllText(File(name), text);
        return File(name);
    }

    public string Write(string name, byte[] bytes)
    {
        System.IO.File.WriteAllBytes(File(name), bytes);
        return File(name);
    }

    /// <summary>A configuration of a PVH domain with this kernel.</summary>
    public string Config(string name, string kernel, string more = "") =>
        Write(name + ".cfg", $"name='{name}'\ntype='pvh'\nkernel='{kernel}'\nmemory=16\n{more}\n");

    public void Dispose() => Directory.Delete(_path, recursive: true);
}
