using System;
using System.Linq;
using Xenolith.Mmu;
using Xunit;

namespace Xenolith.Guests.Tests;

// Method: plans are made for ELF files with known segments and compared with what the segments say; every way in which
// segments cannot be loaded must be refused. A plan with a chunk outside of the RAM, or over another chunk, fails.
public sealed class PvhLoadPlanTests
{
    private const ulong Ram = 16UL << 20;

    [Fact]
    public void ChunksAreSortedAndZeroesFollow()
    {
        byte[] file = TestElf.Pvh().Add(1, 0x8000, [1, 2, 3], null).Build();
        PvhLoadPlan plan = PvhLoadPlan.Of(ElfImage.Parse("k", file), Ram);

        Assert.Equal(new Gpa(0x100010), plan.Entry);
        Assert.Equal([0x8000UL, 0x100000UL], plan.Chunks.Select(static c => c.Start.Value));
        Assert.Equal([1, 2, 3], plan.Chunks[0].Bytes.ToArray());
        Assert.Equal(0UL, plan.Chunks[0].ZeroBytes);
        Assert.Equal(64, plan.Chunks[1].Bytes.Length);
        Assert.Equal(0x2000UL - 64, plan.Chunks[1].ZeroBytes);
        Assert.Equal(new Gpa(0x102000), plan.End);
    }

    [Fact]
    public void TheEndIsAPageBoundary()
    {
        byte[] file = new TestElf(true).Add(1, 0x100000, [0x90], 0x1001).Add(4, 0, TestElf.Note("Xen", 18, BitConverter.GetBytes(0x100000)), null).Build();
        Assert.Equal(new Gpa(0x102000), PvhLoadPlan.Of(ElfImage.Parse("k", file), Ram).End);
    }

    [Theory]
    [InlineData(0x1000000UL, 1UL)] // just behind the RAM
    [InlineData(0xfffff0UL, 0x11UL)] // over its end
    [InlineData(0xffffffffffffff00UL, 0x10UL)] // wraps
    [InlineData(0x200000UL, 0xffffffffffffffffUL)]
    [InlineData(0x200000UL, 0x7fffffffffffffffUL)]
    public void ASegmentOutsideOfTheRamIsRefused(ulong address, ulong memorySize)
    {
        byte[] file = TestElf.Pvh().Add(1, address, [0x90], memorySize).Build();
        Refused(file, "does not fit into 16 MiB");
    }

    [Fact]
    public void ASegmentThatFillsTheRamFits()
    {
        byte[] file = TestElf.Pvh().Add(1, 0x200000, [0x90], Ram - 0x200000).Build();
        Assert.Equal(new Gpa(Ram), PvhLoadPlan.Of(ElfImage.Parse("k", file), Ram).End);
    }

    [Theory]
    [InlineData(0x100000UL)]
    [InlineData(0x101fffUL)]
    [InlineData(0xfffffUL)]
    public void OverlappingSegmentsAreRefused(ulong address)
    {
        byte[] file = TestElf.Pvh().Add(1, address, [0x90, 0x90], null).Build();
        Refused(file, "segments overlap");
    }

    [Fact]
    public void MoreBytesInTheFileThanInMemoryAreRefused()
    {
        byte[] file = TestElf.Pvh().Add(1, 0x200000, [1, 2, 3, 4], 3).Build();
        Refused(file, "4 bytes in the file but only 3 in memory");
    }

    [Theory]
    [InlineData(0xfffffUL)]
    [InlineData(0x102000UL)]
    public void AnEntryOutsideOfAllSegmentsIsRefused(ulong entry) => Refused(TestElf.Pvh(entry: entry).Build(), "lies in no loaded segment");

    [Fact]
    public void AnImageWithoutSegmentsIsRefused()
    {
        byte[] file = new TestElf(true).Add(4, 0, TestElf.Note("Xen", 18, new byte[4]), null).Build();
        Refused(file, "no segment to load");
    }

    private static void Refused(byte[] file, string expected)
    {
        ImageFormatException e = Assert.Throws<ImageFormatException>(() => PvhLoadPlan.Of(ElfImage.Parse("k", file), Ram));
        Assert.StartsWith("k:", e.Message, StringComparison.Ordinal);
        Assert.Contains(expected, e.Message, StringComparison.Ordinal);
    }
}
