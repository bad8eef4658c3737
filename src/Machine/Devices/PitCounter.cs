using System;

namespace Xenolith.Machine;

/// <summary>
/// One counter of an 8254 (Intel 8254 data sheet, "Mode Definitions"). It computes from the number of clock pulses what the hardware
/// counts; <see cref="NextChange"/> says when its output changes next.
/// </summary>
internal sealed class PitCounter
{
    private const ulong Never = ulong.MaxValue;

    private byte _control; // access bits 5:4, mode 3:1, BCD 0, as in the control word
    private uint _initial = 0x1_0000; // the count that is loaded; zero means the greatest
    private ulong _start; // the clock pulse at which the count was loaded
    private ulong _frozenElapsed; // pulses counted before the gate stopped it
    private bool _gate = true;
    private bool _armed; // a count was written since the control word
    private bool _triggered; // modes 1 and 5: the gate has risen since
    private byte _writeLow;
    private bool _writeHighNext;
    private bool _readHighNext;
    private ushort? _latchedCount;
    private byte? _latchedStatus;
    private uint? _reload; // modes 2 and 3: takes effect at the end of the period

    private enum Access
    {
        Latch = 0,
        Low = 1,
        High = 2,
        LowThenHigh = 3,
    }

    public bool Gate => _gate;

    private int Mode => ((_control >> 1) & 7) switch { 6 => 2, 7 => 3, int mode => mode };

    private bool IsBcd => (_control & 1) != 0;

    private Access AccessMode => (Access)((_control >> 4) & 3);

    private bool IsPeriodic => Mode is 2 or 3;

    /// <summary>The gate holds the count; in modes 1 and 5 it only triggers.</summary>
    private bool IsGated => Mode is not (1 or 5);

    private bool IsCounting => _armed && (IsGated ? _gate : _triggered);

    /// <summary>A control word for this counter, other than a latch command.</summary>
    public void WriteControl(byte value)
    {
        _control = (byte)(value & 0x3F);
        _armed = _triggered = false;
        _writeHighNext = _readHighNext = false;
        _latchedCount = null;
        _latchedStatus = null;
        _reload = null;
        _frozenElapsed = 0;
    }

    /// <summary>A byte of the count.</summary>
    public void WriteCount(byte value, ulong now)
    {
        switch (AccessMode)
        {
            case Access.Low:
                Load(value, now);
                break;
            case Access.High:
                Load((uint)value << 8, now);
                break;
            default:
                if (_writeHighNext)
                {
                    Load(((uint)value << 8) | _writeLow, now);
                }
                else
                {
                    _writeLow = value;
                    if (Mode == 0)
                    {
                        _armed = false; // the first byte stops the count
                    }
                }

                _writeHighNext = !_writeHighNext;
                break;
        }
    }

    public byte Read(ulong now)
    {
        if (_latchedStatus is { } status)
        {
            _latchedStatus = null;
            return status;
        }

        ushort count = _latchedCount ?? Count(now);
        bool isWord = AccessMode == Access.LowThenHigh;
        bool high = AccessMode == Access.High || (isWord && _readHighNext);
        if (isWord)
        {
            _readHighNext = !_readHighNext;
        }

        if (!isWord || !_readHighNext)
        {
            _latchedCount = null;
        }

        return (byte)(high ? count >> 8 : count);
    }

    /// <summary>Latches what is not latched yet: a second latch before the read is ignored.</summary>
    public void LatchCount(ulong now) => _latchedCount ??= Count(now);

    public void LatchStatus(ulong now)
    {
        int nullCount = _armed ? 0 : 0x40;
        _latchedStatus ??= (byte)((Output(now) ? 0x80 : 0) | nullCount | _control);
    }

    public void SetGate(bool gate, ulong now)
    {
        bool rises = gate && !_gate;
        if (gate == _gate)
        {
            return;
        }

        if (!gate && IsGated)
        {
            Settle(now);
            _frozenElapsed = _armed && now >= _start ? now - _start : 0;
        }

        _gate = gate;
        if (!rises)
        {
            return;
        }

        if (Mode is 0 or 4)
        {
            _start = now - _frozenElapsed; // goes on where it stopped
        }
        else
        {
            _triggered = true; // modes 1, 2, 3, 5: a rising gate loads the count at the next pulse
            _initial = _reload ?? _initial;
            _reload = null;
            _start = now + 1;
        }
    }

    /// <summary>OUT at a clock pulse.</summary>
    public bool Output(ulong now)
    {
        Settle(now);
        ulong elapsed = Elapsed(now);
        bool loaded = IsLoaded(now);
        switch (Mode)
        {
            case 0:
                return _armed && loaded && elapsed >= _initial;
            case 1:
                return !_triggered || !loaded || elapsed >= _initial;
            case 2:
                return !IsCounting || !loaded || elapsed % _initial != _initial - 1;
            case 3:
                return !IsCounting || !loaded || elapsed % _initial < (_initial + 1) / 2;
            default: // a strobe of one pulse when the count reaches zero
                return !(Mode == 5 ? _triggered : _armed) || !loaded || elapsed != _initial;
        }
    }

    /// <summary>The pulse at which OUT changes next, after <paramref name="now"/>.</summary>
    public ulong NextChange(ulong now)
    {
        Settle(now);
        if (!IsCounting)
        {
            return Never;
        }

        if (now < _start)
        {
            return Mode == 1 ? _start : NextChangeFrom(0, _start);
        }

        return NextChangeFrom(now - _start, _start);
    }

    private ulong NextChangeFrom(ulong elapsed, ulong start)
    {
        ulong n = _initial;
        ulong period = elapsed - (elapsed % n);
        switch (Mode)
        {
            case 0 or 1:
                return elapsed < n ? start + n : Never;
            case 2:
                return start + period + (elapsed % n < n - 1 ? n - 1 : n);
            case 3:
                ulong half = (n + 1) / 2;
                return start + period + (elapsed % n < half ? half : n);
            default:
                return elapsed < n ? start + n : elapsed == n ? start + n + 1 : Never;
        }
    }

    private void Load(uint written, ulong now)
    {
        uint value = IsBcd ? FromBcd((ushort)written) : written;
        value = value == 0 ? (IsBcd ? 10_000u : 0x1_0000u) : value;
        Settle(now);
        bool isFirst = !_armed;
        _armed = true;
        if (IsPeriodic && !isFirst && IsCounting)
        {
            _start += now < _start ? 0 : (now - _start) / _initial * _initial;
            _reload = value; // the present period ends as it began
            return;
        }

        if (Mode is 1 or 5 && _triggered)
        {
            _reload = value; // the next trigger takes it
            return;
        }

        _initial = value;
        _reload = null;
        _frozenElapsed = 0;
        _start = now + 1; // the count is loaded at the pulse after the write
    }

    /// <summary>At the end of a period a count that was written meanwhile takes its turn.</summary>
    private void Settle(ulong now)
    {
        if (_reload is not { } value || !IsPeriodic || !IsCounting || now < _start)
        {
            return;
        }

        ulong elapsed = now - _start;
        if (elapsed < _initial)
        {
            return;
        }

        _start += _initial;
        _initial = value;
        _reload = null;
    }

    private ulong Elapsed(ulong now) => IsGated && !_gate ? _frozenElapsed : now >= _start ? now - _start : 0;

    private bool IsLoaded(ulong now) => now >= _start || (IsGated && !_gate);

    /// <summary>The counting element as software reads it.</summary>
    private ushort Count(ulong now)
    {
        Settle(now);
        ulong elapsed = IsCounting || IsGated ? Elapsed(now) : 0;
        ulong range = IsBcd ? 10_000UL : 0x1_0000UL;
        ulong count;
        switch (Mode)
        {
            case 2:
                count = _initial - (elapsed % _initial);
                break;
            case 3: // by twos, and even
                ulong inPeriod = elapsed % _initial;
                ulong half = (_initial + 1) / 2;
                ulong inHalf = inPeriod < half ? inPeriod : inPeriod - half;
                count = (_initial & ~1UL) - (2 * inHalf);
                count = count > _initial ? 0 : count;
                break;
            default: // counts on through zero
                count = (_initial + range - (elapsed % range)) % range;
                break;
        }

        ushort binary = (ushort)(count % range);
        return IsBcd ? ToBcd(binary) : binary;
    }

    private static uint FromBcd(ushort value) =>
        (((uint)value >> 12) * 1000) + (((uint)value >> 8 & 0xF) * 100) + (((uint)value >> 4 & 0xF) * 10) + ((uint)value & 0xF);

    private static ushort ToBcd(ushort value) =>
        (ushort)(((value / 1000) << 12) | ((value / 100 % 10) << 8) | ((value / 10 % 10) << 4) | (value % 10));
}
