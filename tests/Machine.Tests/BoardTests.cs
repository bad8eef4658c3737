using System;

using Xenolith.Machine;
using Xenolith.Mmu;

using Xunit;

namespace Xenolith.Machine.Tests;

// Method: the board's clock, interrupt line and ports are driven without any program. Time that runs backwards, an interrupt that stays
// after it was acknowledged, or a port that answers without a device makes it fail.
public sealed class BoardTests : IDisposable
{
    private readonly Board _board = new(new BoardOptions { MemoryBytes = 1 << 20, Isolation = new IsolationRegistry().Parse("none").Factory });

    public void Dispose() => _board.Dispose();

    [Fact]
    public void IdleTimeOnlyGoesForward()
    {
        _board.SkipIdleUntil(500);
        Assert.Equal(500UL, _board.Now);
        _board.SkipIdleUntil(100);
        Assert.Equal((500UL, 500UL, 0UL), (_board.Now, _board.IdleTicks, _board.RetiredInstructions));
    }

    [Fact]
    public void InterruptsAreAcknowledgedOnce()
    {
        Assert.False(_board.InterruptPending);
        _board.AssertInterrupt(0x31);
        Assert.True(_board.InterruptPending);
        Assert.Equal(0x31, _board.AcknowledgeInterrupt());
        Assert.False(_board.InterruptPending);
        _board.AssertInterrupt(0x32);
        _board.ClearInterrupt();
        Assert.False(_board.InterruptPending);
    }

    [Fact]
    public void EmptyPortsReadAsOnes()
    {
        Assert.Equal(0xFFu, _board.ReadPort(0x70, 1));
        Assert.Equal(0xFFFFu, _board.ReadPort(0x70, 2));
        Assert.Equal(0xFFFF_FFFFu, _board.ReadPort(0x70, 4));
        Latch latch = new();
        _board.Ports.Attach(0x70, 2, latch);
        _board.WritePort(0x71, 1, 0x5A);
        Assert.Equal(0x5Au, _board.ReadPort(0x71, 1));
        Assert.Equal(0xFFu, _board.ReadPort(0x72, 1));
        _board.WritePort(0x72, 1, 1); // vanishes
        Assert.Equal(0x5Au, latch.Value);
    }

    [Fact]
    public void RandomNumbersFollowTheSeed()
    {
        SeededRandom first = new(42);
        SeededRandom second = new(42);
        for (int i = 0; i < 100; i++)
        {
            Assert.Equal(first.Next(), second.Next());
        }

        Assert.NotEqual(new SeededRandom(42).Next(), new SeededRandom(43).Next());
        Assert.Equal(0xBDD7_3226_2FEB_6E95UL, new SeededRandom(42).Next()); // SplitMix64's published first output for this seed
        Assert.Equal(0UL, first.Below(0));
        Assert.True(first.Below(7) < 7);
    }

    private sealed class Latch : IPortDevice
    {
        public uint Value { get; private set; }

        public uint Read(ushort offset, int sizeBytes) => Value;

        public void Write(ushort offset, int sizeBytes, uint value) => Value = value;
    }
}
