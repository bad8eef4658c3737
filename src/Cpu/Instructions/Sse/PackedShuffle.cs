using System;

using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>
/// Unpack, pack, shuffle, blend and byte shifts (SDM 1 "SSE2 128-Bit SIMD Integer Instructions", "SSE Shuffle and Unpack
/// Instructions", "Packed Shuffle Bytes", "Packed Align Right", SSE4.1 blending).
/// </summary>
internal static unsafe class PackedShuffle
{
    public static void Register(ColdTable table)
    {
        table.Set(Mnemonic.Punpcklbw, &BlockShells.LowBlock<UnpackLow<byte>>);
        table.Set(Mnemonic.Punpcklwd, &BlockShells.LowBlock<UnpackLow<ushort>>);
        table.Set(Mnemonic.Punpckldq, &BlockShells.LowBlock<UnpackLow<uint>>);
        table.Set(Mnemonic.Punpcklqdq, &BlockShells.Block<UnpackLow<ulong>>);
        table.Set(Mnemonic.Punpckhbw, &BlockShells.Block<UnpackHigh<byte>>);
        table.Set(Mnemonic.Punpckhwd, &BlockShells.Block<UnpackHigh<ushort>>);
        table.Set(Mnemonic.Punpckhdq, &BlockShells.Block<UnpackHigh<uint>>);
        table.Set(Mnemonic.Punpckhqdq, &BlockShells.Block<UnpackHigh<ulong>>);
        table.Set(Mnemonic.Unpcklps, &BlockShells.Block<UnpackLow<uint>>);
        table.Set(Mnemonic.Unpcklpd, &BlockShells.Block<UnpackLow<ulong>>);
        table.Set(Mnemonic.Unpckhps, &BlockShells.Block<UnpackHigh<uint>>);
        table.Set(Mnemonic.Unpckhpd, &BlockShells.Block<UnpackHigh<ulong>>);

        table.Set(Mnemonic.Packsswb, &BlockShells.Block<PackSigned8>);
        table.Set(Mnemonic.Packuswb, &BlockShells.Block<PackUnsigned8>);
        table.Set(Mnemonic.Packssdw, &BlockShells.Block<PackSigned16>);
        table.Set(Mnemonic.Packusdw, &BlockShells.Block<PackUnsigned16>);

        table.Set(Mnemonic.Pshufb, &BlockShells.Block<ShuffleBytes>);
        table.Set(Mnemonic.Pshufw, &BlockShells.BlockImmediate<Shuffle4<ushort>>);
        table.Set(Mnemonic.Pshufd, &BlockShells.BlockImmediate<Shuffle4<uint>>);
        table.Set(Mnemonic.Pshuflw, &BlockShells.BlockImmediate<ShuffleLowWords>);
        table.Set(Mnemonic.Pshufhw, &BlockShells.BlockImmediate<ShuffleHighWords>);
        table.Set(Mnemonic.Shufps, &BlockShells.BlockImmediate<ShuffleSingles>);
        table.Set(Mnemonic.Shufpd, &BlockShells.BlockImmediate<ShuffleDoubles>);
        table.Set(Mnemonic.Palignr, &BlockShells.BlockImmediate<AlignRight>);

        table.Set(Mnemonic.Pblendw, &BlockShells.BlockImmediate<Blend<ushort>>);
        table.Set(Mnemonic.Blendps, &BlockShells.BlockImmediate<Blend<uint>>);
        table.Set(Mnemonic.Blendpd, &BlockShells.BlockImmediate<Blend<ulong>>);
        table.Set(Mnemonic.Pblendvb, &BlendVariable<byte>);
        table.Set(Mnemonic.Blendvps, &BlendVariable<uint>);
        table.Set(Mnemonic.Blendvpd, &BlendVariable<ulong>);

        table.Set(Mnemonic.Pslldq, &ShiftLeftBytes);
        table.Set(Mnemonic.Psrldq, &ShiftRightBytes);
    }

    private static Outcome ShiftLeftBytes(Processor p, in Instruction i) => ShiftBytes(p, in i, -Math.Min((int)i.Immediate8, 16));

    private static Outcome ShiftRightBytes(Processor p, in Instruction i) => ShiftBytes(p, in i, Math.Min((int)i.Immediate8, 16));

    private static Outcome ShiftBytes(Processor p, in Instruction i, int from)
    {
        if (!p.SseReady())
        {
            return Outcome.Fault;
        }

        byte* register = p.Xmm(i.Op0Register);
        byte* old = stackalloc byte[16];
        Buffer.MemoryCopy(register, old, 16, 16);
        for (int k = 0; k < 16; k++)
        {
            register[k] = k + from is >= 0 and < 16 ? old[k + from] : (byte)0;
        }

        return Outcome.Retired;
    }

    /// <summary>The sign bits of XMM0's elements choose the source's elements.</summary>
    private static Outcome BlendVariable<T>(Processor p, in Instruction i)
        where T : unmanaged
    {
        if (!p.SseReady() || !p.TryReadXmm(in i, 1, out System.Runtime.Intrinsics.Vector128<byte> source))
        {
            return Outcome.Fault;
        }

        byte* mask = stackalloc byte[16];
        Buffer.MemoryCopy(p.Xmm(Iced.Intel.Register.XMM0), mask, 16, 16);
        T* target = (T*)p.Xmm(i.Op0Register);
        for (int k = 0; k < 16 / sizeof(T); k++)
        {
            bool chosen = (mask[(k * sizeof(T)) + sizeof(T) - 1] & 0x80) != 0;
            target[k] = chosen ? ((T*)&source)[k] : target[k];
        }

        return Outcome.Retired;
    }
}

/// <summary>PUNPCKL, UNPCKL: interleaves the low halves.</summary>
internal readonly unsafe struct UnpackLow<T> : IBlockOp
    where T : unmanaged
{
    public static void Apply(byte* destination, byte* source, int sizeBytes)
    {
        T* a = (T*)destination;
        for (int k = (sizeBytes / sizeof(T) / 2) - 1; k >= 0; k--)
        {
            T low = a[k];
            a[(2 * k) + 1] = ((T*)source)[k];
            a[2 * k] = low;
        }
    }
}

/// <summary>PUNPCKH, UNPCKH: interleaves the high halves.</summary>
internal readonly unsafe struct UnpackHigh<T> : IBlockOp
    where T : unmanaged
{
    public static void Apply(byte* destination, byte* source, int sizeBytes)
    {
        T* a = (T*)destination;
        int half = sizeBytes / sizeof(T) / 2;
        for (int k = 0; k < half; k++)
        {
            T high = a[half + k];
            a[2 * k] = high;
            a[(2 * k) + 1] = ((T*)source)[half + k];
        }
    }
}

/// <summary>PACKSSWB.</summary>
internal readonly unsafe struct PackSigned8 : IBlockOp
{
    public static void Apply(byte* destination, byte* source, int sizeBytes)
    {
        int half = sizeBytes / 2;
        for (int k = 0; k < sizeBytes; k++)
        {
            short value = k < half ? ((short*)destination)[k] : ((short*)source)[k - half];
            destination[k] = (byte)sbyte.CreateSaturating(value);
        }
    }
}

/// <summary>PACKUSWB.</summary>
internal readonly unsafe struct PackUnsigned8 : IBlockOp
{
    public static void Apply(byte* destination, byte* source, int sizeBytes)
    {
        int half = sizeBytes / 2;
        for (int k = 0; k < sizeBytes; k++)
        {
            short value = k < half ? ((short*)destination)[k] : ((short*)source)[k - half];
            destination[k] = byte.CreateSaturating(value);
        }
    }
}

/// <summary>PACKSSDW.</summary>
internal readonly unsafe struct PackSigned16 : IBlockOp
{
    public static void Apply(byte* destination, byte* source, int sizeBytes)
    {
        int half = sizeBytes / 4;
        for (int k = 0; k < 2 * half; k++)
        {
            int value = k < half ? ((int*)destination)[k] : ((int*)source)[k - half];
            ((short*)destination)[k] = short.CreateSaturating(value);
        }
    }
}

/// <summary>PACKUSDW.</summary>
internal readonly unsafe struct PackUnsigned16 : IBlockOp
{
    public static void Apply(byte* destination, byte* source, int sizeBytes)
    {
        int half = sizeBytes / 4;
        for (int k = 0; k < 2 * half; k++)
        {
            int value = k < half ? ((int*)destination)[k] : ((int*)source)[k - half];
            ((ushort*)destination)[k] = ushort.CreateSaturating(value);
        }
    }
}

/// <summary>PSHUFB: bit 7 of a selector gives zero.</summary>
internal readonly unsafe struct ShuffleBytes : IBlockOp
{
    public static void Apply(byte* destination, byte* source, int sizeBytes)
    {
        byte* old = stackalloc byte[16];
        Buffer.MemoryCopy(destination, old, 16, sizeBytes);
        for (int k = 0; k < sizeBytes; k++)
        {
            destination[k] = (source[k] & 0x80) != 0 ? (byte)0 : old[source[k] & (sizeBytes - 1)];
        }
    }
}

/// <summary>PSHUFW, PSHUFD: two bits of the immediate choose each of four elements of the source.</summary>
internal readonly unsafe struct Shuffle4<T> : IBlockImmediateOp
    where T : unmanaged
{
    public static void Apply(byte* destination, byte* source, int sizeBytes, byte immediate)
    {
        for (int k = 0; k < 4; k++)
        {
            ((T*)destination)[k] = ((T*)source)[(immediate >> (2 * k)) & 3];
        }
    }
}

/// <summary>PSHUFLW: the high quadword is copied.</summary>
internal readonly unsafe struct ShuffleLowWords : IBlockImmediateOp
{
    public static void Apply(byte* destination, byte* source, int sizeBytes, byte immediate)
    {
        Shuffle4<ushort>.Apply(destination, source, 8, immediate);
        ((ulong*)destination)[1] = ((ulong*)source)[1];
    }
}

/// <summary>PSHUFHW: the low quadword is copied.</summary>
internal readonly unsafe struct ShuffleHighWords : IBlockImmediateOp
{
    public static void Apply(byte* destination, byte* source, int sizeBytes, byte immediate)
    {
        Shuffle4<ushort>.Apply(destination + 8, source + 8, 8, immediate);
        ((ulong*)destination)[0] = ((ulong*)source)[0];
    }
}

/// <summary>SHUFPS: the low two from the destination, the high two from the source.</summary>
internal readonly unsafe struct ShuffleSingles : IBlockImmediateOp
{
    public static void Apply(byte* destination, byte* source, int sizeBytes, byte immediate)
    {
        uint* a = (uint*)destination;
        uint* b = (uint*)source;
        (a[0], a[1], a[2], a[3]) = (a[immediate & 3], a[(immediate >> 2) & 3], b[(immediate >> 4) & 3], b[immediate >> 6]);
    }
}

/// <summary>SHUFPD.</summary>
internal readonly unsafe struct ShuffleDoubles : IBlockImmediateOp
{
    public static void Apply(byte* destination, byte* source, int sizeBytes, byte immediate)
    {
        ulong* a = (ulong*)destination;
        (a[0], a[1]) = (a[immediate & 1], ((ulong*)source)[(immediate >> 1) & 1]);
    }
}

/// <summary>PALIGNR: destination above source, shifted right by bytes.</summary>
internal readonly unsafe struct AlignRight : IBlockImmediateOp
{
    public static void Apply(byte* destination, byte* source, int sizeBytes, byte immediate)
    {
        byte* joined = stackalloc byte[32];
        Buffer.MemoryCopy(source, joined, 32, sizeBytes);
        Buffer.MemoryCopy(destination, joined + sizeBytes, 16, sizeBytes);
        for (int k = 0; k < sizeBytes; k++)
        {
            destination[k] = k + immediate < 2 * sizeBytes ? joined[k + immediate] : (byte)0;
        }
    }
}

/// <summary>PBLENDW, BLENDPS, BLENDPD: one bit of the immediate for each element.</summary>
internal readonly unsafe struct Blend<T> : IBlockImmediateOp
    where T : unmanaged
{
    public static void Apply(byte* destination, byte* source, int sizeBytes, byte immediate)
    {
        for (int k = 0; k < sizeBytes / sizeof(T); k++)
        {
            if (((immediate >> k) & 1) != 0)
            {
                ((T*)destination)[k] = ((T*)source)[k];
            }
        }
    }
}
