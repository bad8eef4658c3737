using System;
using System.Collections.Generic;
using Xenolith.Mmu;

namespace Xenolith.Guests;

/// <summary>Loads Multiboot 2 kernels (Multiboot2 specification 2.0) as a BIOS machine's loader does.</summary>
internal static class Multiboot2
{
    /// <summary>What the kernel finds in EAX.</summary>
    public const uint LoaderMagic = 0x36D76289;

    /// <summary>Types of boot information tags.</summary>
    private enum Tag : uint
    {
        End = 0,
        CommandLine = 1,
        LoaderName = 2,
        Module = 3,
        BasicMemory = 4,
        MemoryMap = 6,
        ElfSections = 9,
        AcpiOld = 14,
        AcpiNew = 15,
        LoadBase = 21,
    }

    public static BootPlan Plan(BootRequest request, ImageBytes bytes, Multiboot2Header header)
    {
        BootMemory memory = new(request.ImageName, request.MemoryMap);
        ElfImage? elf = null;
        ulong entry;
        ulong? loadBase = null;
        if (header.Addresses is { } addresses)
        {
            addresses.Load(bytes, memory);
            entry = header.Entry ?? throw new ImageFormatException(
                bytes.Name, header.Offset, "the Multiboot 2 header has an address tag but no entry tag", "build the image with both, or as ELF");
        }
        else
        {
            elf = ElfImage.Parse(bytes.Name, request.Image);
            ulong shift = 0;
            (ulong start, ulong end) = ElfLoader.Extent(elf);
            if (header.Relocatable is { } range)
            {
                loadBase = range.Choose(memory, end - start);
                shift = loadBase.Value - start;
            }

            ElfLoader.Load(elf, memory, shift);
            entry = (header.Entry ?? ElfLoader.PhysicalEntry(elf)) + shift;
        }

        Multiboot1.CheckEntry(request, entry);
        List<(ulong Start, ulong End)> modules = Multiboot1.LoadModules(request, memory);
        MultibootSymbols? symbols = elf is null ? null : MultibootSymbols.Load(elf, memory);
        StructureBytes info = Lay(request, memory, modules, symbols, loadBase);
        ulong address = memory.FindUp(Multiboot1.InformationAt, (ulong)info.Length, 16, "the Multiboot information");
        memory.Load(address, info.ToArray(), 0, "the Multiboot information");
        return new BootPlan(
            "Multiboot 2",
            new StartState
            {
                Mode = StartMode.Protected,
                Entry = new Gpa(entry),
                Eax = LoaderMagic,
                Ebx = (uint)address,
                Gdt = new Gpa(address + (ulong)(info.Length - BootPlan.FlatGdt.Length)),
            },
            memory.Chunks,
            header.Warnings);
    }

    // total_size, reserved, then tags, each on 8 bytes; nothing in it depends on its own address.
    private static StructureBytes Lay(
        BootRequest request, BootMemory memory, List<(ulong Start, ulong End)> modules, MultibootSymbols? symbols, ulong? loadBase)
    {
        StructureBytes info = new();
        _ = info.Reserve(8);
        AddTag(info, Tag.CommandLine, body => body.AppendText(Multiboot1.CommandLine(request)));
        AddTag(info, Tag.LoaderName, static body => body.AppendText(Multiboot1.LoaderName));
        for (int i = 0; i < modules.Count; i++)
        {
            int index = i;
            AddTag(info, Tag.Module, body =>
            {
                _ = body.Append32((uint)modules[index].Start);
                _ = body.Append32((uint)modules[index].End);
                _ = body.AppendText(request.Modules[index].CommandLine);
            });
        }

        (uint lower, uint upper) = memory.BasicKiB;
        AddTag(info, Tag.BasicMemory, body =>
        {
            _ = body.Append32(lower);
            _ = body.Append32(upper);
        });
        AddTag(info, Tag.MemoryMap, body => AddMemoryMap(body, request.MemoryMap));
        if (symbols is not null)
        {
            AddTag(info, Tag.ElfSections, body =>
            {
                _ = body.Append32(symbols.Count);
                _ = body.Append32(symbols.EntrySize);
                _ = body.Append32(symbols.NamesIndex);
                _ = body.Append(symbols.Headers);
            });
        }

        if (request.RsdpBytes.Length >= 36)
        {
            AddTag(info, Tag.AcpiOld, body => body.Append(request.RsdpBytes.Span[..20]));
            AddTag(info, Tag.AcpiNew, body => body.Append(request.RsdpBytes.Span));
        }

        if (loadBase is { } address)
        {
            AddTag(info, Tag.LoadBase, body => body.Append32((uint)address));
        }

        AddTag(info, Tag.End, static _ => { });
        info.Put32(0, (uint)info.Length);
        info.Align(16);
        _ = info.Append(BootPlan.FlatGdt);
        return info;
    }

    private static void AddMemoryMap(StructureBytes body, IReadOnlyList<MemoryRange> map)
    {
        _ = body.Append32(24); // the size of an entry
        _ = body.Append32(0); // their version
        foreach (MemoryRange range in map)
        {
            _ = body.Append64(range.Start.Value);
            _ = body.Append64(range.SizeBytes);
            _ = body.Append32((uint)range.Type);
            _ = body.Append32(0);
        }
    }

    private static void AddTag(StructureBytes info, Tag type, Action<StructureBytes> addBody)
    {
        info.Align(8);
        int start = info.Append32((uint)type);
        int size = info.Append32(0);
        addBody(info);
        info.Put32(size, (uint)(info.Length - start));
    }
}
