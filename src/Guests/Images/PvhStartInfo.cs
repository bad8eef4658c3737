using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Text;
using Xenolith.Mmu;

namespace Xenolith.Guests;

/// <summary>XEN_HVM_MEMMAP_TYPE_* (xen/include/public/arch-x86/hvm/start_info.h); the numbers are those of ACPI and e820.</summary>
public enum MemoryRangeType : uint
{
    Ram = 1,
    Reserved = 2,
    Acpi = 3,
    Nvs = 4,
    Unusable = 5,
    Disabled = 6,
    Persistent = 7,
}

/// <summary>One range of a guest's memory map. Sizes are in bytes.</summary>
public readonly record struct MemoryRange(Gpa Start, ulong SizeBytes, MemoryRangeType Type)
{
    public Gpa End => Start + SizeBytes;
}

/// <summary>A file that the loader put into memory next to the kernel (an initial ramdisk, for instance).</summary>
public sealed record PvhModule(Gpa Start, ulong SizeBytes, string CommandLine);

/// <summary>
/// Lays out hvm_start_info, version 1, and all it points to, as one run of bytes at one guest-physical address
/// (xen/include/public/arch-x86/hvm/start_info.h). The guest gets that address in EBX.
/// </summary>
public sealed class PvhStartInfo
{
    public const uint Magic = 0x336ec578;

    // Offsets in struct hvm_start_info:
    //  0 magic  4 version  8 flags  12 nr_modules  16 modlist_paddr  24 cmdline_paddr  32 rsdp_paddr
    // 40 memmap_paddr  48 memmap_entries  52 reserved
    private const int HeaderSize = 56;
    private const int ModuleSize = 32; // paddr, size, cmdline_paddr, reserved
    private const int RangeSize = 24; // addr, size, type, reserved

    private readonly List<byte> _bytes = [];
    private readonly Gpa _address;

    private PvhStartInfo(Gpa address) => _address = address;

    /// <param name="address">Where the bytes will lie; 8-byte aligned, all of it below 4 GiB.</param>
    /// <param name="commandLine">The guest's command line; characters beyond Latin-1 become '?'.</param>
    /// <param name="modules">Loaded modules, in order.</param>
    /// <param name="memoryMap">The guest's memory map, sorted.</param>
    /// <param name="rsdp">Address of the ACPI root pointer, or 0.</param>
    /// <param name="flags">SIF_* flags; 0 for an ordinary domain.</param>
    /// <exception cref="ArgumentException">The address is not aligned or the structure would pass 4 GiB.</exception>
    public static byte[] Build(
        Gpa address,
        string commandLine,
        IReadOnlyList<PvhModule> modules,
        IReadOnlyList<MemoryRange> memoryMap,
        Gpa rsdp = default,
        uint flags = 0)
    {
        if ((address.Value & 7) != 0)
        {
            throw new ArgumentException($"hvm_start_info at {address} is not 8-byte aligned", nameof(address));
        }

        PvhStartInfo info = new(address);
        byte[] bytes = info.Lay(commandLine, modules, memoryMap, rsdp, flags);
        if (address.Value + (ulong)bytes.Length > 1UL << 32)
        {
            throw new ArgumentException($"hvm_start_info at {address} with {bytes.Length} bytes does not lie below 4 GiB", nameof(address));
        }

        return bytes;
    }

    private byte[] Lay(string commandLine, IReadOnlyList<PvhModule> modules, IReadOnlyList<MemoryRange> memoryMap, Gpa rsdp, uint flags)
    {
        int modulesAt = Reserve(HeaderSize) + HeaderSize;
        _ = Reserve(modules.Count * ModuleSize);
        int mapAt = Reserve(memoryMap.Count * RangeSize);
        ulong commandLineAt = AddText(commandLine);

        Put32(0, Magic);
        Put32(4, 1);
        Put32(8, flags);
        Put32(12, (uint)modules.Count);
        Put64(16, modules.Count == 0 ? 0 : _address.Value + (ulong)modulesAt);
        Put64(24, commandLineAt);
        Put64(32, rsdp.Value);
        Put64(40, memoryMap.Count == 0 ? 0 : _address.Value + (ulong)mapAt);
        Put32(48, (uint)memoryMap.Count);

        for (int i = 0; i < modules.Count; i++)
        {
            int at = modulesAt + (i * ModuleSize);
            Put64(at, modules[i].Start.Value);
            Put64(at + 8, modules[i].SizeBytes);
            Put64(at + 16, modules[i].CommandLine.Length == 0 ? 0 : AddText(modules[i].CommandLine));
        }

        for (int i = 0; i < memoryMap.Count; i++)
        {
            int at = mapAt + (i * RangeSize);
            Put64(at, memoryMap[i].Start.Value);
            Put64(at + 8, memoryMap[i].SizeBytes);
            Put32(at + 16, (uint)memoryMap[i].Type);
        }

        return [.. _bytes];
    }

    private int Reserve(int size)
    {
        int at = _bytes.Count;
        _bytes.AddRange(new byte[size]);
        return at;
    }

    private ulong AddText(string text)
    {
        ulong at = _address.Value + (ulong)_bytes.Count;
        _bytes.AddRange(Encoding.Latin1.GetBytes(text));
        _bytes.Add(0);
        return at;
    }

    private void Put32(int at, uint value) =>
        BinaryPrimitives.WriteUInt32LittleEndian(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_bytes)[at..], value);

    private void Put64(int at, ulong value) =>
        BinaryPrimitives.WriteUInt64LittleEndian(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_bytes)[at..], value);
}
