using System;
using System.Numerics;

namespace Xenolith.Cpu;

/// <summary>What an operand is.</summary>
internal enum FloatClass : byte
{
    Zero,
    Finite,
    Infinity,
    QuietNaN,
    SignallingNaN,

    /// <summary>
    /// Extended precision only: unnormals, pseudo-NaNs and pseudo-infinities (SDM 1 "Unsupported Double Extended-Precision
    /// Floating-Point Encodings").
    /// </summary>
    Unsupported,
}

/// <summary>A format's parameters: precision in bits with the leading one, and the range of exponents of normal numbers.</summary>
internal readonly record struct FloatFormat(int Precision, int MinExponent, int MaxExponent)
{
    public static readonly FloatFormat Half = new(11, -14, 15);
    public static readonly FloatFormat Single = new(24, -126, 127);
    public static readonly FloatFormat Double = new(53, -1022, 1023);
    public static readonly FloatFormat Extended = new(64, -16382, 16383);
}

/// <summary>A number taken apart: (-1)^Sign x Significand/2^63 x 2^Exponent, bit 63 of the significand set when finite.</summary>
internal struct Unpacked
{
    public ulong Significand;
    public int Exponent;
    public FloatClass Class;
    public bool Sign;
    public bool IsDenormal;

    public readonly bool IsNaN => Class is FloatClass.QuietNaN or FloatClass.SignallingNaN;

    public static Unpacked Zero(bool sign) => new() { Class = FloatClass.Zero, Sign = sign };

    public static Unpacked Infinity(bool sign) => new() { Class = FloatClass.Infinity, Sign = sign };

    /// <summary>The default NaN (SDM 1 "QNaN Floating-Point Indefinite"): negative, quiet, no payload.</summary>
    public static Unpacked Indefinite => new() { Class = FloatClass.QuietNaN, Sign = true, Significand = 3UL << 62 };
}

/// <summary>
/// IEEE 754 arithmetic on unpacked numbers with integer operations only: exact in every rounding mode and in every flag, on any
/// host. Operands are finite or zero unless a method says otherwise; results carry sticky bits and are rounded once, by
/// <see cref="Round"/>.
/// </summary>
internal static class SoftFloat
{
    /// <summary>The exact sum of two numbers, as a 128-bit significand with a sticky lowest bit, or an exact zero.</summary>
    public static Unpacked Add(in Unpacked a, in Unpacked b, in FloatFormat format, ref FloatEnvironment environment)
    {
        if (a.Class == FloatClass.Infinity || b.Class == FloatClass.Infinity)
        {
            if (a.Class == b.Class && a.Sign != b.Sign)
            {
                environment.Raised |= MxcsrBits.IE;
                return Unpacked.Indefinite;
            }

            return a.Class == FloatClass.Infinity ? a : b;
        }

        if (a.Class == FloatClass.Zero && b.Class == FloatClass.Zero)
        {
            return Unpacked.Zero(a.Sign == b.Sign ? a.Sign : environment.Rounding == RoundingMode.Down);
        }

        if (b.Class == FloatClass.Zero)
        {
            return Round(a.Sign, a.Exponent, (UInt128)a.Significand << 64, in format, ref environment);
        }

        if (a.Class == FloatClass.Zero)
        {
            return Round(b.Sign, b.Exponent, (UInt128)b.Significand << 64, in format, ref environment);
        }

        bool swap = b.Exponent > a.Exponent || (b.Exponent == a.Exponent && b.Significand > a.Significand);
        Unpacked large = swap ? b : a;
        Unpacked small = swap ? a : b;
        UInt128 high = (UInt128)large.Significand << 63;
        UInt128 low = ShiftRightSticky((UInt128)small.Significand << 63, large.Exponent - small.Exponent);
        UInt128 sum = large.Sign == small.Sign ? high + low : high - low;
        return sum == 0
            ? Unpacked.Zero(environment.Rounding == RoundingMode.Down)
            : Round(large.Sign, large.Exponent + 1, sum, in format, ref environment);
    }

    public static Unpacked Multiply(in Unpacked a, in Unpacked b, in FloatFormat format, ref FloatEnvironment environment)
    {
        bool sign = a.Sign != b.Sign;
        if (a.Class == FloatClass.Infinity || b.Class == FloatClass.Infinity)
        {
            if (a.Class == FloatClass.Zero || b.Class == FloatClass.Zero)
            {
                environment.Raised |= MxcsrBits.IE;
                return Unpacked.Indefinite;
            }

            return Unpacked.Infinity(sign);
        }

        if (a.Class == FloatClass.Zero || b.Class == FloatClass.Zero)
        {
            return Unpacked.Zero(sign);
        }

        UInt128 product = (UInt128)a.Significand * b.Significand;
        return Round(sign, a.Exponent + b.Exponent + 1, product, in format, ref environment);
    }

    /// <summary>ab + c, rounded once. For formats of at most 53 bits: the exact product then leaves 22 bits of 128 free.</summary>
    public static Unpacked MultiplyAdd(in Unpacked a, in Unpacked b, in Unpacked c, in FloatFormat format, ref FloatEnvironment environment)
    {
        bool sign = a.Sign != b.Sign;
        bool infinite = a.Class == FloatClass.Infinity || b.Class == FloatClass.Infinity;
        bool zero = a.Class == FloatClass.Zero || b.Class == FloatClass.Zero;
        if ((infinite && zero) || (infinite && c.Class == FloatClass.Infinity && c.Sign != sign))
        {
            environment.Raised |= MxcsrBits.IE;
            return Unpacked.Indefinite;
        }

        if (infinite || c.Class == FloatClass.Infinity)
        {
            return Unpacked.Infinity(infinite ? sign : c.Sign);
        }

        if (zero)
        {
            Unpacked none = Unpacked.Zero(sign);
            return Add(in none, in c, in format, ref environment);
        }

        UInt128 product = (UInt128)a.Significand * b.Significand;
        if (c.Class == FloatClass.Zero)
        {
            return Round(sign, a.Exponent + b.Exponent + 1, product, in format, ref environment);
        }

        // Both as fractions of 2^127 with the top bit set, then one bit of headroom for the carry.
        int exponent = a.Exponent + b.Exponent + 1;
        if ((product >> 127) == 0)
        {
            product <<= 1;
            exponent--;
        }

        UInt128 addend = (UInt128)c.Significand << 64;
        bool swap = c.Exponent > exponent || (c.Exponent == exponent && addend > product);
        UInt128 high = (swap ? addend : product) >> 1;
        UInt128 low = (swap ? product : addend) >> 1;
        low = ShiftRightSticky(low, Math.Abs(c.Exponent - exponent));
        bool highSign = swap ? c.Sign : sign;
        UInt128 sum = sign == c.Sign ? high + low : high - low;
        return sum == 0
            ? Unpacked.Zero(environment.Rounding == RoundingMode.Down)
            : Round(highSign, (swap ? c.Exponent : exponent) + 1, sum, in format, ref environment);
    }

    public static Unpacked Divide(in Unpacked a, in Unpacked b, in FloatFormat format, ref FloatEnvironment environment)
    {
        bool sign = a.Sign != b.Sign;
        if (a.Class == b.Class && a.Class is FloatClass.Infinity or FloatClass.Zero && b.Class == a.Class)
        {
            environment.Raised |= MxcsrBits.IE;
            return Unpacked.Indefinite;
        }

        if (a.Class == FloatClass.Infinity)
        {
            return Unpacked.Infinity(sign);
        }

        if (b.Class == FloatClass.Infinity || a.Class == FloatClass.Zero)
        {
            return Unpacked.Zero(sign);
        }

        if (b.Class == FloatClass.Zero)
        {
            environment.Raised |= MxcsrBits.ZE;
            return Unpacked.Infinity(sign);
        }

        // 64 bits of quotient, then 62 more, then a sticky bit.
        (UInt128 first, UInt128 rest) = UInt128.DivRem((UInt128)a.Significand << 63, b.Significand);
        (UInt128 second, UInt128 remainder) = UInt128.DivRem(rest << 62, b.Significand);
        UInt128 quotient = (first << 63) | (second << 1) | (remainder != 0 ? UInt128.One : UInt128.Zero);
        return Round(sign, a.Exponent - b.Exponent + 1, quotient, in format, ref environment);
    }

    public static Unpacked SquareRoot(in Unpacked a, in FloatFormat format, ref FloatEnvironment environment)
    {
        if (a.Class == FloatClass.Zero)
        {
            return a;
        }

        if (a.Sign)
        {
            environment.Raised |= MxcsrBits.IE;
            return Unpacked.Indefinite;
        }

        if (a.Class == FloatClass.Infinity)
        {
            return a;
        }

        // An even exponent; the radicand in [1, 4), as a fixed-point number with 62 fraction bits of its root computed digit by digit.
        bool odd = (a.Exponent & 1) != 0;
        UInt128 radicand = (UInt128)a.Significand << (odd ? 64 : 63); // 126 or 127 fraction bits
        UInt128 root = 0;
        UInt128 remainder = 0;
        for (int digit = 0; digit < 66; digit++)
        {
            UInt128 two = digit < 64 ? (radicand >> (126 - (2 * digit))) & 3 : 0;
            remainder = (remainder << 2) | two;
            UInt128 trial = (root << 2) | 1;
            root <<= 1;
            if (remainder >= trial)
            {
                remainder -= trial;
                root |= 1;
            }
        }

        // 66 digits, the first of weight 1.
        UInt128 significand = (root << 62) | (remainder != 0 ? UInt128.One : UInt128.Zero);
        return Round(false, a.Exponent >> 1, significand, in format, ref environment);
    }

    /// <summary>
    /// Rounds an exact (or sticky) magnitude <paramref name="significand"/>/2^127 x 2^<paramref name="exponent"/> to a format, with
    /// overflow, underflow and inexact as SDM 1 "Floating-Point Exception Conditions" has them: tininess is seen after rounding.
    /// The result may be denormal: its significand then has leading zeros and the exponent is the smallest.
    /// </summary>
    public static Unpacked Round(bool sign, int exponent, UInt128 significand, in FloatFormat format, ref FloatEnvironment environment)
    {
        int zeros = (int)UInt128.LeadingZeroCount(significand);
        significand <<= zeros;
        exponent -= zeros;
        int drop = 128 - format.Precision;
        bool tiny = false;
        if (exponent < format.MinExponent)
        {
            _ = RoundAt(significand, drop, sign, environment.Rounding, out _, out bool carried);
            tiny = !(exponent == format.MinExponent - 1 && carried);
            if (tiny && environment.UnderflowMasked && environment.FlushToZero)
            {
                environment.Raised |= MxcsrBits.UE | MxcsrBits.PE;
                return Unpacked.Zero(sign);
            }

            if (tiny && !environment.UnderflowMasked)
            {
                environment.Raised |= MxcsrBits.UE;
            }
            else
            {
                significand = ShiftRightSticky(significand, format.MinExponent - exponent);
                exponent = format.MinExponent;
            }
        }

        UInt128 rounded = RoundAt(significand, drop, sign, environment.Rounding, out bool inexact, out bool overflowed);
        if (overflowed)
        {
            rounded = UInt128.One << 127;
            exponent++;
        }

        environment.RoundedUp = inexact && (overflowed || rounded > significand);
        if (exponent > format.MaxExponent)
        {
            if (environment.OverflowMasked)
            {
                return Overflow(sign, in format, ref environment);
            }

            environment.Raised |= MxcsrBits.OE; // and the exponent goes beyond the range: x87 scales it
        }

        environment.Raised |= inexact ? MxcsrBits.PE : 0;
        environment.Raised |= inexact && tiny ? MxcsrBits.UE : 0;
        ulong top = (ulong)(rounded >> 64);
        return top == 0
            ? Unpacked.Zero(sign)
            : new Unpacked { Sign = sign, Exponent = exponent, Significand = top, Class = FloatClass.Finite };
    }

    /// <summary>SDM 1 "Numeric Overflow Exception (#O)": infinity or the largest number, by rounding mode and sign.</summary>
    private static Unpacked Overflow(bool sign, in FloatFormat format, ref FloatEnvironment environment)
    {
        environment.Raised |= MxcsrBits.OE | MxcsrBits.PE;
        bool infinite = environment.Rounding switch
        {
            RoundingMode.Nearest => true,
            RoundingMode.Down => sign,
            RoundingMode.Up => !sign,
            _ => false,
        };
        environment.RoundedUp = infinite;
        return infinite
            ? Unpacked.Infinity(sign)
            : new Unpacked
            {
                Sign = sign,
                Exponent = format.MaxExponent,
                Significand = ulong.MaxValue << (64 - format.Precision),
                Class = FloatClass.Finite,
            };
    }

    /// <summary>Rounds away the low <paramref name="drop"/> bits. Carried: the result is 2^128, given back as zero.</summary>
    public static UInt128 RoundAt(UInt128 significand, int drop, bool sign, RoundingMode mode, out bool inexact, out bool carried)
    {
        UInt128 unit = UInt128.One << drop;
        UInt128 rest = significand & (unit - 1);
        UInt128 result = significand - rest;
        inexact = rest != 0;
        UInt128 half = unit >> 1;
        bool up = mode switch
        {
            RoundingMode.Nearest => rest > half || (rest == half && (result & unit) != 0),
            RoundingMode.Down => inexact && sign,
            RoundingMode.Up => inexact && !sign,
            _ => false,
        };
        UInt128 sum = unchecked(up ? result + unit : result);
        carried = up && sum == 0;
        return sum;
    }

    /// <summary>The magnitude of a finite number below 2^64, rounded to an integer.</summary>
    public static ulong RoundMagnitude(in Unpacked value, RoundingMode mode, out bool inexact, out bool up)
    {
        UInt128 scaled = Scaled(in value);
        UInt128 rounded = RoundAt(scaled, 64, value.Sign, mode, out inexact, out _);
        up = rounded > scaled;
        return (ulong)(rounded >> 64);
    }

    /// <summary>A signed integer of <paramref name="bits"/> bits; #I and the integer indefinite for what does not fit.</summary>
    public static long ToInteger(in Unpacked value, int bits, RoundingMode mode, ref FloatEnvironment environment)
    {
        long indefinite = long.MinValue >> (64 - bits);
        if (value.Class == FloatClass.Zero)
        {
            return 0;
        }

        if (value.Class != FloatClass.Finite || value.Exponent > 63)
        {
            environment.Raised |= MxcsrBits.IE;
            return indefinite;
        }

        UInt128 scaled = Scaled(in value);
        UInt128 rounded = RoundAt(scaled, 64, value.Sign, mode, out bool inexact, out bool carried);
        ulong magnitude = (ulong)(rounded >> 64);
        ulong limit = (1UL << (bits - 1)) - (value.Sign ? 0UL : 1UL);
        if (carried || magnitude > limit)
        {
            environment.Raised |= MxcsrBits.IE;
            return indefinite;
        }

        environment.Raised |= inexact ? MxcsrBits.PE : 0;
        environment.RoundedUp = rounded > scaled;
        return value.Sign ? (long)(0UL - magnitude) : (long)magnitude;
    }

    /// <summary>The magnitude with 64 fraction bits and a sticky lowest bit; the number is below 2^64.</summary>
    private static UInt128 Scaled(in Unpacked value)
    {
        int shift = value.Exponent + 1;
        return shift >= 0 ? (UInt128)value.Significand << shift : ShiftRightSticky(value.Significand, -shift);
    }

    /// <summary>Shifts right; what falls out leaves a one in the lowest bit.</summary>
    public static UInt128 ShiftRightSticky(UInt128 value, int count)
    {
        if (count == 0)
        {
            return value;
        }

        if (count >= 128)
        {
            return value != 0 ? UInt128.One : UInt128.Zero;
        }

        UInt128 shifted = value >> count;
        return shifted << count == value ? shifted : shifted | 1;
    }
}
