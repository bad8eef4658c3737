using System;
using System.Collections.Generic;

namespace Xenolith.Guests;

/// <summary>e_type (System V ABI, "ELF Header").</summary>
public enum ElfType
{
    None = 0,
    Relocatable = 1,
    Executable = 2,
    Shared = 3,
    Core = 4,
}

/// <summary>e_machine values that a guest image can have.</summary>
public enum ElfMachine
{
    I386 = 3,
    X8664 = 62,
}

/// <summary>p_type (System V ABI, "Program Header"); other values are kept as they are.</summary>
public enum ElfSegmentType : uint
{
    Null = 0,
    Load = 1,
    Dynamic = 2,
    Interpreter = 3,
    Note = 4,
    GnuStack = 0x6474e551,
}

/// <summary>p_flags.</summary>
[Flags]
public enum ElfSegmentFlags : uint
{
    None = 0,
    Execute = 1,
    Write = 2,
    Read = 4,
}

/// <summary>One program header. All sizes and addresses are in bytes, as the file says them; the file part is within the file.</summary>
public sealed record ElfSegment(
    ElfSegmentType Type,
    ElfSegmentFlags Flags,
    ulong Offset,
    ulong VirtualAddress,
    ulong PhysicalAddress,
    ulong FileSize,
    ulong MemorySize,
    ulong Alignment);

/// <summary>One note: the owner's name, a number that the owner gives a meaning, and bytes.</summary>
/// <param name="Owner">Name without its NUL, for instance "Xen" or "GNU".</param>
/// <param name="Type">The owner's number.</param>
/// <param name="Description">The note's bytes.</param>
/// <param name="Offset">Byte offset of the note in the file.</param>
public sealed record ElfNote(string Owner, uint Type, ReadOnlyMemory<byte> Description, ulong Offset);

/// <summary>One entry of the symbol table.</summary>
/// <param name="Name">The name; may be empty.</param>
/// <param name="Value">Address, or another value for absolute symbols.</param>
/// <param name="Size">Size in bytes; 0 when unknown.</param>
/// <param name="Info">st_info: binding in bits 7:4, type in bits 3:0.</param>
/// <param name="Section">st_shndx: index of the section it belongs to, 0 for undefined, 0xfff1 for absolute.</param>
public sealed record ElfSymbol(string Name, ulong Value, ulong Size, byte Info, ushort Section)
{
    public bool IsGlobal => Info >> 4 != 0;

    /// <summary>True for symbols that name a place: neither a section (3) nor a source file (4).</summary>
    public bool IsPlace => (Info & 15) is not (3 or 4) && Section != 0 && Name.Length != 0;
}

/// <summary>
/// An ELF file for 32- or 64-bit x86, as loaders need it: headers, segments, notes, symbols (System V ABI, chapter 4 and 5).
/// Any file may be given to it: whatever is wrong ends in an <see cref="ImageFormatException"/> with one clear line.
/// </summary>
public sealed class ElfImage
{
    private const ushort ManyHeaders = 0xffff; // PN_XNUM: the count is elsewhere

    private readonly ImageBytes _bytes;
    private readonly ElfLayout _layout;

    private ElfImage(ImageBytes bytes)
    {
        _bytes = bytes;
        _layout = CheckIdentity(bytes);
        Type = (ElfType)bytes.UInt16(16, "e_type");
        Machine = CheckMachine(bytes, _layout);
        Entry = _layout.Word(bytes, _layout.EntryAt, "e_entry");
        Segments = ReadSegments();
        Notes = ReadNotes();
    }

    /// <summary>The file's name as it was given.</summary>
    public string Name => _bytes.Name;

    public bool Is64Bit => _layout.Is64Bit;

    public ElfType Type { get; }

    public ElfMachine Machine { get; }

    /// <summary>e_entry: where a boot loader that knows nothing better would start (PVH does not use it).</summary>
    public ulong Entry { get; }

    /// <summary>All program headers, in file order.</summary>
    public IReadOnlyList<ElfSegment> Segments { get; }

    /// <summary>All notes of the PT_NOTE segments, or, when there is none, of the SHT_NOTE sections.</summary>
    public IReadOnlyList<ElfNote> Notes { get; }

    /// <exception cref="ImageFormatException">The file cannot be read, or is no usable ELF file.</exception>
    public static ElfImage Load(string path) => new(ImageBytes.Load(path));

    /// <param name="name">What messages call the file.</param>
    /// <param name="bytes">The whole file.</param>
    /// <exception cref="ImageFormatException">It is no usable ELF file.</exception>
    public static ElfImage Parse(string name, ReadOnlyMemory<byte> bytes) => new(new ImageBytes(name, bytes));

    /// <summary>The bytes of a segment that the file holds; the rest up to <see cref="ElfSegment.MemorySize"/> is zero.</summary>
    public ReadOnlyMemory<byte> FileBytes(ElfSegment segment) => _bytes.Slice(segment.Offset, segment.FileSize, "a segment");

    /// <summary>The symbol table; empty for a stripped file.</summary>
    /// <exception cref="ImageFormatException">The section or symbol tables are malformed.</exception>
    public IReadOnlyList<ElfSymbol> ReadSymbols()
    {
        List<ElfSymbol> symbols = [];
        foreach (ElfSection table in ReadSections())
        {
            if (table.Type == ElfSection.SymbolTable)
            {
                ReadSymbolTable(table, symbols);
            }
        }

        return symbols;
    }

    /// <summary>The section headers as the file has them: Multiboot passes them on. A count of 0 when there are none.</summary>
    /// <exception cref="ImageFormatException">The table is not in the file.</exception>
    internal (ReadOnlyMemory<byte> Table, int EntrySize, int Count, int NamesIndex) SectionHeaders()
    {
        int count = ReadSections().Count; // checks sizes
        ulong table = _layout.Word(_bytes, _layout.SectionTableAt, "e_shoff");
        ushort size = _bytes.UInt16(_layout.SegmentSizeAt + 4, "e_shentsize");
        ReadOnlyMemory<byte> headers = _bytes.Slice(count == 0 ? 0 : table, (ulong)count * size, "the section header table");
        return (headers, size, count, _bytes.UInt16(_layout.SegmentSizeAt + 8, "e_shstrndx"));
    }

    /// <summary>The bytes of a section that has some in the file.</summary>
    /// <exception cref="ImageFormatException">They are not all in the file.</exception>
    internal ReadOnlyMemory<byte> SectionBytes(ulong offset, ulong size) => _bytes.Slice(offset, size, "a section");

    private static ElfLayout CheckIdentity(ImageBytes bytes)
    {
        const string Advice = "give the ELF file of a kernel (an image that is a gzip or bzImage file must be unpacked first)";
        if (bytes.Length < 4 || bytes.UInt32(0, "the magic number") != 0x464c457f)
        {
            throw new ImageFormatException(bytes.Name, 0, "this is no ELF file (it does not start with 7f 45 4c 46)", Advice);
        }

        byte fileClass = bytes.Byte(4, "the file class");
        if (fileClass is not (1 or 2))
        {
            throw new ImageFormatException(bytes.Name, 4, $"file class {fileClass} is neither 32-bit (1) nor 64-bit (2)", Advice);
        }

        byte encoding = bytes.Byte(5, "the data encoding");
        if (encoding != 1)
        {
            throw new ImageFormatException(bytes.Name, 5, $"data encoding {encoding} is not little-endian (1)", "give an image for x86");
        }

        ElfLayout layout = fileClass == 2 ? ElfLayout.Elf64 : ElfLayout.Elf32;
        _ = bytes.Slice(0, layout.HeaderSize, "the ELF header");
        return layout;
    }

    private static ElfMachine CheckMachine(ImageBytes bytes, ElfLayout layout)
    {
        ElfMachine machine = (ElfMachine)bytes.UInt16(18, "e_machine");
        ElfMachine wanted = layout.Is64Bit ? ElfMachine.X8664 : ElfMachine.I386;
        if (machine != wanted)
        {
            throw new ImageFormatException(
                bytes.Name, 18, $"machine {(int)machine} is not {(layout.Is64Bit ? "x86-64 (62)" : "i386 (3)")}", "give an image for x86");
        }

        return machine;
    }

    private List<ElfSegment> ReadSegments()
    {
        List<ElfSegment> segments = [];
        ulong table = _layout.Word(_bytes, _layout.SegmentTableAt, "e_phoff");
        ushort size = _bytes.UInt16(_layout.SegmentSizeAt, "e_phentsize");
        ushort count = _bytes.UInt16(_layout.SegmentSizeAt + 2, "e_phnum");
        if (count == 0)
        {
            return segments;
        }

        if (count == ManyHeaders || size < _layout.SegmentSize)
        {
            throw new ImageFormatException(
                Name, _layout.SegmentSizeAt, $"{count} program headers of {size} bytes are not what a kernel has", ImageBytes.Incomplete);
        }

        _ = _bytes.Slice(table, (ulong)count * size, "the program header table");
        for (ulong i = 0; i < count; i++)
        {
            ElfSegment segment = _layout.ReadSegment(_bytes, table + (i * size));
            _ = _bytes.Slice(segment.Offset, segment.Type == ElfSegmentType.Null ? 0 : segment.FileSize, $"segment {i}");
            segments.Add(segment);
        }

        return segments;
    }

    private List<ElfNote> ReadNotes()
    {
        List<ElfNote> notes = [];
        bool any = false;
        foreach (ElfSegment segment in Segments)
        {
            if (segment.Type == ElfSegmentType.Note)
            {
                any = true;
                ReadNotes(segment.Offset, segment.FileSize, segment.Alignment, notes);
            }
        }

        if (!any)
        {
            foreach (ElfSection section in ReadSections())
            {
                if (section.Type == ElfSection.Note)
                {
                    ReadNotes(section.Offset, section.Size, section.Alignment, notes);
                }
            }
        }

        return notes;
    }

    // Name and description each start on a 4-byte boundary; GNU's property notes use 8 (gABI "Note Section").
    private void ReadNotes(ulong start, ulong size, ulong alignment, List<ElfNote> notes)
    {
        _ = _bytes.Slice(start, size, "the notes");
        ulong unit = alignment == 8 ? 8UL : 4UL;
        ulong end = start + size;
        ulong at = start;
        while (end - at >= 12)
        {
            uint nameSize = _bytes.UInt32(at, "a note's name size");
            uint descriptionSize = _bytes.UInt32(at + 4, "a note's description size");
            uint type = _bytes.UInt32(at + 8, "a note's type");
            ulong description = at + RoundUp(12UL + nameSize, unit);
            if (description > end || descriptionSize > end - description)
            {
                throw new ImageFormatException(
                    Name, at, $"a note of {nameSize} + {descriptionSize} bytes does not fit into its {size} bytes of notes", ImageBytes.Incomplete);
            }

            string owner = nameSize == 0 ? string.Empty : _bytes.Text(at + 12, at + 12 + nameSize, "a note's name");
            notes.Add(new ElfNote(owner, type, _bytes.Slice(description, descriptionSize, "a note"), at));
            at = Math.Min(end, description + RoundUp(descriptionSize, unit));
        }
    }

    private static ulong RoundUp(ulong value, ulong unit) => (value + unit - 1) / unit * unit;

    private List<ElfSection> ReadSections()
    {
        List<ElfSection> sections = [];
        ulong table = _layout.Word(_bytes, _layout.SectionTableAt, "e_shoff");
        ushort size = _bytes.UInt16(_layout.SegmentSizeAt + 4, "e_shentsize");
        ushort count = _bytes.UInt16(_layout.SegmentSizeAt + 6, "e_shnum");
        if (table == 0 || count == 0)
        {
            return sections;
        }

        if (size < _layout.SectionSize)
        {
            throw new ImageFormatException(
                Name, _layout.SegmentSizeAt + 4, $"section headers of {size} bytes are too small", ImageBytes.Incomplete);
        }

        _ = _bytes.Slice(table, (ulong)count * size, "the section header table");
        for (ulong i = 0; i < count; i++)
        {
            sections.Add(_layout.ReadSection(_bytes, table + (i * size)));
        }

        return sections;
    }

    private void ReadSymbolTable(ElfSection table, List<ElfSymbol> symbols)
    {
        List<ElfSection> sections = ReadSections();
        if (table.Link >= (uint)sections.Count)
        {
            throw new ImageFormatException(Name, table.Offset, $"the symbol table has its names in section {table.Link}, which does not exist", ImageBytes.Incomplete);
        }

        ElfSection names = sections[(int)table.Link];
        _ = _bytes.Slice(table.Offset, table.Size, "the symbol table");
        _ = _bytes.Slice(names.Offset, names.Size, "the names of symbols");
        for (ulong at = table.Offset; table.Offset + table.Size - at >= _layout.SymbolSize; at += _layout.SymbolSize)
        {
            (uint name, ElfSymbol symbol) = _layout.ReadSymbol(_bytes, at);
            string text = name >= names.Size ? string.Empty : _bytes.Text(names.Offset + name, names.Offset + names.Size, "a symbol's name");
            symbols.Add(symbol with { Name = text });
        }
    }
}
