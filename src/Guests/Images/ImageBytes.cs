using System;
using System.Buffers.Binary;
using System.IO;
using System.Text;

namespace Xenolith.Guests;

/// <summary>A whole file in memory whose reads are checked: what a header says about offsets and sizes is never believed.</summary>
internal sealed class ImageBytes(string name, ReadOnlyMemory<byte> bytes)
{
    public const string Incomplete = "is the file complete?";

    public string Name => name;

    public ulong Length => (ulong)bytes.Length;

    /// <exception cref="ImageFormatException">The file cannot be read.</exception>
    public static ImageBytes Load(string path)
    {
        try
        {
            return new ImageBytes(path, File.ReadAllBytes(path));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            string reason = e switch
            {
                FileNotFoundException or DirectoryNotFoundException => "no such file",
                UnauthorizedAccessException => "it is a folder, or may not be read",
                _ => e.Message,
            };
            throw new ImageFormatException($"{path}: cannot be read: {reason}");
        }
    }

    /// <summary>The bytes [offset, offset + size) of the file.</summary>
    /// <param name="offset">Byte offset in the file; any value.</param>
    /// <param name="size">Number of bytes; any value.</param>
    /// <param name="what">What lies there, for the message.</param>
    /// <exception cref="ImageFormatException">They are not all in the file.</exception>
    public ReadOnlyMemory<byte> Slice(ulong offset, ulong size, string what)
    {
        if (offset > Length || size > Length - offset)
        {
            throw new ImageFormatException(name, offset, $"{what} needs {size} bytes, but the file ends at 0x{Length:x}", Incomplete);
        }

        return bytes.Slice((int)offset, (int)size);
    }

    public byte Byte(ulong offset, string what) => Slice(offset, 1, what).Span[0];

    public ushort UInt16(ulong offset, string what) => BinaryPrimitives.ReadUInt16LittleEndian(Slice(offset, 2, what).Span);

    public uint UInt32(ulong offset, string what) => BinaryPrimitives.ReadUInt32LittleEndian(Slice(offset, 4, what).Span);

    public ulong UInt64(ulong offset, string what) => BinaryPrimitives.ReadUInt64LittleEndian(Slice(offset, 8, what).Span);

    /// <summary>The text from an offset to its NUL, which must come before the limit.</summary>
    public string Text(ulong offset, ulong limit, string what)
    {
        ReadOnlySpan<byte> span = Slice(offset, limit > offset ? limit - offset : 0, what).Span;
        int end = span.IndexOf((byte)0);
        if (end < 0)
        {
            throw new ImageFormatException(name, offset, $"{what} has no end", Incomplete);
        }

        return Encoding.Latin1.GetString(span[..end]);
    }
}
