using System.Numerics;

namespace Xenolith.Cpu;

/// <summary>The double extended-precision format (SDM 1 "Floating-Point Data Types"): how its 80 bits come apart and together.</summary>
internal static class ExtendedFormat
{
    private const int Bias = 16383;
    private const ulong IntegerBit = 1UL << 63;
    private const ulong QuietBit = 1UL << 62;

    /// <summary>How far the exponent of a result is moved when #O or #U is unmasked (SDM 1 "Numeric Overflow Exception (#O)").</summary>
    public const int ExponentAdjustment = 24576;

    public static X87Register Indefinite => new() { Significand = IntegerBit | QuietBit, SignExponent = 0xFFFF };

    public static X87Register Zero => default;

    public static X87Register One => new() { Significand = IntegerBit, SignExponent = Bias };

    /// <summary>The tag of a value (SDM 1 "x87 FPU Tag Word"): 0 valid, 1 zero, 2 special.</summary>
    public static int Tag(in X87Register value)
    {
        int exponent = value.SignExponent & 0x7FFF;
        return exponent == 0 && value.Significand == 0 ? 1
            : exponent is 0 or 0x7FFF || (value.Significand & IntegerBit) == 0 ? 2
            : 0;
    }

    public static Unpacked Unpack(in X87Register value)
    {
        bool sign = (value.SignExponent & 0x8000) != 0;
        int biased = value.SignExponent & 0x7FFF;
        ulong significand = value.Significand;
        if (biased is not (0 or 0x7FFF) && (long)significand < 0)
        {
            return new Unpacked { Sign = sign, Class = FloatClass.Finite, Significand = significand, Exponent = biased - Bias };
        }

        if (biased == 0)
        {
            if (significand == 0)
            {
                return Unpacked.Zero(sign);
            }

            int zeros = BitOperations.LeadingZeroCount(significand);
            return new Unpacked
            {
                Sign = sign,
                Class = FloatClass.Finite,
                Significand = significand << zeros,
                Exponent = FloatFormat.Extended.MinExponent - zeros,
                IsDenormal = true, // pseudo-denormals too
            };
        }

        if ((significand & IntegerBit) == 0)
        {
            return new Unpacked { Sign = sign, Class = FloatClass.Unsupported, Significand = significand };
        }

        FloatClass kind = significand == IntegerBit ? FloatClass.Infinity
            : (significand & QuietBit) != 0 ? FloatClass.QuietNaN
            : FloatClass.SignallingNaN;
        return new Unpacked { Sign = sign, Class = kind, Significand = significand };
    }

    /// <summary>Puts a rounded number together. Exponents beyond the range come from unmasked #O and #U, and are adjusted.</summary>
    public static X87Register Pack(in Unpacked value)
    {
        ushort sign = value.Sign ? (ushort)0x8000 : (ushort)0;
        switch (value.Class)
        {
            case FloatClass.Zero:
                return new X87Register { SignExponent = sign };
            case FloatClass.Infinity:
                return new X87Register { SignExponent = (ushort)(sign | 0x7FFF), Significand = IntegerBit };
            case FloatClass.Finite:
                int exponent = value.Exponent;
                exponent -= exponent > FloatFormat.Extended.MaxExponent ? ExponentAdjustment : 0;
                exponent += exponent < FloatFormat.Extended.MinExponent ? ExponentAdjustment : 0;
                bool denormal = (value.Significand & IntegerBit) == 0;
                return new X87Register { SignExponent = (ushort)(sign | (denormal ? 0 : exponent + Bias)), Significand = value.Significand };
            case FloatClass.Unsupported:
                return Indefinite;
            default:
                return new X87Register { SignExponent = (ushort)(sign | 0x7FFF), Significand = value.Significand | IntegerBit | QuietBit };
        }
    }

    /// <summary>
    /// NaN and unsupported operands of a two-operand instruction (SDM 1 "Rules for Handling NaNs"): the NaN with the larger
    /// significand, made quiet, but a quiet one before a signalling one. True when <paramref name="result"/> is the answer.
    /// </summary>
    public static bool TryNaN(in Unpacked a, in Unpacked b, ref FloatEnvironment environment, out Unpacked result)
    {
        if (a.Class <= FloatClass.Infinity && b.Class <= FloatClass.Infinity)
        {
            result = default;
            return false;
        }

        result = Unpacked.Indefinite;
        if (a.Class == FloatClass.Unsupported || b.Class == FloatClass.Unsupported)
        {
            environment.Raised |= MxcsrBits.IE;
            return true;
        }

        environment.Raised |= a.Class == FloatClass.SignallingNaN || b.Class == FloatClass.SignallingNaN ? MxcsrBits.IE : 0;
        result = !b.IsNaN ? a
            : !a.IsNaN ? b
            : a.Class != b.Class ? (a.Class == FloatClass.QuietNaN ? a : b)
            : a.Significand != b.Significand ? (a.Significand > b.Significand ? a : b)
            : a.Sign ? b : a;
        result.Class = FloatClass.QuietNaN;
        return true;
    }
}
