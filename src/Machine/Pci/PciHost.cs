using System.Collections.Generic;

namespace Xenolith.Machine;

/// <summary>
/// Configuration mechanism 1 (PCI Local Bus Specification 3.0 "Software Generation of Configuration Transactions"): an address at
/// 0CF8H, written as a doubleword, and the doubleword that it selects at 0CFCH, of which bytes and words may be read and written.
/// </summary>
public sealed class PciHost : IPortDevice
{
    public const ushort FirstPort = 0xCF8;
    public const ushort PortCount = 8;
    private const uint Enable = 1u << 31;
    private const ulong FirstIo = 0xC000;

    private readonly Dictionary<uint, IPciFunction> _functions = [];
    private uint _address;

    /// <summary>All functions of bus 0, by device and function number.</summary>
    public IEnumerable<KeyValuePair<uint, IPciFunction>> Functions => _functions;

    /// <summary>Puts a function on bus 0.</summary>
    public void Attach(int device, int function, IPciFunction handler) => _functions[((uint)device << 3) | (uint)function] = handler;

    public uint Read(ushort offset, int sizeBytes)
    {
        if (offset < 4)
        {
            return offset == 0 && sizeBytes == 4 ? _address : uint.MaxValue;
        }

        return Find(offset, sizeBytes, out byte register) is { } function
            ? function.ReadConfiguration(register, sizeBytes)
            : uint.MaxValue;
    }

    public void Write(ushort offset, int sizeBytes, uint value)
    {
        if (offset < 4)
        {
            _address = offset == 0 && sizeBytes == 4 ? value & 0x80FF_FFFC : _address;
            return;
        }

        Find(offset, sizeBytes, out byte register)?.WriteConfiguration(register, sizeBytes, value);
    }

    public void Reset() => _address = 0;

    /// <summary>
    /// What firmware does: gives every window of the functions an address, I/O from C000H and memory from <paramref name="firstMemory"/>,
    /// each at a multiple of its size, and enables decoding.
    /// </summary>
    public void AssignWindows(ulong firstMemory)
    {
        ulong nextIo = FirstIo;
        ulong nextMemory = firstMemory;
        foreach (uint number in Sorted())
        {
            if (_functions[number] is not PciFunction function)
            {
                continue;
            }

            ushort enabled = 0;
            for (int bar = 0; bar < 6; bar++)
            {
                if (!function.HasBar(bar, out bool isIo, out ulong size))
                {
                    continue;
                }

                ref ulong next = ref isIo ? ref nextIo : ref nextMemory;
                ulong align = isIo ? size : ulong.Max(size, 0x1000);
                next = (next + align - 1) & ~(align - 1);
                function.AssignBar(bar, (uint)next);
                next += align;
                enabled |= isIo ? PciFunction.CommandIo : PciFunction.CommandMemory;
            }

            if (enabled != 0)
            {
                function.WriteConfiguration(PciFunction.Command, 2, enabled);
            }
        }
    }

    private List<uint> Sorted()
    {
        List<uint> numbers = [.. _functions.Keys];
        numbers.Sort();
        return numbers;
    }

    private IPciFunction? Find(ushort offset, int sizeBytes, out byte register)
    {
        register = (byte)((_address & 0xFC) | (offset & 3u));
        bool isBus0 = (_address & (Enable | 0x00FF_0000)) == Enable;
        bool fits = (offset & 3) + sizeBytes <= 4;
        return isBus0 && fits ? _functions.GetValueOrDefault((_address >> 8) & 0xFF) : null;
    }
}
