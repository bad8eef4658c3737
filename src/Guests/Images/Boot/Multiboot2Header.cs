using System;
using System.Collections.Generic;

namespace Xenolith.Guests;

/// <summary>The tags of a Multiboot 2 header that a loader acts on (Multiboot2 specification 2.0, "Header tags").</summary>
internal sealed record Multiboot2Header
{
    public const uint Magic = 0xE85250D6;

    private const ulong SearchBytes = 32768;
    private const ushort Optional = 1;

    /// <summary>Types of information that are always there, or not for want of what they tell (modules, symbols).</summary>
    private static readonly HashSet<uint> s_offeredInformation = [1, 2, 3, 4, 6, 9, 14, 15, 21];

    public ulong Offset { get; private init; }

    /// <summary>The address tag; null when the image is to be loaded as ELF.</summary>
    public AddressFields? Addresses { get; private set; }

    /// <summary>The entry tag; null when the ELF header's entry counts.</summary>
    public uint? Entry { get; private set; }

    /// <summary>The relocatable tag; null when the image runs only where it is linked.</summary>
    public RelocatableRange? Relocatable { get; private set; }

    /// <summary>What was asked for, optionally, and is not there.</summary>
    public List<string> Warnings { get; } = [];

    private enum Tag : ushort
    {
        End = 0,
        InformationRequest = 1,
        Address = 2,
        Entry = 3,
        ConsoleFlags = 4,
        Framebuffer = 5,
        ModuleAlignment = 6,
        EfiBootServices = 7,
        EfiEntry32 = 8,
        EfiEntry64 = 9,
        Relocatable = 10,
    }

    /// <summary>The header: 64-bit aligned, in the first 32 KiB. Null when there is none.</summary>
    /// <exception cref="ImageFormatException">It is for another processor, or malformed, or demands what is not offered.</exception>
    public static Multiboot2Header? Find(ImageBytes bytes)
    {
        const string What = "the Multiboot 2 header";
        for (ulong at = 0; at + 16 <= Math.Min(bytes.Length, SearchBytes); at += 8)
        {
            if (bytes.UInt32(at, What) != Magic)
            {
                continue;
            }

            uint architecture = bytes.UInt32(at + 4, What);
            uint length = bytes.UInt32(at + 8, What);
            if (Magic + architecture + length + bytes.UInt32(at + 12, What) != 0)
            {
                continue;
            }

            if (architecture != 0)
            {
                throw new ImageFormatException(bytes.Name, at + 4, $"the Multiboot 2 header is for architecture {architecture}, not i386 (0)", "give an image for x86");
            }

            Multiboot2Header header = new() { Offset = at };
            header.ReadTags(bytes, at + 16, at + length);
            return header;
        }

        return null;
    }

    private void ReadTags(ImageBytes bytes, ulong at, ulong end)
    {
        const string What = "a tag of the Multiboot 2 header";
        while (at + 8 <= end)
        {
            Tag type = (Tag)bytes.UInt16(at, What);
            bool isOptional = (bytes.UInt16(at + 2, What) & Optional) != 0;
            uint size = bytes.UInt32(at + 4, What);
            if (type == Tag.End)
            {
                return;
            }

            if (size < 8 || size > end - at)
            {
                throw new ImageFormatException(bytes.Name, at, $"a tag of {size} bytes does not fit into the Multiboot 2 header", ImageBytes.Incomplete);
            }

            ReadTag(bytes, at, type, size, isOptional);
            at += (size + 7UL) & ~7UL;
        }

        throw new ImageFormatException(bytes.Name, at, "the tags of the Multiboot 2 header have no end", ImageBytes.Incomplete);
    }

    private void ReadTag(ImageBytes bytes, ulong at, Tag type, uint size, bool isOptional)
    {
        switch (type)
        {
            case Tag.InformationRequest:
                for (ulong item = at + 8; item + 4 <= at + size; item += 4)
                {
                    uint wanted = bytes.UInt32(item, "an information request");
                    if (!s_offeredInformation.Contains(wanted))
                    {
                        Miss(bytes, item, isOptional, $"information of type {wanted}");
                    }
                }

                break;
            case Tag.Address:
                Addresses = new AddressFields(Offset, Field(bytes, at, size, 0), Field(bytes, at, size, 1), Field(bytes, at, size, 2), Field(bytes, at, size, 3));
                break;
            case Tag.Entry:
                Entry = Field(bytes, at, size, 0);
                break;
            case Tag.Relocatable:
                Relocatable = new RelocatableRange(
                    Field(bytes, at, size, 0), Field(bytes, at, size, 1), Field(bytes, at, size, 2), Field(bytes, at, size, 3));
                break;
            case Tag.ModuleAlignment: // modules are always on page boundaries
            case Tag.EfiBootServices: // for EFI machines only: a BIOS machine ignores the three
            case Tag.EfiEntry32:
            case Tag.EfiEntry64:
                break;
            case Tag.ConsoleFlags:
                Warnings.Add("the image asks for a console of the loader's; this machine has its serial line only");
                break;
            case Tag.Framebuffer:
                Warnings.Add("the image asks for a video mode; this machine has no display");
                break;
            default:
                Miss(bytes, at, isOptional, $"header tag {(ushort)type}");
                break;
        }
    }

    private void Miss(ImageBytes bytes, ulong at, bool isOptional, string what)
    {
        if (!isOptional)
        {
            throw new ImageFormatException(
                bytes.Name, at, $"the Multiboot 2 header demands {what}, which is not offered", "build the image without it, or mark it optional");
        }

        Warnings.Add($"the image asks for {what}, which is not offered");
    }

    private static uint Field(ImageBytes bytes, ulong at, uint size, uint index)
    {
        if (size < 12 + (4 * index))
        {
            throw new ImageFormatException(bytes.Name, at, $"a tag of {size} bytes is too short for its type", ImageBytes.Incomplete);
        }

        return bytes.UInt32(at + 8 + (4 * index), "a tag of the Multiboot 2 header");
    }
}

/// <summary>The relocatable header tag: where a position-independent image may be put.</summary>
/// <param name="Lowest">min_addr.</param>
/// <param name="Highest">max_addr: the image ends at or below it.</param>
/// <param name="Alignment">align: a power of two; 0 counts as 1.</param>
/// <param name="Preference">0 none, 1 lowest, 2 highest.</param>
internal readonly record struct RelocatableRange(uint Lowest, uint Highest, uint Alignment, uint Preference)
{
    /// <summary>The address to load an image of this size at.</summary>
    public ulong Choose(BootMemory memory, ulong size)
    {
        const string What = "the relocatable image";
        ulong alignment = Math.Max(Alignment, 1);
        return Preference == 2
            ? memory.FindDown((ulong)Highest + 1, size, alignment, What)
            : memory.FindUp(Math.Max(Lowest, 1 << 20), size, alignment, What);
    }
}
