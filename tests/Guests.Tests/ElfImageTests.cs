using System;
using System.Collections.Generic;
using System.Linq;
using Xenolith.Mmu;
using Xunit;

namespace Xenolith.Guests.Tests;

// Method: ELF files are made field by field by TestElf, whole or with one thing wrong. A whole file must be read as it was
// made; a wrong one must end in ImageFormatException with one line that names the file. Any other exception (index, overflow,
// memory) or a silent success on a broken field fails. The fuzz tests cut and flip whole files with a fixed seed.
public sealed class ElfImageTests
{
    private const string File = "kernel.elf";

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void WholeFileIsReadAsItWasMade(bool is64Bit)
    {
        byte[] file = TestElf.Pvh(is64Bit).Symbol("start", 0x100010).Symbol("local", 0x100020, 0x01).Build();
        ElfImage image = ElfImage.Parse(File, file);

        Assert.Equal(is64Bit, image.Is64Bit);
        Assert.Equal(is64Bit ? ElfMachine.X8664 : ElfMachine.I386, image.Machine);
        Assert.Equal(ElfType.Executable, image.Type);
        Assert.Equal(0x100000UL, image.Entry);
        Assert.Equal([ElfSegmentType.Load, ElfSegmentType.Note], image.Segments.Select(static s => s.Type));
        ElfSegment load = image.Segments[0];
        Assert.Equal(0x100000UL, load.PhysicalAddress);
        Assert.Equal(0x100000UL, load.VirtualAddress);
        Assert.Equal(64UL, load.FileSize);
        Assert.Equal(0x2000UL, load.MemorySize);
        Assert.Equal(ElfSegmentFlags.Read | ElfSegmentFlags.Write | ElfSegmentFlags.Execute, load.Flags);
        Assert.Equal(Enumerable.Range(0, 64).Select(static i => (byte)i), image.FileBytes(load).ToArray());
        Assert.Equal(["start", "local"], image.ReadSymbols().Select(static s => s.Name));
        Assert.Equal([true, false], image.ReadSymbols().Select(static s => s.IsGlobal));
        Assert.Equal(new Gpa(0x100010), XenNotes.Of(image).RequirePhys32Entry());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void NotesInASectionAreFoundWhenNoSegmentHasThem(bool is64Bit)
    {
        TestElf elf = new(is64Bit) { NotesAsSection = true };
        _ = elf.Add(4, 0, TestElf.Note("Xen", 18, BitConverter.GetBytes(0x1234)), null);
        ElfImage image = ElfImage.Parse(File, elf.Build());
        Assert.Empty(image.Segments);
        Assert.Equal(new Gpa(0x1234), XenNotes.Of(image).RequirePhys32Entry());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void EveryTruncationIsOneClearLineOrHarmless(bool is64Bit)
    {
        byte[] whole = TestElf.Pvh(is64Bit).Symbol("start", 0x100010).Build();
        int refused = 0;
        for (int length = 0; length < whole.Length; length++)
        {
            refused += Refuses(whole[..length]) ? 1 : 0;
        }

        // The tables at the end are needed for the symbols only, and ReadSymbols is part of Refuses: every cut is noticed.
        Assert.Equal(whole.Length, refused);
        Assert.False(Refuses(whole));
    }

    [Theory]
    [InlineData(0, 0x00, "no ELF file")]
    [InlineData(4, 3, "file class 3")]
    [InlineData(5, 2, "data encoding 2")]
    [InlineData(18, 40, "machine 40")]
    [InlineData(54, 16, "2 program headers of 16 bytes")]
    [InlineData(56, 200, "the program header table")]
    public void AWrongHeaderFieldIsNamed(int offset, byte value, string expected)
    {
        byte[] file = TestElf.Pvh().Build();
        file[offset] = value;
        ImageFormatException e = Assert.Throws<ImageFormatException>(() => ElfImage.Parse(File, file));
        Assert.Contains(expected, e.Message, StringComparison.Ordinal);
        AssertIsOneLine(e);
    }

    [Theory]
    [InlineData(0, 0xffffffffU)] // name size
    [InlineData(0, 0x00000100U)]
    [InlineData(4, 0xffffffffU)] // description size
    [InlineData(4, 0x7fffffffU)]
    [InlineData(4, 9U)]
    public void ANoteThatLeavesItsSegmentIsRefused(int field, uint size)
    {
        byte[] file = TestElf.Pvh().Build();
        int note = file.AsSpan().IndexOf("Xen\0"u8) - 12;
        TestElf.Put(file, note + field, size, 4);
        ImageFormatException e = Assert.Throws<ImageFormatException>(() => ElfImage.Parse(File, file));
        Assert.Contains("note", e.Message, StringComparison.Ordinal);
        AssertIsOneLine(e);
    }

    [Fact]
    public void AnEntryNoteOfOddSizeIsRefused()
    {
        byte[] file = new TestElf(true).Add(1, 0x100000, [0x90], null).Add(4, 0, TestElf.Note("Xen", 18, [1, 2, 3]), null).Build();
        ImageFormatException e = Assert.Throws<ImageFormatException>(() => XenNotes.Of(ElfImage.Parse(File, file)).RequirePhys32Entry());
        Assert.Contains("3 bytes", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AnEntryAbove4GiBIsRefused()
    {
        byte[] file = TestElf.Pvh(entry: 0x1_0000_0000).Build();
        ImageFormatException e = Assert.Throws<ImageFormatException>(() => XenNotes.Of(ElfImage.Parse(File, file)).RequirePhys32Entry());
        Assert.Contains("below 4 GiB", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ANoteOfAnotherOwnerIsNotXens()
    {
        byte[] file = new TestElf(true).Add(1, 0x100000, [0x90], null).Add(4, 0, TestElf.Note("GNU", 18, new byte[4]), null).Build();
        ElfImage image = ElfImage.Parse(File, file);
        Assert.Single(image.Notes);
        ImageFormatException e = Assert.Throws<ImageFormatException>(() => XenNotes.Of(image).RequirePhys32Entry());
        Assert.Contains("no Xen note PHYS32_ENTRY", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AMissingFileIsOneClearLine()
    {
        ImageFormatException e = Assert.Throws<ImageFormatException>(() => ElfImage.Load("no/such/kernel.elf"));
        Assert.Equal("no/such/kernel.elf: cannot be read: no such file", e.Message);
    }

    [Theory]
    [InlineData(true, 1)]
    [InlineData(false, 2)]
    public void FlippedBytesNeverEscape(bool is64Bit, int seed)
    {
        byte[] whole = TestElf.Pvh(is64Bit).Symbol("start", 0x100010).Build();
        Random random = new(seed);
        byte[] interesting = [0, 1, 0x7f, 0x80, 0xff];
        int refused = 0;
        for (int n = 0; n < 4000; n++)
        {
            byte[] file = (byte[])whole.Clone();
            for (int flips = random.Next(1, 5); flips > 0; flips--)
            {
                file[random.Next(file.Length)] = random.Next(2) == 0 ? interesting[random.Next(interesting.Length)] : (byte)random.Next(256);
            }

            refused += Refuses(file[..random.Next(file.Length / 2, file.Length + 1)]) ? 1 : 0;
        }

        Assert.InRange(refused, 400, 3999); // both answers came: the fuzzing reached into the file
    }

    // All that a loader does with a file; true when it was refused with a proper line, and nothing else may be thrown.
    private static bool Refuses(byte[] file)
    {
        try
        {
            ElfImage image = ElfImage.Parse(File, file);
            _ = image.ReadSymbols();
            PvhLoadPlan plan = PvhLoadPlan.Of(image, 16UL << 20);
            Assert.All(plan.Chunks, static chunk => Assert.InRange(chunk.End.Value, chunk.Start.Value, 16UL << 20));
            return false;
        }
        catch (ImageFormatException e)
        {
            AssertIsOneLine(e);
            return true;
        }
    }

    private static void AssertIsOneLine(ImageFormatException e)
    {
        Assert.StartsWith(File + ":", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
        Assert.InRange(e.Message.Length, 20, 250);
    }
}
