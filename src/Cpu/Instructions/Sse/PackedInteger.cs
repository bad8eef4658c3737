using System;
using System.Numerics;

using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>
/// Packed integer arithmetic, comparison, logic and shifts of MMX, SSE, SSE2, SSSE3 and SSE4 (SDM 1 "MMX Packed Arithmetic
/// Instructions", "SSE2 128-Bit SIMD Integer Instructions" and their successors).
/// </summary>
internal static unsafe class PackedInteger
{
    public static void Register(ColdTable table)
    {
        table.Set(Mnemonic.Paddb, &BlockShells.Block<Lanes<LaneAdd<byte>, byte>>);
        table.Set(Mnemonic.Paddw, &BlockShells.Block<Lanes<LaneAdd<ushort>, ushort>>);
        table.Set(Mnemonic.Paddd, &BlockShells.Block<Lanes<LaneAdd<uint>, uint>>);
        table.Set(Mnemonic.Paddq, &BlockShells.Block<Lanes<LaneAdd<ulong>, ulong>>);
        table.Set(Mnemonic.Psubb, &BlockShells.Block<Lanes<LaneSubtract<byte>, byte>>);
        table.Set(Mnemonic.Psubw, &BlockShells.Block<Lanes<LaneSubtract<ushort>, ushort>>);
        table.Set(Mnemonic.Psubd, &BlockShells.Block<Lanes<LaneSubtract<uint>, uint>>);
        table.Set(Mnemonic.Psubq, &BlockShells.Block<Lanes<LaneSubtract<ulong>, ulong>>);
        table.Set(Mnemonic.Paddsb, &BlockShells.Block<Lanes<LaneAddSaturating<sbyte>, sbyte>>);
        table.Set(Mnemonic.Paddsw, &BlockShells.Block<Lanes<LaneAddSaturating<short>, short>>);
        table.Set(Mnemonic.Paddusb, &BlockShells.Block<Lanes<LaneAddSaturating<byte>, byte>>);
        table.Set(Mnemonic.Paddusw, &BlockShells.Block<Lanes<LaneAddSaturating<ushort>, ushort>>);
        table.Set(Mnemonic.Psubsb, &BlockShells.Block<Lanes<LaneSubtractSaturating<sbyte>, sbyte>>);
        table.Set(Mnemonic.Psubsw, &BlockShells.Block<Lanes<LaneSubtractSaturating<short>, short>>);
        table.Set(Mnemonic.Psubusb, &BlockShells.Block<Lanes<LaneSubtractSaturating<byte>, byte>>);
        table.Set(Mnemonic.Psubusw, &BlockShells.Block<Lanes<LaneSubtractSaturating<ushort>, ushort>>);

        table.Set(Mnemonic.Pmullw, &BlockShells.Block<Lanes<LaneMultiplyLow, ushort>>);
        table.Set(Mnemonic.Pmulld, &BlockShells.Block<Lanes<LaneMultiplyLow, uint>>);
        table.Set(Mnemonic.Pmulhw, &BlockShells.Block<Lanes<LaneMultiplyHigh, short>>);
        table.Set(Mnemonic.Pmulhuw, &BlockShells.Block<Lanes<LaneMultiplyHigh, ushort>>);
        table.Set(Mnemonic.Pmulhrsw, &BlockShells.Block<Lanes<LaneMultiplyRound, short>>);
        table.Set(Mnemonic.Pmuludq, &BlockShells.Block<Lanes<LaneMultiplyWide, ulong>>);
        table.Set(Mnemonic.Pmuldq, &BlockShells.Block<Lanes<LaneMultiplyWide, long>>);
        table.Set(Mnemonic.Pmaddwd, &BlockShells.Block<MultiplyAddWords>);
        table.Set(Mnemonic.Pmaddubsw, &BlockShells.Block<MultiplyAddBytes>);
        table.Set(Mnemonic.Psadbw, &BlockShells.Block<SumAbsoluteDifferences>);
        table.Set(Mnemonic.Mpsadbw, &BlockShells.BlockImmediate<MultipleSums>);
        table.Set(Mnemonic.Phminposuw, &BlockShells.Block<MinimumPosition>);

        table.Set(Mnemonic.Pavgb, &BlockShells.Block<Lanes<LaneAverage, byte>>);
        table.Set(Mnemonic.Pavgw, &BlockShells.Block<Lanes<LaneAverage, ushort>>);
        RegisterMinMax(table);
        RegisterCompare(table);
        RegisterShifts(table);
        RegisterHorizontal(table);
    }

    private static void RegisterMinMax(ColdTable table)
    {
        table.Set(Mnemonic.Pminub, &BlockShells.Block<Lanes<LaneMinimum<byte>, byte>>);
        table.Set(Mnemonic.Pminsb, &BlockShells.Block<Lanes<LaneMinimum<sbyte>, sbyte>>);
        table.Set(Mnemonic.Pminuw, &BlockShells.Block<Lanes<LaneMinimum<ushort>, ushort>>);
        table.Set(Mnemonic.Pminsw, &BlockShells.Block<Lanes<LaneMinimum<short>, short>>);
        table.Set(Mnemonic.Pminud, &BlockShells.Block<Lanes<LaneMinimum<uint>, uint>>);
        table.Set(Mnemonic.Pminsd, &BlockShells.Block<Lanes<LaneMinimum<int>, int>>);
        table.Set(Mnemonic.Pmaxub, &BlockShells.Block<Lanes<LaneMaximum<byte>, byte>>);
        table.Set(Mnemonic.Pmaxsb, &BlockShells.Block<Lanes<LaneMaximum<sbyte>, sbyte>>);
        table.Set(Mnemonic.Pmaxuw, &BlockShells.Block<Lanes<LaneMaximum<ushort>, ushort>>);
        table.Set(Mnemonic.Pmaxsw, &BlockShells.Block<Lanes<LaneMaximum<short>, short>>);
        table.Set(Mnemonic.Pmaxud, &BlockShells.Block<Lanes<LaneMaximum<uint>, uint>>);
        table.Set(Mnemonic.Pmaxsd, &BlockShells.Block<Lanes<LaneMaximum<int>, int>>);
    }

    private static void RegisterCompare(ColdTable table)
    {
        table.Set(Mnemonic.Pcmpeqb, &BlockShells.Block<Lanes<LaneEqual<byte>, byte>>);
        table.Set(Mnemonic.Pcmpeqw, &BlockShells.Block<Lanes<LaneEqual<ushort>, ushort>>);
        table.Set(Mnemonic.Pcmpeqd, &BlockShells.Block<Lanes<LaneEqual<uint>, uint>>);
        table.Set(Mnemonic.Pcmpeqq, &BlockShells.Block<Lanes<LaneEqual<ulong>, ulong>>);
        table.Set(Mnemonic.Pcmpgtb, &BlockShells.Block<Lanes<LaneGreater<sbyte>, sbyte>>);
        table.Set(Mnemonic.Pcmpgtw, &BlockShells.Block<Lanes<LaneGreater<short>, short>>);
        table.Set(Mnemonic.Pcmpgtd, &BlockShells.Block<Lanes<LaneGreater<int>, int>>);
        table.Set(Mnemonic.Pcmpgtq, &BlockShells.Block<Lanes<LaneGreater<long>, long>>);

        foreach (Mnemonic mnemonic in (ReadOnlySpan<Mnemonic>)[Mnemonic.Pand, Mnemonic.Andps, Mnemonic.Andpd])
        {
            table.Set(mnemonic, &BlockShells.Block<Lanes<LaneAnd, ulong>>);
        }

        foreach (Mnemonic mnemonic in (ReadOnlySpan<Mnemonic>)[Mnemonic.Pandn, Mnemonic.Andnps, Mnemonic.Andnpd])
        {
            table.Set(mnemonic, &BlockShells.Block<Lanes<LaneAndNot, ulong>>);
        }

        foreach (Mnemonic mnemonic in (ReadOnlySpan<Mnemonic>)[Mnemonic.Por, Mnemonic.Orps, Mnemonic.Orpd])
        {
            table.Set(mnemonic, &BlockShells.Block<Lanes<LaneOr, ulong>>);
        }

        foreach (Mnemonic mnemonic in (ReadOnlySpan<Mnemonic>)[Mnemonic.Pxor, Mnemonic.Xorps, Mnemonic.Xorpd])
        {
            table.Set(mnemonic, &BlockShells.Block<Lanes<LaneXor, ulong>>);
        }
    }

    private static void RegisterShifts(ColdTable table)
    {
        table.Set(Mnemonic.Psllw, &BlockShells.Shift<ShiftLeft, ushort>);
        table.Set(Mnemonic.Pslld, &BlockShells.Shift<ShiftLeft, uint>);
        table.Set(Mnemonic.Psllq, &BlockShells.Shift<ShiftLeft, ulong>);
        table.Set(Mnemonic.Psrlw, &BlockShells.Shift<ShiftRight, ushort>);
        table.Set(Mnemonic.Psrld, &BlockShells.Shift<ShiftRight, uint>);
        table.Set(Mnemonic.Psrlq, &BlockShells.Shift<ShiftRight, ulong>);
        table.Set(Mnemonic.Psraw, &BlockShells.Shift<ShiftArithmetic, short>);
        table.Set(Mnemonic.Psrad, &BlockShells.Shift<ShiftArithmetic, int>);
    }

    private static void RegisterHorizontal(ColdTable table)
    {
        table.Set(Mnemonic.Phaddw, &BlockShells.Block<Horizontal<LaneAdd<short>, short>>);
        table.Set(Mnemonic.Phaddd, &BlockShells.Block<Horizontal<LaneAdd<int>, int>>);
        table.Set(Mnemonic.Phaddsw, &BlockShells.Block<Horizontal<LaneAddSaturating<short>, short>>);
        table.Set(Mnemonic.Phsubw, &BlockShells.Block<Horizontal<LaneSubtract<short>, short>>);
        table.Set(Mnemonic.Phsubd, &BlockShells.Block<Horizontal<LaneSubtract<int>, int>>);
        table.Set(Mnemonic.Phsubsw, &BlockShells.Block<Horizontal<LaneSubtractSaturating<short>, short>>);
        table.Set(Mnemonic.Psignb, &BlockShells.Block<Lanes<LaneSign<sbyte>, sbyte>>);
        table.Set(Mnemonic.Psignw, &BlockShells.Block<Lanes<LaneSign<short>, short>>);
        table.Set(Mnemonic.Psignd, &BlockShells.Block<Lanes<LaneSign<int>, int>>);
        table.Set(Mnemonic.Pabsb, &BlockShells.Block<Lanes<LaneAbsolute<sbyte>, sbyte>>);
        table.Set(Mnemonic.Pabsw, &BlockShells.Block<Lanes<LaneAbsolute<short>, short>>);
        table.Set(Mnemonic.Pabsd, &BlockShells.Block<Lanes<LaneAbsolute<int>, int>>);
    }
}

/// <summary>PADDB/W/D/Q.</summary>
internal readonly struct LaneAdd<T> : ILaneOp<T>
    where T : unmanaged, IBinaryInteger<T>
{
    public static T Apply(T destination, T source) => unchecked(destination + source);
}

/// <summary>PSUBB/W/D/Q.</summary>
internal readonly struct LaneSubtract<T> : ILaneOp<T>
    where T : unmanaged, IBinaryInteger<T>
{
    public static T Apply(T destination, T source) => unchecked(destination - source);
}

/// <summary>PADDS, PADDUS: to the nearest representable value.</summary>
internal readonly struct LaneAddSaturating<T> : ILaneOp<T>
    where T : unmanaged, IBinaryInteger<T>
{
    public static T Apply(T destination, T source) => T.CreateSaturating(int.CreateChecked(destination) + int.CreateChecked(source));
}

/// <summary>PSUBS, PSUBUS.</summary>
internal readonly struct LaneSubtractSaturating<T> : ILaneOp<T>
    where T : unmanaged, IBinaryInteger<T>
{
    public static T Apply(T destination, T source) => T.CreateSaturating(int.CreateChecked(destination) - int.CreateChecked(source));
}

/// <summary>PMULLW, PMULLD.</summary>
internal readonly struct LaneMultiplyLow : ILaneOp<ushort>, ILaneOp<uint>
{
    public static ushort Apply(ushort destination, ushort source) => (ushort)(destination * source);

    public static uint Apply(uint destination, uint source) => destination * source;
}

/// <summary>PMULHW, PMULHUW.</summary>
internal readonly struct LaneMultiplyHigh : ILaneOp<short>, ILaneOp<ushort>
{
    public static short Apply(short destination, short source) => (short)((destination * source) >> 16);

    public static ushort Apply(ushort destination, ushort source) => (ushort)(((uint)destination * source) >> 16);
}

/// <summary>PMULHRSW: bits 16:1 of the product shifted right by 14, plus one.</summary>
internal readonly struct LaneMultiplyRound : ILaneOp<short>
{
    public static short Apply(short destination, short source) => (short)((((destination * source) >> 14) + 1) >> 1);
}

/// <summary>PMULUDQ, PMULDQ: the low doubleword of each quadword.</summary>
internal readonly struct LaneMultiplyWide : ILaneOp<ulong>, ILaneOp<long>
{
    public static ulong Apply(ulong destination, ulong source) => (ulong)(uint)destination * (uint)source;

    public static long Apply(long destination, long source) => (long)(int)destination * (int)source;
}

/// <summary>PAVGB, PAVGW: rounded up.</summary>
internal readonly struct LaneAverage : ILaneOp<byte>, ILaneOp<ushort>
{
    public static byte Apply(byte destination, byte source) => (byte)((destination + source + 1) >> 1);

    public static ushort Apply(ushort destination, ushort source) => (ushort)((destination + source + 1) >> 1);
}

/// <summary>PMIN.</summary>
internal readonly struct LaneMinimum<T> : ILaneOp<T>
    where T : unmanaged, IBinaryInteger<T>
{
    public static T Apply(T destination, T source) => destination < source ? destination : source;
}

/// <summary>PMAX.</summary>
internal readonly struct LaneMaximum<T> : ILaneOp<T>
    where T : unmanaged, IBinaryInteger<T>
{
    public static T Apply(T destination, T source) => destination > source ? destination : source;
}

/// <summary>PCMPEQ: all ones when equal.</summary>
internal readonly struct LaneEqual<T> : ILaneOp<T>
    where T : unmanaged, IBinaryInteger<T>
{
    public static T Apply(T destination, T source) => destination == source ? ~T.Zero : T.Zero;
}

/// <summary>PCMPGT: all ones when the destination is greater, signed.</summary>
internal readonly struct LaneGreater<T> : ILaneOp<T>
    where T : unmanaged, IBinaryInteger<T>
{
    public static T Apply(T destination, T source) => destination > source ? ~T.Zero : T.Zero;
}

/// <summary>PAND, ANDPS, ANDPD.</summary>
internal readonly struct LaneAnd : ILaneOp<ulong>
{
    public static ulong Apply(ulong destination, ulong source) => destination & source;
}

/// <summary>PANDN, ANDNPS, ANDNPD: the destination is what is inverted.</summary>
internal readonly struct LaneAndNot : ILaneOp<ulong>
{
    public static ulong Apply(ulong destination, ulong source) => ~destination & source;
}

/// <summary>POR, ORPS, ORPD.</summary>
internal readonly struct LaneOr : ILaneOp<ulong>
{
    public static ulong Apply(ulong destination, ulong source) => destination | source;
}

/// <summary>PXOR, XORPS, XORPD.</summary>
internal readonly struct LaneXor : ILaneOp<ulong>
{
    public static ulong Apply(ulong destination, ulong source) => destination ^ source;
}

/// <summary>PSIGN: negates, zeroes or keeps the destination by the sign of the source.</summary>
internal readonly struct LaneSign<T> : ILaneOp<T>
    where T : unmanaged, IBinaryInteger<T>
{
    public static T Apply(T destination, T source) =>
        source < T.Zero ? unchecked(T.Zero - destination) : source == T.Zero ? T.Zero : destination;
}

/// <summary>PABS: the most negative value stays as it is.</summary>
internal readonly struct LaneAbsolute<T> : ILaneOp<T>
    where T : unmanaged, IBinaryInteger<T>
{
    public static T Apply(T destination, T source) => source < T.Zero ? unchecked(T.Zero - source) : source;
}

/// <summary>PHADD, PHSUB: neighbours of the destination give the low half, neighbours of the source the high half.</summary>
internal readonly unsafe struct Horizontal<TOp, T> : IBlockOp
    where TOp : struct, ILaneOp<T>
    where T : unmanaged
{
    public static void Apply(byte* destination, byte* source, int sizeBytes)
    {
        int half = sizeBytes / sizeof(T) / 2;
        T* result = stackalloc T[2 * half];
        for (int k = 0; k < half; k++)
        {
            result[k] = TOp.Apply(((T*)destination)[2 * k], ((T*)destination)[(2 * k) + 1]);
            result[half + k] = TOp.Apply(((T*)source)[2 * k], ((T*)source)[(2 * k) + 1]);
        }

        for (int k = 0; k < 2 * half; k++)
        {
            ((T*)destination)[k] = result[k];
        }
    }
}

/// <summary>PMADDWD.</summary>
internal readonly unsafe struct MultiplyAddWords : IBlockOp
{
    public static void Apply(byte* destination, byte* source, int sizeBytes)
    {
        for (int k = 0; k < sizeBytes / 4; k++)
        {
            short* a = (short*)destination + (2 * k);
            short* b = (short*)source + (2 * k);
            ((int*)destination)[k] = unchecked((a[0] * b[0]) + (a[1] * b[1]));
        }
    }
}

/// <summary>PMADDUBSW: unsigned bytes of the destination by signed bytes of the source, saturated sums.</summary>
internal readonly unsafe struct MultiplyAddBytes : IBlockOp
{
    public static void Apply(byte* destination, byte* source, int sizeBytes)
    {
        for (int k = 0; k < sizeBytes; k += 2)
        {
            int sum = (destination[k] * (sbyte)source[k]) + (destination[k + 1] * (sbyte)source[k + 1]);
            *(short*)(destination + k) = short.CreateSaturating(sum);
        }
    }
}

/// <summary>PSADBW: per eight bytes, the sum goes to the low word and the rest becomes zero.</summary>
internal readonly unsafe struct SumAbsoluteDifferences : IBlockOp
{
    public static void Apply(byte* destination, byte* source, int sizeBytes)
    {
        for (int k = 0; k < sizeBytes; k += 8)
        {
            int sum = 0;
            for (int n = k; n < k + 8; n++)
            {
                sum += Math.Abs(destination[n] - source[n]);
            }

            *(ulong*)(destination + k) = (ulong)sum;
        }
    }
}

/// <summary>MPSADBW: eight sums of four differences; bits 1:0 choose the source's four bytes, bit 2 the destination's start.</summary>
internal readonly unsafe struct MultipleSums : IBlockImmediateOp
{
    public static void Apply(byte* destination, byte* source, int sizeBytes, byte immediate)
    {
        ushort* result = stackalloc ushort[8];
        byte* fixedBytes = source + ((immediate & 3) * 4);
        byte* sliding = destination + (immediate & 4);
        for (int k = 0; k < 8; k++)
        {
            int sum = 0;
            for (int n = 0; n < 4; n++)
            {
                sum += Math.Abs(sliding[k + n] - fixedBytes[n]);
            }

            result[k] = (ushort)sum;
        }

        for (int k = 0; k < 8; k++)
        {
            ((ushort*)destination)[k] = result[k];
        }
    }
}

/// <summary>PHMINPOSUW: the smallest word, then its lowest index, then zeros.</summary>
internal readonly unsafe struct MinimumPosition : IBlockOp
{
    public static void Apply(byte* destination, byte* source, int sizeBytes)
    {
        ushort* words = (ushort*)source;
        uint best = 0;
        for (uint k = 1; k < 8; k++)
        {
            best = words[k] < words[best] ? k : best;
        }

        ((ulong*)destination)[0] = words[best] | ((ulong)best << 16);
        ((ulong*)destination)[1] = 0;
    }
}
