using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using System.Text;

namespace Xenolith.Guests;

/// <summary>Bytes of a structure under construction: little-endian fields by offset, and appended parts.</summary>
internal sealed class StructureBytes
{
    private readonly List<byte> _bytes = [];

    public int Length => _bytes.Count;

    public byte[] ToArray() => [.. _bytes];

    /// <summary>Appends zeroes; returns the offset of the first.</summary>
    public int Reserve(int size)
    {
        int at = _bytes.Count;
        CollectionsMarshal.SetCount(_bytes, at + size);
        CollectionsMarshal.AsSpan(_bytes)[at..].Clear();
        return at;
    }

    public int Append(ReadOnlySpan<byte> bytes)
    {
        int at = _bytes.Count;
        _bytes.AddRange(bytes);
        return at;
    }

    /// <summary>Appends a text with its NUL; characters beyond Latin-1 become '?'.</summary>
    public int AppendText(string text)
    {
        int at = Append(Encoding.Latin1.GetBytes(text));
        _bytes.Add(0);
        return at;
    }

    public int Append32(uint value)
    {
        int at = Reserve(4);
        Put32(at, value);
        return at;
    }

    public int Append64(ulong value)
    {
        int at = Reserve(8);
        Put64(at, value);
        return at;
    }

    public void Align(int unit)
    {
        int over = _bytes.Count % unit;
        if (over != 0)
        {
            _ = Reserve(unit - over);
        }
    }

    public void Put8(int at, byte value) => _bytes[at] = value;

    public void Put16(int at, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(CollectionsMarshal.AsSpan(_bytes)[at..], value);

    public void Put32(int at, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(CollectionsMarshal.AsSpan(_bytes)[at..], value);

    public void Put64(int at, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(CollectionsMarshal.AsSpan(_bytes)[at..], value);
}
