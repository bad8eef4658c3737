using System;
using System.Collections.Generic;
using Xenolith.Mmu;

namespace Xenolith.Guests;

/// <summary>A file that a loader puts into memory next to the kernel.</summary>
/// <param name="CommandLine">The module's own line: its file name, and what follows it.</param>
/// <param name="Bytes">The whole file.</param>
public sealed record BootModule(string CommandLine, ReadOnlyMemory<byte> Bytes);

/// <summary>What a loader is asked to start, and on what memory. Nothing else of the machine matters to it.</summary>
public sealed record BootRequest
{
    /// <summary>The image's name as the user gave it.</summary>
    public required string ImageName { get; init; }

    public required ReadOnlyMemory<byte> Image { get; init; }

    /// <summary>Arguments for the kernel, without the image's name.</summary>
    public string CommandLine { get; init; } = string.Empty;

    public IReadOnlyList<BootModule> Modules { get; init; } = [];

    /// <summary>Sorted, not overlapping. Loaders use RAM only.</summary>
    public required IReadOnlyList<MemoryRange> MemoryMap { get; init; }

    /// <summary>Where the ACPI root pointer lies; 0 without ACPI.</summary>
    public Gpa Rsdp { get; init; }

    /// <summary>The root pointer's bytes: 36, or none without ACPI.</summary>
    public ReadOnlyMemory<byte> RsdpBytes { get; init; }
}

/// <summary>How the first instruction finds the processor.</summary>
public enum StartMode
{
    /// <summary>Real-address mode: the entry is CS = 0, IP.</summary>
    Real,

    /// <summary>32-bit protected mode, paging off, flat segments.</summary>
    Protected,
}

/// <summary>The processor's state at the first instruction. Registers that are not named here are zero.</summary>
public sealed record StartState
{
    public required StartMode Mode { get; init; }

    public required Gpa Entry { get; init; }

    public uint Eax { get; init; }

    public uint Ebx { get; init; }

    public uint Edx { get; init; }

    public uint Esi { get; init; }

    public uint Esp { get; init; }

    /// <summary>
    /// A descriptor table with flat 32-bit code at selector 10H and flat data at 18H, which CS and the data segments hold.
    /// </summary>
    public Gpa Gdt { get; init; }
}

/// <summary>What has to be done to start an image: copy these chunks, load these registers.</summary>
/// <param name="Protocol">Name of the boot protocol, for people.</param>
/// <param name="Start">The processor's state.</param>
/// <param name="Chunks">Sorted by address, not overlapping, all in RAM.</param>
/// <param name="Warnings">What the image asked for and does not get, one line each.</param>
public sealed record BootPlan(string Protocol, StartState Start, IReadOnlyList<LoadChunk> Chunks, IReadOnlyList<string> Warnings)
{
    /// <summary>The image's bytes of GDT: null, null, code, data (Linux boot protocol and Multiboot both use these).</summary>
    internal static ReadOnlySpan<byte> FlatGdt =>
    [
        0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0,
        0xFF, 0xFF, 0, 0, 0, 0x9B, 0xCF, 0, // 10H: code, base 0, limit 4 GiB, 32 bits
        0xFF, 0xFF, 0, 0, 0, 0x93, 0xCF, 0, // 18H: data, the same
    ];
}
