using System;
using System.Numerics;

using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>
/// Packed integer arithmetic, comparison, logic and shifts of MMX, SSE, SSE2, SSSE3 and SSE4 (SDM 1 "MMX Packed Arithmetic
/// Instructions", "SSE2 128-Bit SIMD Integer Instructions" and their successors), and their VEX forms in AVX and AVX2.
/// </summary>
internal static unsafe class PackedInteger
{
    public static void Register(ColdTable table)
    {
        BlockShells.Set<Lanes<LaneAdd<byte>, byte>>(table, Mnemonic.Paddb, Mnemonic.Vpaddb);
        BlockShells.Set<Lanes<LaneAdd<ushort>, ushort>>(table, Mnemonic.Paddw, Mnemonic.Vpaddw);
        BlockShells.Set<Lanes<LaneAdd<uint>, uint>>(table, Mnemonic.Paddd, Mnemonic.Vpaddd);
        BlockShells.Set<Lanes<LaneAdd<ulong>, ulong>>(table, Mnemonic.Paddq, Mnemonic.Vpaddq);
        BlockShells.Set<Lanes<LaneSubtract<byte>, byte>>(table, Mnemonic.Psubb, Mnemonic.Vpsubb);
        BlockShells.Set<Lanes<LaneSubtract<ushort>, ushort>>(table, Mnemonic.Psubw, Mnemonic.Vpsubw);
        BlockShells.Set<Lanes<LaneSubtract<uint>, uint>>(table, Mnemonic.Psubd, Mnemonic.Vpsubd);
        BlockShells.Set<Lanes<LaneSubtract<ulong>, ulong>>(table, Mnemonic.Psubq, Mnemonic.Vpsubq);
        BlockShells.Set<Lanes<LaneAddSaturating<sbyte>, sbyte>>(table, Mnemonic.Paddsb, Mnemonic.Vpaddsb);
        BlockShells.Set<Lanes<LaneAddSaturating<short>, short>>(table, Mnemonic.Paddsw, Mnemonic.Vpaddsw);
        BlockShells.Set<Lanes<LaneAddSaturating<byte>, byte>>(table, Mnemonic.Paddusb, Mnemonic.Vpaddusb);
        BlockShells.Set<Lanes<LaneAddSaturating<ushort>, ushort>>(table, Mnemonic.Paddusw, Mnemonic.Vpaddusw);
        BlockShells.Set<Lanes<LaneSubtractSaturating<sbyte>, sbyte>>(table, Mnemonic.Psubsb, Mnemonic.Vpsubsb);
        BlockShells.Set<Lanes<LaneSubtractSaturating<short>, short>>(table, Mnemonic.Psubsw, Mnemonic.Vpsubsw);
        BlockShells.Set<Lanes<LaneSubtractSaturating<byte>, byte>>(table, Mnemonic.Psubusb, Mnemonic.Vpsubusb);
        BlockShells.Set<Lanes<LaneSubtractSaturating<ushort>, ushort>>(table, Mnemonic.Psubusw, Mnemonic.Vpsubusw);

        BlockShells.Set<Lanes<LaneMultiplyLow, ushort>>(table, Mnemonic.Pmullw, Mnemonic.Vpmullw);
        BlockShells.Set<Lanes<LaneMultiplyLow, uint>>(table, Mnemonic.Pmulld, Mnemonic.Vpmulld);
        BlockShells.Set<Lanes<LaneMultiplyHigh, short>>(table, Mnemonic.Pmulhw, Mnemonic.Vpmulhw);
        BlockShells.Set<Lanes<LaneMultiplyHigh, ushort>>(table, Mnemonic.Pmulhuw, Mnemonic.Vpmulhuw);
        BlockShells.Set<Lanes<LaneMultiplyRound, short>>(table, Mnemonic.Pmulhrsw, Mnemonic.Vpmulhrsw);
        BlockShells.Set<Lanes<LaneMultiplyWide, ulong>>(table, Mnemonic.Pmuludq, Mnemonic.Vpmuludq);
        BlockShells.Set<Lanes<LaneMultiplyWide, long>>(table, Mnemonic.Pmuldq, Mnemonic.Vpmuldq);
        BlockShells.Set<MultiplyAddWords>(table, Mnemonic.Pmaddwd, Mnemonic.Vpmaddwd);
        BlockShells.Set<MultiplyAddBytes>(table, Mnemonic.Pmaddubsw, Mnemonic.Vpmaddubsw);
        BlockShells.Set<SumAbsoluteDifferences>(table, Mnemonic.Psadbw, Mnemonic.Vpsadbw);
        BlockShells.SetImmediate<MultipleSums>(table, Mnemonic.Mpsadbw, Mnemonic.Vmpsadbw);
        BlockShells.Set<MinimumPosition>(table, Mnemonic.Phminposuw, Mnemonic.Vphminposuw);

        BlockShells.Set<Lanes<LaneAverage, byte>>(table, Mnemonic.Pavgb, Mnemonic.Vpavgb);
        BlockShells.Set<Lanes<LaneAverage, ushort>>(table, Mnemonic.Pavgw, Mnemonic.Vpavgw);
        RegisterMinMax(table);
        RegisterCompare(table);
        RegisterShifts(table);
        RegisterHorizontal(table);
    }

    private static void RegisterMinMax(ColdTable table)
    {
        BlockShells.Set<Lanes<LaneMinimum<byte>, byte>>(table, Mnemonic.Pminub, Mnemonic.Vpminub);
        BlockShells.Set<Lanes<LaneMinimum<sbyte>, sbyte>>(table, Mnemonic.Pminsb, Mnemonic.Vpminsb);
        BlockShells.Set<Lanes<LaneMinimum<ushort>, ushort>>(table, Mnemonic.Pminuw, Mnemonic.Vpminuw);
        BlockShells.Set<Lanes<LaneMinimum<short>, short>>(table, Mnemonic.Pminsw, Mnemonic.Vpminsw);
        BlockShells.Set<Lanes<LaneMinimum<uint>, uint>>(table, Mnemonic.Pminud, Mnemonic.Vpminud);
        BlockShells.Set<Lanes<LaneMinimum<int>, int>>(table, Mnemonic.Pminsd, Mnemonic.Vpminsd);
        BlockShells.Set<Lanes<LaneMaximum<byte>, byte>>(table, Mnemonic.Pmaxub, Mnemonic.Vpmaxub);
        BlockShells.Set<Lanes<LaneMaximum<sbyte>, sbyte>>(table, Mnemonic.Pmaxsb, Mnemonic.Vpmaxsb);
        BlockShells.Set<Lanes<LaneMaximum<ushort>, ushort>>(table, Mnemonic.Pmaxuw, Mnemonic.Vpmaxuw);
        BlockShells.Set<Lanes<LaneMaximum<short>, short>>(table, Mnemonic.Pmaxsw, Mnemonic.Vpmaxsw);
        BlockShells.Set<Lanes<LaneMaximum<uint>, uint>>(table, Mnemonic.Pmaxud, Mnemonic.Vpmaxud);
        BlockShells.Set<Lanes<LaneMaximum<int>, int>>(table, Mnemonic.Pmaxsd, Mnemonic.Vpmaxsd);
    }

    private static void RegisterCompare(ColdTable table)
    {
        BlockShells.Set<Lanes<LaneEqual<byte>, byte>>(table, Mnemonic.Pcmpeqb, Mnemonic.Vpcmpeqb);
        BlockShells.Set<Lanes<LaneEqual<ushort>, ushort>>(table, Mnemonic.Pcmpeqw, Mnemonic.Vpcmpeqw);
        BlockShells.Set<Lanes<LaneEqual<uint>, uint>>(table, Mnemonic.Pcmpeqd, Mnemonic.Vpcmpeqd);
        BlockShells.Set<Lanes<LaneEqual<ulong>, ulong>>(table, Mnemonic.Pcmpeqq, Mnemonic.Vpcmpeqq);
        BlockShells.Set<Lanes<LaneGreater<sbyte>, sbyte>>(table, Mnemonic.Pcmpgtb, Mnemonic.Vpcmpgtb);
        BlockShells.Set<Lanes<LaneGreater<short>, short>>(table, Mnemonic.Pcmpgtw, Mnemonic.Vpcmpgtw);
        BlockShells.Set<Lanes<LaneGreater<int>, int>>(table, Mnemonic.Pcmpgtd, Mnemonic.Vpcmpgtd);
        BlockShells.Set<Lanes<LaneGreater<long>, long>>(table, Mnemonic.Pcmpgtq, Mnemonic.Vpcmpgtq);

        BlockShells.Set<Lanes<LaneAnd, ulong>>(table, Mnemonic.Pand, Mnemonic.Vpand);
        BlockShells.Set<Lanes<LaneAnd, ulong>>(table, Mnemonic.Andps, Mnemonic.Vandps);
        BlockShells.Set<Lanes<LaneAnd, ulong>>(table, Mnemonic.Andpd, Mnemonic.Vandpd);
        BlockShells.Set<Lanes<LaneAndNot, ulong>>(table, Mnemonic.Pandn, Mnemonic.Vpandn);
        BlockShells.Set<Lanes<LaneAndNot, ulong>>(table, Mnemonic.Andnps, Mnemonic.Vandnps);
        BlockShells.Set<Lanes<LaneAndNot, ulong>>(table, Mnemonic.Andnpd, Mnemonic.Vandnpd);
        BlockShells.Set<Lanes<LaneOr, ulong>>(table, Mnemonic.Por, Mnemonic.Vpor);
        BlockShells.Set<Lanes<LaneOr, ulong>>(table, Mnemonic.Orps, Mnemonic.Vorps);
        BlockShells.Set<Lanes<LaneOr, ulong>>(table, Mnemonic.Orpd, Mnemonic.Vorpd);
        BlockShells.Set<Lanes<LaneXor, ulong>>(table, Mnemonic.Pxor, Mnemonic.Vpxor);
        BlockShells.Set<Lanes<LaneXor, ulong>>(table, Mnemonic.Xorps, Mnemonic.Vxorps);
        BlockShells.Set<Lanes<LaneXor, ulong>>(table, Mnemonic.Xorpd, Mnemonic.Vxorpd);
    }

    private static void RegisterShifts(ColdTable table)
    {
        Shift<ShiftLeft, ushort>(table, Mnemonic.Psllw, Mnemonic.Vpsllw);
        Shift<ShiftLeft, uint>(table, Mnemonic.Pslld, Mnemonic.Vpslld);
        Shift<ShiftLeft, ulong>(table, Mnemonic.Psllq, Mnemonic.Vpsllq);
        Shift<ShiftRight, ushort>(table, Mnemonic.Psrlw, Mnemonic.Vpsrlw);
        Shift<ShiftRight, uint>(table, Mnemonic.Psrld, Mnemonic.Vpsrld);
        Shift<ShiftRight, ulong>(table, Mnemonic.Psrlq, Mnemonic.Vpsrlq);
        Shift<ShiftArithmetic, short>(table, Mnemonic.Psraw, Mnemonic.Vpsraw);
        Shift<ShiftArithmetic, int>(table, Mnemonic.Psrad, Mnemonic.Vpsrad);
    }

    private static void Shift<TOp, T>(ColdTable table, Mnemonic legacy, Mnemonic vex)
        where TOp : struct, ILaneShift
        where T : unmanaged, IBinaryInteger<T>
    {
        table.Set(legacy, &BlockShells.Shift<LegacyForm, TOp, T>);
        table.SetVex(vex, &BlockShells.Shift<VexForm, TOp, T>);
    }

    private static void RegisterHorizontal(ColdTable table)
    {
        BlockShells.Set<Horizontal<LaneAdd<short>, short>>(table, Mnemonic.Phaddw, Mnemonic.Vphaddw);
        BlockShells.Set<Horizontal<LaneAdd<int>, int>>(table, Mnemonic.Phaddd, Mnemonic.Vphaddd);
        BlockShells.Set<Horizontal<LaneAddSaturating<short>, short>>(table, Mnemonic.Phaddsw, Mnemonic.Vphaddsw);
        BlockShells.Set<Horizontal<LaneSubtract<short>, short>>(table, Mnemonic.Phsubw, Mnemonic.Vphsubw);
        BlockShells.Set<Horizontal<LaneSubtract<int>, int>>(table, Mnemonic.Phsubd, Mnemonic.Vphsubd);
        BlockShells.Set<Horizontal<LaneSubtractSaturating<short>, short>>(table, Mnemonic.Phsubsw, Mnemonic.Vphsubsw);
        BlockShells.Set<Lanes<LaneSign<sbyte>, sbyte>>(table, Mnemonic.Psignb, Mnemonic.Vpsignb);
        BlockShells.Set<Lanes<LaneSign<short>, short>>(table, Mnemonic.Psignw, Mnemonic.Vpsignw);
        BlockShells.Set<Lanes<LaneSign<int>, int>>(table, Mnemonic.Psignd, Mnemonic.Vpsignd);
        BlockShells.Set<Lanes<LaneAbsolute<sbyte>, sbyte>>(table, Mnemonic.Pabsb, Mnemonic.Vpabsb);
        BlockShells.Set<Lanes<LaneAbsolute<short>, short>>(table, Mnemonic.Pabsw, Mnemonic.Vpabsw);
        BlockShells.Set<Lanes<LaneAbsolute<int>, int>>(table, Mnemonic.Pabsd, Mnemonic.Vpabsd);
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
    public static int ImmediateBitsPerLane => 3;

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
