using System;
using System.Collections.Generic;
using Xenolith.Mmu;

namespace Xenolith.Guests;

/// <summary>The Multiboot header of version 1 (Multiboot specification 0.6.96, "The layout of Multiboot header").</summary>
/// <param name="Offset">Where it lies in the file.</param>
internal sealed record Multiboot1Header(ulong Offset, uint Flags)
{
    public const uint Magic = 0x1BADB002;
    public const uint PageAlignModules = 1 << 0;
    public const uint WantsMemoryInformation = 1 << 1;
    public const uint WantsVideoMode = 1 << 2;
    public const uint HasAddresses = 1 << 16;

    private const ulong SearchBytes = 8192;
    private const uint UnderstoodRequirements = PageAlignModules | WantsMemoryInformation | WantsVideoMode;

    /// <summary>The header: 32-bit aligned, in the first 8 KiB, its three words summing up to zero. Null when there is none.</summary>
    public static Multiboot1Header? Find(ImageBytes bytes)
    {
        for (ulong at = 0; at + 12 <= Math.Min(bytes.Length, SearchBytes); at += 4)
        {
            const string What = "the Multiboot header";
            if (bytes.UInt32(at, What) == Magic && Magic + bytes.UInt32(at + 4, What) + bytes.UInt32(at + 8, What) == 0)
            {
                return new Multiboot1Header(at, bytes.UInt32(at + 4, What));
            }
        }

        return null;
    }

    /// <summary>Bits 0 to 15 are requirements: a loader that does not know one must refuse.</summary>
    /// <exception cref="ImageFormatException">There is one that is not known.</exception>
    public void CheckRequirements(ImageBytes bytes)
    {
        uint unknown = Flags & 0xFFFF & ~UnderstoodRequirements;
        if (unknown != 0)
        {
            throw new ImageFormatException(
                bytes.Name, Offset + 4, $"the Multiboot header demands features that no version of the standard knows (flags 0x{unknown:x})", ImageBytes.Incomplete);
        }
    }
}

/// <summary>Loads Multiboot 1 kernels: 32- and 64-bit ELF, or any file with addresses in its header.</summary>
internal static class Multiboot1
{
    /// <summary>What the kernel finds in EAX.</summary>
    public const uint LoaderMagic = 0x2BADB002;

    internal const string LoaderName = "Xenolith";

    /// <summary>Low memory that kernels leave alone while they read what the loader says (QEMU's loader puts it here too).</summary>
    internal const ulong InformationAt = 0x9000;

    // struct multiboot_info: 0 flags, 4 mem_lower, 8 mem_upper, 12 boot_device, 16 cmdline, 20 mods_count, 24 mods_addr, 28 syms (num,
    // size, addr, shndx), 44 mmap_length, 48 mmap_addr, 52 drives, 60 config_table, 64 boot_loader_name, 68 apm_table, 72 vbe,
    // 88 framebuffer, up to 116
    private const int InformationSize = 116;
    private const int ModuleSize = 16; // mod_start, mod_end, string, reserved
    private const uint HasMemory = 1 << 0;
    private const uint HasCommandLine = 1 << 2;
    private const uint HasModules = 1 << 3;
    private const uint HasElfSections = 1 << 5;
    private const uint HasMemoryMap = 1 << 6;
    private const uint HasLoaderName = 1 << 9;

    public static BootPlan Plan(BootRequest request, ImageBytes bytes, Multiboot1Header header)
    {
        header.CheckRequirements(bytes);
        BootMemory memory = new(request.ImageName, request.MemoryMap);
        List<string> warnings = [];
        if ((header.Flags & Multiboot1Header.WantsVideoMode) != 0)
        {
            warnings.Add("the image asks for a video mode; this machine has no display");
        }

        ElfImage? elf = null;
        ulong entry;
        if ((header.Flags & Multiboot1Header.HasAddresses) != 0)
        {
            entry = LoadByAddresses(bytes, header, memory);
        }
        else
        {
            elf = ElfImage.Parse(bytes.Name, request.Image);
            _ = ElfLoader.Extent(elf);
            ElfLoader.Load(elf, memory, 0);
            entry = ElfLoader.PhysicalEntry(elf);
        }

        CheckEntry(request, entry);
        List<(ulong Start, ulong End)> modules = LoadModules(request, memory);
        MultibootSymbols? symbols = elf is null ? null : MultibootSymbols.Load(elf, memory);
        (ulong information, ulong gdt) = LayInformation(request, memory, modules, symbols);
        return new BootPlan(
            "Multiboot 1",
            new StartState { Mode = StartMode.Protected, Entry = new Gpa(entry), Eax = LoaderMagic, Ebx = (uint)information, Gdt = new Gpa(gdt) },
            memory.Chunks,
            warnings);
    }

    internal static void CheckEntry(BootRequest request, ulong entry)
    {
        if (entry > uint.MaxValue)
        {
            throw new ImageFormatException($"{request.ImageName}: the entry point 0x{entry:x} is not below 4 GiB; link the kernel lower");
        }
    }

    /// <summary>Modules come behind the kernel, each on a page of its own.</summary>
    internal static List<(ulong Start, ulong End)> LoadModules(BootRequest request, BootMemory memory)
    {
        ulong from = 1 << 20;
        foreach (LoadChunk chunk in memory.Chunks)
        {
            from = Math.Max(from, chunk.End.Value);
        }

        List<(ulong Start, ulong End)> modules = [];
        foreach (BootModule module in request.Modules)
        {
            ulong size = (ulong)module.Bytes.Length;
            string what = $"module '{module.CommandLine}'";
            ulong at = memory.FindUp(from, Math.Max(size, 1), Pages.Size, what);
            memory.Load(at, module.Bytes, 0, what);
            modules.Add((at, at + size));
            from = at + size;
        }

        return modules;
    }

    /// <summary>The line that Multiboot kernels get: the image's name comes first, as in a C program's arguments.</summary>
    internal static string CommandLine(BootRequest request) =>
        request.CommandLine.Length == 0 ? request.ImageName : request.ImageName + " " + request.CommandLine;

    // Bit 16: header_addr 12, load_addr 16, load_end_addr 20, bss_end_addr 24, entry_addr 28.
    private static ulong LoadByAddresses(ImageBytes bytes, Multiboot1Header header, BootMemory memory)
    {
        const string What = "the address fields of the Multiboot header";
        uint headerAddress = bytes.UInt32(header.Offset + 12, What);
        uint load = bytes.UInt32(header.Offset + 16, What);
        uint loadEnd = bytes.UInt32(header.Offset + 20, What);
        uint bssEnd = bytes.UInt32(header.Offset + 24, What);
        AddressFields fields = new(header.Offset, headerAddress, load, loadEnd, bssEnd);
        fields.Load(bytes, memory);
        return bytes.UInt32(header.Offset + 28, What);
    }

    private static (ulong Information, ulong Gdt) LayInformation(
        BootRequest request, BootMemory memory, List<(ulong Start, ulong End)> modules, MultibootSymbols? symbols)
    {
        // The size is known before the address: lay it out once at 0 to measure, once in its place.
        int size = Lay(0, request, memory, modules, symbols).Length;
        ulong address = memory.FindUp(InformationAt, (ulong)size, 16, "the Multiboot information");
        StructureBytes info = Lay(address, request, memory, modules, symbols);
        memory.Load(address, info.ToArray(), 0, "the Multiboot information");
        return (address, address + (ulong)(size - BootPlan.FlatGdt.Length));
    }

    private static StructureBytes Lay(
        ulong address, BootRequest request, BootMemory memory, List<(ulong Start, ulong End)> modules, MultibootSymbols? symbols)
    {
        StructureBytes info = new();
        _ = info.Reserve(InformationSize);
        uint flags = HasMemory | HasCommandLine | HasModules | HasMemoryMap | HasLoaderName;
        (uint lower, uint upper) = memory.BasicKiB;
        info.Put32(4, lower);
        info.Put32(8, upper);

        info.Align(8);
        int map = info.Length;
        foreach (MemoryRange range in request.MemoryMap)
        {
            _ = info.Append32(20); // the size of what follows
            _ = info.Append64(range.Start.Value);
            _ = info.Append64(range.SizeBytes);
            _ = info.Append32((uint)range.Type);
        }

        info.Put32(44, (uint)(info.Length - map));
        info.Put32(48, (uint)(address + (ulong)map));

        info.Align(16);
        int list = info.Reserve(modules.Count * ModuleSize);
        info.Put32(20, (uint)modules.Count);
        info.Put32(24, (uint)(address + (ulong)list));
        for (int i = 0; i < modules.Count; i++)
        {
            info.Put32(list + (i * ModuleSize), (uint)modules[i].Start);
            info.Put32(list + (i * ModuleSize) + 4, (uint)modules[i].End);
            info.Put32(list + (i * ModuleSize) + 8, (uint)(address + (ulong)info.AppendText(request.Modules[i].CommandLine)));
        }

        info.Put32(16, (uint)(address + (ulong)info.AppendText(CommandLine(request))));
        info.Put32(64, (uint)(address + (ulong)info.AppendText(LoaderName)));
        if (symbols is not null)
        {
            flags |= HasElfSections;
            info.Align(16);
            info.Put32(28, symbols.Count);
            info.Put32(32, symbols.EntrySize);
            info.Put32(36, (uint)(address + (ulong)info.Append(symbols.Headers)));
            info.Put32(40, symbols.NamesIndex);
        }

        info.Put32(0, flags);
        info.Align(16);
        _ = info.Append(BootPlan.FlatGdt);
        return info;
    }
}
