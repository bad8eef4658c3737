using System;
using System.Collections.Generic;
using Xenolith.Mmu;

namespace Xenolith.Guests;

/// <summary>Bytes that go to one place in a guest's memory, followed by zeroes.</summary>
/// <param name="Start">Where the first byte goes.</param>
/// <param name="Bytes">What the file holds.</param>
/// <param name="ZeroBytes">How many zeroes follow (.bss).</param>
public sealed record LoadChunk(Gpa Start, ReadOnlyMemory<byte> Bytes, ulong ZeroBytes)
{
    /// <summary>The first address after it.</summary>
    public Gpa End => Start + (ulong)Bytes.Length + ZeroBytes;
}

/// <summary>What a builder has to do to put a PVH kernel into a domain: copy these chunks, start there.</summary>
/// <param name="Entry">Where the first instruction is, in 32-bit protected mode without paging.</param>
/// <param name="Chunks">Sorted by address, not overlapping, all within the domain's RAM.</param>
public sealed record PvhLoadPlan(Gpa Entry, IReadOnlyList<LoadChunk> Chunks)
{
    /// <summary>The first page boundary behind everything that is loaded: free for start info and modules.</summary>
    public Gpa End => new((Chunks[^1].End.Value + Pages.OffsetMask) & ~Pages.OffsetMask);

    /// <param name="image">The kernel.</param>
    /// <param name="ramBytes">The domain's RAM, from guest-physical address 0 up, in bytes.</param>
    /// <exception cref="ImageFormatException">It is no PVH kernel, or does not fit.</exception>
    public static PvhLoadPlan Of(ElfImage image, ulong ramBytes)
    {
        Gpa entry = XenNotes.Of(image).RequirePhys32Entry();
        List<LoadChunk> chunks = [];
        foreach (ElfSegment segment in image.Segments)
        {
            if (segment.Type == ElfSegmentType.Load && segment.MemorySize != 0)
            {
                Check(image, segment, ramBytes);
                chunks.Add(new LoadChunk(new Gpa(segment.PhysicalAddress), image.FileBytes(segment), segment.MemorySize - segment.FileSize));
            }
        }

        if (chunks.Count == 0)
        {
            throw new ImageFormatException($"{image.Name}: has no segment to load; is it an object file that was never linked?");
        }

        chunks.Sort(static (a, b) => a.Start.Value.CompareTo(b.Start.Value));
        CheckOrder(image, chunks, entry);
        return new PvhLoadPlan(entry, chunks);
    }

    private static void Check(ElfImage image, ElfSegment segment, ulong ramBytes)
    {
        if (segment.FileSize > segment.MemorySize)
        {
            throw new ImageFormatException(
                image.Name, segment.Offset, $"a segment has {segment.FileSize} bytes in the file but only {segment.MemorySize} in memory", ImageBytes.Incomplete);
        }

        if (segment.PhysicalAddress > ramBytes || segment.MemorySize > ramBytes - segment.PhysicalAddress)
        {
            throw new ImageFormatException(
                image.Name,
                segment.Offset,
                $"a segment of {segment.MemorySize} bytes for address 0x{segment.PhysicalAddress:x} does not fit into {ramBytes >> 20} MiB of memory",
                "give the domain more memory, or link the kernel lower");
        }
    }

    private static void CheckOrder(ElfImage image, List<LoadChunk> chunks, Gpa entry)
    {
        bool entryIsLoaded = false;
        for (int i = 0; i < chunks.Count; i++)
        {
            LoadChunk chunk = chunks[i];
            entryIsLoaded |= entry.Value >= chunk.Start.Value && entry.Value < chunk.End.Value;
            if (i != 0 && chunks[i - 1].End.Value > chunk.Start.Value)
            {
                throw new ImageFormatException($"{image.Name}: segments overlap at address {chunk.Start}; link the kernel anew");
            }
        }

        if (!entryIsLoaded)
        {
            throw new ImageFormatException($"{image.Name}: the PVH entry {entry} lies in no loaded segment; link the kernel anew");
        }
    }
}
