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

        return AddFinite(in a, in b, in format, ref environment);
    }

    /// <summary>In words of 64 bits, the upper one aligned with the larger operand; what falls out below leaves a one.</summary>
    private static Unpacked AddFinite(in Unpacked a, in Unpacked b, in FloatFormat format, ref FloatEnvironment environment)
    {
        int distance = a.Exponent - b.Exponent;
        bool swap = distance < 0 || (distance == 0 && b.Significand > a.Significand);
        ref readonly Unpacked large = ref swap ? ref b : ref a;
        ulong small = swap ? a.Significand : b.Significand;
        distance = Math.Abs(distance);
        ulong smallHigh = distance < 64 ? small >> distance : 0;
        ulong smallLow = distance switch
        {
            0 => 0,
            < 64 => small << (64 - distance),
            64 => small,
            < 128 => (small >> (distance - 64)) | (small << (128 - distance) != 0 ? 1UL : 0),
            _ => 1,
        };
        int exponent = large.Exponent;
        ulong high;
        if (a.Sign == b.Sign)
        {
            high = unchecked(large.Significand + smallHigh);
            if (high < smallHigh)
            {
                smallLow = (high << 63) | (smallLow >> 1) | (smallLow & 1);
                high = (high >> 1) | (1UL << 63);
                exponent++;
            }

            return Round(large.Sign, exponent, high, smallLow, in format, ref environment);
        }

        ulong low = unchecked(0UL - smallLow);
        high = large.Significand - smallHigh - (smallLow != 0 ? 1UL : 0);
        if (high == 0)
        {
            if (low == 0)
            {
                return Unpacked.Zero(environment.Rounding == RoundingMode.Down);
            }

            high = low;
            low = 0;
            exponent -= 64;
        }

        int zeros = BitOperations.LeadingZeroCount(high);
        if (zeros != 0)
        {
            high = (high << zeros) | (low >> (64 - zeros));
            low <<= zeros;
        }

        return Round(large.Sign, exponent - zeros, high, low, in format, ref environment);
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

        ulong high = Math.BigMul(a.Significand, b.Significand, out ulong low);
        int exponent = a.Exponent + b.Exponent + 1;
        if ((long)high >= 0)
        {
            high = (high << 1) | (low >> 63);
            low <<= 1;
            exponent--;
        }

        return Round(sign, exponent, high, low, in format, ref environment);
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

        // 64 bits of quotient, then whether the rest is at least a half, then a sticky bit.
        bool below = a.Significand < b.Significand;
        ulong quotient = DivideWide(below ? a.Significand : a.Significand >> 1, below ? 0 : a.Significand << 63, b.Significand, out ulong rest);
        bool half = rest >= b.Significand - rest;
        ulong low = (half ? 1UL << 63 : 0) | (rest != 0 && rest != b.Significand - rest ? 1UL : 0);
        return Round(sign, a.Exponent - b.Exponent - (below ? 1 : 0), quotient, low, in format, ref environment);
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

        // An even exponent; the radicand in [1, 4) with 126 fraction bits, so that its root has 63.
        bool odd = (a.Exponent & 1) != 0;
        UInt128 radicand = (UInt128)a.Significand << (odd ? 64 : 63);
        ulong root = IntegerRoot(radicand);

        // The root goes on with a half or more when radicand > (root + 1/2)^2; it never is just a half.
        UInt128 rest = radicand - ((UInt128)root * root);
        ulong low = (rest > root ? 1UL << 63 : 0) | (rest != 0 ? 1UL : 0);
        return Round(false, a.Exponent >> 1, root, low, in format, ref environment);
    }

    /// <summary>The root of a number of 127 or 128 bits, cut off.</summary>
    private static ulong IntegerRoot(UInt128 radicand)
    {
        // 53 bits from the host (only a first guess), doubled by one step of Newton's, then exact.
        double guess = Math.Sqrt((double)(ulong)(radicand >> 64)) * 4294967296.0;
        ulong root = guess >= 18446744073709549568.0 ? ulong.MaxValue - 2047 : (ulong)guess;
        ulong quotient = (ulong)(radicand >> 64) >= root ? ulong.MaxValue : DivideWide((ulong)(radicand >> 64), (ulong)radicand, root, out _);
        root = (root >> 1) + (quotient >> 1) + (root & quotient & 1);
        while ((UInt128)root * root > radicand)
        {
            root--;
        }

        while (root != ulong.MaxValue && (UInt128)(root + 1) * (root + 1) <= radicand)
        {
            root++;
        }

        return root;
    }

    /// <summary>
    /// high:low / divisor, whose top bit is set, where high is below divisor: two digits of 32 bits (Knuth's algorithm D).
    /// </summary>
    internal static ulong DivideWide(ulong high, ulong low, ulong divisor, out ulong remainder)
    {
        ulong first = Digit(ref high, low >> 32, divisor);
        ulong second = Digit(ref high, low & uint.MaxValue, divisor);
        remainder = high;
        return (first << 32) | second;
    }

    /// <summary>One digit of the quotient; the rest takes the dividend's place.</summary>
    private static ulong Digit(ref ulong rest, ulong next, ulong divisor)
    {
        ulong top = divisor >> 32;
        ulong digit = rest / top;
        digit = digit > uint.MaxValue ? uint.MaxValue : digit; // at most two too large
        UInt128 dividend = ((UInt128)rest << 32) | next;
        UInt128 product = (UInt128)digit * divisor;
        while (product > dividend)
        {
            digit--;
            product -= divisor;
        }

        rest = (ulong)(dividend - product);
        return digit;
    }

    /// <summary>
    /// Rounds an exact (or sticky) magnitude <paramref name="significand"/>/2^127 x 2^<paramref name="exponent"/> to a format, with
    /// overflow, underflow and inexact as SDM 1 "Floating-Point Exception Conditions" has them: tininess is seen after rounding.
    /// The result may be denormal: its significand then has leading zeros and the exponent is the smallest.
    /// </summary>
    public static Unpacked Round(bool sign, int exponent, UInt128 significand, in FloatFormat format, ref FloatEnvironment environment)
    {
        ulong high = (ulong)(significand >> 64);
        int zeros = high != 0 ? BitOperations.LeadingZeroCount(high) : (int)UInt128.LeadingZeroCount(significand);
        significand = zeros == 0 ? significand : significand << zeros;
        exponent -= zeros;
        int drop = 128 - format.Precision;
        if (exponent >= format.MinExponent && exponent < format.MaxExponent)
        {
            return RoundWithinRange(sign, exponent, (ulong)(significand >> 64), (ulong)significand, drop - 64, ref environment);
        }

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

    /// <summary>As above, of a significand in two words whose top bit is set.</summary>
    private static Unpacked Round(
        bool sign, int exponent, ulong high, ulong low, in FloatFormat format, ref FloatEnvironment environment) =>
        exponent >= format.MinExponent && exponent < format.MaxExponent
            ? RoundWithinRange(sign, exponent, high, low, 64 - format.Precision, ref environment)
            : Round(sign, exponent, new UInt128(high, low), in format, ref environment);

    /// <summary>Where neither overflow nor underflow is near: by far the most.</summary>
    private static Unpacked RoundWithinRange(bool sign, int exponent, ulong high, ulong low, int drop, ref FloatEnvironment environment)
    {
        ulong unit = 1UL << drop;
        ulong rest = high & (unit - 1);
        ulong kept = high - rest;
        bool inexact = (rest | low) != 0;
        bool up = environment.Rounding switch
        {
            RoundingMode.Nearest when drop == 0 => low > 1UL << 63 || (low == 1UL << 63 && (high & 1) != 0),
            RoundingMode.Nearest => rest > unit >> 1 || (rest == unit >> 1 && (low != 0 || (kept & unit) != 0)),
            RoundingMode.Down => inexact && sign,
            RoundingMode.Up => inexact && !sign,
            _ => false,
        };
        if (up)
        {
            kept = unchecked(kept + unit);
            exponent += kept == 0 ? 1 : 0;
            kept = kept == 0 ? 1UL << 63 : kept;
        }

        environment.RoundedUp = up;
        environment.Raised |= inexact ? MxcsrBits.PE : 0;
        return new Unpacked { Sign = sign, Exponent = exponent, Significand = kept, Class = FloatClass.Finite };
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
