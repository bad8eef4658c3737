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

/// <summary>The I/O address space: where nothing answers, reads give all ones and writes vanish.</summary>
public sealed class PortMap
{
    private readonly List<(ushort First, ushort Last, IPortDevice Device)> _devices = [];

    public void Attach(ushort first, ushort count, IPortDevice device) =>
        _devices.Add((first, (ushort)(first + count - 1), device));

    public uint Read(ushort port, int sizeBytes)
    {
        uint mask = sizeBytes == 4 ? uint.MaxValue : (1u << (8 * sizeBytes)) - 1;
        foreach ((ushort first, ushort last, IPortDevice device) in _devices)
        {
            if (port >= first && port <= last)
            {
                return device.Read((ushort)(port - first), sizeBytes) & mask;
            }
        }

        return mask;
    }

    public void Write(ushort port, int sizeBytes, uint value)
    {
        foreach ((ushort first, ushort last, IPortDevice device) in _devices)
        {
            if (port >= first && port <= last)
            {
                device.Write((ushort)(port - first), sizeBytes, value);
                return;
            }
        }
    }
}
