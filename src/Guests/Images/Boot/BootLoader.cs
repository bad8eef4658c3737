using System;
using System.Collections.Generic;
using Xenolith.Mmu;

namespace Xenolith.Guests;

/// <summary>
/// Bytes in, load plan out: recognizes what an image is and lays it out as its boot protocol says. Any file may be given; what cannot
/// be started ends in an <see cref="ImageFormatException"/> with one clear line.
/// </summary>
public static class BootLoader
{
    private const ulong BootSectorAt = 0x7C00;
    private const ulong SectorSize = 512;
    private const uint FirstDisk = 0x80;

    /// <summary>Reads an image file whole.</summary>
    /// <exception cref="ImageFormatException">It cannot be read.</exception>
    public static ReadOnlyMemory<byte> ReadFile(string path)
    {
        ImageBytes bytes = ImageBytes.Load(path);
        return bytes.Slice(0, bytes.Length, "the file");
    }

    /// <summary>
    /// The modules that "file arguments,file arguments" names: commas separate modules, the first blank ends a file's name.
    /// </summary>
    /// <exception cref="ImageFormatException">A file cannot be read, or a name is missing.</exception>
    public static IReadOnlyList<BootModule> ReadModules(string list)
    {
        List<BootModule> modules = [];
        foreach (string item in list.Split(','))
        {
            string line = item.Trim();
            if (line.Length == 0)
            {
                throw new ImageFormatException($"'{list}': a module has no file name; write \"file arguments,file arguments\"");
            }

            int blank = line.IndexOf(' ', StringComparison.Ordinal);
            modules.Add(new BootModule(line, ReadFile(blank < 0 ? line : line[..blank])));
        }

        return modules;
    }

    /// <exception cref="ImageFormatException">It is nothing that can be started, or does not fit into the memory.</exception>
    public static BootPlan Plan(BootRequest request)
    {
        ImageBytes bytes = new(request.ImageName, request.Image);
        if (Multiboot1Header.Find(bytes) is { } first)
        {
            return Multiboot1.Plan(request, bytes, first);
        }

        if (Multiboot2Header.Find(bytes) is { } second)
        {
            return Multiboot2.Plan(request, bytes, second);
        }

        if (bytes.Length >= 4 && bytes.UInt32(0, "the magic number") == 0x464C457F)
        {
            return PlanPvh(request);
        }

        if (BzImage.Recognizes(bytes))
        {
            return BzImage.Plan(request, bytes);
        }

        if (bytes.Length >= SectorSize && bytes.UInt16(SectorSize - 2, "the boot signature") == 0xAA55)
        {
            return PlanBootSector(request);
        }

        throw new ImageFormatException(
            $"{request.ImageName}: is neither Multiboot (1 or 2), nor an ELF file with a PVH entry, nor a bzImage, nor a boot sector; nothing here can be started");
    }

    private static BootPlan PlanPvh(BootRequest request)
    {
        ElfImage image = ElfImage.Parse(request.ImageName, request.Image);
        ulong entry = XenNotes.Of(image).RequirePhys32Entry().Value;
        BootMemory memory = new(request.ImageName, request.MemoryMap);
        _ = ElfLoader.Extent(image);
        ElfLoader.Load(image, memory, 0);
        List<(ulong Start, ulong End)> placed = Multiboot1.LoadModules(request, memory);
        List<PvhModule> modules = [];
        for (int i = 0; i < placed.Count; i++)
        {
            modules.Add(new PvhModule(new Gpa(placed[i].Start), placed[i].End - placed[i].Start, request.Modules[i].CommandLine));
        }

        int size = PvhStartInfo.Build(default, request.CommandLine, modules, request.MemoryMap).Length;
        int gdt = (size + 15) & ~15;
        ulong at = memory.FindUp(Multiboot1.InformationAt, (ulong)(gdt + BootPlan.FlatGdt.Length), 16, "hvm_start_info");
        byte[] info = new byte[gdt + BootPlan.FlatGdt.Length];
        PvhStartInfo.Build(new Gpa(at), request.CommandLine, modules, request.MemoryMap, request.Rsdp).CopyTo(info, 0);
        BootPlan.FlatGdt.CopyTo(info.AsSpan(gdt));
        memory.Load(at, info, 0, "hvm_start_info");
        return new BootPlan(
            "PVH",
            new StartState { Mode = StartMode.Protected, Entry = new Gpa(entry), Ebx = (uint)at, Gdt = new Gpa(at + (ulong)gdt) },
            memory.Chunks,
            []);
    }

    // What a BIOS does with the first sector of a disk; it finds no BIOS to call, though.
    private static BootPlan PlanBootSector(BootRequest request)
    {
        BootMemory memory = new(request.ImageName, request.MemoryMap);
        memory.Load(BootSectorAt, request.Image[..(int)SectorSize], 0, "the boot sector");
        StartState start = new() { Mode = StartMode.Real, Entry = new Gpa(BootSectorAt), Edx = FirstDisk, Esp = (uint)BootSectorAt };
        return new BootPlan("boot sector", start, memory.Chunks, []);
    }
}
