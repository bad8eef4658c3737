using System;
using System.Numerics;

namespace Xenolith.Cpu;

/// <summary>
/// Arithmetic on normal numbers with normal results, in plain words: what nearly all x87 instructions do. What else there is (zeros,
/// denormals, NaNs, results near the ends of the range) is left to <see cref="SoftFloat"/>, by answering false.
/// </summary>
/// <remarks>
/// Numbers come as significand and sign-and-exponent. Structures are avoided on purpose: one that is written field by field and copied
/// whole stalls the host's store buffer, which cost more than the arithmetic.
/// </remarks>
internal static class X87Fast
{
    private const uint Sign = 0x8000;
    private const uint Exponent = 0x7FFF;
    private const int Bias = 16383;

    /// <summary>Bit 63 set, exponent neither the lowest nor the highest.</summary>
    public static bool IsNormal(ulong significand, uint signExponent) => (long)significand < 0 && (signExponent & Exponent) - 1 < Exponent - 1;

    public static bool TryAdd(ulong a, uint ea, ulong b, uint eb, ushort fcw, out X87Sum result)
    {
        uint sign = ea & Sign;
        bool subtract = sign != (eb & Sign);
        int distance = (int)(ea & Exponent) - (int)(eb & Exponent);
        int exponent = (int)(ea & Exponent);
        if (distance < 0 || (distance == 0 && b > a))
        {
            (a, b) = (b, a);
            distance = -distance;
            exponent = (int)(eb & Exponent);
            sign = eb & Sign;
        }

        // b in two words aligned with a; what falls out below leaves a one.
        ulong high = distance < 64 ? b >> distance : 0;
        ulong low = distance switch
        {
            0 => 0,
            < 64 => b << (64 - distance),
            64 => b,
            < 128 => (b >> (distance - 64)) | (b << (128 - distance) != 0 ? 1UL : 0),
            _ => 1,
        };
        if (!subtract)
        {
            ulong sum = unchecked(a + high);
            if (sum < high)
            {
                low = (sum << 63) | (low >> 1) | (low & 1);
                sum = (sum >> 1) | (1UL << 63);
                exponent++;
            }

            return TryRound(sum, low, exponent, sign, fcw, out result);
        }

        high = a - high - (low != 0 ? 1UL : 0);
        low = unchecked(0UL - low);
        if (high == 0)
        {
            high = low;
            low = 0;
            exponent -= 64;
        }

        int zeros = BitOperations.LeadingZeroCount(high);
        if (zeros is not 0 and not 64)
        {
            high = (high << zeros) | (low >> (64 - zeros));
            low <<= zeros;
            exponent -= zeros;
        }

        return TryRound(high, low, exponent, sign, fcw, out result);
    }

    public static bool TryMultiply(ulong a, uint ea, ulong b, uint eb, ushort fcw, out X87Sum result)
    {
        ulong high = Math.BigMul(a, b, out ulong low);
        int exponent = (int)(ea & Exponent) + (int)(eb & Exponent) - Bias + 1;
        if ((long)high >= 0)
        {
            high = (high << 1) | (low >> 63);
            low <<= 1;
            exponent--;
        }

        return TryRound(high, low, exponent, (ea ^ eb) & Sign, fcw, out result);
    }

    public static bool TryDivide(ulong a, uint ea, ulong b, uint eb, ushort fcw, out X87Sum result)
    {
        bool below = a < b;
        ulong quotient = SoftFloat.DivideWide(below ? a : a >> 1, below ? 0 : a << 63, b, out ulong rest);
        bool half = rest >= b - rest;
        ulong low = (half ? 1UL << 63 : 0) | (rest != 0 && rest != b - rest ? 1UL : 0);
        int exponent = (int)(ea & Exponent) - (int)(eb & Exponent) + Bias - (below ? 1 : 0);
        return TryRound(quotient, low, exponent, (ea ^ eb) & Sign, fcw, out result);
    }

    /// <summary>-1, 0 or 1.</summary>
    public static int Compare(ulong a, uint ea, ulong b, uint eb)
    {
        if (((ea ^ eb) & Sign) != 0)
        {
            return (ea & Sign) != 0 ? -1 : 1;
        }

        int magnitude = ea != eb ? ea.CompareTo(eb) : a.CompareTo(b);
        return (ea & Sign) != 0 ? -magnitude : magnitude;
    }

    /// <summary>An integer as a register; zero is its own case.</summary>
    public static ulong FromInteger(long value, out uint signExponent)
    {
        if (value == 0)
        {
            signExponent = 0;
            return 0;
        }

        ulong magnitude = value < 0 ? 0UL - (ulong)value : (ulong)value;
        int zeros = BitOperations.LeadingZeroCount(magnitude);
        signExponent = (uint)(Bias + 63 - zeros) | (value < 0 ? Sign : 0);
        return magnitude << zeros;
    }

    /// <summary>Bits of a single or double that is a normal number or zero.</summary>
    /// <param name="fractionBits">23 or 52.</param>
    public static bool TryFromReal(ulong bits, int fractionBits, out ulong significand, out uint signExponent)
    {
        int exponentBits = fractionBits == 52 ? 11 : 8;
        uint highest = (1u << exponentBits) - 1;
        uint exponent = (uint)(bits >> fractionBits) & highest;
        uint sign = (uint)(bits >> (fractionBits + exponentBits)) << 15;
        significand = (1UL << 63) | (bits << (63 - fractionBits));
        signExponent = sign | (exponent + Bias - (highest >> 1));
        if (exponent - 1 < highest - 1)
        {
            return true;
        }

        bool zero = bits << (64 - fractionBits) == 0 && exponent == 0;
        significand = 0;
        signExponent = sign;
        return zero;
    }

    /// <summary>Rounds a significand of two words, its top bit set, as FCW.RC and FCW.PC say.</summary>
    private static bool TryRound(ulong high, ulong low, int exponent, uint sign, ushort fcw, out X87Sum result)
    {
        int drop = (fcw & 0x300) switch { 0x300 or 0x100 => 0, 0x200 => 11, _ => 40 };
        bool inside = (uint)(exponent - 1) < 0x7FFD && (long)high < 0; // one more than it is still in the range
        result = Rounded(high, low, exponent, sign, drop, (RoundingMode)((fcw >> 10) & 3));
        return inside;
    }

    /// <summary>As above, keeping all but the lower <paramref name="drop"/> bits of the upper word.</summary>
    private static X87Sum Rounded(ulong high, ulong low, int exponent, uint sign, int drop, RoundingMode mode)
    {
        ulong unit = 1UL << drop;
        ulong rest = high & (unit - 1);
        ulong kept = high - rest;
        bool inexact = (rest | low) != 0;
        bool up = false;
        if (inexact)
        {
            up = mode switch
            {
                RoundingMode.Nearest when drop == 0 => low > 1UL << 63 || (low == 1UL << 63 && (high & 1) != 0),
                RoundingMode.Nearest => rest > unit >> 1 || (rest == unit >> 1 && (low != 0 || (kept & unit) != 0)),
                RoundingMode.Down => sign != 0,
                RoundingMode.Up => sign == 0,
                _ => false,
            };
            if (up)
            {
                kept = unchecked(kept + unit);
                exponent += kept == 0 ? 1 : 0;
                kept = kept == 0 ? 1UL << 63 : kept;
            }
        }

        return new X87Sum(kept, sign | (uint)exponent, (inexact ? MxcsrBits.PE : 0) | (up ? (uint)Processor.FswC1 : 0));
    }
}

/// <summary>A result of <see cref="X87Fast"/>, with PE and C1 in their places in the status word.</summary>
internal readonly struct X87Sum(ulong significand, uint signExponent, uint status)
{
    public readonly ulong Significand = significand;
    public readonly uint SignExponent = signExponent;
    public readonly uint Status = status;
}
