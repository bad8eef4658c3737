using System;

using Xenolith.Mmu;

namespace Xenolith.Machine;

/// <summary>
/// The high-precision event timers (IA-PC HPET Specification 1.0a): a 64-bit counter of 100 MHz and three comparators, of which the
/// first is periodic. Interrupts go to the IO-APIC, or by legacy replacement to the places of the 8254 and the clock.
/// </summary>
public sealed class Hpet : IMmioDevice
{
    public const ulong DefaultAddress = 0xFED0_0000;
    public const ulong WindowSize = 0x1000;

    private const int TimerCount = 3;
    private const ulong FemtosecondsPerCount = 10_000_000; // 100 MHz

    // Revision 1, three timers, 64 bits, legacy replacement, Intel.
    private const ulong Capabilities = 0x8086_0000UL | 1 | ((TimerCount - 1) << 8) | (1 << 13) | (1 << 15) | (FemtosecondsPerCount << 32);

    private const ulong EnableCounter = 1;
    private const ulong EnableLegacy = 2;

    private const ulong TimerLevel = 1 << 1;
    private const ulong TimerInterrupt = 1 << 2;
    private const ulong TimerPeriodic = 1 << 3;
    private const ulong TimerPeriodicCapable = 1 << 4;
    private const ulong Timer64 = 1 << 5;
    private const ulong TimerSetValue = 1 << 6;
    private const ulong Timer32Mode = 1 << 8;
    private const int TimerRouteShift = 9;

    private static readonly Frequency s_frequency = new(1_000_000_000_000_000 / FemtosecondsPerCount);

    private readonly MachineClock _clock;
    private readonly Action<int, bool> _setPin;
    private readonly Action<bool>? _onLegacy;
    private readonly Comparator[] _timers = new Comparator[TimerCount];
    private readonly ulong _routes;
    private ulong _configuration;
    private ulong _status;
    private ulong _counterBase; // the count at _startCycle, or of the halted counter
    private ulong _startCycle;

    /// <param name="clock">Machine time.</param>
    /// <param name="routes">The IO-APIC pins that a comparator can be routed to, one bit each.</param>
    /// <param name="setPin">Drives a pin of the IO-APIC; 0 and 8 mean the ISA interrupts, in legacy replacement.</param>
    /// <param name="onLegacy">Told when legacy replacement turns on or off: the 8254 and the clock lose their interrupts.</param>
    public Hpet(MachineClock clock, uint routes, Action<int, bool> setPin, Action<bool>? onLegacy = null)
    {
        _clock = clock;
        _routes = routes;
        _setPin = setPin;
        _onLegacy = onLegacy;
        for (int n = 0; n < TimerCount; n++)
        {
            int index = n;
            _timers[n] = new Comparator { Timer = clock.CreateTimer(() => OnMatch(index)) };
        }

        Reset();
    }

    private bool IsRunning => (_configuration & EnableCounter) != 0;

    private ulong Counter => IsRunning ? _counterBase + (s_frequency.CyclesAt(_clock.Now) - _startCycle) : _counterBase;

    public void Reset()
    {
        WriteConfiguration(0);
        _status = 0;
        _counterBase = 0;
        for (int n = 0; n < TimerCount; n++)
        {
            Comparator timer = _timers[n];
            timer.Line?.Set(false);
            timer.Line = null;
            timer.Configuration = (n == 0 ? TimerPeriodicCapable : 0) | Timer64 | (_routes << 32);
            timer.Value = ulong.MaxValue;
            timer.Period = 0;
            timer.Timer.Clear();
        }
    }

    public ulong Read(ulong offset, int sizeBytes)
    {
        ulong register = offset & ~7UL;
        ulong value = register switch
        {
            0x000 => Capabilities,
            0x010 => _configuration,
            0x020 => _status,
            0x0F0 => Counter,
            >= 0x100 and < 0x100 + (0x20 * TimerCount) => ReadTimer(_timers[(register - 0x100) >> 5], register & 0x18),
            _ => 0,
        };
        return value >> (int)(8 * (offset & 7));
    }

    public void Write(ulong offset, int sizeBytes, ulong value)
    {
        ulong register = offset & ~7UL;
        int shift = (int)(8 * (offset & 7));
        ulong mask = (sizeBytes == 8 ? ulong.MaxValue : (1UL << (8 * sizeBytes)) - 1) << shift;
        ulong bits = (value << shift) & mask;
        switch (register)
        {
            case 0x010:
                WriteConfiguration((_configuration & ~mask) | bits);
                break;
            case 0x020:
                ClearStatus(bits);
                break;
            case 0x0F0:
                if (!IsRunning)
                {
                    _counterBase = (_counterBase & ~mask) | bits;
                }

                break;
            case >= 0x100 and < 0x100 + (0x20 * TimerCount):
                WriteTimer((int)((register - 0x100) >> 5), register & 0x18, mask, bits);
                break;
            default:
                break;
        }
    }

    private static ulong ReadTimer(Comparator timer, ulong register) => register switch
    {
        0x00 => timer.Configuration,
        0x08 => timer.Value,
        _ => 0, // no FSB delivery
    };

    private void WriteConfiguration(ulong value)
    {
        value &= EnableCounter | EnableLegacy;
        ulong changed = value ^ _configuration;
        ulong counter = Counter;
        _configuration = value;
        if ((changed & EnableCounter) != 0)
        {
            _counterBase = counter;
            _startCycle = s_frequency.CyclesAt(_clock.Now);
        }

        if ((changed & EnableLegacy) != 0)
        {
            _onLegacy?.Invoke((value & EnableLegacy) != 0);
        }

        for (int n = 0; n < TimerCount && changed != 0; n++)
        {
            Connect(n);
            Arm(n);
        }
    }

    private void ClearStatus(ulong bits)
    {
        for (int n = 0; n < TimerCount; n++)
        {
            if ((bits & (1UL << n)) != 0)
            {
                _status &= ~(1UL << n);
                if ((_timers[n].Configuration & TimerLevel) != 0)
                {
                    _timers[n].Line?.Set(false);
                }
            }
        }
    }

    private void WriteTimer(int index, ulong register, ulong mask, ulong bits)
    {
        Comparator timer = _timers[index];
        if (register == 0)
        {
            ulong writable = TimerLevel | TimerInterrupt | (index == 0 ? TimerPeriodic | TimerSetValue : 0) | Timer32Mode
                | (0x1FUL << TimerRouteShift);
            timer.Configuration = (timer.Configuration & ~(writable & mask)) | (bits & writable);
            Connect(index);
        }
        else if (register == 8)
        {
            // A periodic comparator takes a write as its period; with SETVAL as its next match too.
            bool isPeriodic = (timer.Configuration & TimerPeriodic) != 0;
            if (isPeriodic)
            {
                timer.Period = (timer.Period & ~mask) | bits;
            }

            if (!isPeriodic || (timer.Configuration & TimerSetValue) != 0)
            {
                timer.Value = (timer.Value & ~mask) | bits;
            }

            timer.Configuration &= ~TimerSetValue;
        }

        Arm(index);
    }

    /// <summary>Chooses the wire that a comparator drives.</summary>
    private void Connect(int index)
    {
        Comparator timer = _timers[index];
        int pin = (_configuration & EnableLegacy) != 0 && index < 2 ? (index == 0 ? LegacyTimerIrq : LegacyClockIrq)
            : (int)((timer.Configuration >> TimerRouteShift) & 0x1F);
        if (timer.Pin == pin && timer.Line is not null)
        {
            return;
        }

        timer.Line?.Set(false);
        timer.Pin = pin;
        timer.Line = new InterruptLine(asserted => _setPin(pin, asserted));
    }

    private const int LegacyTimerIrq = 0;
    private const int LegacyClockIrq = 8;

    private void Arm(int index)
    {
        Comparator timer = _timers[index];
        if (!IsRunning)
        {
            timer.Timer.Clear();
            return;
        }

        // The comparator matches when the counter is equal to it: a value that is past comes round after 2^64 counts, or 2^32.
        ulong counter = Counter;
        bool is32 = (timer.Configuration & Timer32Mode) != 0;
        ulong distance = is32 ? (uint)((uint)timer.Value - (uint)counter) : timer.Value - counter;
        distance = distance == 0 && is32 ? 1UL << 32 : distance;
        ulong cycle = s_frequency.CyclesAt(_clock.Now);
        bool never = distance == 0 || distance > ulong.MaxValue - cycle;
        timer.Timer.Set(never ? ulong.MaxValue : s_frequency.TickOf(cycle + distance));
    }

    private void OnMatch(int index)
    {
        Comparator timer = _timers[index];
        if ((timer.Configuration & TimerPeriodic) != 0 && timer.Period != 0)
        {
            ulong counter = Counter;
            ulong missed = (counter - timer.Value) / timer.Period;
            timer.Value += (missed + 1) * timer.Period;
            timer.Value = (timer.Configuration & Timer32Mode) != 0 ? (uint)timer.Value : timer.Value;
        }

        bool isLevel = (timer.Configuration & TimerLevel) != 0;
        _status |= isLevel ? 1UL << index : 0; // the status bit belongs to level interrupts
        if ((timer.Configuration & TimerInterrupt) != 0)
        {
            if (isLevel)
            {
                timer.Line?.Set(true);
            }
            else
            {
                timer.Line?.Edge();
            }
        }

        Arm(index);
    }

    private sealed class Comparator
    {
        public ulong Configuration;
        public ulong Value;
        public ulong Period;
        public int Pin;
        public InterruptLine? Line;
        public required MachineTimer Timer { get; init; }
    }
}
