using System;
using System.Buffers.Binary;

namespace Xenolith.Guests;

/// <summary>
/// The ELF section headers as Multiboot kernels get them: sections that no segment loads (symbols and their names) are put into
/// memory too, and their headers say where.
/// </summary>
internal sealed record MultibootSymbols(byte[] Headers, uint Count, uint EntrySize, uint NamesIndex)
{
    /// <returns>Null when the image has no section headers.</returns>
    public static MultibootSymbols? Load(ElfImage image, BootMemory memory)
    {
        (ReadOnlyMemory<byte> table, int entrySize, int count, int names) = image.SectionHeaders();
        if (count == 0)
        {
            return null;
        }

        // sh_type 4; ELF32: sh_addr 12, sh_offset 16, sh_size 20; ELF64: 16, 24, 32
        byte[] headers = table.ToArray();
        int word = image.Is64Bit ? 8 : 4;
        int addressAt = image.Is64Bit ? 16 : 12;
        for (int i = 0; i < count; i++)
        {
            Span<byte> header = headers.AsSpan(i * entrySize, entrySize);
            uint type = BinaryPrimitives.ReadUInt32LittleEndian(header[4..]);
            ulong size = Read(header[(addressAt + (2 * word))..], word);
            if (type is ElfSection.SymbolTable or ElfSection.StringTable && Read(header[addressAt..], word) == 0 && size != 0)
            {
                ReadOnlyMemory<byte> bytes = image.SectionBytes(Read(header[(addressAt + word)..], word), size);
                ulong address = memory.FindUp(1 << 20, size, 4096, "the image's symbols");
                memory.Load(address, bytes, 0, "the image's symbols");
                Write(header[addressAt..], address, word);
            }
        }

        return new MultibootSymbols(headers, (uint)count, (uint)entrySize, (uint)names);
    }

    private static ulong Read(ReadOnlySpan<byte> at, int word) =>
        word == 8 ? BinaryPrimitives.ReadUInt64LittleEndian(at) : BinaryPrimitives.ReadUInt32LittleEndian(at);

    private static void Write(Span<byte> at, ulong value, int word)
    {
        if (word == 8)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(at, value);
        }
        else
        {
            BinaryPrimitives.WriteUInt32LittleEndian(at, (uint)value);
        }
    }
}
