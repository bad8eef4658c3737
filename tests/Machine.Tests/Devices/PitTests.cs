using System.Collections.Generic;

using Xunit;

namespace Xenolith.Machine.Tests;

// Method: the 8254 under a clock that stands at chosen pulses. An output that changes at another pulse than in the data sheet's diagrams, a
// count that reads differently, or a latch that does not hold makes it fail.
public sealed class PitTests
{
    private readonly TestClock _clock = new();
    private readonly List<(ulong Pulse, bool Level)> _edges = [];
    private readonly Pit8254 _pit;

    public PitTests()
    {
        _pit = new Pit8254(_clock.Clock, new InterruptLine(level => _edges.Add((Pit8254.Frequency.CyclesAt(_clock.Now), level))));
        GoToPulse(100);
        _edges.Clear();
    }

    [Fact]
    public void Mode0RaisesOnTerminalCount()
    {
        Program(0x30, 5);
        Assert.Equal([(100UL, false)], _edges);
        GoToPulse(103);
        Assert.Equal(3, Count(0)); // the pulse after the write loads 5
        GoToPulse(200);
        Assert.Equal([(100UL, false), (106UL, true)], _edges);
        Assert.Equal(0xFFFF - 93, Count(0)); // it counts on through zero
    }

    [Fact]
    public void Mode2IsLowForOnePulse()
    {
        Program(0x34, 4);
        GoToPulse(112);
        Assert.Equal([(104UL, false), (105UL, true), (108UL, false), (109UL, true), (112UL, false)], _edges);
        Assert.Equal(1, Count(0));
        GoToPulse(113);
        Assert.Equal(4, Count(0));
    }

    [Fact]
    public void Mode3IsASquareWave()
    {
        Program(0x36, 5);
        GoToPulse(111);
        Assert.Equal([(104UL, false), (106UL, true), (109UL, false), (111UL, true)], _edges); // three high, two low
        Program(0x36, 8);
        GoToPulse(114);
        Assert.Equal(4, Count(0)); // down by twos
    }

    [Fact]
    public void Mode4StrobesOnce()
    {
        Program(0x38, 3);
        GoToPulse(200);
        Assert.Equal([(104UL, false), (105UL, true)], _edges);
    }

    [Fact]
    public void Modes1And5WaitForTheGate()
    {
        Out(3, 0xB2); // counter 2, mode 1
        Out(2, 4);
        Out(2, 0);
        Assert.True(Output2());
        Gate2(true);
        GoToPulse(101);
        Assert.False(Output2());
        GoToPulse(104);
        Assert.False(Output2());
        GoToPulse(105);
        Assert.True(Output2());
        Gate2(false);
        Gate2(true); // retrigger
        GoToPulse(106);
        Assert.False(Output2());
        Out(3, 0xBA); // mode 5
        Out(2, 2);
        Out(2, 0);
        Gate2(false);
        Gate2(true);
        GoToPulse(108);
        Assert.True(Output2());
        GoToPulse(109);
        Assert.False(Output2());
        GoToPulse(110);
        Assert.True(Output2());
    }

    [Fact]
    public void TheGateHoldsMode0()
    {
        Out(3, 0xB0);
        Gate2(true);
        Out(2, 10);
        Out(2, 0);
        GoToPulse(105);
        Gate2(false);
        GoToPulse(200);
        Assert.Equal((6, false), (Count(2), Output2()));
        Gate2(true);
        GoToPulse(205);
        Assert.False(Output2());
        GoToPulse(206);
        Assert.True(Output2());
    }

    [Fact]
    public void APeriodEndsAsItBegan()
    {
        Program(0x34, 10);
        GoToPulse(104);
        Out(0, 3);
        Out(0, 0);
        GoToPulse(117);
        Assert.Equal([(110UL, false), (111UL, true), (113UL, false), (114UL, true), (116UL, false), (117UL, true)], _edges);
    }

    [Fact]
    public void LatchesHoldUntilTheyAreRead()
    {
        Program(0x34, 1000);
        GoToPulse(151);
        Out(3, 0x00);
        GoToPulse(200);
        Out(3, 0x00); // the first latch stays
        Assert.Equal(950, Count(0));
        Out(3, 0xC2); // read back: count and status of counter 0
        GoToPulse(300);
        Assert.Equal((0x80 | 0x34, 901), (In(0), Count(0)));
        Assert.Equal(801, Count(0));
    }

    [Fact]
    public void BytesAloneAndBcd()
    {
        Out(3, 0x14); // low byte only, mode 2
        Out(0, 0x20);
        GoToPulse(102);
        Assert.Equal(0x1F, In(0));
        Out(3, 0x24); // high byte only
        Out(0, 0x02);
        GoToPulse(104);
        Assert.Equal(0x01, In(0));
        Program(0x35, 0x1000); // BCD
        GoToPulse(106);
        Assert.Equal(0x0999, Count(0));
    }

    [Fact]
    public void ZeroIsTheGreatestCount()
    {
        Program(0x34, 0);
        GoToPulse(101 + 65535);
        Assert.Equal([(101UL + 65535, false)], _edges);
        Assert.Equal(1, Count(0));
    }

    [Fact]
    public void PulsesAreExactOverYears()
    {
        // 14,318,180 / 12 pulses a second, rounded nowhere but at the end.
        const ulong Year = 31_536_000;
        Assert.Equal(Year * 14_318_180 / 12, Pit8254.Frequency.CyclesAt(Year * MachineClock.TicksPerSecond));
        for (ulong cycle = 1; cycle < 1_000_000_000_000; cycle *= 7)
        {
            ulong tick = Pit8254.Frequency.TickOf(cycle);
            Assert.Equal((cycle, cycle - 1), (Pit8254.Frequency.CyclesAt(tick), Pit8254.Frequency.CyclesAt(tick - 1)));
        }
    }

    [Fact]
    public void RefreshToggles()
    {
        byte first = (byte)(_pit.SpeakerPort.Read(0, 1) & 0x10);
        _clock.Pass(15_100);
        Assert.NotEqual(first, (byte)(_pit.SpeakerPort.Read(0, 1) & 0x10));
    }

    private void Program(byte control, ushort count)
    {
        Out(3, control);
        Out(0, (byte)count);
        Out(0, (byte)(count >> 8));
    }

    private int Count(ushort counter) => In(counter) | (In(counter) << 8);

    private void Gate2(bool gate) => _pit.SpeakerPort.Write(0, 1, gate ? 1u : 0);

    private bool Output2() => (_pit.SpeakerPort.Read(0, 1) & 0x20) != 0;

    private void GoToPulse(ulong pulse) => _clock.GoTo(Pit8254.Frequency.TickOf(pulse));

    private void Out(ushort offset, byte value) => _pit.WriteByte(offset, value);

    private byte In(ushort offset) => _pit.ReadByte(offset);
}
