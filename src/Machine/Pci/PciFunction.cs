using System;
using System.Buffers.Binary;

namespace Xenolith.Machine;

/// <summary>A function's answer to the configuration mechanism.</summary>
public interface IPciFunction
{
    /// <param name="offset">Byte offset in the 256-byte configuration space; the access never crosses a doubleword.</param>
    /// <param name="sizeBytes">1, 2 or 4.</param>
    uint ReadConfiguration(byte offset, int sizeBytes);

    /// <inheritdoc cref="ReadConfiguration"/>
    void WriteConfiguration(byte offset, int sizeBytes, uint value);
}

/// <summary>
/// A function with a type 0 header (PCI Local Bus Specification 3.0 "Configuration Space Header"): identity, command, base-address
/// registers that answer the sizing protocol. A device derives from this class and maps its windows when told.
/// </summary>
public abstract class PciFunction : IPciFunction
{
    public const byte Command = 0x04;
    public const byte Bar0 = 0x10;
    public const byte InterruptLineRegister = 0x3C;
    public const ushort CommandIo = 1;
    public const ushort CommandMemory = 2;
    public const int BarCount = 6;

    private readonly byte[] _writable = new byte[256];
    private readonly ulong[] _barSize = new ulong[BarCount];
    private readonly bool[] _barIsIo = new bool[BarCount];

    /// <param name="vendor">Vendor id.</param>
    /// <param name="device">Device id.</param>
    /// <param name="classCode">Class, subclass and programming interface, in bits 23:0.</param>
    /// <param name="revision">Revision id.</param>
    protected PciFunction(ushort vendor, ushort device, uint classCode, byte revision = 0)
    {
        Set16(0x00, vendor);
        Set16(0x02, device);
        Set32(0x08, (classCode << 8) | revision);
        Permit(Command, 2, 0x0547); // I/O, memory, master, parity, SERR#, interrupt disable
        Permit(0x0C, 2, 0xFFFF); // cache line size, latency timer
        Permit(InterruptLineRegister, 1, 0xFF);
    }

    /// <summary>The 256 bytes as software reads them.</summary>
    protected byte[] Space { get; } = new byte[256];

    protected ushort CommandRegister => BinaryPrimitives.ReadUInt16LittleEndian(Space.AsSpan(Command));

    /// <summary>Whether a base-address register is in use, and for I/O ports.</summary>
    public bool HasBar(int index, out bool isIo, out ulong sizeBytes)
    {
        isIo = _barIsIo[index];
        sizeBytes = _barSize[index];
        return sizeBytes != 0;
    }

    /// <summary>Where a base-address register points now, whether or not decoding is enabled.</summary>
    public ulong BarAddress(int index) => Get32(Bar0 + (4 * index)) & (_barIsIo[index] ? ~3u : ~0xFu);

    /// <summary>What firmware does: gives the register an address.</summary>
    public void AssignBar(int index, uint address) => WriteConfiguration((byte)(Bar0 + (4 * index)), 4, address);

    public uint ReadConfiguration(byte offset, int sizeBytes)
    {
        uint value = 0;
        for (int n = 0; n < sizeBytes; n++)
        {
            value |= (uint)Space[offset + n] << (8 * n);
        }

        return value;
    }

    public void WriteConfiguration(byte offset, int sizeBytes, uint value)
    {
        for (int n = 0; n < sizeBytes; n++)
        {
            byte mask = _writable[offset + n];
            Space[offset + n] = (byte)((Space[offset + n] & ~mask) | ((byte)(value >> (8 * n)) & mask));
        }

        bool isBar = offset is >= Bar0 and < Bar0 + (4 * BarCount);
        if (isBar || offset is Command or Command + 1)
        {
            OnMappingChanged();
        }

        OnConfigurationWritten(offset, sizeBytes);
    }

    /// <summary>A window of I/O ports or memory whose place software chooses; the size is a power of two.</summary>
    protected void DeclareBar(int index, bool isIo, uint sizeBytes)
    {
        _barIsIo[index] = isIo;
        _barSize[index] = sizeBytes;
        Permit(Bar0 + (4 * index), 4, ~(sizeBytes - 1)); // sizing: the bits below the size stay zero
        Set32(Bar0 + (4 * index), isIo ? 1u : 0);
    }

    /// <summary>Makes bits of the configuration space writable.</summary>
    protected void Permit(int offset, int sizeBytes, uint bits)
    {
        for (int n = 0; n < sizeBytes; n++)
        {
            _writable[offset + n] = (byte)(bits >> (8 * n));
        }
    }

    protected void Set16(int offset, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(Space.AsSpan(offset), value);

    protected void Set32(int offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(Space.AsSpan(offset), value);

    protected uint Get32(int offset) => BinaryPrimitives.ReadUInt32LittleEndian(Space.AsSpan(offset));

    /// <summary>Command or a base-address register was written: windows may have moved, appeared or gone.</summary>
    protected virtual void OnMappingChanged()
    {
    }

    /// <summary>Any register was written, after its bytes have changed.</summary>
    protected virtual void OnConfigurationWritten(byte offset, int sizeBytes)
    {
    }
}
