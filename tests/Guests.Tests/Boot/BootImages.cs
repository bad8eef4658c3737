using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Text;
using Xenolith.Mmu;

namespace Xenolith.Guests.Tests;

/// <summary>Small images of each boot protocol, field by field from the protocols' texts, and readers of what loaders leave.</summary>
internal static class BootImages
{
    public const ulong RamBytes = 64UL << 20;

    public static IReadOnlyList<MemoryRange> Map { get; } =
    [
        new(new Gpa(0), 0x9FC00, MemoryRangeType.Ram),
        new(new Gpa(0x9FC00), 0x60400, MemoryRangeType.Reserved),
        new(new Gpa(0x100000), RamBytes - 0x100000, MemoryRangeType.Ram),
    ];

    public static BootRequest Request(byte[] image, string commandLine = "", params BootModule[] modules) => new()
    {
        ImageName = "k",
        Image = image,
        CommandLine = commandLine,
        Modules = modules,
        MemoryMap = Map,
        Rsdp = new Gpa(0xF0000),
        RsdpBytes = "RSD PTR 0123456789ABCDEFGHIJKLMNOPQR"u8[..36].ToArray(),
    };

    public static byte[] Words(params uint[] words)
    {
        byte[] bytes = new byte[words.Length * 4];
        for (int i = 0; i < words.Length; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(4 * i), words[i]);
        }

        return bytes;
    }

    /// <summary>A Multiboot 1 header and further words of it.</summary>
    public static byte[] Multiboot1Header(uint flags, params uint[] more) => [.. Words(0x1BADB002, flags, unchecked(0u - 0x1BADB002 - flags)), .. Words(more)];

    /// <summary>A Multiboot 2 header with tags (type, flags, payload) and the end tag.</summary>
    public static byte[] Multiboot2Header(params (ushort Type, ushort Flags, uint[] Payload)[] tags)
    {
        List<byte> body = [];
        foreach ((ushort type, ushort flags, uint[] payload) in tags)
        {
            body.AddRange(Words(type | ((uint)flags << 16), (uint)(8 + (4 * payload.Length))));
            body.AddRange(Words(payload));
            while (body.Count % 8 != 0)
            {
                body.Add(0);
            }
        }

        body.AddRange(Words(0, 8));
        uint length = 16 + (uint)body.Count;
        return [.. Words(0xE85250D6, 0, length, unchecked(0u - 0xE85250D6 - length)), .. body];
    }

    /// <summary>An ELF file with one segment that starts with a header; e_entry is 0x100000, or what is given.</summary>
    public static byte[] Elf(bool is64Bit, byte[] header, ulong address = 0x100000, ulong memorySize = 0x3000) =>
        new TestElf(is64Bit).Add(1, address, [.. header, .. new byte[64]], memorySize).Symbol("main", address).Build();

    /// <summary>A bzImage of one setup sector whose kernel is these bytes.</summary>
    public static byte[] BzImage(byte[] kernel, ushort version = 0x020C)
    {
        byte[] file = [.. new byte[1024], .. kernel];
        file[0x1F1] = 1; // setup_sects
        Put(file, 0x1FE, 0xAA55, 2);
        file[0x201] = 0x62; // the header ends at 202H + 62H = 264H
        Put(file, 0x202, 0x53726448, 4);
        Put(file, 0x206, version, 2);
        file[0x211] = 1; // loaded high
        Put(file, 0x214, 0x100000, 4);
        Put(file, 0x22C, 0x2FFFFFF, 4); // initrd_addr_max
        Put(file, 0x230, 0x200000, 4); // kernel_alignment
        file[0x234] = 1; // relocatable
        Put(file, 0x238, 100, 4); // cmdline_size
        Put(file, 0x258, 0x1000000, 8); // pref_address
        Put(file, 0x260, 0x1800000, 4); // init_size
        return file;
    }

    public static void Put(byte[] file, int at, ulong value, int width) => TestElf.Put(file, at, value, width);

    /// <summary>The memory as the plan leaves it.</summary>
    public static byte[] Memory(BootPlan plan)
    {
        byte[] memory = new byte[RamBytes];
        ulong last = 0;
        foreach (LoadChunk chunk in plan.Chunks)
        {
            if (chunk.Start.Value < last)
            {
                throw new InvalidOperationException($"chunk at {chunk.Start} overlaps or is out of order");
            }

            last = chunk.End.Value;
            chunk.Bytes.Span.CopyTo(memory.AsSpan((int)chunk.Start.Value));
        }

        return memory;
    }

    public static uint U32(byte[] memory, uint at) => BinaryPrimitives.ReadUInt32LittleEndian(memory.AsSpan((int)at));

    public static ulong U64(byte[] memory, uint at) => BinaryPrimitives.ReadUInt64LittleEndian(memory.AsSpan((int)at));

    public static string Text(byte[] memory, uint at)
    {
        int end = Array.IndexOf(memory, (byte)0, (int)at);
        return Encoding.Latin1.GetString(memory, (int)at, end - (int)at);
    }
}
