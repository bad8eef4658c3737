using System;
using System.Collections.Generic;
using System.Text;

namespace Xenolith.Machine;

/// <summary>
/// Writes the few terms of ACPI Machine Language that a table here needs (ACPI specification, "ACPI Machine Language (AML) Specification").
/// Terms are written in order; those with contents take an action that writes them.
/// </summary>
internal sealed class AmlWriter
{
    private const byte NameOp = 0x08;
    private const byte BytePrefix = 0x0A;
    private const byte WordPrefix = 0x0B;
    private const byte DWordPrefix = 0x0C;
    private const byte ScopeOp = 0x10;
    private const byte BufferOp = 0x11;
    private const byte PackageOp = 0x12;
    private const byte RootChar = (byte)'\\';
    private const byte ExtendedPrefix = 0x5B;
    private const byte DeviceOp = 0x82; // after the prefix

    private readonly List<byte> _bytes = [];

    public byte[] ToArray() => [.. _bytes];

    /// <summary>DefScope: a scope at the root.</summary>
    public void RootScope(string name, Action<AmlWriter> contents)
    {
        _bytes.Add(ScopeOp);
        AddPackage(inner =>
        {
            inner._bytes.Add(RootChar);
            inner.AddName(name);
            contents(inner);
        });
    }

    /// <summary>DefDevice.</summary>
    public void Device(string name, Action<AmlWriter> contents)
    {
        _bytes.Add(ExtendedPrefix);
        _bytes.Add(DeviceOp);
        AddPackage(inner =>
        {
            inner.AddName(name);
            contents(inner);
        });
    }

    /// <summary>DefName with a number.</summary>
    public void Name(string name, uint value)
    {
        _bytes.Add(NameOp);
        AddName(name);
        AddNumber(value);
    }

    /// <summary>DefName with an EISA id such as "PNP0A03": three letters of five bits, four hexadecimal digits, big-endian.</summary>
    public void NameEisaId(string name, string id)
    {
        uint letters = ((uint)(id[0] - '@') << 10) | ((uint)(id[1] - '@') << 5) | (uint)(id[2] - '@');
        uint digits = Convert.ToUInt32(id[3..], 16);
        _bytes.Add(NameOp);
        AddName(name);
        _bytes.Add(DWordPrefix);
        _bytes.AddRange([(byte)(letters >> 8), (byte)letters, (byte)(digits >> 8), (byte)digits]);
    }

    /// <summary>DefName with a package of numbers.</summary>
    public void NamePackage(string name, params byte[] values)
    {
        _bytes.Add(NameOp);
        AddName(name);
        _bytes.Add(PackageOp);
        AddPackage(inner =>
        {
            inner._bytes.Add((byte)values.Length);
            foreach (byte value in values)
            {
                inner.AddNumber(value);
            }
        });
    }

    /// <summary>DefName with a buffer that holds resource descriptors and their end tag.</summary>
    public void NameResources(string name, params byte[][] descriptors)
    {
        List<byte> resources = [];
        foreach (byte[] descriptor in descriptors)
        {
            resources.AddRange(descriptor);
        }

        resources.AddRange([0x79, 0]); // end tag; a checksum of 0 is taken for good
        _bytes.Add(NameOp);
        AddName(name);
        _bytes.Add(BufferOp);
        AddPackage(inner =>
        {
            inner.AddNumber((uint)resources.Count);
            inner._bytes.AddRange(resources);
        });
    }

    /// <summary>IO(Decode16, first, first, 1, count).</summary>
    public static byte[] Ports(ushort first, byte count) => [0x47, 1, (byte)first, (byte)(first >> 8), (byte)first, (byte)(first >> 8), 1, count];

    /// <summary>IRQNoFlags.</summary>
    public static byte[] Interrupt(int irq) => [0x22, (byte)(1 << irq), (byte)((1 << irq) >> 8)];

    /// <summary>WordBusNumber (type 2) or WordIO (type 1): a range that a bridge passes on.</summary>
    public static byte[] WordRange(byte type, ushort first, ushort last)
    {
        uint length = (uint)(last - first) + 1;
        return
        [
            0x88, 13, 0, type, 0x0C, type == 1 ? (byte)3 : (byte)0, 0, 0, // fixed at both ends; ISA and other ports alike; granularity 0
            (byte)first, (byte)(first >> 8), (byte)last, (byte)(last >> 8), 0, 0, (byte)length, (byte)(length >> 8),
        ];
    }

    /// <summary>DWordMemory, read-write, not cacheable.</summary>
    public static byte[] MemoryRange(uint first, uint last)
    {
        List<byte> bytes = [0x87, 23, 0, 0, 0x0C, 1];
        foreach (uint field in (ReadOnlySpan<uint>)[0, first, last, 0, last - first + 1])
        {
            bytes.AddRange(BitConverter.GetBytes(field));
        }

        return [.. bytes];
    }

    /// <summary>A NameSeg: four characters, filled up with underscores.</summary>
    private void AddName(string name) => _bytes.AddRange(Encoding.ASCII.GetBytes(name.PadRight(4, '_')));

    private void AddNumber(uint value)
    {
        switch (value)
        {
            case <= 1:
                _bytes.Add((byte)value); // ZeroOp, OneOp
                break;
            case <= byte.MaxValue:
                _bytes.AddRange([BytePrefix, (byte)value]);
                break;
            case <= ushort.MaxValue:
                _bytes.AddRange([WordPrefix, (byte)value, (byte)(value >> 8)]);
                break;
            default:
                _bytes.Add(DWordPrefix);
                _bytes.AddRange(BitConverter.GetBytes(value));
                break;
        }
    }

    /// <summary>PkgLength, which counts itself, and contents.</summary>
    private void AddPackage(Action<AmlWriter> write)
    {
        AmlWriter inner = new();
        write(inner);
        int length = inner._bytes.Count;
        if (length + 1 < 0x40)
        {
            _bytes.Add((byte)(length + 1));
        }
        else
        {
            int total = length + 2; // two bytes: bits 3:0, and up to 4095 in all
            _bytes.AddRange([(byte)(0x40 | (total & 0xF)), (byte)(total >> 4)]);
        }

        _bytes.AddRange(inner._bytes);
    }
}
