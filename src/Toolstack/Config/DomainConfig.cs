using System.Collections.Generic;

namespace Xenolith.Toolstack;

/// <summary>What happens to a domain that ends (xl.cfg(5) "EVENT ACTIONS").</summary>
public enum EndAction
{
    Destroy,
    Restart,
    RenameRestart,
    Preserve,
    CoredumpDestroy,
    CoredumpRestart,
    SoftReset,
}

/// <summary>
/// One domain as its xl.cfg file describes it, checked: building it can only fail for reasons that lie in the image or the machine.
/// </summary>
public sealed record DomainConfig
{
    /// <summary>The file it came from, as the user called it.</summary>
    public required string Path { get; init; }

    public required string Name { get; init; }

    /// <summary>The image, a path that exists.</summary>
    public required string Kernel { get; init; }

    /// <summary>The initial RAM disk, a path that exists; null without one.</summary>
    public string? Ramdisk { get; init; }

    /// <summary>The kernel's command line: cmdline, or root and extra.</summary>
    public string CommandLine { get; init; } = "";

    /// <summary>Memory at start in MiB.</summary>
    public required uint MemoryMiB { get; init; }

    /// <summary>The most memory that the domain may ever have, in MiB.</summary>
    public required uint MaxMemoryMiB { get; init; }

    public uint Vcpus { get; init; } = 1;

    public EndAction OnPoweroff { get; init; } = EndAction.Destroy;

    public EndAction OnReboot { get; init; } = EndAction.Restart;

    public EndAction OnCrash { get; init; } = EndAction.Destroy;

    /// <summary>Lines for the user, each with file and line: keys that are unknown or not served.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];
}
