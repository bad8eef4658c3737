using System;
using System.Collections.Generic;
using System.Text;
using Xenolith.Mmu;

namespace Xenolith.Guests;

/// <summary>
/// Loads bzImage kernels by the 32-bit boot protocol (Linux, "The Linux/x86 Boot Protocol"): setup header, boot_params ("zero page"),
/// command line, initial ramdisk. Also what calls itself one: memory testers, for instance.
/// </summary>
internal static class BzImage
{
    // The setup header. Offsets are those of the file and of struct boot_params.
    private const ulong SetupSectors = 0x1F1;
    private const ulong BootFlag = 0x1FE; // AA55H
    private const ulong HeaderEnd = 0x201; // offset byte of the short jump: the header ends so far behind 202H
    private const ulong HeaderMagic = 0x202; // "HdrS"
    private const ulong Version = 0x206;
    private const int LoaderType = 0x210;
    private const int LoadFlags = 0x211;
    private const int Code32Start = 0x214;
    private const int RamdiskImage = 0x218;
    private const int RamdiskSize = 0x21C;
    private const int CommandLinePointer = 0x228;
    private const ulong InitrdAddressMax = 0x22C;
    private const ulong KernelAlignment = 0x230;
    private const ulong RelocatableKernel = 0x234;
    private const ulong CommandLineSize = 0x238;
    private const ulong PreferredAddress = 0x258;
    private const ulong InitSize = 0x260;

    // Other fields of boot_params.
    private const int ScreenColumns = 0x07;
    private const int ScreenLines = 0x0E;
    private const int AcpiRsdp = 0x70;
    private const int MemoryEntries = 0x1E8;
    private const int MemoryTable = 0x2D0;
    private const int MemoryEntrySize = 20;
    private const int MaxMemoryEntries = 128;
    private const int ParametersSize = 4096;

    private const byte LoadedHigh = 1;
    private const ulong HighLoadAddress = 0x100000;
    private const ulong LowestParameters = 0x10000;
    private const uint Signature = 0x53726448; // "HdrS"

    public static bool Recognizes(ImageBytes bytes) =>
        bytes.Length > 0x220 && bytes.UInt16(BootFlag, "the boot flag") == 0xAA55 && bytes.UInt32(HeaderMagic, "the setup header") == Signature;

    public static BootPlan Plan(BootRequest request, ImageBytes bytes)
    {
        ushort version = bytes.UInt16(Version, "the protocol version");
        byte flags = bytes.Byte(LoadFlags, "the load flags");
        if (version < 0x0202 || (flags & LoadedHigh) == 0)
        {
            string where = (flags & LoadedHigh) == 0 ? "low" : "high";
            throw new ImageFormatException(
                bytes.Name,
                Version,
                $"boot protocol {version >> 8}.{version & 0xFF:00}, loaded {where}: only bzImages of 2.02 or later are supported",
                "build the kernel as bzImage");
        }

        BootMemory memory = new(request.ImageName, request.MemoryMap);
        byte sectors = bytes.Byte(SetupSectors, "the number of setup sectors");
        ulong setupSize = ((sectors == 0 ? 4UL : sectors) + 1) * 512;
        ReadOnlyMemory<byte> kernel = bytes.Slice(setupSize, bytes.Length - Math.Min(bytes.Length, setupSize), "the protected-mode kernel");
        if (kernel.IsEmpty)
        {
            throw new ImageFormatException(bytes.Name, setupSize, "nothing follows the setup code", ImageBytes.Incomplete);
        }

        ulong load = ChooseAddress(bytes, version, memory, (ulong)kernel.Length);
        memory.Load(load, kernel, 0, "the kernel");
        StructureBytes parameters = CopySetup(bytes);
        PlaceInitrd(request, bytes, version, memory, parameters);
        string line = LimitedLine(request, bytes, version);
        ulong lineAt = memory.FindDown(0xA0000, (ulong)line.Length + 1, 16, "the command line");
        memory.Load(lineAt, Encoding.Latin1.GetBytes(line + "\0"), 0, "the command line");
        FillParameters(request, parameters, (uint)load, (uint)lineAt);

        byte[] page = parameters.ToArray();
        ulong pageAt = memory.FindUp(LowestParameters, ParametersSize + (ulong)BootPlan.FlatGdt.Length, Pages.Size, "boot_params");
        memory.Load(pageAt, (byte[])[.. page, .. BootPlan.FlatGdt], 0, "boot_params");
        return new BootPlan(
            $"Linux {version >> 8}.{version & 0xFF:00}",
            new StartState { Mode = StartMode.Protected, Entry = new Gpa(load), Esi = (uint)pageAt, Gdt = new Gpa(pageAt + ParametersSize) },
            memory.Chunks,
            []);
    }

    // A relocatable kernel that says how much memory it needs goes where it wants to run: there it need not move itself.
    private static ulong ChooseAddress(ImageBytes bytes, ushort version, BootMemory memory, ulong size)
    {
        if (version < 0x020A)
        {
            return HighLoadAddress;
        }

        ulong preferred = bytes.UInt64(PreferredAddress, "the preferred address");
        ulong needed = Math.Max(bytes.UInt32(InitSize, "the size for initialization"), size);
        ulong load = HighLoadAddress;
        if (bytes.Byte(RelocatableKernel, "the relocatable flag") != 0 && preferred is >= HighLoadAddress and < 1UL << 32)
        {
            ulong alignment = Math.Max(bytes.UInt32(KernelAlignment, "the kernel's alignment"), 1);
            load = memory.FindUp(preferred, needed, alignment, "the kernel, unpacked,");
        }

        memory.Keep(load, needed);
        return load;
    }

    private static StructureBytes CopySetup(ImageBytes bytes)
    {
        // All of boot_params is zero except for the setup header, which is copied (protocol, "32-bit Boot Protocol").
        StructureBytes parameters = new();
        _ = parameters.Reserve(ParametersSize);
        ulong end = Math.Min(0x202 + (ulong)bytes.Byte(HeaderEnd, "the size of the setup header"), bytes.Length);
        for (ulong at = SetupSectors; at < end; at++)
        {
            parameters.Put8((int)at, bytes.Byte(at, "the setup header"));
        }

        return parameters;
    }

    private static void PlaceInitrd(BootRequest request, ImageBytes bytes, ushort version, BootMemory memory, StructureBytes parameters)
    {
        if (request.Modules.Count > 1)
        {
            throw new ImageFormatException($"{request.ImageName}: a Linux kernel takes one initial ramdisk, and {request.Modules.Count} were given");
        }

        if (request.Modules.Count == 0 || request.Modules[0].Bytes.IsEmpty)
        {
            return;
        }

        ReadOnlyMemory<byte> initrd = request.Modules[0].Bytes;
        ulong highest = version >= 0x0203 ? bytes.UInt32(InitrdAddressMax, "the highest address of the initial ramdisk") : 0x37FF_FFFF;
        ulong at = memory.FindDown(highest + 1, (ulong)initrd.Length, Pages.Size, "the initial ramdisk");
        memory.Load(at, initrd, 0, "the initial ramdisk");
        parameters.Put32(RamdiskImage, (uint)at);
        parameters.Put32(RamdiskSize, (uint)initrd.Length);
    }

    private static string LimitedLine(BootRequest request, ImageBytes bytes, ushort version)
    {
        uint most = version >= 0x0206 ? bytes.UInt32(CommandLineSize, "the length of the command line") : 255;
        return (uint)request.CommandLine.Length <= most
            ? request.CommandLine
            : throw new ImageFormatException($"{request.ImageName}: this kernel takes {most} characters of command line, and {request.CommandLine.Length} were given");
    }

    private static void FillParameters(BootRequest request, StructureBytes parameters, uint load, uint line)
    {
        parameters.Put8(ScreenColumns, 80);
        parameters.Put8(ScreenLines, 25);
        parameters.Put8(LoaderType, 0xFF); // a loader without a number of its own
        parameters.Put32(Code32Start, load);
        parameters.Put32(CommandLinePointer, line);
        parameters.Put64(AcpiRsdp, request.Rsdp.Value);
        int count = Math.Min(request.MemoryMap.Count, MaxMemoryEntries);
        parameters.Put8(MemoryEntries, (byte)count);
        for (int i = 0; i < count; i++)
        {
            int at = MemoryTable + (i * MemoryEntrySize);
            parameters.Put64(at, request.MemoryMap[i].Start.Value);
            parameters.Put64(at + 8, request.MemoryMap[i].SizeBytes);
            parameters.Put32(at + 16, (uint)request.MemoryMap[i].Type);
        }
    }
}
