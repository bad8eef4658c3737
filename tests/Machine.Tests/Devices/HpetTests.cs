using System.Collections.Generic;

using Xunit;

namespace Xenolith.Machine.Tests;

// Method: the HPET's registers and comparators under a clock that the test moves: 10 ticks a count. A match at another count, a lost
// period, a level that stays after its status was cleared, or an interrupt at the wrong pin makes it fail.
public sealed class HpetTests
{
    private readonly TestClock _clock = new();
    private readonly List<(ulong Tick, int Pin, bool Level)> _pins = [];
    private readonly List<bool> _legacy = [];
    private readonly Hpet _hpet;

    public HpetTests()
    {
        _hpet = new Hpet(_clock.Clock, 0x00F0_0000, (pin, level) => _pins.Add((_clock.Now, pin, level)), _legacy.Add);
        _clock.GoTo(12_345);
    }

    [Fact]
    public void CapabilitiesAndCounter()
    {
        Assert.Equal(0x0098_9680_8086_A201UL, _hpet.Read(0, 8));
        Assert.Equal((0x8086_A201UL, 10_000_000UL), (_hpet.Read(0, 4) & uint.MaxValue, _hpet.Read(4, 4)));
        _hpet.Write(0xF0, 8, 1000);
        _clock.Pass(500);
        Assert.Equal(1000UL, _hpet.Read(0xF0, 8)); // stopped
        _hpet.Write(0x10, 8, 1);
        _clock.Pass(500);
        Assert.Equal(1050UL, _hpet.Read(0xF0, 8));
        _hpet.Write(0xF0, 8, 7); // running: not writable
        _hpet.Write(0x10, 8, 0);
        _clock.Pass(500);
        Assert.Equal(1050UL, _hpet.Read(0xF0, 8));
    }

    [Fact]
    public void OneShotEdge()
    {
        _hpet.Write(0x120, 8, (20UL << 9) | 4);
        _hpet.Write(0x128, 8, 100);
        _hpet.Write(0x10, 8, 1);
        _clock.Pass(10_000);
        Assert.Equal([(12_340UL + 1000, 20, true)], _pins);
        Assert.Equal(0UL, _hpet.Read(0x20, 8));
        _hpet.Write(0x128, 8, 2000);
        _clock.Pass(20_000);
        Assert.Equal([(13_340UL, 20, true), (32_340UL, 20, false), (32_340UL, 20, true)], _pins);
    }

    [Fact]
    public void PeriodicLevel()
    {
        _hpet.Write(0x100, 8, (21UL << 9) | 0x4E); // level, interrupt, periodic, set value
        _hpet.Write(0x108, 8, 50);
        _hpet.Write(0x108, 8, 20); // then every 20
        _hpet.Write(0x10, 8, 1);
        for (ulong n = 0; n < 3; n++)
        {
            _clock.GoTo(12_340 + 500 + (n * 200));
            Assert.Equal((1UL, (_clock.Now, 21, true)), (_hpet.Read(0x20, 8), _pins[^1]));
            _hpet.Write(0x20, 8, 1);
            Assert.Equal((0UL, (_clock.Now, 21, false)), (_hpet.Read(0x20, 8), _pins[^1]));
        }

        Assert.Equal(110UL, _hpet.Read(0x108, 8)); // the next match
    }

    [Fact]
    public void LegacyReplacementTakesTheTimersPlaces()
    {
        _hpet.Write(0x10, 8, 3);
        _hpet.Write(0x100, 8, 4);
        _hpet.Write(0x108, 8, 10);
        _hpet.Write(0x120, 8, 4);
        _hpet.Write(0x128, 8, 20);
        _clock.Pass(1000);
        Assert.Equal([true], _legacy);
        Assert.Equal([(12_440UL, 0, true), (12_540UL, 8, true)], _pins);
    }

    [Fact]
    public void A32BitComparatorComesRound()
    {
        _hpet.Write(0xF0, 8, 0xFFFF_FFF0);
        _hpet.Write(0x140, 8, (22UL << 9) | 0x104);
        _hpet.Write(0x148, 8, 0x10);
        _hpet.Write(0x10, 8, 1);
        _clock.Pass(1000);
        Assert.Equal([(12_340UL + 320, 22, true)], _pins);
    }
}
