namespace Xenolith.Cli.Machine;

/// <summary>What <c>xenolith boot</c> is asked to start, and how.</summary>
internal sealed record BootOptions
{
    public const string DefaultIsolation = "none";
    public const string DefaultMemory = "128M";

    public required MachineOptions Machine { get; init; }

    public int Processors { get; init; } = 1;

    /// <summary>The image; null starts the BIOS alone.</summary>
    public string? Image { get; init; }

    /// <summary>The BIOS; null starts the image without one.</summary>
    public string? Bios { get; init; }

    public string CommandLine { get; init; } = string.Empty;

    /// <summary>"file arguments,file arguments"; empty without modules.</summary>
    public string Modules { get; init; } = string.Empty;
}
