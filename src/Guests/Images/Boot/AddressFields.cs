namespace Xenolith.Guests;

/// <summary>
/// The addresses by which a Multiboot header (either version) places a file of any format: text and data are one run of the file,
/// and zeroes follow it ("The address fields of Multiboot header").
/// </summary>
/// <param name="HeaderOffset">Where the header lies in the file.</param>
/// <param name="HeaderAddress">header_addr: where the header shall lie in memory.</param>
/// <param name="Start">load_addr: where the loaded part begins in memory; 0xFFFFFFFF (version 2 only): with the file's first byte.</param>
/// <param name="LoadEnd">load_end_addr; 0: to the end of the file.</param>
/// <param name="BssEnd">bss_end_addr; 0: no zeroes follow.</param>
internal readonly record struct AddressFields(ulong HeaderOffset, uint HeaderAddress, uint Start, uint LoadEnd, uint BssEnd)
{
    private const uint FromFileStart = uint.MaxValue;

    /// <exception cref="ImageFormatException">The fields contradict each other or the file.</exception>
    public void Load(ImageBytes bytes, BootMemory memory)
    {
        ulong start = Start == FromFileStart ? HeaderAddress - HeaderOffset : Start;
        ulong offset = HeaderOffset - (HeaderAddress - start);
        if (start > HeaderAddress || offset > HeaderOffset)
        {
            throw Wrong(bytes, $"load address 0x{start:x} and header address 0x{HeaderAddress:x} do not go together");
        }

        if (LoadEnd != 0 && LoadEnd < start)
        {
            throw Wrong(bytes, $"the loaded part ends at 0x{LoadEnd:x}, before its start 0x{start:x}");
        }

        ulong size = LoadEnd == 0 ? bytes.Length - offset : LoadEnd - start;
        ulong end = start + size;
        if (BssEnd != 0 && BssEnd < end)
        {
            throw Wrong(bytes, $"the zeroes end at 0x{BssEnd:x}, before their start 0x{end:x}");
        }

        memory.Load(start, bytes.Slice(offset, size, "the loaded part"), BssEnd == 0 ? 0 : BssEnd - end, "the image");
    }

    private ImageFormatException Wrong(ImageBytes bytes, string problem) =>
        new(bytes.Name, HeaderOffset, "address fields of the Multiboot header: " + problem, "link the image anew");
}
