using System;
using System.Numerics;

using Xenolith.Oracle;

using Xunit;

namespace Xenolith.Cpu.Tests.X87;

/// <summary>
/// Method: each function on thousands of arguments of every magnitude, compared with a textbook computation in 400 bits
/// (tests/Oracle/TranscendentalOracle.cs). The relative error must stay below 2^-116: rounding to 64 bits then gives the correctly rounded
/// result. A wrong coefficient, a lost carry or too few terms makes it fail; so does a result on the wrong side of a tiny argument.
/// </summary>
public sealed class TranscendentalTests
{
    private const int Good = 116;
    private const int Cases = 200;

    private readonly Random _random = new(1234);

    [Fact]
    public void TwoToTheXMinusOne()
    {
        foreach (Unpacked x in Arguments(-150, -1))
        {
            BigInteger expected = TranscendentalOracle.Exp2Minus1(Signed(in x));
            Check(expected, Transcendental.Exp2Minus1(in x), x.Sign);
        }
    }

    [Fact]
    public void BinaryLogarithm()
    {
        foreach (Unpacked argument in Arguments(-100, 100, nearOne: true))
        {
            Unpacked x = argument with { Sign = false };
            WideNumber result = Transcendental.Log2(in x, out bool negative, out bool exact);
            BigInteger expected = TranscendentalOracle.Log2(Signed(in x));
            Assert.Equal((x.Significand << 1) == 0, exact);
            if (expected.IsZero)
            {
                Assert.Equal(default, result);
                continue;
            }

            Check(expected, result, negative);
        }
    }

    [Fact]
    public void BinaryLogarithmOfOnePlus()
    {
        foreach (Unpacked x in Arguments(-150, 60))
        {
            if (x.Sign && x.Exponent >= 0)
            {
                continue;
            }

            WideNumber result = Transcendental.Log2Of1Plus(in x, out bool negative, out _);
            Check(TranscendentalOracle.Log2Of1Plus(Signed(in x)), result, negative);
        }
    }

    [Fact]
    public void SineCosineTangent()
    {
        foreach (Unpacked argument in Arguments(-150, -1))
        {
            Unpacked x = argument with { Sign = false };
            if (x.Exponent == -1 && x.Significand > 0xC90F_DAA2_2168_C234)
            {
                continue; // above pi/4
            }

            BigInteger value = Signed(in x);
            WideNumber wide = WideNumber.Of(in x);
            Check(TranscendentalOracle.Sin(value), Transcendental.Sin(wide), negative: false);
            Check(TranscendentalOracle.Cos(value), Transcendental.Cos(wide), negative: false);
            Check(TranscendentalOracle.Tan(value), Transcendental.Tan(wide), negative: false);
        }
    }

    [Fact]
    public void ArcTangentOfAPoint()
    {
        foreach (Unpacked x in Arguments(-30, 30))
        {
            foreach (int distance in (ReadOnlySpan<int>)[0, -1, 3, -4, 6, -30, 70])
            {
                Unpacked y = Finite((ulong)_random.NextInt64() | (1UL << 63), x.Exponent + distance, sign: false);
                BigInteger expected = TranscendentalOracle.Atan2(Signed(in y), Signed(in x));
                Check(expected, Transcendental.Atan2(in y, in x), negative: false);
            }
        }
    }

    [Fact]
    public void MultiplesOfPi()
    {
        for (int k = 1; k <= 4; k++)
        {
            Check(k * TranscendentalOracle.Pi / 4, Transcendental.QuarterPi(k), negative: false);
        }
    }

    [Fact]
    public void TinyArgumentsErrOnTheSideOfTheTruth()
    {
        // sin x < x < tan x, cos x < 1, atan x < x: however small x is, directed rounding must show it.
        Unpacked x = Finite(1UL << 63, -9000, sign: false);
        WideNumber wide = WideNumber.Of(in x);
        Unpacked one = Finite(1UL << 63, 0, sign: false);
        Assert.Equal(-9001, Transcendental.Sin(wide).Exponent);
        Assert.Equal(wide.Exponent, Transcendental.Tan(wide).Exponent);
        Assert.True(Transcendental.Tan(wide).Significand > wide.Significand);
        Assert.Equal(new WideNumber(UInt128.MaxValue, -1), Transcendental.Cos(wide));
        Assert.Equal(-9001, Transcendental.Atan2(in x, in one).Exponent);
    }

    [Fact]
    public void QuotientsAreCutOffInTheLastTwoBits()
    {
        for (int i = 0; i < 5000; i++)
        {
            WideNumber a = new(Significand(), 0);
            WideNumber b = new(Significand(), 0);
            WideNumber quotient = a / b;
            BigInteger expected = ((BigInteger)a.Significand << (127 - quotient.Exponent)) / (BigInteger)b.Significand;
            Assert.InRange(expected - (BigInteger)quotient.Significand, 0, 3);
        }
    }

    private static void Check(BigInteger expected, WideNumber result, bool negative)
    {
        int shift = TranscendentalOracle.Fraction - 127 + result.Exponent;
        BigInteger actual = shift >= 0 ? (BigInteger)result.Significand << shift : (BigInteger)result.Significand >> -shift;
        actual = negative ? -actual : actual;
        BigInteger error = BigInteger.Abs(actual - expected);
        Assert.True(error << Good <= BigInteger.Abs(expected) + (BigInteger.One << Good), $"{actual:x} instead of {expected:x}");
    }

    private System.Collections.Generic.IEnumerable<Unpacked> Arguments(int lowest, int highest, bool nearOne = false)
    {
        for (int i = 0; i < Cases; i++)
        {
            ulong significand = (1UL << 63) | (i % 8) switch
            {
                0 => 0UL,
                1 => 1UL << _random.Next(63),
                2 => ulong.MaxValue >> _random.Next(1, 64),
                _ => (ulong)_random.NextInt64(),
            };
            int exponent = nearOne && i % 3 == 0 ? _random.Next(-1, 1) : i % 2 == 0 ? _random.Next(lowest, highest + 1) : highest - _random.Next(6);
            yield return Finite(significand, exponent, _random.Next(2) == 0);
        }
    }

    private UInt128 Significand() => (UInt128.One << 127) | (_random.Next(4) switch
    {
        0 => UInt128.MaxValue >> _random.Next(1, 128),
        1 => UInt128.One << _random.Next(127),
        _ => new UInt128((ulong)_random.NextInt64(), (ulong)_random.NextInt64(long.MinValue, long.MaxValue)),
    });

    private static Unpacked Finite(ulong significand, int exponent, bool sign) =>
        new() { Class = FloatClass.Finite, Significand = significand, Exponent = exponent, Sign = sign };

    private static BigInteger Signed(in Unpacked x)
    {
        BigInteger magnitude = TranscendentalOracle.FromParts(x.Significand, x.Exponent);
        return x.Sign ? -magnitude : magnitude;
    }
}
