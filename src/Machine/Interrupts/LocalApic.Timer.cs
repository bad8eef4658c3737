namespace Xenolith.Machine;

/// <content>The timer: one-shot, periodic, TSC deadline (SDM 3A "APIC Timer").</content>
public sealed partial class LocalApic
{
    private const ulong Never = ulong.MaxValue;
    private const uint TimerPeriodic = 1;
    private const uint TimerTscDeadline = 2;

    private uint _initialCount;
    private uint _divide;

    /// <summary>The tick at which the count reaches zero; <see cref="Never"/> while it does not run.</summary>
    private ulong _countEnd = Never;

    /// <summary>In units of the time-stamp counter; zero when not armed.</summary>
    private ulong _tscDeadline;

    /// <summary>What IA32_TSC_DEADLINE reads.</summary>
    private ulong TscDeadline
    {
        get
        {
            SettleSilence();
            return TimerMode == TimerTscDeadline ? _tscDeadline : 0;
        }
    }

    private uint TimerMode => (_lvt[LvtTimer] >> 17) & 3;

    /// <summary>Ticks for one count: divide configuration 000B is 2, 110B is 128, 111B is 1.</summary>
    private ulong Divisor
    {
        get
        {
            uint code = (_divide & 3) | ((_divide >> 1) & 4);
            return code == 7 ? 1UL : 2UL << (int)code;
        }
    }

    /// <summary>
    /// Its interrupt is masked, or waits already so that another would be lost in it: what passes meanwhile needs nobody's attention.
    /// </summary>
    private bool IsTimerSilent => (_lvt[LvtTimer] & LvtMasked) != 0 || IsSet(_requested, (byte)_lvt[LvtTimer]);

    private uint CurrentCount
    {
        get
        {
            SettleSilence();
            ulong now = _owner.Now;
            return _countEnd == Never || _countEnd <= now ? 0 : (uint)((_countEnd - now + Divisor - 1) / Divisor);
        }
    }

    /// <summary>The tick asked for has come.</summary>
    public void OnTimer()
    {
        if (TimerMode == TimerTscDeadline)
        {
            if (_tscDeadline != 0 && _owner.TimeStamp >= _tscDeadline)
            {
                _tscDeadline = 0;
                DeliverTimer();
            }
        }
        else if (_countEnd <= _owner.Now)
        {
            AdvanceCount();
            DeliverTimer();
        }

        ArmTimer();
    }

    /// <summary>The time-stamp counter was written: a deadline lies at another tick now.</summary>
    public void OnTimeStampWritten()
    {
        ArmTimer();
    }

    /// <summary>The count has reached zero: it starts again, or stays there.</summary>
    private void AdvanceCount()
    {
        ulong period = _initialCount * Divisor;
        _countEnd = TimerMode == TimerPeriodic && period != 0 ? _countEnd + (period * (((_owner.Now - _countEnd) / period) + 1)) : Never;
    }

    /// <summary>Does what has passed without an interrupt.</summary>
    private void SettleSilence()
    {
        if (!IsTimerSilent)
        {
            return;
        }

        if (_tscDeadline != 0 && _owner.TimeStamp >= _tscDeadline)
        {
            _tscDeadline = 0;
        }

        if (_countEnd <= _owner.Now)
        {
            AdvanceCount();
        }
    }

    private void DeliverTimer()
    {
        if ((_lvt[LvtTimer] & LvtMasked) == 0)
        {
            Request((byte)_lvt[LvtTimer], isLevel: false);
        }
    }

    private void WriteInitialCount(uint value)
    {
        if (TimerMode == TimerTscDeadline)
        {
            return;
        }

        _initialCount = value;
        _countEnd = value == 0 ? Never : _owner.Now + (value * Divisor);
        ArmTimer();
    }

    /// <summary>The count goes on from where it is, at the new rate.</summary>
    private void WriteDivide(uint value)
    {
        uint left = CurrentCount;
        _divide = value;
        if (_countEnd != Never && left != 0)
        {
            _countEnd = _owner.Now + (left * Divisor);
            ArmTimer();
        }
    }

    /// <summary>Between one-shot and periodic the count goes on; to or from TSC deadline the timer is disarmed.</summary>
    private void OnTimerModeWritten(uint old)
    {
        uint oldMode = (old >> 17) & 3;
        if (oldMode != TimerMode && (oldMode == TimerTscDeadline || TimerMode == TimerTscDeadline))
        {
            _countEnd = Never;
            _tscDeadline = 0;
        }

        ArmTimer();
    }

    private void WriteTscDeadline(ulong value)
    {
        if (TimerMode == TimerTscDeadline)
        {
            _tscDeadline = value;
            ArmTimer();
        }
    }

    private void ArmTimer()
    {
        if (IsTimerSilent)
        {
            SettleSilence();
            _owner.SetApicTimer(Never);
        }
        else if (_tscDeadline != 0)
        {
            ulong stamp = _owner.TimeStamp;
            ulong left = _tscDeadline > stamp ? _tscDeadline - stamp : 0;
            ulong now = _owner.Now;
            _owner.SetApicTimer(left > Never - 1 - now ? Never - 1 : now + left);
        }
        else
        {
            _owner.SetApicTimer(_countEnd);
        }
    }

    private void ResetTimer()
    {
        _initialCount = 0;
        _divide = 0;
        _countEnd = Never;
        _tscDeadline = 0;
        ArmTimer();
    }
}
