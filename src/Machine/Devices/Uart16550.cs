using System;
using System.Collections.Generic;

namespace Xenolith.Machine;

/// <summary>
/// A 16550A serial port (National Semiconductor PC16550D data sheet). The transmitter takes no time, so that programs which poll for
/// it lose none; characters are received at the programmed rate, and wait outside while there is no room.
/// </summary>
public sealed class Uart16550 : BytePortDevice
{
    /// <summary>Ports of COM1, and its ISA interrupt.</summary>
    public const ushort Com1 = 0x3F8;
    public const int Com1Irq = 4;
    public const ushort PortCount = 8;

    private const int FifoSize = 16;
    private const ulong InputPollTicks = 1_000_000; // how often a waiting program's port asks for input: a millisecond

    // The clock divided by 16 gives 115,200 bits a second at divisor 1.
    private const ulong BitsPerSecond = 115_200;

    private readonly MachineClock _clock;
    private readonly InterruptLine _line;
    private readonly MachineTimer _arrival;
    private readonly MachineTimer _timeout;
    private readonly Queue<byte> _outside = [];
    private readonly Queue<byte> _received = [];
    private ushort _divisor;
    private byte _enabled;
    private byte _lineControl;
    private byte _modemControl;
    private byte _errors;
    private byte _modemDelta;
    private byte _scratch;
    private int _trigger = 1;
    private bool _fifo;
    private bool _transmitterEmptied;
    private bool _timedOut;
    private ulong _nextArrival;
    private ulong _nextQuestion;

    /// <param name="clock">For the rate of reception.</param>
    /// <param name="line">The interrupt output.</param>
    public Uart16550(MachineClock clock, InterruptLine line)
    {
        _clock = clock;
        _line = line;
        _arrival = clock.CreateTimer(OnArrivalDue);
        _timeout = clock.CreateTimer(OnTimeout);
    }

    private enum Register : ushort
    {
        Data = 0,
        InterruptEnable = 1,
        InterruptIdOrFifoControl = 2,
        LineControl = 3,
        ModemControl = 4,
        LineStatus = 5,
        ModemStatus = 6,
        Scratch = 7,
    }

    /// <summary>Told each byte that leaves the port.</summary>
    public Action<byte>? Output { get; set; }

    /// <summary>Called when the program looks or waits for input and none is queued; it may call <see cref="Enqueue"/>.</summary>
    public Action? InputNeeded { get; set; }

    /// <summary>Bytes that wait outside.</summary>
    public int QueuedInput => _outside.Count;

    private bool IsLoopback => (_modemControl & ModemLoop) != 0;

    private bool IsDivisorLatch => (_lineControl & 0x80) != 0;

    /// <summary>Ticks of one character: start bit, data, parity, stop bits.</summary>
    private ulong CharacterTicks
    {
        get
        {
            ulong bits = 7UL + (_lineControl & 3u) + ((uint)_lineControl >> 2 & 1) + ((uint)_lineControl >> 3 & 1);
            return bits * ulong.Max(_divisor, 1) * MachineClock.TicksPerSecond / BitsPerSecond;
        }
    }

    private const byte EnableReceived = 1;
    private const byte EnableTransmitter = 2;
    private const byte EnableLineStatus = 4;
    private const byte EnableModemStatus = 8;

    private const byte ModemOut2 = 8;
    private const byte ModemLoop = 0x10;

    private const byte StatusDataReady = 1;
    private const byte StatusOverrun = 2;
    private const byte StatusTransmitterEmpty = 0x60; // holding register and shift register

    // Clear to send, data set ready, carrier: somebody listens.
    private const byte ModemInputs = 0xB0;

    /// <summary>Queues input for the port.</summary>
    public void Enqueue(ReadOnlySpan<byte> bytes)
    {
        foreach (byte character in bytes)
        {
            _outside.Enqueue(character);
        }

        ScheduleArrival();
    }

    public void Reset()
    {
        _enabled = _lineControl = _modemControl = _errors = _modemDelta = 0;
        _fifo = _transmitterEmptied = _timedOut = false;
        _trigger = 1;
        _received.Clear();
        _timeout.Clear();
        Update();
    }

    public override byte ReadByte(ushort offset)
    {
        switch ((Register)offset)
        {
            case Register.Data:
                return IsDivisorLatch ? (byte)_divisor : ReadData();
            case Register.InterruptEnable:
                return IsDivisorLatch ? (byte)(_divisor >> 8) : _enabled;
            case Register.InterruptIdOrFifoControl:
                return ReadInterruptId();
            case Register.LineControl:
                return _lineControl;
            case Register.ModemControl:
                return _modemControl;
            case Register.LineStatus:
                return ReadLineStatus();
            case Register.ModemStatus:
                byte status = (byte)(ModemLines() | _modemDelta);
                _modemDelta = 0;
                Update();
                return status;
            default:
                return _scratch;
        }
    }

    public override void WriteByte(ushort offset, byte value)
    {
        switch ((Register)offset)
        {
            case Register.Data when IsDivisorLatch:
                _divisor = (ushort)((_divisor & 0xFF00) | value);
                break;
            case Register.Data:
                Transmit(value);
                break;
            case Register.InterruptEnable when IsDivisorLatch:
                _divisor = (ushort)((_divisor & 0xFF) | (value << 8));
                break;
            case Register.InterruptEnable:
                bool transmitterTurnsOn = (value & ~_enabled & EnableTransmitter) != 0;
                _enabled = (byte)(value & 0xF);
                _transmitterEmptied |= transmitterTurnsOn; // the register is empty: the interrupt comes at once
                ScheduleArrival();
                break;
            case Register.InterruptIdOrFifoControl:
                WriteFifoControl(value);
                break;
            case Register.LineControl:
                _lineControl = value;
                break;
            case Register.ModemControl:
                byte before = ModemLines();
                _modemControl = (byte)(value & 0x1F);
                NoteModemChange(before, ModemLines());
                break;
            case Register.Scratch:
                _scratch = value;
                break;
            default: // status registers: writing is for the factory's tests
                break;
        }

        Update();
    }

    private void Transmit(byte value)
    {
        _transmitterEmptied = true;
        if (!IsLoopback)
        {
            Output?.Invoke(value);
            return;
        }

        if (_received.Count == (_fifo ? FifoSize : 1))
        {
            _errors |= StatusOverrun;
            if (!_fifo)
            {
                _received.Clear(); // without FIFO the new character takes the place of the old one
                _received.Enqueue(value);
            }
        }
        else
        {
            Accept(value);
        }
    }

    private byte ReadData()
    {
        byte value = _received.Count > 0 ? _received.Dequeue() : (byte)0;
        _timedOut = false;
        RestartTimeout();
        ScheduleArrival();
        Update();
        return value;
    }

    private byte ReadLineStatus()
    {
        AskForInput();
        byte status = (byte)(StatusTransmitterEmpty | _errors | (_received.Count > 0 ? StatusDataReady : 0));
        _errors = 0;
        Update();
        return status;
    }

    private byte ReadInterruptId()
    {
        AskForInput();
        byte id = PendingInterrupt();
        if (id == InterruptTransmitter)
        {
            _transmitterEmptied = false; // reading the register is what acknowledges this one
            Update();
        }

        return (byte)(id | (_fifo ? 0xC0 : 0));
    }

    private const byte InterruptNone = 1;
    private const byte InterruptModemStatus = 0;
    private const byte InterruptTransmitter = 2;
    private const byte InterruptReceived = 4;
    private const byte InterruptLineStatus = 6;
    private const byte InterruptTimeout = 0xC;

    /// <summary>The interrupt of the highest priority, as the identification register shows it.</summary>
    private byte PendingInterrupt()
    {
        bool received = (_enabled & EnableReceived) != 0;
        return (_enabled & EnableLineStatus) != 0 && _errors != 0 ? InterruptLineStatus
            : received && _received.Count >= _trigger ? InterruptReceived
            : received && _timedOut ? InterruptTimeout
            : (_enabled & EnableTransmitter) != 0 && _transmitterEmptied ? InterruptTransmitter
            : (_enabled & EnableModemStatus) != 0 && _modemDelta != 0 ? InterruptModemStatus
            : InterruptNone;
    }

    private void WriteFifoControl(byte value)
    {
        bool enable = (value & 1) != 0;
        if (enable != _fifo || (value & 2) != 0)
        {
            _received.Clear();
            _timedOut = false;
            _timeout.Clear();
        }

        _fifo = enable;
        _trigger = !enable ? 1 : (value >> 6) switch { 0 => 1, 1 => 4, 2 => 8, _ => 14 };
        ScheduleArrival();
    }

    /// <summary>The four modem inputs in bits 7:4; in loopback they are the four outputs.</summary>
    private byte ModemLines()
    {
        if (!IsLoopback)
        {
            return ModemInputs;
        }

        int rts = (_modemControl >> 1) & 1;
        int dtr = _modemControl & 1;
        int outputs = (_modemControl >> 2) & 3;
        return (byte)((rts << 4) | (dtr << 5) | (outputs << 6));
    }

    private void NoteModemChange(byte before, byte after)
    {
        int changed = (before ^ after) >> 4;
        const int RingIndicator = 4;
        bool ringEnded = (before & ~after & (RingIndicator << 4)) != 0; // the ring indicator counts its trailing edge only
        _modemDelta |= (byte)((changed & ~RingIndicator) | (ringEnded ? RingIndicator : 0));
    }

    private void AskForInput()
    {
        if (_received.Count > 0 || _outside.Count > 0 || InputNeeded is null || _clock.Now < _nextQuestion)
        {
            return;
        }

        _nextQuestion = _clock.Now + CharacterTicks;
        InputNeeded();
    }

    private void OnArrivalDue()
    {
        AskForInput();
        if (_outside.Count > 0 && _clock.Now >= _nextArrival && !IsLoopback)
        {
            Accept(_outside.Dequeue());
            _nextArrival = _clock.Now + CharacterTicks;
        }

        ScheduleArrival();
        Update();
    }

    private void Accept(byte value)
    {
        _received.Enqueue(value);
        RestartTimeout();
    }

    /// <summary>The next character comes when its time is up and there is room; while there is none, a waiting program asks.</summary>
    private void ScheduleArrival()
    {
        bool hasRoom = _received.Count < (_fifo ? FifoSize : 1);
        bool waits = (_enabled & EnableReceived) != 0 && InputNeeded is not null;
        if (_outside.Count > 0 && hasRoom)
        {
            _arrival.Set(ulong.Max(_nextArrival, _clock.Now));
        }
        else if (hasRoom && waits)
        {
            _arrival.Set(_clock.Now + InputPollTicks);
        }
        else
        {
            _arrival.Clear();
        }
    }

    /// <summary>The FIFO's time-out: four character times without a character coming or being read.</summary>
    private void RestartTimeout()
    {
        if (_fifo && _received.Count > 0)
        {
            _timeout.Set(_clock.Now + (4 * CharacterTicks));
        }
        else
        {
            _timeout.Clear();
        }
    }

    private void OnTimeout()
    {
        _timedOut = _received.Count > 0;
        Update();
    }

    /// <summary>On a PC the output OUT2 lets the interrupt through.</summary>
    private void Update() => _line.Set(PendingInterrupt() != InterruptNone && (_modemControl & ModemOut2) != 0 && !IsLoopback);
}
