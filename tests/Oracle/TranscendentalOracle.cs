using System;
using System.Numerics;

namespace Xenolith.Oracle;

/// <summary>
/// The functions of the x87 transcendental instructions, written from textbooks in fixed point with 400 fraction bits: slow, and shares
/// no method with the product (series by long division, pi by Machin's formula, arc tangent by Euler's series).
/// </summary>
public static class TranscendentalOracle
{
    /// <summary>Fraction bits of every number here.</summary>
    public const int Fraction = 400;

    private static readonly BigInteger s_one = BigInteger.One << Fraction;

    public static BigInteger Ln2 { get; } = 2 * ArcTanh(s_one / 3);

    /// <summary>pi = 16 atan(1/5) - 4 atan(1/239).</summary>
    public static BigInteger Pi { get; } = (16 * Atan(s_one / 5)) - (4 * Atan(s_one / 239));

    /// <summary>significand/2^63 x 2^exponent; what is below 2^-400 is lost.</summary>
    public static BigInteger FromParts(ulong significand, int exponent)
    {
        int shift = Fraction - 63 + exponent;
        return shift >= 0 ? (BigInteger)significand << shift : (BigInteger)significand >> -shift;
    }

    public static BigInteger Exp2Minus1(BigInteger x)
    {
        BigInteger t = Multiply(x, Ln2);
        BigInteger term = t;
        BigInteger sum = t;
        for (int n = 2; !term.IsZero && n < 1000; n++)
        {
            term = Multiply(term, t) / n;
            sum += term;
        }

        return sum;
    }

    public static BigInteger Log2(BigInteger x)
    {
        int exponent = 0;
        for (; x >= 2 * s_one; x >>= 1)
        {
            exponent++;
        }

        for (; x < s_one; x <<= 1)
        {
            exponent--;
        }

        return (exponent * s_one) + Divide(2 * ArcTanh(Divide(x - s_one, x + s_one)), Ln2);
    }

    public static BigInteger Log2Of1Plus(BigInteger x) => Log2(s_one + x);

    public static BigInteger Sin(BigInteger x) => Alternating(x, x, 1);

    public static BigInteger Cos(BigInteger x) => Alternating(s_one, x, 0);

    public static BigInteger Tan(BigInteger x) => Divide(Sin(x), Cos(x));

    /// <summary>Euler: atan q = sum of (2^2n n!^2/(2n + 1)!) q^(2n + 1)/(1 + q^2)^(n + 1).</summary>
    public static BigInteger Atan(BigInteger q)
    {
        BigInteger square = Multiply(q, q);
        BigInteger ratio = Divide(square, s_one + square);
        BigInteger term = Divide(q, s_one + square);
        BigInteger sum = term;
        for (int n = 1; !term.IsZero; n++)
        {
            term = Multiply(term, ratio) * (2 * n) / ((2 * n) + 1);
            sum += term;
        }

        return sum;
    }

    /// <summary>The angle of (x, y) with positive y.</summary>
    public static BigInteger Atan2(BigInteger y, BigInteger x) =>
        BigInteger.Abs(x) < y ? (Pi / 2) - Atan(Divide(x, y))
        : x.Sign > 0 ? Atan(Divide(y, x))
        : Pi - Atan(Divide(y, -x));

    private static BigInteger ArcTanh(BigInteger s)
    {
        BigInteger square = Multiply(s, s);
        BigInteger power = s;
        BigInteger sum = s;
        for (int n = 3; !power.IsZero && n < 5000; n += 2)
        {
            power = Multiply(power, square);
            sum += power / n;
        }

        return sum;
    }

    private static BigInteger Alternating(BigInteger first, BigInteger x, int n)
    {
        BigInteger square = Multiply(x, x);
        BigInteger term = first;
        BigInteger sum = first;
        while (!term.IsZero)
        {
            n += 2;
            term = -Multiply(term, square) / (n * (n - 1));
            sum += term;
        }

        return sum;
    }

    private static BigInteger Multiply(BigInteger a, BigInteger b) => (a * b) >> Fraction;

    private static BigInteger Divide(BigInteger a, BigInteger b) => (a << Fraction) / b;
}
