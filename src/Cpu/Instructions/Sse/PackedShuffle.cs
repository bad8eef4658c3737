using System;
using System.Runtime.Intrinsics;

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
        LowBlock<UnpackLow<byte>>(table, Mnemonic.Punpcklbw, Mnemonic.Vpunpcklbw);
        LowBlock<UnpackLow<ushort>>(table, Mnemonic.Punpcklwd, Mnemonic.Vpunpcklwd);
        LowBlock<UnpackLow<uint>>(table, Mnemonic.Punpckldq, Mnemonic.Vpunpckldq);
        BlockShells.Set<UnpackLow<ulong>>(table, Mnemonic.Punpcklqdq, Mnemonic.Vpunpcklqdq);
        BlockShells.Set<UnpackHigh<byte>>(table, Mnemonic.Punpckhbw, Mnemonic.Vpunpckhbw);
        BlockShells.Set<UnpackHigh<ushort>>(table, Mnemonic.Punpckhwd, Mnemonic.Vpunpckhwd);
        BlockShells.Set<UnpackHigh<uint>>(table, Mnemonic.Punpckhdq, Mnemonic.Vpunpckhdq);
        BlockShells.Set<UnpackHigh<ulong>>(table, Mnemonic.Punpckhqdq, Mnemonic.Vpunpckhqdq);
        BlockShells.Set<UnpackLow<uint>>(table, Mnemonic.Unpcklps, Mnemonic.Vunpcklps);
        BlockShells.Set<UnpackLow<ulong>>(table, Mnemonic.Unpcklpd, Mnemonic.Vunpcklpd);
        BlockShells.Set<UnpackHigh<uint>>(table, Mnemonic.Unpckhps, Mnemonic.Vunpckhps);
        BlockShells.Set<UnpackHigh<ulong>>(table, Mnemonic.Unpckhpd, Mnemonic.Vunpckhpd);

        BlockShells.Set<PackSigned8>(table, Mnemonic.Packsswb, Mnemonic.Vpacksswb);
        BlockShells.Set<PackUnsigned8>(table, Mnemonic.Packuswb, Mnemonic.Vpackuswb);
        BlockShells.Set<PackSigned16>(table, Mnemonic.Packssdw, Mnemonic.Vpackssdw);
        BlockShells.Set<PackUnsigned16>(table, Mnemonic.Packusdw, Mnemonic.Vpackusdw);

        BlockShells.Set<ShuffleBytes>(table, Mnemonic.Pshufb, Mnemonic.Vpshufb);
        table.Set(Mnemonic.Pshufw, &BlockShells.BlockImmediate<LegacyForm, Shuffle4<ushort>>);
        BlockShells.SetImmediate<Shuffle4<uint>>(table, Mnemonic.Pshufd, Mnemonic.Vpshufd);
        BlockShells.SetImmediate<ShuffleLowWords>(table, Mnemonic.Pshuflw, Mnemonic.Vpshuflw);
        BlockShells.SetImmediate<ShuffleHighWords>(table, Mnemonic.Pshufhw, Mnemonic.Vpshufhw);
        BlockShells.SetImmediate<ShuffleSingles>(table, Mnemonic.Shufps, Mnemonic.Vshufps);
        BlockShells.SetImmediate<ShuffleDoubles>(table, Mnemonic.Shufpd, Mnemonic.Vshufpd);
        BlockShells.SetImmediate<AlignRight>(table, Mnemonic.Palignr, Mnemonic.Vpalignr);

        BlockShells.SetImmediate<Blend<ushort>>(table, Mnemonic.Pblendw, Mnemonic.Vpblendw);
        BlockShells.SetImmediate<Blend<uint>>(table, Mnemonic.Blendps, Mnemonic.Vblendps);
        BlockShells.SetImmediate<Blend<ulong>>(table, Mnemonic.Blendpd, Mnemonic.Vblendpd);
        SetBlendVariable<byte>(table, Mnemonic.Pblendvb, Mnemonic.Vpblendvb);
        SetBlendVariable<uint>(table, Mnemonic.Blendvps, Mnemonic.Vblendvps);
        SetBlendVariable<ulong>(table, Mnemonic.Blendvpd, Mnemonic.Vblendvpd);

        table.Set(Mnemonic.Pslldq, &ShiftLeftBytes<LegacyForm>);
        table.Set(Mnemonic.Psrldq, &ShiftRightBytes<LegacyForm>);
        table.SetVex(Mnemonic.Vpslldq, &ShiftLeftBytes<VexForm>);
        table.SetVex(Mnemonic.Vpsrldq, &ShiftRightBytes<VexForm>);
    }

    private static void LowBlock<TOp>(ColdTable table, Mnemonic legacy, Mnemonic vex)
        where TOp : struct, IBlockOp
    {
        table.Set(legacy, &BlockShells.LowBlock<TOp>);
        table.SetVex(vex, &BlockShells.Block<VexForm, TOp>);
    }

    private static void SetBlendVariable<T>(ColdTable table, Mnemonic legacy, Mnemonic vex)
        where T : unmanaged
    {
        table.Set(legacy, &BlendVariable<LegacyForm, T>);
        table.SetVex(vex, &BlendVariable<VexForm, T>);
    }

    private static Outcome ShiftLeftBytes<TForm>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm => ShiftBytes<TForm>(p, in i, -Math.Min((int)i.Immediate8, 16));

    private static Outcome ShiftRightBytes<TForm>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm => ShiftBytes<TForm>(p, in i, Math.Min((int)i.Immediate8, 16));

    private static Outcome ShiftBytes<TForm>(Processor p, in Instruction i, int from)
        where TForm : struct, IVectorForm
    {
        if (!TForm.IsReady(p))
        {
            return Outcome.Fault;
        }

        Vector256<byte> old = *(Vector256<byte>*)p.VectorPointer(TForm.FirstOf(in i));
        Vector256<byte> result = default;
        for (int k = 0; k < TForm.SizeOf(i.Op0Register); k++)
        {
            ((byte*)&result)[k] = (k & 15) + from is >= 0 and < 16 ? ((byte*)&old)[k + from] : (byte)0;
        }

        TForm.Write(p, i.Op0Register, in result);
        return Outcome.Retired;
    }

    /// <summary>The sign bits of XMM0's elements (legacy) or of the fourth operand's (VEX) choose the source's elements.</summary>
    private static Outcome BlendVariable<TForm, T>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm
        where T : unmanaged
    {
        int size = TForm.SizeOf(i.Op0Register);
        if (!TForm.IsReady(p) || !TForm.TryRead(p, in i, TForm.SourceOf(in i), size, out Vector256<byte> source))
        {
            return Outcome.Fault;
        }

        byte* mask = p.VectorPointer(TForm.IsVex ? i.Op3Register : Iced.Intel.Register.XMM0);
        Vector256<byte> result = *(Vector256<byte>*)p.VectorPointer(TForm.FirstOf(in i));
        for (int k = 0; k < size / sizeof(T); k++)
        {
            bool chosen = (mask[(k * sizeof(T)) + sizeof(T) - 1] & 0x80) != 0;
            ((T*)&result)[k] = chosen ? ((T*)&source)[k] : ((T*)&result)[k];
        }

        TForm.Write(p, i.Op0Register, in result);
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
    public static int ImmediateBitsPerLane => 2;

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
    /// <summary>PBLENDW uses its eight bits in each lane.</summary>
    public static int ImmediateBitsPerLane => sizeof(T) == 2 ? 0 : 16 / sizeof(T);

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
