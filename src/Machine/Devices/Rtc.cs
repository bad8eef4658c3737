using System;

namespace Xenolith.Machine;

/// <summary>
/// The real-time clock and its battery-backed memory (Motorola MC146818A data sheet, with the century byte of PCs): ports 70H and 71H.
/// The calendar follows the machine's clock; software that sets it moves it against that clock.
/// </summary>
public sealed class Rtc : BytePortDevice
{
    public const ushort FirstPort = 0x70;
    public const ushort PortCount = 2;
    public const int Irq = 8;

    private const int Seconds = 0x00;
    private const int SecondsAlarm = 0x01;
    private const int Minutes = 0x02;
    private const int MinutesAlarm = 0x03;
    private const int Hours = 0x04;
    private const int HoursAlarm = 0x05;
    private const int DayOfWeek = 0x06;
    private const int DayOfMonth = 0x07;
    private const int Month = 0x08;
    private const int Year = 0x09;
    private const int RegisterA = 0x0A;
    private const int RegisterB = 0x0B;
    private const int RegisterC = 0x0C;
    private const int RegisterD = 0x0D;
    private const int Century = 0x32;

    private const byte UpdateInProgress = 0x80;
    private const byte Set = 0x80;
    private const byte FlagPeriodic = 0x40;
    private const byte FlagAlarm = 0x20;
    private const byte FlagUpdate = 0x10;
    private const byte Binary = 0x04;
    private const byte Hours24 = 0x02;

    // Update in progress shows 244 us before the second turns, as the data sheet promises.
    private const ulong UpdateTicks = 244_000;
    private const byte ValidRam = 0x80;

    private static readonly Frequency s_oscillator = new(32_768);

    private readonly MachineClock _clock;
    private readonly InterruptLine _line;
    private readonly MachineTimer _periodic;
    private readonly MachineTimer _second;
    private readonly byte[] _memory = new byte[128];
    private byte _index;
    private byte _flags; // register C
    private long _base; // seconds since 1970 at tick _baseTick
    private ulong _baseTick;
    private ulong _collected; // flags are up to date to this tick
    private DateTime? _held; // the calendar while SET stops it

    /// <param name="clock">Machine time.</param>
    /// <param name="line">IRQ 8.</param>
    /// <param name="bootTimeSeconds">The calendar at tick 0, in seconds since 1970.</param>
    public Rtc(MachineClock clock, InterruptLine line, ulong bootTimeSeconds)
    {
        _clock = clock;
        _line = line;
        _base = (long)bootTimeSeconds;
        _periodic = clock.CreateTimer(OnTime);
        _second = clock.CreateTimer(OnTime);
        _memory[RegisterA] = 0x26; // 32,768 Hz, 1,024 interrupts a second
        _memory[RegisterB] = Hours24;
        Arm();
    }

    /// <summary>The calendar now.</summary>
    public DateTime Time => _held ?? DateTime.UnixEpoch.AddSeconds(_base + (long)((_clock.Now - _baseTick) / MachineClock.TicksPerSecond));

    /// <summary>Bit 7 of port 70H: NMIs of the board are masked.</summary>
    public bool IsNmiMasked => (_index & 0x80) != 0;

    /// <summary>Battery-backed bytes, for firmware and loaders.</summary>
    public byte this[int index]
    {
        get => _memory[index];
        set => _memory[index] = value;
    }

    /// <summary>What a PC's set-up leaves: base and extended memory in KiB, and above 16 MiB and 4 GiB in units of 64 KiB.</summary>
    public void DescribeMemory(ulong lowBytes, ulong highBytes)
    {
        ulong extended = ulong.Min((lowBytes >> 10) - 1024, 0xFFFF);
        ulong above16M = lowBytes > 16 << 20 ? ulong.Min((lowBytes - (16 << 20)) >> 16, 0xFFFF) : 0;
        ulong above4G = highBytes >> 16;
        Put16(0x15, 640);
        Put16(0x17, extended);
        Put16(0x30, extended);
        Put16(0x34, above16M);
        Put16(0x5B, above4G);
        _memory[0x5D] = (byte)(above4G >> 16);
    }

    public override byte ReadByte(ushort offset)
    {
        if (offset == 0)
        {
            return 0xFF; // write-only
        }

        int index = _index & 0x7F;
        switch (index)
        {
            case RegisterA:
                return (byte)(_memory[RegisterA] | (IsUpdating ? UpdateInProgress : 0));
            case RegisterC:
                CollectFlags();
                byte flags = _flags;
                _flags = 0;
                _line.Set(false);
                return flags;
            case RegisterD:
                return ValidRam;
            default:
                return IsCalendar(index) ? ReadCalendar(index) : _memory[index];
        }
    }

    public override void WriteByte(ushort offset, byte value)
    {
        if (offset == 0)
        {
            _index = value;
            return;
        }

        int index = _index & 0x7F;
        switch (index)
        {
            case RegisterA:
                CollectFlags();
                _memory[RegisterA] = (byte)(value & 0x7F);
                Arm();
                break;
            case RegisterB:
                WriteRegisterB(value);
                break;
            case RegisterC or RegisterD:
                break;
            default:
                if (IsCalendar(index))
                {
                    WriteCalendar(index, value);
                }
                else
                {
                    _memory[index] = value;
                }

                Arm();
                break;
        }
    }

    /// <summary>RESET leaves time and memory, and clears the interrupt enables and flags.</summary>
    public void Reset()
    {
        _memory[RegisterB] &= 0x87;
        _flags = 0;
        _line.Set(false);
        Arm();
    }

    private bool IsUpdating => _held is null && IsRunning && SinceSecond >= MachineClock.TicksPerSecond - UpdateTicks;

    private ulong SinceSecond => (_clock.Now - _baseTick) % MachineClock.TicksPerSecond;

    /// <summary>The divider chain runs: register A bits 6:4 are 010.</summary>
    private bool IsRunning => (_memory[RegisterA] & 0x70) == 0x20;

    /// <summary>
    /// The periodic rate as a power of two of oscillator cycles: rates 1 and 2 are those of 8 and 9, else 32,768 >> (rate - 1) a second.
    /// </summary>
    private int? PeriodShift => (_memory[RegisterA] & 0xF) switch { 0 => null, <= 2 and int low => low + 6, int rate => rate - 1 };

    private static bool IsCalendar(int index) =>
        index is Seconds or Minutes or Hours or (>= DayOfWeek and <= Year) or Century;

    private byte ReadCalendar(int index)
    {
        DateTime time = Time;
        if (index == Hours)
        {
            return EncodeHour(time.Hour);
        }

        return Encode(index switch
        {
            Seconds => time.Second,
            Minutes => time.Minute,
            DayOfWeek => (int)time.DayOfWeek + 1,
            DayOfMonth => time.Day,
            Month => time.Month,
            Year => time.Year % 100,
            _ => time.Year / 100,
        });
    }

    /// <summary>A value that makes no date leaves the calendar as it is.</summary>
    private void WriteCalendar(int index, byte value)
    {
        DateTime time = Time;
        int number = index == Hours ? DecodeHour(value) : Decode(value);
        int year = index switch { Year => (time.Year / 100 * 100) + number, Century => (number * 100) + (time.Year % 100), _ => time.Year };
        int month = index == Month ? number : time.Month;
        int day = index == DayOfMonth ? number : time.Day;
        int hour = index == Hours ? number : time.Hour;
        int minute = index == Minutes ? number : time.Minute;
        int second = index == Seconds ? number : time.Second;
        bool valid = year is >= 1970 and <= 9999 && month is >= 1 and <= 12 && day is >= 1 and <= 31 && hour < 24 && minute < 60 && second < 60;
        if (!valid || index == DayOfWeek)
        {
            return;
        }

        // The day is cut to the month: software writes day and month one after the other.
        day = int.Min(day, DateTime.DaysInMonth(year, month));
        DateTime changed = new(year, month, day, hour, minute, second, DateTimeKind.Utc);
        if (_held is not null)
        {
            _held = changed;
        }
        else
        {
            ulong sinceSecond = SinceSecond;
            _base = (long)(changed - DateTime.UnixEpoch).TotalSeconds;
            _baseTick = _clock.Now - sinceSecond;
        }
    }

    private void WriteRegisterB(byte value)
    {
        bool sets = (value & Set) != 0;
        if (sets && _held is null)
        {
            _held = Time;
        }
        else if (!sets && _held is { } held)
        {
            _base = (long)(held - DateTime.UnixEpoch).TotalSeconds;
            _baseTick = _clock.Now; // the next update is a second away
            _held = null;
        }

        CollectFlags();
        _memory[RegisterB] = (byte)(sets ? value & ~FlagUpdate : value);
        Update();
        Arm();
    }

    private void OnTime()
    {
        CollectFlags();
        Update();
        Arm();
    }

    /// <summary>Sets the flags of what has happened since this was asked last, whether or not an interrupt was wanted.</summary>
    private void CollectFlags()
    {
        ulong from = _collected;
        ulong now = _clock.Now;
        _collected = now;
        if (!IsRunning)
        {
            return;
        }

        if (PeriodShift is { } shift && s_oscillator.CyclesAt(now) >> shift != s_oscillator.CyclesAt(from) >> shift)
        {
            _flags |= FlagPeriodic;
        }

        if (_held is not null)
        {
            return;
        }

        const ulong SecondsInDay = 86_400;
        ulong last = (now - _baseTick) / MachineClock.TicksPerSecond;
        ulong first = from > _baseTick ? (from - _baseTick) / MachineClock.TicksPerSecond : 0;
        first = ulong.Max(first, last > SecondsInDay ? last - SecondsInDay : 0);
        for (ulong second = first + 1; second <= last; second++)
        {
            _flags |= FlagUpdate;
            DateTime time = DateTime.UnixEpoch.AddSeconds(_base + (long)second);
            bool alarm = Agrees(_memory[SecondsAlarm], Encode(time.Second)) && Agrees(_memory[MinutesAlarm], Encode(time.Minute))
                && Agrees(_memory[HoursAlarm], EncodeHour(time.Hour));
            _flags |= alarm ? FlagAlarm : (byte)0;
        }
    }

    /// <summary>Two high bits set are "do not care".</summary>
    private static bool Agrees(byte alarm, byte now) => (alarm & 0xC0) == 0xC0 || alarm == now;

    /// <summary>Timers run only for enabled interrupts: flags that nobody waits for are not worth stopping the processors.</summary>
    private void Arm()
    {
        byte enabled = _memory[RegisterB];
        if ((enabled & FlagPeriodic) != 0 && PeriodShift is { } shift && IsRunning)
        {
            ulong cycles = s_oscillator.CyclesAt(_clock.Now);
            _periodic.Set(s_oscillator.TickOf(((cycles >> shift) + 1) << shift));
        }
        else
        {
            _periodic.Clear();
        }

        bool wantsSecond = (enabled & (FlagUpdate | FlagAlarm)) != 0 && _held is null && IsRunning;
        _second.Set(wantsSecond ? _clock.Now - SinceSecond + MachineClock.TicksPerSecond : ulong.MaxValue);
    }

    private void Update()
    {
        bool asks = (_flags & _memory[RegisterB] & (FlagPeriodic | FlagAlarm | FlagUpdate)) != 0;
        _flags = (byte)((_flags & 0x7F) | (asks ? 0x80 : 0));
        _line.Set(asks);
    }

    private byte Encode(int value) => (_memory[RegisterB] & Binary) != 0 ? (byte)value : (byte)(((value / 10) << 4) | (value % 10));

    private int Decode(byte value) => (_memory[RegisterB] & Binary) != 0 ? value : ((value >> 4) * 10) + (value & 0xF);

    private byte EncodeHour(int hour)
    {
        if ((_memory[RegisterB] & Hours24) != 0)
        {
            return Encode(hour);
        }

        int twelve = hour % 12 == 0 ? 12 : hour % 12;
        return (byte)(Encode(twelve) | (hour >= 12 ? 0x80 : 0));
    }

    private int DecodeHour(byte value)
    {
        if ((_memory[RegisterB] & Hours24) != 0)
        {
            return Decode(value);
        }

        return (Decode((byte)(value & 0x7F)) % 12) + ((value & 0x80) != 0 ? 12 : 0);
    }

    private void Put16(int index, ulong value)
    {
        _memory[index] = (byte)value;
        _memory[index + 1] = (byte)(value >> 8);
    }
}
