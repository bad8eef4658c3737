using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Text;

namespace Xenolith.Guests.Tests;

/// <summary>Makes small ELF files, whole or wrong on purpose, field by field from the System V ABI.</summary>
internal sealed class TestElf(bool is64Bit)
{
    private readonly List<(uint Type, ulong Address, byte[] Bytes, ulong MemorySize)> _segments = [];
    private readonly List<(string Name, ulong Value, byte Info)> _symbols = [];

    public bool NotesAsSection { get; init; }

    public static TestElf Pvh(bool is64Bit = true, ulong entry = 0x100010)
    {
        TestElf elf = new(is64Bit);
        byte[] code = new byte[64];
        for (int i = 0; i < code.Length; i++)
        {
            code[i] = (byte)i;
        }

        elf.Add(1, 0x100000, code, 0x2000);
        elf.Add(4, 0, Note("Xen", 18, BitConverter.GetBytes(entry)), null);
        return elf;
    }

    public static byte[] Note(string owner, uint type, byte[] description)
    {
        List<byte> bytes = [];
        byte[] name = Encoding.ASCII.GetBytes(owner + "\0");
        bytes.AddRange(BitConverter.GetBytes(name.Length));
        bytes.AddRange(BitConverter.GetBytes(description.Length));
        bytes.AddRange(BitConverter.GetBytes(type));
        bytes.AddRange(name);
        Pad(bytes, 4);
        bytes.AddRange(description);
        Pad(bytes, 4);
        return [.. bytes];
    }

    public TestElf Add(uint type, ulong address, byte[] bytes, ulong? memorySize)
    {
        _segments.Add((type, address, bytes, memorySize ?? (ulong)bytes.Length));
        return this;
    }

    public TestElf Symbol(string name, ulong value, byte info = 0x12)
    {
        _symbols.Add((name, value, info));
        return this;
    }

    public byte[] Build()
    {
        int headerSize = is64Bit ? 64 : 52;
        int segmentSize = is64Bit ? 56 : 32;
        List<byte> file = [.. new byte[headerSize]];
        int segmentTable = NotesAsSection ? 0 : file.Count;
        int count = NotesAsSection ? 0 : _segments.Count;
        file.AddRange(new byte[count * segmentSize]);
        List<int> offsets = [];
        foreach ((_, _, byte[] bytes, _) in _segments)
        {
            Pad(file, 8);
            offsets.Add(file.Count);
            file.AddRange(bytes);
        }

        (int sectionTable, int sections) = AddSections(file, offsets);
        byte[] result = [.. file];
        WriteHeader(result, segmentTable, segmentSize, count, sectionTable, sections);
        for (int i = 0; i < count; i++)
        {
            WriteSegment(result, segmentTable + (i * segmentSize), i, offsets[i]);
        }

        return result;
    }

    private static void Pad(List<byte> bytes, int unit)
    {
        while (bytes.Count % unit != 0)
        {
            bytes.Add(0);
        }
    }

    private void WriteHeader(byte[] file, int segmentTable, int segmentSize, int count, int sectionTable, int sections)
    {
        byte[] identity = [0x7f, (byte)'E', (byte)'L', (byte)'F', (byte)(is64Bit ? 2 : 1), 1, 1];
        identity.CopyTo(file, 0);
        Put(file, 16, 2, 2);
        Put(file, 18, is64Bit ? 62UL : 3UL, 2);
        Put(file, 20, 1, 4);
        int word = is64Bit ? 8 : 4;
        Put(file, 24, 0x100000, word);
        Put(file, 24 + word, (ulong)segmentTable, word);
        Put(file, 24 + (2 * word), (ulong)sectionTable, word);
        int rest = 24 + (3 * word) + 4;
        ulong[] sizes = [is64Bit ? 64UL : 52UL, (ulong)segmentSize, (ulong)count, is64Bit ? 64UL : 40UL, (ulong)sections, 0];
        for (int i = 0; i < sizes.Length; i++)
        {
            Put(file, rest + (2 * i), sizes[i], 2);
        }
    }

    private void WriteSegment(byte[] file, int at, int index, int offset)
    {
        (uint type, ulong address, byte[] bytes, ulong memorySize) = _segments[index];
        ulong length = (ulong)bytes.Length;
        if (is64Bit)
        {
            Put(file, at, type, 4);
            Put(file, at + 4, 7, 4);
            ulong[] fields = [(ulong)offset, address, address, length, memorySize, 4];
            for (int i = 0; i < fields.Length; i++)
            {
                Put(file, at + 8 + (8 * i), fields[i], 8);
            }

            return;
        }

        ulong[] narrow = [type, (ulong)offset, address, address, length, memorySize, 7, 4];
        for (int i = 0; i < narrow.Length; i++)
        {
            Put(file, at + (4 * i), narrow[i], 4);
        }
    }

    // Section 0 is null; then the notes (when they shall not be segments), the symbols and their names.
    private (int Table, int Count) AddSections(List<byte> file, List<int> offsets)
    {
        List<(uint Type, int Offset, int Size, uint Link)> sections = [(0, 0, 0, 0)];
        if (NotesAsSection)
        {
            int index = _segments.FindIndex(static segment => segment.Type == 4);
            sections.Add((7, offsets[index], _segments[index].Bytes.Length, 0));
        }

        if (_symbols.Count != 0)
        {
            List<byte> names = [0];
            Pad(file, 8);
            int start = file.Count;
            foreach ((string name, ulong value, byte info) in _symbols)
            {
                byte[] entry = new byte[is64Bit ? 24 : 16];
                Put(entry, 0, (ulong)names.Count, 4);
                Put(entry, is64Bit ? 8 : 4, value, is64Bit ? 8 : 4);
                entry[is64Bit ? 4 : 12] = info;
                Put(entry, is64Bit ? 6 : 14, 1, 2);
                file.AddRange(entry);
                names.AddRange(Encoding.ASCII.GetBytes(name + "\0"));
            }

            sections.Add((2, start, file.Count - start, (uint)sections.Count + 1));
            sections.Add((3, file.Count, names.Count, 0));
            file.AddRange(names);
        }

        Pad(file, 8);
        int table = file.Count;
        foreach ((uint type, int offset, int size, uint link) in sections)
        {
            byte[] header = new byte[is64Bit ? 64 : 40];
            Put(header, 4, type, 4);
            Put(header, is64Bit ? 24 : 16, (ulong)offset, is64Bit ? 8 : 4);
            Put(header, is64Bit ? 32 : 20, (ulong)size, is64Bit ? 8 : 4);
            Put(header, is64Bit ? 40 : 24, link, 4);
            file.AddRange(header);
        }

        return (table, sections.Count);
    }

    public static void Put(byte[] file, int at, ulong value, int width)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        bytes[..width].CopyTo(file.AsSpan(at));
    }
}
