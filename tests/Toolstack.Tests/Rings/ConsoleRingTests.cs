using System;
using System.Collections.Generic;
using System.Text;

using Xenolith.Toolstack.Console;

using Xunit;

namespace Xenolith.Toolstack.Tests;

/// <summary>
/// Method: the test is the guest, with struct xencons_interface written out by hand. Fails when bytes are lost, doubled or reordered
/// across the wrap, when
/// an index is moved before its bytes, or when wild indices do more than cost the guest its own output.
/// </summary>
public class ConsoleRingTests
{
    private const int InCons = 3072;
    private const int InProd = 3076;
    private const int OutCons = 3080;
    private const int OutProd = 3084;

    private readonly FakeRingPage _page = new();
    private readonly ConsoleRing _ring;
    private readonly List<byte> _printed = [];

    public ConsoleRingTests() => _ring = new ConsoleRing(_page);

    private bool Poll() => _ring.Poll(bytes => _printed.AddRange(bytes));

    private string Printed => Encoding.ASCII.GetString([.. _printed]);

    [Theory]
    [InlineData(0u)]
    [InlineData(2040u)]
    [InlineData(uint.MaxValue - 3)]
    public void OutputArrivesAcrossAnyWrap(uint start)
    {
        _page.Set(OutCons, start);
        _page.Set(OutProd, start);
        _page.Produce(1024, 2048, OutProd, "hello, world\n"u8);
        Assert.True(Poll());
        Assert.Equal("hello, world\n", Printed);
        Assert.Equal(_page.Get(OutProd), _page.Get(OutCons));
        Assert.Equal(1, _page.Notifications);
        Assert.False(Poll());
        Assert.Equal(1, _page.Notifications);
    }

    [Fact]
    public void AFullRingIsTakenWhole()
    {
        byte[] full = new byte[2048];
        new Random(1).NextBytes(full);
        _page.Set(OutCons, 77);
        _page.Set(OutProd, 77);
        _page.Produce(1024, 2048, OutProd, full);
        Poll();
        Assert.Equal(full, _printed);
    }

    [Fact]
    public void InputWaitsForRoom()
    {
        byte[] typed = new byte[1500];
        new Random(2).NextBytes(typed);
        _page.Set(InCons, 1000);
        _page.Set(InProd, 1000);
        _ring.Type(typed);
        Poll();
        Assert.True(_ring.HasInput);
        byte[] first = _page.Consume(0, 1024, InCons, InProd);
        Assert.Equal(1024, first.Length);
        Poll();
        Assert.False(_ring.HasInput);
        byte[] both = [.. first, .. _page.Consume(0, 1024, InCons, InProd)];
        Assert.Equal(typed, both);
    }

    [Theory]
    [InlineData(0u, 2049u)]
    [InlineData(5u, 4u)]
    [InlineData(0x80000000u, 0u)]
    public void WildOutputIndicesDropTheRing(uint consumer, uint producer)
    {
        _page.Set(OutCons, consumer);
        _page.Set(OutProd, producer);
        Poll();
        Assert.Equal(1, _ring.ProtocolErrors);
        Assert.Empty(_printed);
        _page.Produce(1024, 2048, OutProd, "again"u8);
        Poll();
        Assert.Equal("again", Printed);
    }

    [Fact]
    public void WildInputIndicesKeepTheInput()
    {
        _page.Set(InProd, 5000);
        _ring.Type("x"u8);
        Assert.False(Poll());
        Assert.True(_ring.HasInput);
        Assert.Equal(5000u, _page.Get(InProd));
    }

    [Fact]
    public void ARefusedPageMovesNothing()
    {
        _page.Produce(1024, 2048, OutProd, "secret"u8);
        _page.IsRefused = true;
        _ring.Type("x"u8);
        Assert.False(Poll());
        Assert.Empty(_printed);
        Assert.Equal(0, _page.Notifications);
    }
}
