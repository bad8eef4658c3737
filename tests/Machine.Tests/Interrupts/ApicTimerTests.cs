using Xunit;

namespace Xenolith.Machine.Tests;

// Method: the timer of a local APIC under a clock that the test moves. An interrupt one tick early or late, a count that differs from
// the quotient, or a mode change that disturbs what it should not makes it fail.
public sealed class ApicTimerTests
{
    private const uint LvtTimer = 0x320;
    private const uint InitialCount = 0x380;
    private const uint CurrentCount = 0x390;
    private const uint Divide = 0x3E0;
    private const uint MsrTscDeadline = 0x6E0;

    private readonly TestClock _clock = new();
    private readonly TestApicOwner _apic;

    public ApicTimerTests()
    {
        _apic = new TestApicOwner(_clock);
        _apic[0xF0] = 0x1FF;
        _clock.GoTo(1000);
    }

    [Theory]
    [InlineData(0xBu, 1u)]
    [InlineData(0x0u, 2u)]
    [InlineData(0x1u, 4u)]
    [InlineData(0x2u, 8u)]
    [InlineData(0x3u, 16u)]
    [InlineData(0x8u, 32u)]
    [InlineData(0x9u, 64u)]
    [InlineData(0xAu, 128u)]
    public void OneShotIsExact(uint code, uint divisor)
    {
        _apic[Divide] = code;
        _apic[LvtTimer] = 0x31;
        _apic[InitialCount] = 100;
        Assert.Equal(100u, _apic[CurrentCount]);
        _clock.Pass(divisor);
        Assert.Equal(99u, _apic[CurrentCount]);
        _clock.Pass((98 * divisor) + (divisor - 1));
        Assert.Equal((1u, -2), (_apic[CurrentCount], _apic.Take()));
        _clock.Pass(1);
        Assert.Equal((0u, 0x31), (_apic[CurrentCount], _apic.Take()));
        _apic[0xB0] = 0;
        _clock.Pass(1_000_000);
        Assert.Equal((-2, 100u), (_apic.Take(), _apic[InitialCount]));
    }

    [Fact]
    public void PeriodicReloads()
    {
        _apic[Divide] = 0xB;
        _apic[LvtTimer] = 0x2_0031;
        _apic[InitialCount] = 50;
        for (int n = 0; n < 3; n++)
        {
            _clock.Pass(49);
            Assert.Equal(-2, _apic.Take());
            _clock.Pass(1);
            Assert.Equal((0x31, 50u), (_apic.Take(), _apic[CurrentCount]));
            _apic[0xB0] = 0;
        }

        _apic[InitialCount] = 0;
        _clock.Pass(1000);
        Assert.Equal(-2, _apic.Take());
    }

    [Fact]
    public void ModesChangeWithoutDisturbingTheCount()
    {
        _apic[Divide] = 0xB;
        _apic[LvtTimer] = 0x2_0031;
        _apic[InitialCount] = 1000;
        _clock.Pass(400);
        _apic[LvtTimer] = 0x31; // to one-shot
        Assert.Equal(600u, _apic[CurrentCount]);
        _clock.Pass(600);
        Assert.Equal((0x31, 0u), (_apic.Take(), _apic[CurrentCount]));
        _apic[0xB0] = 0;
        _apic[LvtTimer] = 0x2_0031;
        Assert.Equal(0u, _apic[CurrentCount]); // stays at zero until a count is written
        _apic[InitialCount] = 1000;
        _apic[Divide] = 0; // half the rate from here
        _clock.Pass(1000);
        Assert.Equal(500u, _apic[CurrentCount]);
    }

    [Fact]
    public void AMaskedTimerCountsInSilence()
    {
        _apic[Divide] = 0xB;
        _apic[LvtTimer] = 0x1_0031;
        _apic[InitialCount] = 10;
        _clock.Pass(5);
        Assert.Equal(5u, _apic[CurrentCount]);
        _clock.Pass(20);
        _apic[LvtTimer] = 0x31;
        Assert.Equal((-2, 0u), (_apic.Take(), _apic[CurrentCount]));
    }

    [Fact]
    public void PeriodsThatWouldBeLostNeedNobody()
    {
        _apic[Divide] = 0xB;
        _apic[LvtTimer] = 0x2_0031;
        _apic[InitialCount] = 3; // far shorter than anybody handles it
        _clock.Pass(3);
        Assert.Equal(ulong.MaxValue, _clock.Clock.NextDeadline); // one waits: the next ones would be lost in it
        _clock.Pass(3_000_001);
        Assert.Equal((2u, 0x31), (_apic[CurrentCount], _apic.Take()));
        Assert.Equal(_clock.Now + 2, _clock.Clock.NextDeadline);
        _apic[LvtTimer] = 0x3_0031;
        Assert.Equal(ulong.MaxValue, _clock.Clock.NextDeadline);
        _clock.Pass(1);
        Assert.Equal(1u, _apic[CurrentCount]);
        _clock.Pass(3_000_000);
        _apic[LvtTimer] = 0x2_0031;
        Assert.Equal((1u, _clock.Now + 1), (_apic[CurrentCount], _clock.Clock.NextDeadline));
    }

    [Fact]
    public void TscDeadline()
    {
        Assert.True(_apic.Apic.TryWriteMsr(MsrTscDeadline, 5));
        Assert.Equal(0UL, _apic.Msr(MsrTscDeadline)); // not in this mode
        _apic.TscOffset = 1_000_000;
        _apic[LvtTimer] = 0x4_0031;
        Assert.True(_apic.Apic.TryWriteMsr(MsrTscDeadline, 1_001_500));
        _apic[InitialCount] = 7; // ignored
        Assert.Equal((1_001_500UL, 0u, 0u), (_apic.Msr(MsrTscDeadline), _apic[InitialCount], _apic[CurrentCount]));
        _clock.GoTo(1499);
        Assert.Equal(-2, _apic.Take());
        _clock.GoTo(1500);
        Assert.Equal((0x31, 0UL), (_apic.Take(), _apic.Msr(MsrTscDeadline)));
        _apic[0xB0] = 0;
        Assert.True(_apic.Apic.TryWriteMsr(MsrTscDeadline, 1)); // long past: at once
        _clock.Pass(0);
        Assert.Equal(0x31, _apic.Take());
    }

    [Fact]
    public void ADeadlineFollowsTheCounterAndIsDisarmedByZeroAndByModes()
    {
        _apic[LvtTimer] = 0x4_0031;
        Assert.True(_apic.Apic.TryWriteMsr(MsrTscDeadline, 5000));
        _apic.TscOffset = 2000; // software has written the counter
        _apic.Apic.OnTimeStampWritten();
        _clock.GoTo(2999);
        Assert.Equal(-2, _apic.Take());
        _clock.GoTo(3000);
        Assert.Equal(0x31, _apic.Take());
        _apic[0xB0] = 0;
        Assert.True(_apic.Apic.TryWriteMsr(MsrTscDeadline, 10_000));
        Assert.True(_apic.Apic.TryWriteMsr(MsrTscDeadline, 0));
        _clock.GoTo(20_000);
        Assert.Equal(-2, _apic.Take());
        Assert.True(_apic.Apic.TryWriteMsr(MsrTscDeadline, 100_000));
        _apic[LvtTimer] = 0x31;
        _apic[LvtTimer] = 0x4_0031;
        _clock.GoTo(200_000);
        Assert.Equal((-2, 0UL), (_apic.Take(), _apic.Msr(MsrTscDeadline)));
    }
}
