using System;
using System.Buffers.Binary;
using System.Text;
using Xenolith.Mmu;
using Xunit;

namespace Xenolith.Guests.Tests;

// Method: the structure is read back by the offsets of the diagram in start_info.h, as a guest would, following its
// pointers. A field at another offset, a pointer out of the bytes, or a text without NUL fails.
public sealed class PvhStartInfoTests
{
    private const ulong At = 0x298000;

    [Fact]
    public void AGuestFindsEverything()
    {
        byte[] bytes = PvhStartInfo.Build(
            new Gpa(At),
            "seed=1 secret=x",
            [new PvhModule(new Gpa(0x400000), 0x1234, "first"), new PvhModule(new Gpa(0x500000), 7, string.Empty)],
            [new MemoryRange(new Gpa(0), 0x1000000, MemoryRangeType.Ram), new MemoryRange(new Gpa(0xfeff8000), 0x8000, MemoryRangeType.Reserved)],
            new Gpa(0xfc000000),
            flags: 4);

        Assert.Equal(0x336ec578u, U32(bytes, 0));
        Assert.Equal(1u, U32(bytes, 4));
        Assert.Equal(4u, U32(bytes, 8));
        Assert.Equal(2u, U32(bytes, 12));
        Assert.Equal("seed=1 secret=x", Text(bytes, U64(bytes, 24)));
        Assert.Equal(0xfc000000UL, U64(bytes, 32));
        Assert.Equal(2u, U32(bytes, 48));
        Assert.Equal(0u, U32(bytes, 52));

        int modules = (int)(U64(bytes, 16) - At);
        Assert.Equal([0x400000UL, 0x1234UL], [U64(bytes, modules), U64(bytes, modules + 8)]);
        Assert.Equal("first", Text(bytes, U64(bytes, modules + 16)));
        int second = modules + 32;
        Assert.Equal(0UL, U64(bytes, modules + 24));
        Assert.Equal([0x500000UL, 7UL, 0UL, 0UL], [U64(bytes, second), U64(bytes, second + 8), U64(bytes, second + 16), U64(bytes, second + 24)]);

        int map = (int)(U64(bytes, 40) - At);
        Assert.Equal([0UL, 0x1000000UL, 1UL], [U64(bytes, map), U64(bytes, map + 8), U64(bytes, map + 16)]);
        Assert.Equal([0xfeff8000UL, 0x8000UL, 2UL], [U64(bytes, map + 24), U64(bytes, map + 32), U64(bytes, map + 40)]);
    }

    [Fact]
    public void NothingToPointToGivesNullPointers()
    {
        byte[] bytes = PvhStartInfo.Build(new Gpa(At), string.Empty, [], []);
        Assert.Equal(0UL, U64(bytes, 16));
        Assert.Equal(string.Empty, Text(bytes, U64(bytes, 24)));
        Assert.Equal(0UL, U64(bytes, 40));
        Assert.Equal(0u, U32(bytes, 48));
    }

    [Theory]
    [InlineData(0x1004UL)]
    [InlineData(0xfffffff8UL)]
    [InlineData(0x100000000UL)]
    public void APlaceThatNoGuestCanUseIsRefused(ulong address) =>
        Assert.Throws<ArgumentException>(() => PvhStartInfo.Build(new Gpa(address), "x", [], []));

    private static uint U32(byte[] bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at));

    private static ulong U64(byte[] bytes, int at) => BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(at));

    private static string Text(byte[] bytes, ulong address)
    {
        ReadOnlySpan<byte> rest = bytes.AsSpan((int)(address - At));
        return Encoding.Latin1.GetString(rest[..rest.IndexOf((byte)0)]);
    }
}
