using System;
using System.Linq;
using Xenolith.Mmu;
using Xunit;

using static Xenolith.Guests.Tests.BootImages;

namespace Xenolith.Guests.Tests;

// Method: images of the other boot protocols are planned and compared with what the protocols say a kernel finds; then good images of
// every protocol are damaged at random places, thousands of times, with a fixed seed. Any exception but the one clear line, or a plan
// that leaves the RAM, fails.
public sealed class BootLoaderTests
{
    [Fact]
    public void ALinuxKernelFindsItsParameters()
    {
        BootPlan plan = BootLoader.Plan(Request(BzImage([0x90, 0xF4]), "console=ttyS0", new BootModule("initrd", new byte[5000])));
        byte[] memory = Memory(plan);
        uint page = plan.Start.Esi;
        Assert.Equal("Linux 2.12", plan.Protocol);
        Assert.Equal(new Gpa(0x1000000), plan.Start.Entry); // where it wants to be
        Assert.Equal((0x90, 0xF4), (memory[0x1000000], memory[0x1000001]));
        Assert.Equal(0x53726448u, U32(memory, page + 0x202));
        Assert.Equal(0xFF, memory[page + 0x210]);
        Assert.Equal(0x1000000u, U32(memory, page + 0x214));
        Assert.Equal("console=ttyS0", Text(memory, U32(memory, page + 0x228)));
        Assert.Equal((0x2FFE000u, 5000u), (U32(memory, page + 0x218), U32(memory, page + 0x21C))); // below initrd_addr_max
        Assert.Equal(0xF0000UL, U64(memory, page + 0x70));
        Assert.Equal(3, memory[page + 0x1E8]);
        Assert.Equal((0x100000UL, RamBytes - 0x100000, 1u), (U64(memory, page + 0x2F8), U64(memory, page + 0x300), U32(memory, page + 0x308)));
    }

    [Fact]
    public void AnInitialRamdiskKeepsClearOfWhereTheKernelUnpacksItself()
    {
        byte[] file = BzImage([0xF4]);
        Put(file, 0x22C, 0x27FFFFF, 4); // initrd_addr_max is the last byte of the kernel's init_size
        BootPlan plan = BootLoader.Plan(Request(file, "", new BootModule("initrd", new byte[4096])));
        uint at = U32(Memory(plan), plan.Start.Esi + 0x218);
        Assert.True(at + 4096 <= 0x1000000, $"0x{at:x}");
    }

    [Fact]
    public void AnOldProtocolLoadsAtOneMegabyte() =>
        Assert.Equal(new Gpa(0x100000), BootLoader.Plan(Request(BzImage([0xF4], 0x0204))).Start.Entry);

    [Fact]
    public void WhatLinuxCannotTakeIsRefused()
    {
        Refused(Request(BzImage([])), "nothing follows the setup code");
        Refused(Request(BzImage([0xF4], 0x0201)), "boot protocol 2.01");
        Refused(Request(BzImage([0xF4]), new string('x', 101)), "takes 100 characters");
        Refused(Request(BzImage([0xF4]), "", new BootModule("a", new byte[1]), new BootModule("b", new byte[1])), "one initial ramdisk");
        byte[] greedy = BzImage([0xF4]);
        Put(greedy, 0x260, 0x10000000, 4);
        Refused(Request(greedy), "no room for the kernel, unpacked");
    }

    [Fact]
    public void APvhKernelFindsItsStartInfo()
    {
        BootPlan plan = BootLoader.Plan(Request(TestElf.Pvh().Build(), "x", new BootModule("m", new byte[10])));
        byte[] memory = Memory(plan);
        uint info = plan.Start.Ebx;
        Assert.Equal(new Gpa(0x100010), plan.Start.Entry);
        Assert.Equal((PvhStartInfo.Magic, 1u), (U32(memory, info), U32(memory, info + 12)));
        Assert.Equal("x", Text(memory, U32(memory, info + 24)));
        Assert.Equal(0xF0000UL, U64(memory, info + 32));
        Assert.Equal(3u, U32(memory, info + 48));
    }

    [Fact]
    public void ABootSectorStartsWhereABiosPutsIt()
    {
        byte[] disk = new byte[2048];
        (disk[0], disk[510], disk[511]) = (0xF4, 0x55, 0xAA);
        BootPlan plan = BootLoader.Plan(Request(disk));
        Assert.Equal((StartMode.Real, new Gpa(0x7C00), 0x80u), (plan.Start.Mode, plan.Start.Entry, plan.Start.Edx));
        Assert.Equal(512, Assert.Single(plan.Chunks).Bytes.Length);
    }

    [Fact]
    public void NothingKnownIsSaid()
    {
        Refused(Request([]), "nothing here can be started");
        Refused(Request(new byte[1000]), "nothing here can be started");
        Refused(Request(new TestElf(true).Add(1, 0x100000, [0xF4], null).Build()), "PHYS32_ENTRY");
    }

    [Fact]
    public void ModulesAreReadFromAList()
    {
        ImageFormatException e = Assert.Throws<ImageFormatException>(static () => BootLoader.ReadModules("/nonexistent/file with arguments"));
        Assert.Contains("/nonexistent/file: cannot be read: no such file", e.Message, StringComparison.Ordinal);
        Assert.Contains("has no file name", Assert.Throws<ImageFormatException>(static () => BootLoader.ReadModules(" ,x")).Message, StringComparison.Ordinal);
        string self = typeof(BootLoaderTests).Assembly.Location;
        Assert.Equal([self + " a b", self], BootLoader.ReadModules($"{self} a b, {self}").Select(static module => module.CommandLine));
    }

    [Fact]
    public void DamagedImagesEndInOneLine()
    {
        byte[][] images =
        [
            Elf(false, Multiboot1Header(3)),
            Elf(true, Multiboot1Header(3)),
            [.. Multiboot1Header(1 << 16, 0x20010, 0x20008, 0x20028, 0x20128, 0x2000C), .. new byte[100]],
            Elf(true, Multiboot2Header((1, 0, [1, 4, 6]), (10, 0, [0x400000, 0x7FFFFF, 0x10000, 2]))),
            Multiboot2Header((2, 0, [0x200000, 0x200000, 0, 0]), (3, 0, [0x200040])),
            BzImage([0x90, 0xF4]),
            TestElf.Pvh().Build(),
        ];
        ulong state = 1;
        uint Next(uint bound)
        {
            state = (state * 6364136223846793005) + 1442695040888963407;
            return (uint)((state >> 33) % bound);
        }

        for (int round = 0; round < 6_000; round++)
        {
            byte[] image = (byte[])images[round % images.Length].Clone();
            for (uint changes = Next(4); changes != uint.MaxValue; changes--)
            {
                image[Next((uint)image.Length)] = Next(4) switch { 0 => 0xFF, 1 => 0, 2 => 0x80, _ => (byte)Next(256) };
            }

            BootRequest request = Request(Next(8) == 0 ? image[..(int)Next((uint)image.Length)] : image, "x", new BootModule("m", new byte[10]));
            try
            {
                foreach (LoadChunk chunk in BootLoader.Plan(request).Chunks)
                {
                    Assert.True(chunk.End.Value <= RamBytes && chunk.End.Value > chunk.Start.Value);
                }
            }
            catch (ImageFormatException e)
            {
                Assert.DoesNotContain('\n', e.Message);
            }
        }
    }

    private static void Refused(BootRequest request, string expected)
    {
        ImageFormatException e = Assert.Throws<ImageFormatException>(() => BootLoader.Plan(request));
        Assert.StartsWith("k:", e.Message, StringComparison.Ordinal);
        Assert.Contains(expected, e.Message, StringComparison.Ordinal);
    }
}
