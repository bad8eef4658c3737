using System;

namespace Xenolith.Cpu;

/// <summary>
/// A positive number Significand/2^127 x 2^Exponent with bit 127 set: twice the precision of the extended format, so that one rounding
/// at the end is the only one that shows. Fixed-point fractions beside it are <see cref="UInt128"/> in units of 2^-128.
/// </summary>
internal readonly record struct WideNumber(UInt128 Significand, int Exponent)
{
    private const int Width = 128;

    /// <summary>A finite number's magnitude, exactly.</summary>
    public static WideNumber Of(in Unpacked value) => new((UInt128)value.Significand << 64, value.Exponent);

    /// <summary>A fixed-point number other than zero: <paramref name="bits"/> in units of 2^<paramref name="unit"/>.</summary>
    public static WideNumber Normalize(UInt128 bits, int unit)
    {
        int zeros = (int)UInt128.LeadingZeroCount(bits);
        return new WideNumber(bits << zeros, unit + (Width - 1) - zeros);
    }

    /// <summary>The quotient of two fixed-point numbers of the same unit, cut off.</summary>
    public static WideNumber Ratio(UInt128 numerator, UInt128 denominator)
    {
        WideNumber n = Normalize(numerator, 0);
        WideNumber d = Normalize(denominator, 0);
        return n / d;
    }

    /// <summary>The product, cut off.</summary>
    public static WideNumber operator *(WideNumber a, WideNumber b)
    {
        UInt128 high = MultiplyHigh(a.Significand, b.Significand);
        return high >> (Width - 1) != 0 ? new(high, a.Exponent + b.Exponent + 1) : new(high << 1, a.Exponent + b.Exponent);
    }

    /// <summary>The quotient, cut off.</summary>
    public static WideNumber operator /(WideNumber a, WideNumber b)
    {
        // Dividend below divisor, as Fraction wants it; the quotient is then in (1/4, 1).
        UInt128 quotient = Fraction(a.Significand >> 1, b.Significand);
        return quotient >> (Width - 1) != 0 ? new(quotient, a.Exponent - b.Exponent) : new(quotient << 1, a.Exponent - b.Exponent - 1);
    }

    /// <summary>As a fixed-point fraction; the number is below one, and what is below 2^-128 is lost.</summary>
    public UInt128 ToFraction()
    {
        int shift = -1 - Exponent;
        return shift < Width ? Significand >> shift : 0;
    }

    /// <summary>This number x (1 + <paramref name="fraction"/>), at least a last place more.</summary>
    public WideNumber Increased(UInt128 fraction)
    {
        UInt128 sum = unchecked(Significand + UInt128.Max(MultiplyHigh(Significand, fraction), UInt128.One));
        return sum >> (Width - 1) != 0 ? this with { Significand = sum } : new((sum >> 1) | (UInt128.One << (Width - 1)), Exponent + 1);
    }

    /// <summary>This number x (1 - <paramref name="fraction"/>), at least a last place less.</summary>
    public WideNumber Decreased(UInt128 fraction)
    {
        UInt128 rest = Significand - UInt128.Max(MultiplyHigh(Significand, fraction), UInt128.One);
        return Normalize(rest, Exponent - (Width - 1));
    }

    /// <summary>The upper half of the 256-bit product: the product of two fixed-point fractions.</summary>
    public static UInt128 MultiplyHigh(UInt128 a, UInt128 b)
    {
        ulong a1 = (ulong)(a >> 64);
        ulong a0 = (ulong)a;
        ulong b1 = (ulong)(b >> 64);
        ulong b0 = (ulong)b;
        ulong low = Math.BigMul(a0, b0, out _);
        UInt128 cross1 = (UInt128)a1 * b0;
        UInt128 cross2 = (UInt128)a0 * b1;
        UInt128 middle = (UInt128)(ulong)cross1 + (ulong)cross2 + low;
        return ((UInt128)a1 * b1) + (cross1 >> 64) + (cross2 >> 64) + (middle >> 64);
    }

    /// <summary>
    /// <paramref name="numerator"/>/<paramref name="denominator"/> x 2^128, cut off; the first is below the second, whose top bit is set.
    /// </summary>
    private static UInt128 Fraction(UInt128 numerator, UInt128 denominator)
    {
        ulong high = Digit(ref numerator, denominator);
        return new UInt128(high, Digit(ref numerator, denominator));
    }

    /// <summary>
    /// One step of long division in digits of 64 bits (Knuth's algorithm D): the estimate from the upper halves is at most two too large.
    /// </summary>
    private static ulong Digit(ref UInt128 remainder, UInt128 denominator)
    {
        ulong top = (ulong)(denominator >> 64);
        ulong high = (ulong)(remainder >> 64);
        UInt128 estimate = high >= top ? ulong.MaxValue : remainder / top;
        ulong digit = estimate > ulong.MaxValue ? ulong.MaxValue : (ulong)estimate;

        // remainder x 2^64 - digit x denominator, in 192 bits: a negative value shows in the upper word.
        UInt128 lowProduct = (UInt128)digit * (ulong)denominator;
        UInt128 highProduct = ((UInt128)digit * top) + (lowProduct >> 64);
        ulong low = unchecked(0UL - (ulong)lowProduct);
        UInt128 upper = unchecked(remainder - highProduct - (low != 0 ? 1UL : 0UL));
        while ((upper >> 127) != 0)
        {
            digit--;
            UInt128 sum = (UInt128)low + (ulong)denominator;
            low = (ulong)sum;
            upper = unchecked(upper + top + (ulong)(sum >> 64));
        }

        remainder = (upper << 64) | low;
        return digit;
    }
}
