using System;

using Xunit;

namespace Xenolith.Machine.Tests;

// Method: the clock of a PC under a clock that the test moves. A date that is off, a flag that is set without its cause, or an interrupt
// that register C does not end makes it fail.
public sealed class RtcTests
{
    private const ulong Second = MachineClock.TicksPerSecond;

    private readonly TestClock _clock = new();
    private readonly InterruptLine _line = new(_ => { });
    private readonly Rtc _rtc;

    public RtcTests() => _rtc = new Rtc(_clock.Clock, _line, (ulong)new DateTimeOffset(2027, 12, 31, 23, 59, 58, TimeSpan.Zero).ToUnixTimeSeconds());

    [Fact]
    public void TheYearTurnsInBcd()
    {
        Assert.Equal([0x58, 0x59, 0x23, 6, 0x31, 0x12, 0x27, 0x20], Calendar());
        _clock.Pass(2 * Second);
        Assert.Equal([0, 0, 0, 7, 1, 1, 0x28, 0x20], Calendar());
    }

    [Fact]
    public void BinaryAndTwelveHours()
    {
        Write(0x0B, 0x04);
        Assert.Equal([58, 59, 0x80 | 11, 6, 31, 12, 27, 20], Calendar());
        _clock.Pass(2 * Second);
        Assert.Equal(12, Read(4)); // midnight is 12 AM
        Write(4, 0x80 | 12);
        Write(0x0B, 0x06);
        Assert.Equal(12, Read(4));
    }

    [Fact]
    public void UpdateInProgressShowsBeforeTheSecond()
    {
        _clock.GoTo(Second - 244_001);
        Assert.Equal(0x26, Read(0x0A));
        _clock.Pass(1);
        Assert.Equal(0xA6, Read(0x0A));
        _clock.GoTo(Second);
        Assert.Equal(0x26, Read(0x0A));
    }

    [Fact]
    public void SettingStopsAndStarts()
    {
        Write(0x0B, 0x82);
        _clock.Pass(10 * Second);
        Assert.Equal(0x58, Read(0));
        byte[] date = [0x30, 0x15, 0x08, 2, 0x29, 0x02, 0x28, 0x20]; // a leap day
        int[] registers = [0, 2, 4, 6, 7, 8, 9, 0x32];
        foreach (int n in (int[])[6, 7, 5, 4, 0, 1, 2])
        {
            Write((byte)registers[n], date[n]);
        }

        Write(0x0B, 0x02);
        _clock.Pass(Second - 1);
        Assert.Equal(0x30, Read(0));
        _clock.Pass(1);
        Assert.Equal([0x31, 0x15, 0x08, 3, 0x29, 0x02, 0x28, 0x20], Calendar()); // a Tuesday
    }

    [Fact]
    public void PeriodicInterruptsKeepTheirRate()
    {
        Write(0x0B, 0x42);
        int count = 0;
        for (ulong n = 0; n < 2048; n++)
        {
            _clock.GoTo((n + 1) * Second / 2048);
            if (_line.IsAsserted)
            {
                Assert.Equal(0xC0, Read(0x0C) & 0xC0);
                Assert.False(_line.IsAsserted);
                count++;
            }
        }

        Assert.Equal(1024, count);
    }

    [Fact]
    public void AlarmAndUpdate()
    {
        Write(1, 0x05);
        Write(3, 0xC0); // do not care
        Write(5, 0xFF);
        Write(0x0B, 0x32);
        _clock.GoTo(Second - 1);
        Assert.False(_line.IsAsserted);
        _clock.GoTo(Second);
        Assert.Equal(0x90, Read(0x0C) & 0xB0);
        _clock.GoTo(7 * Second); // 00:00:05
        Assert.Equal(0xB0, Read(0x0C) & 0xB0);
        Write(0x0B, 0x02);
        _clock.Pass(3 * Second);
        Assert.Equal((0x10, false), (Read(0x0C) & 0xB0, _line.IsAsserted)); // flags come without interrupts too
    }

    [Fact]
    public void MemoryIsKept()
    {
        _rtc.DescribeMemory(3UL << 30, 1UL << 30);
        Assert.Equal((0x80, 0x02, 0x00, 0xBF, 0x00, 0x40), (Read(0x15), Read(0x16), Read(0x34), Read(0x35), Read(0x5B), Read(0x5C)));
        Write(0x8F, 0x5A); // with NMIs masked
        Assert.True(_rtc.IsNmiMasked);
        _rtc.Reset();
        Assert.Equal((0x5A, 0x80), (Read(0x0F), Read(0x0D)));
    }

    private byte[] Calendar() => [Read(0), Read(2), Read(4), Read(6), Read(7), Read(8), Read(9), Read(0x32)];

    private byte Read(byte register)
    {
        _rtc.WriteByte(0, register);
        return _rtc.ReadByte(1);
    }

    private void Write(byte register, byte value)
    {
        _rtc.WriteByte(0, register);
        _rtc.WriteByte(1, value);
    }
}
