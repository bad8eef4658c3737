using System;

using Xenolith.Mmu;

namespace Xenolith.Machine;

/// <summary>
/// An IO-APIC (Intel 82093AA data sheet; its EOI register as in the later parts of version 20H): it turns the levels of its pins
/// into messages on the bus of the local APICs, as its redirection table says.
/// </summary>
public sealed class IoApic : IMmioDevice
{
    /// <summary>Where the first IO-APIC of a PC lies.</summary>
    public const ulong DefaultAddress = 0xFEC0_0000;
    public const ulong WindowSize = 0x1000;

    private const uint Version = 0x20;
    private const ulong SelectOffset = 0x00;
    private const ulong WindowOffset = 0x10;
    private const ulong EoiOffset = 0x40;
    private const int RegisterId = 0;
    private const int RegisterVersion = 1;
    private const int RegisterArbitration = 2;
    private const int RegisterTable = 0x10;

    // Redirection entry:
    // 63      56 55           17  16    15      14         13       12       11     10    8 7      0
    // | destination | reserved | mask | level | remote IRR | low | pending | logical | mode | vector |
    private const ulong EntryLogical = 1 << 11;
    private const ulong EntryRemoteIrr = 1 << 14;
    private const ulong EntryLevel = 1 << 15;
    private const ulong EntryMasked = 1 << 16;
    private const ulong EntryWritable = 0xFF00_0000_0001_AFFF;

    private readonly ApicBus _bus;
    private readonly ulong[] _table;
    private readonly bool[] _levels;
    private byte _select;
    private uint _id;

    /// <param name="bus">Where its messages go.</param>
    /// <param name="pins">Number of pins: 24 on the first part, up to 240.</param>
    public IoApic(ApicBus bus, int pins)
    {
        _bus = bus;
        _table = new ulong[pins];
        _levels = new bool[pins];
        Reset();
    }

    public int PinCount => _table.Length;

    /// <summary>True while a pin could deliver something else than an ordinary interrupt: NMI or INIT.</summary>
    public bool MaySignal => Array.Exists(_table, entry => (entry & EntryMasked) == 0 && ModeOf(entry) is ApicDelivery.Nmi or ApicDelivery.Init);

    public void Reset()
    {
        Array.Fill(_table, EntryMasked);
        _select = 0;
        _id = 0;
    }

    /// <summary>A device changes the level of a pin. What the entry's polarity makes of it is the wiring's business, not ours.</summary>
    public void SetPin(int pin, bool asserted)
    {
        bool rises = asserted && !_levels[pin];
        _levels[pin] = asserted;
        ulong entry = _table[pin];
        if ((entry & EntryLevel) != 0 ? asserted : rises)
        {
            Deliver(pin);
        }
    }

    /// <summary>An EOI message with this vector came: entries that wait for it may ask again.</summary>
    public void EndOfInterrupt(byte vector)
    {
        for (int pin = 0; pin < _table.Length; pin++)
        {
            if ((byte)_table[pin] == vector && (_table[pin] & EntryRemoteIrr) != 0)
            {
                _table[pin] &= ~EntryRemoteIrr;
                Resample(pin);
            }
        }
    }

    public ulong Read(ulong offset, int sizeBytes) => (offset & ~3UL) switch
    {
        SelectOffset => (ulong)_select >> (int)(8 * (offset & 3)),
        WindowOffset => (ulong)ReadRegister() >> (int)(8 * (offset & 3)),
        _ => 0,
    };

    public void Write(ulong offset, int sizeBytes, ulong value)
    {
        switch (offset)
        {
            case SelectOffset:
                _select = (byte)value;
                break;
            case WindowOffset:
                WriteRegister((uint)value);
                break;
            case EoiOffset:
                EndOfInterrupt((byte)value);
                break;
            default:
                break;
        }
    }

    private uint ReadRegister()
    {
        switch (_select)
        {
            case RegisterId or RegisterArbitration:
                return _id;
            case RegisterVersion:
                return Version | ((uint)(_table.Length - 1) << 16);
        }

        int pin = (_select - RegisterTable) >> 1;
        return pin < 0 || pin >= _table.Length ? 0 : (uint)(_table[pin] >> (32 * (_select & 1)));
    }

    private void WriteRegister(uint value)
    {
        if (_select == RegisterId)
        {
            _id = value & 0x0F00_0000;
            return;
        }

        int pin = (_select - RegisterTable) >> 1;
        if (_select < RegisterTable || pin >= _table.Length)
        {
            return;
        }

        ulong old = _table[pin];
        ulong written = (_select & 1) == 0 ? (old & 0xFFFF_FFFF_0000_0000) | value : (old & uint.MaxValue) | ((ulong)value << 32);
        ulong entry = (written & EntryWritable) | (old & EntryRemoteIrr);
        if ((entry & EntryLevel) == 0)
        {
            entry &= ~EntryRemoteIrr; // edges have none: software turns a pin to edge and back to be rid of one that hangs
        }

        _table[pin] = entry;
        Resample(pin);
    }

    /// <summary>A level that is still there asks again; an edge that came while masked is lost.</summary>
    private void Resample(int pin)
    {
        if (_levels[pin] && (_table[pin] & EntryLevel) != 0)
        {
            Deliver(pin);
        }
    }

    private void Deliver(int pin)
    {
        ulong entry = _table[pin];
        if ((entry & (EntryMasked | EntryRemoteIrr)) != 0)
        {
            return;
        }

        // Only fixed and lowest-priority interrupts have levels; the other modes are edges whatever the entry says.
        ApicDelivery mode = ModeOf(entry);
        bool isLevel = (entry & EntryLevel) != 0 && mode is ApicDelivery.Fixed or ApicDelivery.LowestPriority;
        if (isLevel)
        {
            _table[pin] |= EntryRemoteIrr;
        }

        ApicMessage message = new((byte)entry, mode, (uint)(entry >> 56), (entry & EntryLogical) != 0, isLevel);
        if (!_bus.Deliver(in message))
        {
            _table[pin] &= ~EntryRemoteIrr; // nobody has accepted it
        }
    }

    private static ApicDelivery ModeOf(ulong entry) => (ApicDelivery)((entry >> 8) & 7);
}
