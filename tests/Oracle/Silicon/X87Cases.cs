using System;

using Iced.Intel;

namespace Xenolith.Oracle.Silicon;

/// <summary>Start states of the floating-point units.</summary>
internal static class X87Cases
{
    /// <summary>MXCSR: every rounding mode; now and then DAZ, FTZ, unmasked exceptions, sticky flags.</summary>
    public static void FillSse(ref MachineState state, CpuidFeature feature, Random random)
    {
        if (feature is not (CpuidFeature.SSE or CpuidFeature.SSE2 or CpuidFeature.SSE3 or CpuidFeature.SSE4_1 or CpuidFeature.SSE4A
            or CpuidFeature.AVX or CpuidFeature.AVX2 or CpuidFeature.FMA or CpuidFeature.F16C))
        {
            return;
        }

        uint mxcsr = 0x1F80;
        mxcsr |= (uint)random.Next(4) << 13;
        mxcsr |= random.Next(4) == 0 ? 1U << 6 : 0;
        mxcsr |= random.Next(4) == 0 ? 1U << 15 : 0;
        mxcsr |= random.Next(3) == 0 ? (uint)random.Next(64) : 0;
        if (random.Next(5) == 0)
        {
            mxcsr &= ~((uint)random.Next(64) << 7);
        }

        state.Mxcsr = mxcsr;
    }

    /// <summary>MMX registers, and x87 state around them that shows who changes what.</summary>
    public static void FillMmx(ref MachineState state, Random random, EdgeValues values, ElementKind kind)
    {
        state.Ftw = (byte)random.Next(256);
        state.Fsw = (ushort)(random.Next(8) << 11);
        for (int i = 0; i < 8; i++)
        {
            state.SetSt(i, values.Vector64(kind), random.Next(4) == 0 ? (ushort)0x4001 : (ushort)0xFFFF);
        }
    }

    public static void FillX87(ref MachineState state, CpuidFeature feature, Random random)
    {
        if (feature is not (CpuidFeature.FPU or CpuidFeature.FPU287 or CpuidFeature.FPU387))
        {
            return;
        }

        state.Ftw = random.Next(4) == 0 ? (byte)random.Next(256) : (byte)0xFF;
        state.Fsw = (ushort)((random.Next(8) << 11) | (random.Next(8) << 8) | (random.Next(2) << 14));
        state.Fcw = (ushort)(0x7F | (random.Next(4) << 10) | (random.Next(3) switch { 0 => 0, 1 => 2, _ => 3 } << 8));
        state.Fcw = random.Next(2) == 0 ? state.Fcw : (ushort)(0x37F | (state.Fcw & 0xC00));
        if (random.Next(6) == 0)
        {
            state.Fcw &= (ushort)~random.Next(64);
        }

        for (int i = 0; i < 8; i++)
        {
            (ulong significand, ushort signExponent) = Extended(random);
            state.SetSt(i, significand, signExponent);
        }
    }

    /// <summary>An 80-bit value: normal ones around 1 most often, then every odd class there is.</summary>
    public static (ulong Significand, ushort SignExponent) Extended(Random random)
    {
        const ulong Integer = 1UL << 63;
        ushort sign = (ushort)(random.Next(2) << 15);
        ulong fraction = random.Next(3) == 0 ? (ulong)random.Next(16) << 59 : (ulong)random.NextInt64();
        return random.Next(16) switch
        {
            0 => (0, sign),
            1 => (Integer, (ushort)(sign | 0x7FFF)),
            2 => (Integer | (1UL << 62) | fraction, (ushort)(sign | 0x7FFF)),
            3 => (Integer | ((fraction >> 2) | 1), (ushort)(sign | 0x7FFF)),
            4 => (fraction, sign), // denormal
            5 => (Integer | fraction, sign), // pseudo-denormal
            6 => (fraction, (ushort)(sign | random.Next(1, 0x8000))), // unnormal, pseudo-infinity, pseudo-NaN
            7 => (Integer | fraction, (ushort)(sign | random.Next(1, 0x7FFF))),
            8 => (Integer | fraction, (ushort)(sign | random.Next(1, 80))),
            9 => (Integer | fraction, (ushort)(sign | random.Next(0x7FA0, 0x7FFF))),
            10 => (Integer, (ushort)(sign | random.Next(0x3FF0, 0x4050))),
            _ => (Integer | fraction, (ushort)(sign | random.Next(0x3FC0, 0x4042))),
        };
    }
}
