using System.Collections.Generic;

namespace Xenolith.Machine;

/// <summary>A device behind I/O ports.</summary>
public interface IPortDevice
{
    /// <param name="offset">Port number from the device's first port.</param>
    /// <param name="sizeBytes">1, 2 or 4.</param>
    uint Read(ushort offset, int sizeBytes);

    /// <inheritdoc cref="Read"/>
    void Write(ushort offset, int sizeBytes, uint value);
}

/// <summary>A device of byte-wide registers: a wider access is one of each byte, lowest first, as the ISA bus makes it.</summary>
public abstract class BytePortDevice : IPortDevice
{
    public abstract byte ReadByte(ushort offset);

    public abstract void WriteByte(ushort offset, byte value);

    public uint Read(ushort offset, int sizeBytes)
    {
        uint value = 0;
        for (int n = 0; n < sizeBytes; n++)
        {
            value |= (uint)ReadByte((ushort)(offset + n)) << (8 * n);
        }

        return value;
    }

    public void Write(ushort offset, int sizeBytes, uint value)
    {
        for (int n = 0; n < sizeBytes; n++)
        {
            WriteByte((ushort)(offset + n), (byte)(value >> (8 * n)));
        }
    }
}

/// <summary>
/// The I/O address space: where nothing answers, reads give all ones and writes vanish. An access that leaves a device's ports is
/// made byte by byte. A device attached later hides those under it.
/// </summary>
public sealed class PortMap
{
    private readonly List<(ushort First, ushort Last, IPortDevice Device)> _devices = [];

    public void Attach(ushort first, ushort count, IPortDevice device) =>
        _devices.Insert(0, (first, (ushort)(first + count - 1), device));

    /// <summary>Takes a device away from all its ports.</summary>
    public void Detach(IPortDevice device) => _devices.RemoveAll(entry => ReferenceEquals(entry.Device, device));

    public uint Read(ushort port, int sizeBytes)
    {
        uint mask = sizeBytes == 4 ? uint.MaxValue : (1u << (8 * sizeBytes)) - 1;
        if (Find(port, sizeBytes, out ushort offset) is { } device)
        {
            return device.Read(offset, sizeBytes) & mask;
        }

        if (sizeBytes == 1)
        {
            return mask;
        }

        uint value = 0;
        for (int n = 0; n < sizeBytes; n++)
        {
            value |= Read((ushort)(port + n), 1) << (8 * n);
        }

        return value;
    }

    public void Write(ushort port, int sizeBytes, uint value)
    {
        if (Find(port, sizeBytes, out ushort offset) is { } device)
        {
            device.Write(offset, sizeBytes, value);
            return;
        }

        for (int n = 0; n < sizeBytes && sizeBytes > 1; n++)
        {
            Write((ushort)(port + n), 1, (byte)(value >> (8 * n)));
        }
    }

    /// <summary>The device that has all ports of the access.</summary>
    private IPortDevice? Find(ushort port, int sizeBytes, out ushort offset)
    {
        foreach ((ushort first, ushort last, IPortDevice device) in _devices)
        {
            if (port >= first && port <= last)
            {
                offset = (ushort)(port - first);
                return port + sizeBytes - 1 <= last ? device : null;
            }
        }

        offset = 0;
        return null;
    }
}
