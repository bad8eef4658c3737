using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using Xenolith.Mmu;
using Xunit;

using static Xenolith.Guests.Tests.BootImages;

namespace Xenolith.Guests.Tests;

// Method: kernels made field by field are planned, the plan is carried out on a byte array, and what a kernel would find there is read
// at the offsets of the two Multiboot specifications. A field at a wrong place, a chunk outside of the RAM or over another one, a
// requirement that is silently ignored, or anything but one clear line for a bad image fails.
public sealed class MultibootTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void AnElfKernelFindsWhatTheFirstStandardPromises(bool is64Bit)
    {
        BootModule[] modules = [new("one a b", new byte[] { 1, 2, 3 }), new("two", new byte[5000])];
        BootPlan plan = BootLoader.Plan(Request(Elf(is64Bit, Multiboot1Header(3)), "x y=z", modules));
        byte[] memory = Memory(plan);
        uint info = plan.Start.Ebx;

        Assert.Equal("Multiboot 1", plan.Protocol);
        Assert.Equal(StartMode.Protected, plan.Start.Mode);
        Assert.Equal(0x2BADB002u, plan.Start.Eax);
        Assert.Equal(new Gpa(0x100000), plan.Start.Entry);
        Assert.Equal(0x1BADB002u, U32(memory, 0x100000));
        Assert.Equal(0b10_0110_1101u, U32(memory, info));
        Assert.Equal(639u, U32(memory, info + 4));
        Assert.Equal(63u * 1024, U32(memory, info + 8));
        Assert.Equal("k x y=z", Text(memory, U32(memory, info + 16)));
        Assert.Equal("Xenolith", Text(memory, U32(memory, info + 64)));

        Assert.Equal(2u, U32(memory, info + 20));
        uint module = U32(memory, info + 24);
        uint start = U32(memory, module);
        Assert.Equal((0u, 3u), (start & 0xFFF, U32(memory, module + 4) - start));
        Assert.Equal([1, 2, 3], memory.AsSpan((int)start, 3).ToArray());
        Assert.Equal("one a b", Text(memory, U32(memory, module + 8)));
        Assert.Equal((start + 0x1000, start + 0x1000 + 5000), (U32(memory, module + 16), U32(memory, module + 20)));

        uint length = U32(memory, info + 44);
        uint map = U32(memory, info + 48);
        Assert.Equal(24u * 3, length);
        Assert.Equal((20u, 0x100000UL, RamBytes - 0x100000, 1u), (U32(memory, map + 48), U64(memory, map + 52), U64(memory, map + 60), U32(memory, map + 68)));
    }

    [Fact]
    public void SymbolsAreLoadedAndTheirHeadersSayWhere()
    {
        BootPlan plan = BootLoader.Plan(Request(Elf(false, Multiboot1Header(0))));
        byte[] memory = Memory(plan);
        uint info = plan.Start.Ebx;
        (uint count, uint size, uint table) = (U32(memory, info + 28), U32(memory, info + 32), U32(memory, info + 36));
        Assert.Equal((3u, 40u), (count, size)); // null, symbols, names
        uint names = U32(memory, table + (2 * size) + 12);
        Assert.Equal("main", Text(memory, names + 1));
        uint symbols = U32(memory, table + size + 12);
        Assert.Equal(0x100000u, U32(memory, symbols + 4));
    }

    [Fact]
    public void AnyFileWithAddressesIsLoadedByThem()
    {
        // the header lies 16 bytes into the file and at 0x20010; 0x20 bytes are loaded, 0x100 zeroes follow
        byte[] file = [.. new byte[16], .. Multiboot1Header(1 << 16, 0x20010, 0x20008, 0x20028, 0x20128, 0x2000C), .. new byte[100]];
        BootPlan plan = BootLoader.Plan(Request(file));
        Assert.Equal(new Gpa(0x2000C), plan.Start.Entry);
        LoadChunk image = plan.Chunks.Single(static chunk => chunk.Start.Value == 0x20008);
        Assert.Equal(file[8..40], image.Bytes.ToArray());
        Assert.Equal(0x100UL, image.ZeroBytes);
    }

    [Fact]
    public void AnEntryThatIsALinearAddressBecomesPhysical()
    {
        byte[] file = new TestElf(true).Add(1, 0x200000, [.. Multiboot1Header(0), 0x90], null).Build();
        Put(file, 64 + 16, 0xFFFFFFFF80200000, 8); // p_vaddr
        Put(file, 24, 0xFFFFFFFF80200008, 8); // e_entry
        Assert.Equal(new Gpa(0x200008), BootLoader.Plan(Request(file)).Start.Entry);
    }

    [Fact]
    public void AKernelInLowMemoryGetsItsInformationElsewhere()
    {
        BootPlan plan = BootLoader.Plan(Request(Elf(false, Multiboot1Header(0), 0x8000, 0x8000)));
        Assert.True(plan.Start.Ebx >= 0x10000);
        _ = Memory(plan);
    }

    [Fact]
    public void TheSecondStandardsTagsAreAllThere()
    {
        byte[] header = Multiboot2Header((1, 0, [1, 4, 6]), (6, 0, []), (5, 1, [0, 0, 0]));
        BootPlan plan = BootLoader.Plan(Request(Elf(true, header), "x", new BootModule("one a", new byte[] { 7 })));
        byte[] memory = Memory(plan);
        Assert.Equal(("Multiboot 2", 0x36D76289u), (plan.Protocol, plan.Start.Eax));
        Assert.Single(plan.Warnings);

        Dictionary<uint, uint> tags = Tags(memory, plan.Start.Ebx);
        Assert.Equal((uint[])[1, 2, 3, 4, 6, 9, 14, 15], tags.Keys.Order());
        Assert.Equal("k x", Text(memory, tags[1] + 8));
        Assert.Equal("Xenolith", Text(memory, tags[2] + 8));
        Assert.Equal(7, memory[U32(memory, tags[3] + 8)]);
        Assert.Equal("one a", Text(memory, tags[3] + 16));
        Assert.Equal((639u, 63u * 1024), (U32(memory, tags[4] + 8), U32(memory, tags[4] + 12)));
        Assert.Equal((24u, 0u), (U32(memory, tags[6] + 8), U32(memory, tags[6] + 12)));
        Assert.Equal((0x9FC00UL, 1u), (U64(memory, tags[6] + 24), U32(memory, tags[6] + 32)));
        Assert.Equal(28u, U32(memory, tags[14] + 4));
        Assert.Equal("RSD PTR 0123456789ABCDEFGHIJKLMNOPQR", Encoding.ASCII.GetString(memory, (int)tags[15] + 8, 36));
    }

    [Theory]
    [InlineData(0u, 0x400000u)]
    [InlineData(1u, 0x400000u)]
    [InlineData(2u, 0x7F0000u)] // 0x3000 bytes below 0x800000, on 64 KiB
    public void ARelocatableImageIsMovedAndTold(uint preference, uint expected)
    {
        byte[] header = Multiboot2Header((10, 0, [0x400000, 0x7FFFFF, 0x10000, preference]));
        BootPlan plan = BootLoader.Plan(Request(Elf(false, header)));
        byte[] memory = Memory(plan);
        Assert.Equal(new Gpa(expected), plan.Start.Entry);
        Assert.Equal(expected, U32(memory, Tags(memory, plan.Start.Ebx)[21] + 8));
    }

    [Fact]
    public void AddressAndEntryTagsPlaceAFlatFile()
    {
        byte[] header = Multiboot2Header((2, 0, [0x200000, uint.MaxValue, 0, 0]), (3, 0, [0x200040]));
        BootPlan plan = BootLoader.Plan(Request([.. header, .. new byte[100]]));
        Assert.Equal(new Gpa(0x200040), plan.Start.Entry);
        Assert.Contains(plan.Chunks, static chunk => chunk.Start.Value == 0x200000);
    }

    [Fact]
    public void WhatIsDemandedAndNotOfferedIsRefused()
    {
        Refused(Elf(false, Multiboot1Header(1 << 5)), "demands features that no version of the standard knows (flags 0x20)");
        Refused(Elf(false, Multiboot2Header((1, 0, [8]))), "demands information of type 8");
        Refused(Elf(false, Multiboot2Header((99, 0, []))), "demands header tag 99");
        Assert.Single(BootLoader.Plan(Request(Elf(false, Multiboot2Header((1, 1, [8]))))).Warnings);
    }

    [Fact]
    public void WhatDoesNotFitIsRefused()
    {
        Refused(Elf(false, Multiboot1Header(0), RamBytes, 0x3000), "where the machine has no RAM");
        Refused(Elf(false, Multiboot1Header(0), 0x9F000, 0x3000), "where the machine has no RAM");
        Refused(Elf(true, Multiboot1Header(0), 0xFFFFFFFFFFFFF000, 0x3000), "wraps around");
        Refused([.. Multiboot1Header(1 << 16, 0x100000, 0x100004, 0, 0, 0x100000)], "do not go together");
        Refused([.. Multiboot1Header(1 << 16, 0x100000, 0x100000, 0xFFFFF, 0, 0)], "ends at 0xfffff, before its start");
        Refused([.. Multiboot1Header(1 << 16, 0x100000, 0x100000, 0, 0x100001, 0)], "the zeroes end at");
        Refused([.. Multiboot1Header(1 << 16, 0x100000, 0x100000, 0x200000, 0, 0)], "the loaded part needs 1048576 bytes");
        Refused([.. Multiboot1Header(0), .. new byte[100]], "no ELF file");
        Refused(Multiboot2Header((2, 0, [0x200000, 0x200000, 0, 0])), "no entry tag");
        ImageFormatException e = Assert.Throws<ImageFormatException>(
            static () => BootLoader.Plan(Request(Elf(false, Multiboot1Header(0)), "", new BootModule("big", new byte[RamBytes]))));
        Assert.Contains("no room for module 'big'", e.Message, StringComparison.Ordinal);
    }

    private static Dictionary<uint, uint> Tags(byte[] memory, uint info)
    {
        Dictionary<uint, uint> tags = [];
        uint end = info + U32(memory, info);
        uint at = info + 8;
        while (U32(memory, at) != 0)
        {
            Assert.Equal(0u, (at - info) % 8);
            tags.Add(U32(memory, at), at);
            at += (U32(memory, at + 4) + 7) & ~7u;
        }

        Assert.Equal(end, at + 8);
        return tags;
    }

    private static void Refused(byte[] file, string expected)
    {
        ImageFormatException e = Assert.Throws<ImageFormatException>(() => BootLoader.Plan(Request(file)));
        Assert.StartsWith("k:", e.Message, StringComparison.Ordinal);
        Assert.Contains(expected, e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
    }
}
