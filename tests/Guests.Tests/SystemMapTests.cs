using System;
using System.IO;
using System.Linq;
using Xenolith.Mmu;
using Xunit;

namespace Xenolith.Guests.Tests;

// Method: maps are written and read back, and look-ups are compared with a plain search through all symbols for every
// address around them. A symbol lost, moved, or found one byte too early or too late fails.
public sealed class SystemMapTests
{
    private const string Text =
        "0000000000100000 T start32\n0000000000100010 t local\n0000000000100010 T alias\n0000000000100400 B buffer\nffffffff81000000 D high\n";

    private static readonly SystemMap Map = SystemMap.Parse("System.map", Text);

    [Fact]
    public void TextComesBackUnchanged()
    {
        using StringWriter writer = new();
        Map.Write(writer);
        Assert.Equal(Text, writer.ToString());
    }

    [Fact]
    public void OrderCarriageReturnsAndEmptyLinesDoNotMatter()
    {
        string shuffled = string.Join("\r\n\r\n", Text.Split('\n').Reverse());
        SystemMap map = SystemMap.Parse("System.map", shuffled);
        Assert.Equal(Map.Symbols.Select(static s => s.Address), map.Symbols.Select(static s => s.Address));
        Assert.Equal(5, map.Symbols.Count);
    }

    [Theory]
    [InlineData("start32", 0x100000UL)]
    [InlineData("alias", 0x100010UL)]
    [InlineData("high", 0xffffffff81000000UL)]
    public void NamesAreFound(string name, ulong address)
    {
        Assert.True(Map.TryFind(name, out Gva found));
        Assert.Equal(new Gva(address), found);
        Assert.False(Map.TryFind(name + "x", out _));
    }

    [Fact]
    public void NearestAgreesWithASearchThroughAll()
    {
        foreach (Symbol near in Map.Symbols)
        {
            for (long distance = -20; distance <= 20; distance++)
            {
                Gva address = new(near.Address.Value + (ulong)distance);
                Symbol? expected = Map.Symbols.Where(s => s.Address.Value <= address.Value).Cast<Symbol?>().MaxBy(static s => s!.Value.Address.Value);
                bool found = Map.TryNearest(address, out Symbol symbol, out ulong offset);
                Assert.Equal(expected is not null, found);
                if (expected is { } first)
                {
                    Assert.Equal(first.Address, symbol.Address);
                    Assert.Equal(address.Value - first.Address.Value, offset);
                }
            }
        }
    }

    [Theory]
    [InlineData(0x100000UL, "start32")]
    [InlineData(0x10000fUL, "start32+0xf")]
    [InlineData(0x100012UL, "local+0x2")] // the first of two at one address
    [InlineData(0xfffffUL, "0xfffff")]
    [InlineData(ulong.MaxValue, "high+0x7effffff")]
    public void AddressesAreDescribed(ulong address, string expected) => Assert.Equal(expected, Map.Describe(new Gva(address)));

    [Theory]
    [InlineData("100000 T")]
    [InlineData("xyz T name")]
    [InlineData("00000000001000000 T name")]
    [InlineData("100000 TT name")]
    [InlineData("hello")]
    public void ABadLineIsNamed(string line)
    {
        ImageFormatException e = Assert.Throws<ImageFormatException>(() => SystemMap.Parse("m", "100000 T start\n" + line));
        Assert.StartsWith("m: line 2: ", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AnEmptyMapAnswersNothing()
    {
        SystemMap map = SystemMap.Parse("m", string.Empty);
        Assert.False(map.TryNearest(new Gva(5), out _, out _));
        Assert.Equal("0x5", map.Describe(new Gva(5)));
    }

    [Fact]
    public void AnElfFileGivesItsPlaces()
    {
        byte[] file = TestElf.Pvh().Symbol("code", 0x100010).Symbol("file.c", 0, 0x04).Symbol("data", 0x100020, 0x01).Build();
        SystemMap map = SystemMap.Of(ElfImage.Parse("k", file));
        Assert.Equal(["0000000000100010 T code", "0000000000100020 d data"], map.Symbols.Select(static s => s.ToString()));
    }
}
