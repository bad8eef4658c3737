using System;

namespace Xenolith.Cpu;

/// <summary>
/// The functions behind F2XM1, FYL2X, FPATAN, FSIN and their like, by power series in 128-bit fixed point: good to about 2^-120, so that
/// rounding to 64 bits gives the correctly rounded result, except with a probability that nobody will meet. A result is never exact
/// (these functions of rational numbers are irrational), so the direction of what was cut off is all that matters below the last bit.
/// </summary>
internal static class Transcendental
{
    /// <summary>Pi/4 and ln 2 as fractions; 2/ln 2.</summary>
    private static readonly UInt128 s_quarterPi = new(0xC90F_DAA2_2168_C234, 0xC4C6_628B_80DC_1CD1);
    private static readonly WideNumber s_ln2 = new(new UInt128(0xB172_17F7_D1CF_79AB, 0xC9E3_B398_03F2_F6AF), -1);
    private static readonly WideNumber s_twoOverLn2 = new(new UInt128(0xB8AA_3B29_5C17_F0BB, 0xBE87_FED0_691D_3E88), 1);

    /// <summary>sqrt 2 with 63 fraction bits: where a logarithm changes to the next power of two.</summary>
    private const ulong Sqrt2 = 0xB504_F333_F9DE_6484;

    // Coefficients of the series, each as a fraction, without the leading 1: 1/2!, 1/3!, ... and 1/3!, 1/5!, ... and 1/3, 1/5, ...
    private static readonly UInt128[] s_expm1 = Factorials(2, 1, 33);
    private static readonly UInt128[] s_sin = Factorials(3, 2, 17);
    private static readonly UInt128[] s_cos = Factorials(2, 2, 18);
    private static readonly UInt128[] s_odd = OddReciprocals(27);

    /// <summary>atan(k/16) for k = 0 to 16.</summary>
    private static readonly UInt128[] s_atan = Arctangents();

    /// <summary>|2^x - 1| for 0 &lt; |x| &lt; 1.</summary>
    public static WideNumber Exp2Minus1(in Unpacked x)
    {
        WideNumber t = WideNumber.Of(in x) * s_ln2;
        UInt128 u = t.ToFraction();
        return x.Sign
            ? t.Decreased(Alternating(s_expm1, u))
            : t.Increased(Growing(s_expm1, u));
    }

    /// <summary>log2 of a positive finite number. Zero significand: the number is 1.</summary>
    /// <param name="negative">The logarithm is.</param>
    /// <param name="exact">The number is a power of two, and the result what it says.</param>
    public static WideNumber Log2(in Unpacked x, out bool negative, out bool exact) =>
        Log2(new WideNumber((UInt128)x.Significand << 64, x.Exponent), out negative, out exact);

    /// <summary>log2(1 + x) for finite x > -1 other than zero.</summary>
    public static WideNumber Log2Of1Plus(in Unpacked x, out bool negative, out bool exact)
    {
        const int Unit = -125;
        negative = x.Sign;
        exact = false;
        WideNumber magnitude = WideNumber.Of(in x);
        if (x.Exponent >= -2)
        {
            // 1 + x, of which nothing is lost but far below a large x.
            int unit = Math.Max(x.Exponent - 125, Unit);
            UInt128 one = unit > 0 ? 0 : UInt128.One << -unit;
            UInt128 shifted = magnitude.Significand >> (127 + unit - x.Exponent);
            return Log2(WideNumber.Normalize(x.Sign ? one - shifted : one + shifted, unit), out negative, out exact);
        }

        // x/(2 + x), with all bits of x.
        int shift = -Unit - 127 + x.Exponent;
        UInt128 small = -shift < 128 ? magnitude.Significand >> -shift : 0;
        UInt128 two = UInt128.One << (1 - Unit);
        WideNumber ratio = magnitude / WideNumber.Normalize(x.Sign ? two - small : two + small, Unit);
        return FromRatio(ratio);
    }

    /// <summary>sin x of 0 &lt; x &lt;= pi/4.</summary>
    public static WideNumber Sin(WideNumber x) => x.Decreased(Alternating(s_sin, Square(x)));

    /// <summary>cos x of 0 &lt; x &lt;= pi/4.</summary>
    public static WideNumber Cos(WideNumber x)
    {
        UInt128 rest = UInt128.Max(Alternating(s_cos, Square(x)), UInt128.One);
        return WideNumber.Normalize(0 - rest, -128);
    }

    /// <summary>tan x of 0 &lt; x &lt;= pi/4.</summary>
    public static WideNumber Tan(WideNumber x) => x.Exponent < -60 ? x.Increased(0) : Sin(x) / Cos(x);

    /// <summary>The angle of the point (x, y), both finite and not zero, in (0, pi): its sign is that of y.</summary>
    public static WideNumber Atan2(in Unpacked y, in Unpacked x)
    {
        bool steep = y.Exponent > x.Exponent || (y.Exponent == x.Exponent && y.Significand > x.Significand);
        WideNumber angle = steep ? FirstOctant(in x, in y) : FirstOctant(in y, in x);
        if (!steep && !x.Sign)
        {
            return angle;
        }

        // pi/2 - angle, pi/2 + angle or pi - angle, in units of 2^-126.
        UInt128 part = angle.ToFraction() >> 2;
        UInt128 sum = steep ? (x.Sign ? (s_quarterPi >> 1) + part : (s_quarterPi >> 1) - part) : s_quarterPi - part;
        return WideNumber.Normalize(sum, -126);
    }

    /// <summary>k pi/4 for k = 1 to 4.</summary>
    public static WideNumber QuarterPi(int k) => k == 3
        ? WideNumber.Normalize((s_quarterPi >> 2) + (s_quarterPi >> 1), -126)
        : new WideNumber(s_quarterPi, k switch { 1 => -1, 2 => 0, _ => 1 });

    private static WideNumber Log2(WideNumber x, out bool negative, out bool exact)
    {
        UInt128 significand = x.Significand;
        int exponent = x.Exponent;
        UInt128 one = UInt128.One << 127;
        bool upper = significand >= new UInt128(Sqrt2, 0);
        exponent += upper ? 1 : 0;
        exact = significand == one;
        if (exact)
        {
            negative = exponent < 0;
            return exponent == 0 ? default : Integer(Math.Abs(exponent));
        }

        // (m - 1)/(m + 1), where m is significand/2^127, or half of it and below 1.
        UInt128 difference = upper ? 0 - significand : significand - one;
        UInt128 sum = upper ? (significand >> 1) + one : (significand >> 1) + (one >> 1);
        WideNumber ratio = WideNumber.Normalize(difference, upper ? -128 : -127) / WideNumber.Normalize(sum, upper ? -127 : -126);
        WideNumber rest = FromRatio(ratio);
        if (exponent == 0)
        {
            negative = upper;
            return rest;
        }

        // |exponent| +- rest, where |rest| <= 1/2.
        negative = exponent < 0;
        WideNumber whole = Integer(Math.Abs(exponent));
        int unit = whole.Exponent - 126;
        UInt128 low = rest.Exponent - unit - 127 is int down && down > -128 ? rest.Significand >> -down : 0;
        UInt128 high = whole.Significand >> 1;
        return WideNumber.Normalize(negative == upper ? high + low : high - low, unit);
    }

    /// <summary>log2((1 + s)/(1 - s)) = 2/ln 2 (s + s^3/3 + s^5/5 + ...).</summary>
    private static WideNumber FromRatio(WideNumber s)
    {
        WideNumber sum = s.Increased(Growing(s_odd, Square(s)));
        return sum * s_twoOverLn2;
    }

    /// <summary>atan(low/high) where 0 &lt; low &lt;= high: the angle of k/16 below it, and the series for what is left.</summary>
    private static WideNumber FirstOctant(in Unpacked low, in Unpacked high)
    {
        int distance = high.Exponent - low.Exponent;
        if (distance > 5)
        {
            return Arctangent(WideNumber.Of(in low) / WideNumber.Of(in high));
        }

        // Exactly, in units of the lower one's last place: k = 16 low/high, and (low - k/16 high)/(high + k/16 low).
        UInt128 y = low.Significand;
        UInt128 x = (UInt128)high.Significand << distance;
        int k = (int)((y << 4) / x);
        UInt128 rest = (y << 4) - ((uint)k * x);
        if (rest == 0)
        {
            return WideNumber.Normalize(s_atan[k], -128);
        }

        WideNumber tail = Arctangent(WideNumber.Ratio(rest, (x << 4) + ((uint)k * y)));
        return k == 0 ? tail : WideNumber.Normalize(s_atan[k] + tail.ToFraction(), -128);
    }

    /// <summary>x - x^3/3 + x^5/5 - ..., for x up to 1/16.</summary>
    private static WideNumber Arctangent(WideNumber x) => x.Decreased(Alternating(s_odd, Square(x)));

    private static UInt128 Square(WideNumber x) => (x * x).ToFraction();

    private static WideNumber Integer(int value) => WideNumber.Normalize((uint)value, 0);

    /// <summary>c0 t + c1 t^2 + c2 t^3 + ...</summary>
    private static UInt128 Growing(UInt128[] coefficients, UInt128 t)
    {
        UInt128 sum = 0;
        for (int k = Terms(coefficients, t) - 1; k >= 0; k--)
        {
            sum = WideNumber.MultiplyHigh(coefficients[k] + sum, t);
        }

        return sum;
    }

    /// <summary>c0 t - c1 t^2 + c2 t^3 - ...</summary>
    private static UInt128 Alternating(UInt128[] coefficients, UInt128 t)
    {
        UInt128 sum = 0;
        for (int k = Terms(coefficients, t) - 1; k >= 0; k--)
        {
            sum = WideNumber.MultiplyHigh(coefficients[k] - sum, t);
        }

        return sum;
    }

    /// <summary>How many terms reach 2^-128, at most.</summary>
    private static int Terms(UInt128[] coefficients, UInt128 t)
    {
        int zeros = (int)UInt128.LeadingZeroCount(t);
        return zeros <= 4 ? coefficients.Length : Math.Min(coefficients.Length, (128 / zeros) + 1);
    }

    /// <summary>1/first!, 1/(first + step)!, ...</summary>
    private static UInt128[] Factorials(int first, int step, int count)
    {
        UInt128[] result = new UInt128[count];
        UInt128 term = UInt128.MaxValue;
        for (int n = 1, k = 0; k < count; n++)
        {
            term /= (uint)n;
            if (n >= first && (n - first) % step == 0)
            {
                result[k++] = term;
            }
        }

        return result;
    }

    private static UInt128[] OddReciprocals(int count)
    {
        UInt128[] result = new UInt128[count];
        for (int k = 0; k < count; k++)
        {
            result[k] = UInt128.MaxValue / (uint)((2 * k) + 3);
        }

        return result;
    }

    /// <summary>atan(k/16) = atan((k - 1)/16) + atan(16/(256 + k (k - 1))).</summary>
    private static UInt128[] Arctangents()
    {
        UInt128[] result = new UInt128[17];
        for (int k = 1; k <= 16; k++)
        {
            result[k] = result[k - 1] + Arctangent(WideNumber.Ratio(16, (uint)(256 + (k * (k - 1))))).ToFraction();
        }

        return result;
    }
}
