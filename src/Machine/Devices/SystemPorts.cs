using System;

namespace Xenolith.Machine;

/// <summary>
/// System control port A, 92H: bit 0 resets, bit 1 is the gate of address line 20. The gate is always open here; the bit is kept.
/// </summary>
public sealed class Port92(Action onReset) : BytePortDevice
{
    public const ushort Port = 0x92;

    private byte _value = 2;

    public override byte ReadByte(ushort offset) => _value;

    public override void WriteByte(ushort offset, byte value)
    {
        bool resets = (value & ~_value & 1) != 0;
        _value = (byte)(value & 3);
        if (resets)
        {
            onReset();
        }
    }

    public void Reset() => _value = 2;
}

/// <summary>Port F0H: a write ends the coprocessor's error interrupt, IRQ 13, which FERR# of a processor has raised.</summary>
public sealed class CoprocessorError(InterruptLine line) : BytePortDevice
{
    public const ushort Port = 0xF0;
    public const int Irq = 13;

    public void Raise() => line.Set(true);

    public override byte ReadByte(ushort offset) => byte.MaxValue;

    public override void WriteByte(ushort offset, byte value) => line.Set(false);
}

/// <summary>The reset control register of PIIX3, CF9H: bit 2 resets when it goes from 0 to 1, bit 1 says how hard.</summary>
public sealed class ResetControl(Action onReset) : BytePortDevice
{
    public const ushort Port = 0xCF9;

    private byte _value;

    public override byte ReadByte(ushort offset) => _value;

    public override void WriteByte(ushort offset, byte value)
    {
        bool resets = (value & ~_value & 4) != 0;
        _value = (byte)(value & 6);
        if (resets)
        {
            onReset();
        }
    }

    public void Reset() => _value = 0;
}

/// <summary>Port 80H, where programs write their progress, and the DMA page registers beside it: latches that nobody hears.</summary>
public sealed class PostPort : BytePortDevice
{
    public const ushort FirstPort = 0x80;
    public const ushort PortCount = 16;

    private readonly byte[] _values = new byte[PortCount];

    public override byte ReadByte(ushort offset) => _values[offset];

    public override void WriteByte(ushort offset, byte value) => _values[offset] = value;
}

/// <summary>A port whose bytes go to the host as text: 402H as SeaBIOS uses it, E9H as Bochs has it. Reading gives a fixed byte.</summary>
public sealed class DebugPort(byte signature, Action<byte> output) : BytePortDevice
{
    /// <summary>SeaBIOS looks for E9H at this port.</summary>
    public const ushort SeaBiosPort = 0x402;

    public const ushort BochsPort = 0xE9;

    public override byte ReadByte(ushort offset) => signature;

    public override void WriteByte(ushort offset, byte value) => output(value);
}
