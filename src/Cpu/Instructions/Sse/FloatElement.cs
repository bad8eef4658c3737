using System.Numerics;

namespace Xenolith.Cpu;

/// <summary>A format of SSE elements: how its bits come apart and together.</summary>
internal interface IFloatElement<T>
    where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
{
    static abstract FloatFormat Format { get; }

    static abstract T SignBit { get; }

    /// <summary>Infinity: all exponent bits.</summary>
    static abstract T ExponentMask { get; }

    /// <summary>The highest fraction bit: set in quiet NaNs.</summary>
    static abstract T QuietBit { get; }

    /// <summary>The default NaN.</summary>
    static abstract T Indefinite { get; }
}

/// <summary>Single precision in 32 bits.</summary>
internal readonly struct SingleElement : IFloatElement<uint>
{
    public static FloatFormat Format => FloatFormat.Single;

    public static uint SignBit => 0x8000_0000;

    public static uint ExponentMask => 0x7F80_0000;

    public static uint QuietBit => 0x0040_0000;

    public static uint Indefinite => 0xFFC0_0000;
}

/// <summary>Double precision in 64 bits.</summary>
internal readonly struct DoubleElement : IFloatElement<ulong>
{
    public static FloatFormat Format => FloatFormat.Double;

    public static ulong SignBit => 0x8000_0000_0000_0000;

    public static ulong ExponentMask => 0x7FF0_0000_0000_0000;

    public static ulong QuietBit => 0x0008_0000_0000_0000;

    public static ulong Indefinite => 0xFFF8_0000_0000_0000;
}

/// <summary>What the elements of both formats have in common.</summary>
internal static class FloatElement<TElement, T>
    where TElement : struct, IFloatElement<T>
    where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
{
    public static bool IsNaN(T bits) => (bits & ~TElement.SignBit) > TElement.ExponentMask;

    public static bool IsSignalling(T bits) => IsNaN(bits) && (bits & TElement.QuietBit) == T.Zero;

    public static bool IsDenormal(T bits) => (bits & TElement.ExponentMask) == T.Zero && (bits & ~TElement.SignBit) != T.Zero;

    /// <summary>DAZ: a denormal operand counts as a zero of its sign, and raises nothing.</summary>
    public static T Flush(T bits, in FloatEnvironment environment) =>
        environment.DenormalsAreZero && IsDenormal(bits) ? bits & TElement.SignBit : bits;

    public static Unpacked Unpack(T bits)
    {
        int fractionBits = TElement.Format.Precision - 1;
        bool sign = (bits & TElement.SignBit) != T.Zero;
        int biased = int.CreateTruncating((bits & TElement.ExponentMask) >> fractionBits);
        ulong fraction = ulong.CreateTruncating(bits & ((T.One << fractionBits) - T.One));
        if (biased == 0)
        {
            if (fraction == 0)
            {
                return Unpacked.Zero(sign);
            }

            int zeros = BitOperations.LeadingZeroCount(fraction);
            return new Unpacked
            {
                Sign = sign,
                Class = FloatClass.Finite,
                Significand = fraction << zeros,
                Exponent = TElement.Format.MinExponent - (zeros - (63 - fractionBits)),
                IsDenormal = true,
            };
        }

        ulong significand = (1UL << 63) | (fraction << (63 - fractionBits));
        if (biased > TElement.Format.MaxExponent * 2)
        {
            FloatClass kind = fraction == 0 ? FloatClass.Infinity
                : (bits & TElement.QuietBit) != T.Zero ? FloatClass.QuietNaN
                : FloatClass.SignallingNaN;
            return new Unpacked { Sign = sign, Class = kind, Significand = significand };
        }

        return new Unpacked { Sign = sign, Class = FloatClass.Finite, Significand = significand, Exponent = biased - TElement.Format.MaxExponent };
    }

    /// <summary>Puts a rounded number together; NaNs become quiet.</summary>
    public static T Pack(in Unpacked value)
    {
        int fractionBits = TElement.Format.Precision - 1;
        T sign = value.Sign ? TElement.SignBit : T.Zero;
        T fraction = T.CreateTruncating(value.Significand >> (63 - fractionBits)) & ((T.One << fractionBits) - T.One);
        switch (value.Class)
        {
            case FloatClass.Zero:
                return sign;
            case FloatClass.Infinity:
                return sign | TElement.ExponentMask;
            case FloatClass.Finite:
                bool denormal = (value.Significand >> 63) == 0;
                int biased = denormal ? 0 : value.Exponent + TElement.Format.MaxExponent;
                return sign | (T.CreateTruncating(biased) << fractionBits) | fraction;
            default:
                return sign | TElement.ExponentMask | TElement.QuietBit | fraction;
        }
    }

    /// <summary>
    /// NaN operands of a two-operand instruction (SDM 1 "Rules for Handling NaNs"): the first NaN, made quiet; #I when one signals.
    /// </summary>
    public static bool TryNaN(T a, T b, ref FloatEnvironment environment, out T result)
    {
        result = T.Zero;
        if (!IsNaN(a) && !IsNaN(b))
        {
            return false;
        }

        environment.Raised |= IsSignalling(a) || IsSignalling(b) ? MxcsrBits.IE : 0;
        result = (IsNaN(a) ? a : b) | TElement.QuietBit;
        return true;
    }
}
