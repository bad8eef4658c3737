using System;
using System.Runtime.Intrinsics;

using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>
/// RCPPS, RSQRTPS and their scalar forms (SDM 2B "RCPPS—Compute Reciprocals of Packed Single-Precision Floating-Point Values").
/// The manual bounds the relative error by 1.5 x 2^-12 and leaves the bits to each processor. Here, on every host, they are those of the
/// silicon that the tests compare with: the reciprocal of the middle of the operand's interval of 2^-12, rounded to 12 fraction bits, and a
/// correction of at most one unit (<see cref="ApproximationTables"/>). No exceptions; denormals count as zeros, tiny results become zeros.
/// </summary>
internal static unsafe class SseApproximate
{
    private const uint Infinity = 0x7F80_0000;
    private const uint Sign = 0x8000_0000;

    public static void Register(ColdTable table)
    {
        table.Set(Mnemonic.Rcpps, &Packed<LegacyForm, ReciprocalEstimate>);
        table.Set(Mnemonic.Rcpss, &Scalar<LegacyForm, ReciprocalEstimate>);
        table.Set(Mnemonic.Rsqrtps, &Packed<LegacyForm, ReciprocalRootEstimate>);
        table.Set(Mnemonic.Rsqrtss, &Scalar<LegacyForm, ReciprocalRootEstimate>);
        table.SetVex(Mnemonic.Vrcpps, &Packed<VexForm, ReciprocalEstimate>);
        table.SetVex(Mnemonic.Vrcpss, &Scalar<VexForm, ReciprocalEstimate>);
        table.SetVex(Mnemonic.Vrsqrtps, &Packed<VexForm, ReciprocalRootEstimate>);
        table.SetVex(Mnemonic.Vrsqrtss, &Scalar<VexForm, ReciprocalRootEstimate>);
    }

    private static Outcome Packed<TForm, TOp>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm
        where TOp : struct, ILaneOp<uint>
    {
        int size = TForm.SizeOf(i.Op0Register);
        if (!TForm.IsReady(p) || !TForm.TryRead(p, in i, 1, size, out Vector256<byte> source))
        {
            return Outcome.Fault;
        }

        for (int k = 0; k < size / 4; k++)
        {
            uint* element = (uint*)&source + k;
            *element = TOp.Apply(0, *element);
        }

        TForm.Write(p, i.Op0Register, in source);
        return Outcome.Retired;
    }

    private static Outcome Scalar<TForm, TOp>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm
        where TOp : struct, ILaneOp<uint>
    {
        if (!TForm.IsReady(p) || !p.TryReadVectorLow(in i, TForm.SourceOf(in i), out uint source))
        {
            return Outcome.Fault;
        }

        Vector256<byte> result = *(Vector256<byte>*)p.VectorPointer(TForm.FirstOf(in i));
        *(uint*)&result = TOp.Apply(0, source);
        TForm.Write(p, i.Op0Register, in result);
        return Outcome.Retired;
    }

    internal static uint Reciprocal(uint x)
    {
        uint sign = x & Sign;
        uint exponent = (x >> 23) & 0xFF;
        if (exponent == 0)
        {
            return sign | Infinity;
        }

        if (exponent == 0xFF)
        {
            return (x & 0x7F_FFFF) == 0 ? sign : x | 0x40_0000;
        }

        // The middle of the interval is (8193 + 2m) / 8192, twice its reciprocal lies in (1, 2).
        uint m = (x >> 11) & 0xFFF;
        uint scaled = ((16384U * 4096) + ((8193 + (2 * m)) / 2)) / (8193 + (2 * m));
        scaled = (uint)((int)scaled + ApproximationTables.Reciprocal(m));
        int result = 253 - (int)exponent;
        return result <= 0 ? sign : sign | ((uint)result << 23) | ((scaled - 4096) << 11);
    }

    internal static uint ReciprocalRoot(uint x)
    {
        uint exponent = (x >> 23) & 0xFF;
        if (exponent == 0)
        {
            return (x & Sign) | Infinity;
        }

        if (exponent == 0xFF && (x & 0x7F_FFFF) != 0)
        {
            return x | 0x40_0000;
        }

        if ((x & Sign) != 0)
        {
            return 0xFFC0_0000;
        }

        if (exponent == 0xFF)
        {
            return 0;
        }

        // x = middle x 2^e with e even and the middle in [1, 4): twice the root's reciprocal lies in (1, 2].
        uint m = (x >> 11) & 0xFFF;
        double middle = (8193 + (2.0 * m)) / 8192;
        bool odd = (exponent & 1) == 0; // the bias is odd
        uint scaled = (uint)((2 * 4096 / Math.Sqrt(odd ? 2 * middle : middle)) + 0.5);
        scaled = (uint)((int)scaled + ApproximationTables.ReciprocalRoot(m + (odd ? 4096U : 0)));
        uint half = odd ? (380 - exponent) / 2 : (379 - exponent) / 2;
        return (half << 23) + ((scaled - 4096) << 11);
    }
}

/// <summary>RCPPS on one element.</summary>
internal readonly struct ReciprocalEstimate : ILaneOp<uint>
{
    public static uint Apply(uint destination, uint source) => SseApproximate.Reciprocal(source);
}

/// <summary>RSQRTPS on one element.</summary>
internal readonly struct ReciprocalRootEstimate : ILaneOp<uint>
{
    public static uint Apply(uint destination, uint source) => SseApproximate.ReciprocalRoot(source);
}
