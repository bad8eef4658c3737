using System;

namespace Xenolith.Guests;

/// <summary>Puts an ELF image where its program headers say (Multiboot specification, "OS image format").</summary>
internal static class ElfLoader
{
    /// <summary>The range of physical addresses that the image's segments cover, [start, end).</summary>
    public static (ulong Start, ulong End) Extent(ElfImage image)
    {
        ulong start = ulong.MaxValue;
        ulong end = 0;
        foreach (ElfSegment segment in image.Segments)
        {
            if (IsLoaded(segment))
            {
                CheckSizes(image, segment);
                start = Math.Min(start, segment.PhysicalAddress);
                end = Math.Max(end, segment.PhysicalAddress + segment.MemorySize);
            }
        }

        return start > end ? throw new ImageFormatException($"{image.Name}: has no segment to load; is it an object file that was never linked?") : (start, end);
    }

    /// <param name="shift">Added to every physical address, modulo 2^64.</param>
    public static void Load(ElfImage image, BootMemory memory, ulong shift)
    {
        int index = 0;
        foreach (ElfSegment segment in image.Segments)
        {
            if (IsLoaded(segment))
            {
                CheckSizes(image, segment);
                memory.Load(
                    segment.PhysicalAddress + shift, image.FileBytes(segment), segment.MemorySize - segment.FileSize, $"segment {index} of the image");
            }

            index++;
        }
    }

    /// <summary>
    /// The physical address of e_entry: kernels that are linked high give a linear address of one of their segments.
    /// </summary>
    public static ulong PhysicalEntry(ElfImage image)
    {
        foreach (ElfSegment segment in image.Segments)
        {
            if (IsLoaded(segment) && image.Entry - segment.VirtualAddress < segment.MemorySize)
            {
                return image.Entry - segment.VirtualAddress + segment.PhysicalAddress;
            }
        }

        return image.Entry;
    }

    private static bool IsLoaded(ElfSegment segment) => segment.Type == ElfSegmentType.Load && segment.MemorySize != 0;

    private static void CheckSizes(ElfImage image, ElfSegment segment)
    {
        if (segment.FileSize > segment.MemorySize)
        {
            throw new ImageFormatException(
                image.Name, segment.Offset, $"a segment has {segment.FileSize} bytes in the file but only {segment.MemorySize} in memory", ImageBytes.Incomplete);
        }

        if (segment.PhysicalAddress > ulong.MaxValue - segment.MemorySize)
        {
            throw new ImageFormatException(
                image.Name, segment.Offset, $"a segment at 0x{segment.PhysicalAddress:x} wraps around the end of memory", "link the kernel lower");
        }
    }
}
