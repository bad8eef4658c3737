using System;
using System.Numerics;

namespace Xenolith.Machine;

/// <summary>
/// One 8259A programmable interrupt controller (Intel 8259A data sheet) with the edge/level register (ELCR) of PCI chip sets.
/// </summary>
public sealed class Pic8259 : BytePortDevice
{
    private const int SpuriousLine = 7;

    private readonly Action<bool> _onOutput;
    private readonly bool _isMaster;
    private byte _levels; // the pins now
    private byte _requested; // IRR
    private byte _inService; // ISR
    private byte _mask; // IMR
    private byte _base; // ICW2
    private byte _edgeLevel; // ELCR
    private int _lowest = 7; // the line of the lowest priority: rotation moves it
    private int _initStep; // which ICW is next; 0 when ready
    private bool _needsIcw4;
    private bool _isSingle;
    private bool _autoEoi;
    private bool _rotateOnAutoEoi;
    private bool _specialFullyNested;
    private bool _specialMask;
    private bool _readInService;
    private bool _poll;
    private bool _output;

    /// <param name="isMaster">Master: line 2 is a cascade.</param>
    /// <param name="onOutput">Told when INT changes.</param>
    public Pic8259(bool isMaster, Action<bool> onOutput)
    {
        _isMaster = isMaster;
        _onOutput = onOutput;
    }

    /// <summary>The edge/level control register: a set bit makes its line level-triggered.</summary>
    public byte EdgeLevel
    {
        get => _edgeLevel;
        set
        {
            // The timer, the keyboard, the cascade, the clock and the coprocessor are edges for ever.
            _edgeLevel = (byte)(value & (_isMaster ? 0xF8 : 0xDE));
            _requested = (byte)((_requested & ~_edgeLevel) | (_levels & _edgeLevel));
            Update();
        }
    }

    /// <summary>The INT output.</summary>
    public bool Output => _output;

    /// <summary>A request line changes.</summary>
    public void SetLine(int line, bool asserted)
    {
        byte bit = (byte)(1 << line);
        bool rises = asserted && (_levels & bit) == 0;
        _levels = (byte)(asserted ? _levels | bit : _levels & ~bit);
        if ((_edgeLevel & bit) != 0)
        {
            _requested = (byte)(asserted ? _requested | bit : _requested & ~bit);
        }
        else if (rises)
        {
            _requested |= bit;
        }
        else if (!asserted)
        {
            _requested &= (byte)~bit; // a request must stay until it is acknowledged: else it ends as spurious
        }

        Update();
    }

    /// <summary>
    /// INTA: the line that is served now. When none asks any more, the answer is line 7 and nothing is in service (a spurious interrupt).
    /// </summary>
    public int Acknowledge()
    {
        int line = HighestRequest();
        SetOutput(false); // INT falls with each INTA cycle: what asks next is an edge for the master
        if (line < 0)
        {
            return SpuriousLine;
        }

        byte bit = (byte)(1 << line);
        if ((_edgeLevel & bit) == 0)
        {
            _requested &= (byte)~bit;
        }

        if (!_autoEoi)
        {
            _inService |= bit;
        }
        else if (_rotateOnAutoEoi)
        {
            _lowest = line;
        }

        Update();
        return line;
    }

    /// <summary>The vector for a line.</summary>
    public byte VectorOf(int line) => (byte)(_base | line);

    public void Reset()
    {
        _requested = _inService = _mask = _base = _edgeLevel = 0;
        _initStep = 0;
        _lowest = 7;
        _autoEoi = _rotateOnAutoEoi = _specialFullyNested = _specialMask = _readInService = _poll = false;
        Update();
    }

    /// <summary>What the firmware of a PC leaves: vectors from a base, all lines masked but the cascade.</summary>
    public void PrepareAsFirmware(byte vectorBase)
    {
        WriteByte(0, 0x11);
        WriteByte(1, vectorBase);
        WriteByte(1, _isMaster ? (byte)4 : (byte)2);
        WriteByte(1, 1);
        WriteByte(1, 0xFF);
    }

    public override byte ReadByte(ushort offset)
    {
        if (_poll)
        {
            _poll = false;
            int line = HighestRequest();
            return line < 0 ? (byte)0 : (byte)(0x80 | Acknowledge());
        }

        return offset == 1 ? _mask : _readInService ? _inService : _requested;
    }

    public override void WriteByte(ushort offset, byte value)
    {
        const byte Icw1 = 0x10;
        const byte Ocw3 = 0x08;
        if (offset == 1)
        {
            WriteData(value);
        }
        else if ((value & Icw1) != 0)
        {
            BeginInitialization(value);
        }
        else if ((value & Ocw3) != 0)
        {
            WriteOcw3(value);
        }
        else
        {
            WriteOcw2(value);
        }

        Update();
    }

    private void BeginInitialization(byte value)
    {
        _initStep = 2;
        _needsIcw4 = (value & 1) != 0;
        _isSingle = (value & 2) != 0;
        _mask = 0;
        _inService = 0;
        _requested = (byte)(_levels & _edgeLevel); // edges must come anew
        _lowest = 7;
        _autoEoi = _rotateOnAutoEoi = _specialFullyNested = _specialMask = _readInService = _poll = false;
    }

    private void WriteData(byte value)
    {
        switch (_initStep)
        {
            case 2:
                _base = (byte)(value & 0xF8);
                _initStep = !_isSingle ? 3 : _needsIcw4 ? 4 : 0;
                break;
            case 3: // which line cascades is wired, not chosen
                _initStep = _needsIcw4 ? 4 : 0;
                break;
            case 4:
                _autoEoi = (value & 2) != 0;
                _specialFullyNested = (value & 0x10) != 0;
                _initStep = 0;
                break;
            default:
                _mask = value;
                break;
        }
    }

    private void WriteOcw3(byte value)
    {
        _poll = (value & 4) != 0;
        if ((value & 2) != 0)
        {
            _readInService = (value & 1) != 0;
        }

        if ((value & 0x40) != 0)
        {
            _specialMask = (value & 0x20) != 0;
        }
    }

    private void WriteOcw2(byte value)
    {
        bool rotates = (value & 0x80) != 0;
        bool isSpecific = (value & 0x40) != 0;
        bool isEoi = (value & 0x20) != 0;
        int line = value & 7;
        if (!isEoi)
        {
            if (isSpecific)
            {
                _lowest = rotates ? line : _lowest; // set priority; without R it is no operation
            }
            else
            {
                _rotateOnAutoEoi = rotates;
            }

            return;
        }

        if (!isSpecific)
        {
            line = HighestIn(_specialMask ? (byte)(_inService & ~_mask) : _inService);
        }

        if (line < 0)
        {
            return;
        }

        _inService &= (byte)~(1 << line);
        _lowest = rotates ? line : _lowest;
    }

    /// <summary>The line of the highest priority that asks, is not masked, and is above what is in service; else -1.</summary>
    private int HighestRequest()
    {
        int line = HighestIn((byte)(_requested & ~_mask));
        if (line < 0)
        {
            return -1;
        }

        // Special mask mode: what is masked does not block the lines below it. Special fully nested mode: the cascade does not block
        // itself, so that the slave's priorities count.
        byte blocking = _specialMask ? (byte)(_inService & ~_mask) : _inService;
        if (_specialFullyNested && _isMaster && line == 2)
        {
            blocking &= unchecked((byte)~4);
        }

        int served = HighestIn(blocking);
        return served < 0 || Rank(line) < Rank(served) ? line : -1;
    }

    private int HighestIn(byte lines)
    {
        if (lines == 0)
        {
            return -1;
        }

        int first = (_lowest + 1) & 7;
        uint rotated = (((uint)lines >> first) | ((uint)lines << (8 - first))) & 0xFF;
        return (BitOperations.TrailingZeroCount(rotated) + first) & 7;
    }

    private int Rank(int line) => (line - _lowest - 1) & 7;

    private void Update() => SetOutput(_initStep == 0 && HighestRequest() >= 0);

    private void SetOutput(bool asserted)
    {
        if (asserted != _output)
        {
            _output = asserted;
            _onOutput(asserted);
        }
    }
}
