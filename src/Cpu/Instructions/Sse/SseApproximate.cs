using System;
using System.Runtime.Intrinsics;

using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>
/// RCPPS, RSQRTPS and their scalar forms (SDM 2B "RCPPS—Compute Reciprocals of Packed Single-Precision Floating-Point Values").
/// The manual bounds the relative error by 1.5 x 2^-12 and leaves the bits to each processor: Intel's and AMD's differ. Here: the
/// reciprocal of the middle of the operand's interval of 2^-12, rounded to 12 fraction bits; the same on every host.
/// No exceptions; denormals count as zeros, tiny results become zeros.
/// </summary>
internal static unsafe class SseApproximate
{
    private const uint Infinity = 0x7F80_0000;
    private const uint Sign = 0x8000_0000;

    public static void Register(ColdTable table)
    {
        table.Set(Mnemonic.Rcpps, &ReciprocalPacked);
        table.Set(Mnemonic.Rcpss, &ReciprocalScalar);
        table.Set(Mnemonic.Rsqrtps, &RootPacked);
        table.Set(Mnemonic.Rsqrtss, &RootScalar);
    }

    private static Outcome ReciprocalPacked(Processor p, in Instruction i) => Packed(p, in i, root: false);

    private static Outcome RootPacked(Processor p, in Instruction i) => Packed(p, in i, root: true);

    private static Outcome ReciprocalScalar(Processor p, in Instruction i) => Scalar(p, in i, root: false);

    private static Outcome RootScalar(Processor p, in Instruction i) => Scalar(p, in i, root: true);

    private static Outcome Packed(Processor p, in Instruction i, bool root)
    {
        if (!p.SseReady() || !p.TryReadXmm(in i, 1, out Vector128<byte> source))
        {
            return Outcome.Fault;
        }

        uint* target = (uint*)p.Xmm(i.Op0Register);
        for (int k = 0; k < 4; k++)
        {
            uint element = source.AsUInt32()[k];
            target[k] = root ? ReciprocalRoot(element) : Reciprocal(element);
        }

        return Outcome.Retired;
    }

    private static Outcome Scalar(Processor p, in Instruction i, bool root)
    {
        if (!p.SseReady() || !p.TryReadXmmLow(in i, 1, out uint source))
        {
            return Outcome.Fault;
        }

        *(uint*)p.Xmm(i.Op0Register) = root ? ReciprocalRoot(source) : Reciprocal(source);
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
        double middle = (8193 + (2.0 * ((x >> 11) & 0xFFF))) / 8192;
        bool odd = (exponent & 1) == 0; // the bias is odd
        uint scaled = (uint)((2 * 4096 / Math.Sqrt(odd ? 2 * middle : middle)) + 0.5);
        uint half = odd ? (380 - exponent) / 2 : (379 - exponent) / 2;
        return (half << 23) + ((scaled - 4096) << 11);
    }
}
