namespace Xenolith.Guests;

/// <summary>One section header (System V ABI, "Sections"), as far as symbols and notes need it.</summary>
internal readonly record struct ElfSection(uint Type, ulong Offset, ulong Size, uint Link, ulong Alignment)
{
    public const uint SymbolTable = 2; // SHT_SYMTAB
    public const uint StringTable = 3; // SHT_STRTAB
    public const uint Note = 7; // SHT_NOTE
}

/// <summary>
/// Where ELF32 and ELF64 put their fields. ELF64 is not only wider: program headers and symbols have another order of fields.
/// </summary>
internal sealed class ElfLayout
{
    //                       ELF32        ELF64
    // e_entry               24, 4 bytes  24, 8 bytes
    // e_phoff               28           32
    // e_shoff               32           40
    // e_phentsize, e_phnum  42, 44       54, 56
    // e_shentsize, e_shnum  46, 48       58, 60
    public static readonly ElfLayout Elf32 = new(is64Bit: false);
    public static readonly ElfLayout Elf64 = new(is64Bit: true);

    private ElfLayout(bool is64Bit) => Is64Bit = is64Bit;

    public bool Is64Bit { get; }

    public ulong HeaderSize => Is64Bit ? 64UL : 52UL;

    public ulong EntryAt => 24;

    public ulong SegmentTableAt => Is64Bit ? 32UL : 28UL;

    public ulong SectionTableAt => Is64Bit ? 40UL : 32UL;

    public ulong SegmentSizeAt => Is64Bit ? 54UL : 42UL;

    public ulong SegmentSize => Is64Bit ? 56UL : 32UL;

    public ulong SectionSize => Is64Bit ? 64UL : 40UL;

    public ulong SymbolSize => Is64Bit ? 24UL : 16UL;

    /// <summary>A field that is as wide as an address.</summary>
    public ulong Word(ImageBytes bytes, ulong offset, string what) =>
        Is64Bit ? bytes.UInt64(offset, what) : bytes.UInt32(offset, what);

    public ElfSegment ReadSegment(ImageBytes bytes, ulong at)
    {
        const string What = "a program header";
        ElfSegmentType type = (ElfSegmentType)bytes.UInt32(at, What);
        if (Is64Bit)
        {
            return new ElfSegment(
                type,
                (ElfSegmentFlags)bytes.UInt32(at + 4, What),
                bytes.UInt64(at + 8, What),
                bytes.UInt64(at + 16, What),
                bytes.UInt64(at + 24, What),
                bytes.UInt64(at + 32, What),
                bytes.UInt64(at + 40, What),
                bytes.UInt64(at + 48, What));
        }

        return new ElfSegment(
            type,
            (ElfSegmentFlags)bytes.UInt32(at + 24, What),
            bytes.UInt32(at + 4, What),
            bytes.UInt32(at + 8, What),
            bytes.UInt32(at + 12, What),
            bytes.UInt32(at + 16, What),
            bytes.UInt32(at + 20, What),
            bytes.UInt32(at + 28, What));
    }

    public ElfSection ReadSection(ImageBytes bytes, ulong at)
    {
        const string What = "a section header";
        return Is64Bit
            ? new ElfSection(
                bytes.UInt32(at + 4, What), bytes.UInt64(at + 24, What), bytes.UInt64(at + 32, What), bytes.UInt32(at + 40, What), bytes.UInt64(at + 48, What))
            : new ElfSection(
                bytes.UInt32(at + 4, What), bytes.UInt32(at + 16, What), bytes.UInt32(at + 20, What), bytes.UInt32(at + 24, What), bytes.UInt32(at + 32, What));
    }

    /// <returns>The offset of the name in the string table, and the symbol without it.</returns>
    public (uint Name, ElfSymbol Symbol) ReadSymbol(ImageBytes bytes, ulong at)
    {
        const string What = "a symbol";
        uint name = bytes.UInt32(at, What);
        return Is64Bit
            ? (name, new ElfSymbol(string.Empty, bytes.UInt64(at + 8, What), bytes.UInt64(at + 16, What), bytes.Byte(at + 4, What), bytes.UInt16(at + 6, What)))
            : (name, new ElfSymbol(string.Empty, bytes.UInt32(at + 4, What), bytes.UInt32(at + 8, What), bytes.Byte(at + 12, What), bytes.UInt16(at + 14, What)));
    }
}
