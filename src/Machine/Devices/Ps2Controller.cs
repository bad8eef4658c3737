using System;
using System.Collections.Generic;

namespace Xenolith.Machine;

/// <summary>
/// The 8042 keyboard controller of a PC: self tests, command byte, output port, reset; and a keyboard whose keys nobody presses, which
/// spares firmware its time-outs. No mouse. Ports 60H and 64H.
/// </summary>
public sealed class Ps2Controller
{
    public const ushort DataPort = 0x60;
    public const ushort CommandPort = 0x64;
    public const int KeyboardIrq = 1;

    private const byte StatusOutputFull = 0x01;
    private const byte StatusSystem = 0x04;
    private const byte StatusCommand = 0x08;
    private const byte StatusUnlocked = 0x10;

    private const byte CommandByteInterrupt = 0x01;
    private const byte OutputPortRunning = 0x01; // clear: the processor is held in reset
    private const byte KeyboardAcknowledge = 0xFA;
    private const byte OutputPortA20 = 0x02;

    private readonly InterruptLine _keyboard;
    private readonly Action _onReset;
    private readonly Queue<byte> _output = [];
    private byte _commandByte;
    private byte _outputPort;
    private byte _pendingCommand; // whose data byte comes next; 0 when none
    private bool _lastWasCommand;
    private bool _keyboardTakesParameter;

    /// <param name="keyboard">IRQ 1.</param>
    /// <param name="onReset">The program pulses the reset line.</param>
    public Ps2Controller(InterruptLine keyboard, Action onReset)
    {
        _keyboard = keyboard;
        _onReset = onReset;
        Reset();
    }

    public void AttachTo(PortMap ports)
    {
        ports.Attach(DataPort, 1, new Data(this));
        ports.Attach(CommandPort, 1, new Control(this));
    }

    public void Reset()
    {
        _output.Clear();
        _commandByte = 0x74; // self test passed, translation, both ports off
        _outputPort = OutputPortRunning | OutputPortA20 | 0xCC;
        _pendingCommand = 0;
        _lastWasCommand = _keyboardTakesParameter = false;
        _keyboard.Set(false);
    }

    private byte Status => (byte)((_output.Count > 0 ? StatusOutputFull : 0) | ((_commandByte & StatusSystem) != 0 ? StatusSystem : 0)
        | (_lastWasCommand ? StatusCommand : 0) | StatusUnlocked);

    private byte ReadData()
    {
        byte value = _output.Count > 0 ? _output.Dequeue() : (byte)0;
        _keyboard.Set(false);
        Update();
        return value;
    }

    private void WriteCommand(byte command)
    {
        _lastWasCommand = true;
        _pendingCommand = 0;
        switch (command)
        {
            case 0x20:
                Answer(_commandByte);
                break;
            case 0x60 or 0xD1 or 0xD2 or 0xD3 or 0xD4:
                _pendingCommand = command; // its data follows
                break;
            case 0xA7:
                _commandByte |= 0x20;
                break;
            case 0xA8:
                _commandByte &= 0xDF;
                break;
            case 0xA9 or 0xAB:
                Answer(0x00); // the port's lines are well
                break;
            case 0xAA:
                _commandByte |= StatusSystem;
                Answer(0x55);
                break;
            case 0xAD:
                _commandByte |= 0x10;
                break;
            case 0xAE:
                _commandByte &= 0xEF;
                break;
            case 0xC0:
                Answer(0x80); // input port: not locked
                break;
            case 0xD0:
                Answer(_outputPort);
                break;
            case >= 0xF0 when (command & 1) == 0:
                _onReset(); // pulses output bit 0, the processor's reset
                break;
            default:
                break;
        }
    }

    private void WriteData(byte value)
    {
        _lastWasCommand = false;
        byte command = _pendingCommand;
        _pendingCommand = 0;
        switch (command)
        {
            case 0x60:
                _commandByte = value;
                Update();
                break;
            case 0xD1:
                _outputPort = value;
                if ((value & OutputPortRunning) == 0)
                {
                    _onReset();
                }

                break;
            case 0xD2 or 0xD3:
                Answer(value);
                break;
            case 0xD4: // to a mouse: nobody answers
                break;
            default:
                AnswerAsKeyboard(value);
                break;
        }
    }

    /// <summary>The keyboard acknowledges all; the reset is followed by its self test, the question for its identity by that.</summary>
    private void AnswerAsKeyboard(byte command)
    {
        Answer(KeyboardAcknowledge);
        bool isParameter = _keyboardTakesParameter;
        _keyboardTakesParameter = !isParameter && command is 0xED or 0xF0 or 0xF3;
        if (isParameter)
        {
            return;
        }

        switch (command)
        {
            case 0xEE: // echo
                Answer(0xEE);
                break;
            case 0xF2:
                Answer(0xAB);
                Answer(0x83);
                break;
            case 0xFF:
                Answer(0xAA);
                break;
            default:
                break;
        }
    }

    private void Answer(byte value)
    {
        _output.Enqueue(value);
        Update();
    }

    private void Update()
    {
        if (_output.Count > 0 && (_commandByte & CommandByteInterrupt) != 0)
        {
            _keyboard.Set(true);
        }
    }

    private sealed class Data(Ps2Controller owner) : BytePortDevice
    {
        public override byte ReadByte(ushort offset) => owner.ReadData();

        public override void WriteByte(ushort offset, byte value) => owner.WriteData(value);
    }

    private sealed class Control(Ps2Controller owner) : BytePortDevice
    {
        public override byte ReadByte(ushort offset) => owner.Status;

        public override void WriteByte(ushort offset, byte value) => owner.WriteCommand(value);
    }
}
