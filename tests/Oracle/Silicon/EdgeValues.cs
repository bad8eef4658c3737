using System;

namespace Xenolith.Oracle.Silicon;

/// <summary>What the elements of an operand mean, so that edges are edges of that format.</summary>
public enum ElementKind
{
    Integer8,
    Integer16,
    Integer32,
    Integer64,
    Float32,
    Float64,
    Float16,

    /// <summary>Single precision near what half precision can hold.</summary>
    Float32NearHalf,
}

/// <summary>Operand values where arithmetic changes its mind, mixed with random ones. One instance per case: it repeats values.</summary>
public sealed class EdgeValues(Random random)
{
    private static readonly byte[] s_immediates =
        [0, 1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 63, 64, 65, 127, 128, 129, 254, 255];

    private static readonly uint[] s_float32 =
    [
        0x0000_0000, 0x3F80_0000, 0x3F00_0000, 0x3FC0_0000, 0x4020_0000, 0x4060_0000, // 0 1 0.5 1.5 2.5 3.5
        0x7F80_0000, 0x7FC0_0000, 0x7F80_0001, 0x7FA0_0000, 0x7FFF_FFFF, 0x7FC1_2345, // infinity, quiet and signalling NaNs
        0x0000_0001, 0x0000_0002, 0x0040_0000, 0x007F_FFFF, 0x0080_0000, 0x0080_0001, // denormals, smallest normals
        0x7F7F_FFFF, 0x7F7F_FFFE, 0x7F00_0000, 0x3F80_0001, 0x3F7F_FFFF, 0x4B80_0000, // largest, around 1, 2^24
        0x4F00_0000, 0x4EFF_FFFF, 0x4F80_0000, 0x4F7F_FFFF, 0x5F00_0000, 0x5EFF_FFFF, // around 2^31, 2^32, 2^63
        0x4700_0000, 0x46FF_FE00, 0x42FE_0000, 0x4B00_0001, 0x2000_0000, 0x1F80_0000,
    ];

    private static readonly ulong[] s_float64 =
    [
        0x0000_0000_0000_0000, 0x3FF0_0000_0000_0000, 0x3FE0_0000_0000_0000, 0x3FF8_0000_0000_0000, 0x4004_0000_0000_0000, 0x400C_0000_0000_0000,
        0x7FF0_0000_0000_0000, 0x7FF8_0000_0000_0000, 0x7FF0_0000_0000_0001, 0x7FF4_0000_0000_0000, 0x7FFF_FFFF_FFFF_FFFF, 0x7FF8_1234_5678_9ABC,
        0x0000_0000_0000_0001, 0x0000_0000_0000_0002, 0x0008_0000_0000_0000, 0x000F_FFFF_FFFF_FFFF, 0x0010_0000_0000_0000, 0x0010_0000_0000_0001,
        0x7FEF_FFFF_FFFF_FFFF, 0x7FEF_FFFF_FFFF_FFFE, 0x7FE0_0000_0000_0000, 0x3FF0_0000_0000_0001, 0x3FEF_FFFF_FFFF_FFFF, 0x4340_0000_0000_0000,
        0x41E0_0000_0000_0000, 0x41DF_FFFF_FFC0_0000, 0x41DF_FFFF_FFE0_0000, 0x41E0_0000_0010_0000, 0x43E0_0000_0000_0000, 0x43DF_FFFF_FFFF_FFFF,
        0x3810_0000_0000_0000, 0x380F_FFFF_FFFF_FFFF, 0x47EF_FFFF_E000_0000, 0x47EF_FFFF_F000_0000, 0x36A0_0000_0000_0000, 0x3690_0000_0000_0001,
        0x4320_0000_0000_0001, 0x2000_0000_0000_0000, 0x1FF0_0000_0000_0000, 0x0370_0000_0000_0000,
    ];

    private readonly ulong[] _pool = new ulong[4];
    private int _pooled;

    public byte Immediate8() => random.Next(3) == 0 ? (byte)random.Next(256) : s_immediates[random.Next(s_immediates.Length)];

    /// <summary>A shift count in the low byte, anything above it.</summary>
    public ulong Count() => ((ulong)random.NextInt64() << 8) | (random.Next(2) == 0 ? (byte)random.Next(70) : Immediate8());

    /// <summary>An integer of <paramref name="bits"/> bits: boundaries of the width, their neighbours, single bits, or random.</summary>
    public ulong Integer(int bits)
    {
        ulong mask = bits == 64 ? ulong.MaxValue : (1UL << bits) - 1;
        ulong sign = 1UL << (bits - 1);
        ulong small = (ulong)random.Next(4);
        return mask & random.Next(10) switch
        {
            0 => small,
            1 => 0UL - small,
            2 => sign + small,
            3 => sign - small,
            4 => 1UL << random.Next(bits),
            5 => (1UL << random.Next(bits)) - 1,
            6 => (ulong)random.Next(256),
            _ => (ulong)random.NextInt64(long.MinValue, long.MaxValue),
        };
    }

    public uint Float32()
    {
        uint sign = (uint)random.Next(2) << 31;
        return sign | random.Next(8) switch
        {
            0 or 1 or 2 => s_float32[random.Next(s_float32.Length)],
            3 => (uint)random.Next(0x80_0000), // denormal
            4 => ((uint)random.Next(124, 131) << 23) | (uint)(random.Next(256) << 15), // short significand: ties
            5 => ((uint)random.Next(120, 160) << 23) | (uint)random.Next(0x80_0000),
            6 => ((uint)random.Next(1, 40) << 23) | (uint)random.Next(0x80_0000),
            _ => (uint)random.Next(),
        };
    }

    /// <summary>Zeros, denormals, infinities, NaNs and everything between are common among 65,536 values.</summary>
    public ushort Float16() => (ushort)(random.Next(4) switch
    {
        0 => random.Next(0x400), // zero or denormal
        1 => 0x7C00 | (random.Next(2) == 0 ? 0 : random.Next(0x400)),
        _ => random.Next(0x8000),
    } | (random.Next(2) << 15));

    /// <summary>Exponents around the limits of half precision; fractions at, next to and far from the middle of two neighbours.</summary>
    public uint Float32NearHalf()
    {
        uint tail = random.Next(5) switch { 0 => 0, 1 => 0x1000, 2 => 0x1001, 3 => 0xFFF, _ => (uint)random.Next(0x2000) };
        return ((uint)random.Next(2) << 31) | ((uint)random.Next(98, 146) << 23) | ((uint)random.Next(0x400) << 13) | tail;
    }

    public ulong Float64()
    {
        ulong sign = (ulong)random.Next(2) << 63;
        ulong fraction = (ulong)random.NextInt64(1L << 52);
        return sign | random.Next(8) switch
        {
            0 or 1 or 2 => s_float64[random.Next(s_float64.Length)],
            3 => fraction,
            4 => ((ulong)random.Next(1020, 1027) << 52) | ((ulong)random.Next(256) << 44),
            5 => ((ulong)random.Next(1010, 1090) << 52) | fraction,
            6 => ((ulong)random.Next(860, 1160) << 52) | fraction, // around the limits of single precision
            _ => (ulong)random.NextInt64(),
        };
    }

    /// <summary>Eight bytes of a vector: elements of one kind, now and then a value used before.</summary>
    public ulong Vector64(ElementKind kind)
    {
        if (_pooled > 0 && random.Next(4) == 0)
        {
            return _pool[random.Next(_pooled)];
        }

        ulong value = kind switch
        {
            ElementKind.Float32 => Float32() | ((ulong)Float32() << 32),
            ElementKind.Float64 => Float64(),
            ElementKind.Float16 => Float16() | ((ulong)Float16() << 16) | ((ulong)Float16() << 32) | ((ulong)Float16() << 48),
            ElementKind.Float32NearHalf => random.Next(3) == 0 ? Float32() | ((ulong)Float32() << 32) : Float32NearHalf() | ((ulong)Float32NearHalf() << 32),
            ElementKind.Integer8 => Lanes(8),
            ElementKind.Integer16 => Lanes(16),
            ElementKind.Integer32 => Lanes(32),
            _ => Integer(64),
        };
        if (_pooled < _pool.Length)
        {
            _pool[_pooled++] = value;
        }

        return value;
    }

    private ulong Lanes(int bits)
    {
        ulong value = 0;
        for (int shift = 0; shift < 64; shift += bits)
        {
            value |= Integer(bits) << shift;
        }

        return value;
    }
}
