namespace Xenolith.Machine;

/// <summary>
/// The 8254 interval timer of a PC: ports 40H to 43H, and the parts of port 61H that belong to it. Counter 0 is IRQ 0; counter 1 was
/// memory refresh; counter 2 has its gate and its output in port 61H.
/// </summary>
public sealed class Pit8254 : BytePortDevice
{
    public const ushort FirstPort = 0x40;
    public const ushort PortCount = 4;

    /// <summary>14.31818 MHz divided by 12: 1.193182 MHz.</summary>
    public static readonly Frequency Frequency = new(14_318_180, 12);

    private const ulong RefreshPulses = 18; // what counter 1 is set to: the refresh toggle of port 61H

    private readonly MachineClock _clock;
    private readonly MachineTimer _timer;
    private readonly InterruptLine _line;
    private readonly PitCounter[] _counters = [new(), new(), new()];
    private bool _speaker;

    /// <param name="clock">Machine time.</param>
    /// <param name="line">The output of counter 0.</param>
    public Pit8254(MachineClock clock, InterruptLine line)
    {
        _clock = clock;
        _line = line;
        _timer = clock.CreateTimer(Update);
        SpeakerPort = new Port61(this);
        Reset();
    }

    /// <summary>Port 61H.</summary>
    public IPortDevice SpeakerPort { get; }

    private ulong Pulses => Frequency.CyclesAt(_clock.Now);

    public void Reset()
    {
        foreach (PitCounter counter in _counters)
        {
            counter.WriteControl(0x36); // undefined in hardware: a square wave that does not run yet
        }

        _counters[2].SetGate(false, Pulses);
        _speaker = false;
        Update();
    }

    /// <summary>What the firmware of a PC leaves: 18.2 interrupts a second.</summary>
    public void PrepareAsFirmware()
    {
        WriteByte(3, 0x34);
        WriteByte(0, 0);
        WriteByte(0, 0);
    }

    public override byte ReadByte(ushort offset) => offset == 3 ? (byte)0xFF : _counters[offset].Read(Pulses);

    public override void WriteByte(ushort offset, byte value)
    {
        ulong now = Pulses;
        if (offset != 3)
        {
            _counters[offset].WriteCount(value, now);
        }
        else if (value >> 6 == 3)
        {
            ReadBack(value, now);
        }
        else if ((value & 0x30) == 0)
        {
            _counters[value >> 6].LatchCount(now);
        }
        else
        {
            _counters[value >> 6].WriteControl(value);
        }

        Update();
    }

    /// <summary>The read-back command: which counters in bits 3:1; bit 5 clear latches counts, bit 4 clear latches status.</summary>
    private void ReadBack(byte value, ulong now)
    {
        for (int n = 0; n < _counters.Length; n++)
        {
            if ((value & (2 << n)) == 0)
            {
                continue;
            }

            if ((value & 0x20) == 0)
            {
                _counters[n].LatchCount(now);
            }

            if ((value & 0x10) == 0)
            {
                _counters[n].LatchStatus(now);
            }
        }
    }

    private void Update()
    {
        ulong now = Pulses;
        _line.Set(_counters[0].Output(now));
        ulong change = _counters[0].NextChange(now);
        _timer.Set(change == ulong.MaxValue ? ulong.MaxValue : Frequency.TickOf(change));
    }

    /// <summary>System control port B: gate 2, speaker, the refresh toggle, output 2.</summary>
    private sealed class Port61(Pit8254 pit) : BytePortDevice
    {
        public override byte ReadByte(ushort offset)
        {
            ulong now = pit.Pulses;
            PitCounter counter = pit._counters[2];
            int refresh = (int)(now / RefreshPulses % 2);
            return (byte)((counter.Gate ? 1 : 0) | (pit._speaker ? 2 : 0) | (refresh << 4) | (counter.Output(now) ? 0x20 : 0));
        }

        public override void WriteByte(ushort offset, byte value)
        {
            pit._counters[2].SetGate((value & 1) != 0, pit.Pulses);
            pit._speaker = (value & 2) != 0;
        }
    }
}
