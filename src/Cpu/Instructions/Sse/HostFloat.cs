using System;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace Xenolith.Cpu;

/// <summary>
/// The common case of SSE arithmetic by the host's own floating point: rounding to nearest, everything masked, normal operands
/// and a normal result. Whether the result is exact (which decides MXCSR.PE) is found by an error-free transformation, and only
/// while PE is not set already. Everything else says false and takes <see cref="SoftFloat"/>.
/// </summary>
internal static class HostFloat
{
    /// <summary>Results nearer to the limits than this are left to the exact way: their error terms might underflow.</summary>
    private const int SafeExponent = 0x060;

    public static bool TryAdd<T>(T a, T b, ref FloatEnvironment environment, out T result)
        where T : unmanaged
    {
        result = default;
        if (!IsPlain(in environment))
        {
            return false;
        }

        if (typeof(T) == typeof(ulong))
        {
            double x = Unsafe.BitCast<T, double>(a);
            double y = Unsafe.BitCast<T, double>(b);
            double sum = x + y;
            if (!IsSafe(x) || !IsSafe(y) || !IsSafe(sum))
            {
                return false;
            }

            double back = sum - x;
            double error = (x - (sum - back)) + (y - back);
            environment.Raised |= error != 0 ? MxcsrBits.PE : 0;
            result = Unsafe.BitCast<double, T>(sum);
            return true;
        }

        float f = Unsafe.BitCast<T, float>(a);
        float g = Unsafe.BitCast<T, float>(b);
        float total = f + g;
        if (!IsSafe(f) || !IsSafe(g) || !IsSafe(total))
        {
            return false;
        }

        float before = total - f;
        float rest = (f - (total - before)) + (g - before);
        environment.Raised |= rest != 0 ? MxcsrBits.PE : 0;
        result = Unsafe.BitCast<float, T>(total);
        return true;
    }

    public static bool TryMultiply<T>(T a, T b, ref FloatEnvironment environment, out T result)
        where T : unmanaged
    {
        result = default;
        if (!IsPlain(in environment))
        {
            return false;
        }

        if (typeof(T) == typeof(ulong))
        {
            double x = Unsafe.BitCast<T, double>(a);
            double y = Unsafe.BitCast<T, double>(b);
            double product = x * y;
            if (!IsSafe(x) || !IsSafe(y) || !IsSafe(product))
            {
                return false;
            }

            environment.Raised |= Math.FusedMultiplyAdd(x, y, -product) != 0 ? MxcsrBits.PE : 0;
            result = Unsafe.BitCast<double, T>(product);
            return true;
        }

        float f = Unsafe.BitCast<T, float>(a);
        float g = Unsafe.BitCast<T, float>(b);
        float small = f * g;
        if (!IsSafe(f) || !IsSafe(g) || !IsSafe(small))
        {
            return false;
        }

        environment.Raised |= (double)f * g != small ? MxcsrBits.PE : 0; // 48 bits fit into a double
        result = Unsafe.BitCast<float, T>(small);
        return true;
    }

    public static bool TryDivide<T>(T a, T b, ref FloatEnvironment environment, out T result)
        where T : unmanaged
    {
        result = default;
        if (!IsPlain(in environment))
        {
            return false;
        }

        if (typeof(T) == typeof(ulong))
        {
            double x = Unsafe.BitCast<T, double>(a);
            double y = Unsafe.BitCast<T, double>(b);
            double quotient = x / y;
            if (!IsSafe(x) || !IsSafe(y) || !IsSafe(quotient))
            {
                return false;
            }

            environment.Raised |= Math.FusedMultiplyAdd(quotient, y, -x) != 0 ? MxcsrBits.PE : 0;
            result = Unsafe.BitCast<double, T>(quotient);
            return true;
        }

        float f = Unsafe.BitCast<T, float>(a);
        float g = Unsafe.BitCast<T, float>(b);
        float small = f / g;
        if (!IsSafe(f) || !IsSafe(g) || !IsSafe(small))
        {
            return false;
        }

        environment.Raised |= (double)small * g != f ? MxcsrBits.PE : 0;
        result = Unsafe.BitCast<float, T>(small);
        return true;
    }

    public static bool TrySquareRoot<T>(T a, ref FloatEnvironment environment, out T result)
        where T : unmanaged
    {
        result = default;
        if (!IsPlain(in environment))
        {
            return false;
        }

        if (typeof(T) == typeof(ulong))
        {
            double x = Unsafe.BitCast<T, double>(a);
            if (!IsSafe(x) || x < 0)
            {
                return false;
            }

            double root = Math.Sqrt(x);
            environment.Raised |= Math.FusedMultiplyAdd(root, root, -x) != 0 ? MxcsrBits.PE : 0;
            result = Unsafe.BitCast<double, T>(root);
            return true;
        }

        float f = Unsafe.BitCast<T, float>(a);
        if (!IsSafe(f) || f < 0)
        {
            return false;
        }

        float small = MathF.Sqrt(f);
        environment.Raised |= (double)small * small != f ? MxcsrBits.PE : 0;
        result = Unsafe.BitCast<float, T>(small);
        return true;
    }

    /// <summary>
    /// xy + z with one rounding. Exactness: of singles by the product in double precision, of doubles by the error of a fused operation
    /// (Boldo and Muller: the error is the sum of two numbers, which is zero only when it is).
    /// </summary>
    public static bool TryFused<T>(T x, T y, T z, ref FloatEnvironment environment, out T result)
        where T : unmanaged
    {
        result = default;
        if (!IsPlain(in environment))
        {
            return false;
        }

        if (typeof(T) == typeof(ulong))
        {
            double a = Unsafe.BitCast<T, double>(x);
            double b = Unsafe.BitCast<T, double>(y);
            double c = Unsafe.BitCast<T, double>(z);
            double fused = Math.FusedMultiplyAdd(a, b, c);
            double high = a * b;
            if (!IsSafe(a) || !IsSafe(b) || !IsSafe(c) || !IsSafe(high) || !IsSafe(fused))
            {
                return false;
            }

            double low = Math.FusedMultiplyAdd(a, b, -high);
            double first = Sum(c, low, out double firstError);
            double second = Sum(high, first, out double secondError);
            environment.Raised |= second - fused + secondError + firstError != 0 ? MxcsrBits.PE : 0;
            result = Unsafe.BitCast<double, T>(fused);
            return true;
        }

        float f = Unsafe.BitCast<T, float>(x);
        float g = Unsafe.BitCast<T, float>(y);
        float h = Unsafe.BitCast<T, float>(z);
        float small = MathF.FusedMultiplyAdd(f, g, h);
        if (!IsSafe(f) || !IsSafe(g) || !IsSafe(h) || !IsSafe(small))
        {
            return false;
        }

        double sum = Sum((double)f * g, h, out double error);
        environment.Raised |= error != 0 || sum != small ? MxcsrBits.PE : 0;
        result = Unsafe.BitCast<float, T>(small);
        return true;
    }

    /// <summary>The sum, and what rounding took from it (Knuth).</summary>
    private static double Sum(double a, double b, out double error)
    {
        double sum = a + b;
        double back = sum - a;
        error = (a - (sum - back)) + (b - back);
        return sum;
    }

    private static bool IsPlain(in FloatEnvironment environment) =>
        environment is { Rounding: RoundingMode.Nearest, Masked: MxcsrBits.Flags };

    /// <summary>Normal, and far from both ends of the range.</summary>
    private static bool IsSafe(double value)
    {
        int exponent = (int)(BitConverter.DoubleToUInt64Bits(value) >> 52) & 0x7FF;
        return exponent - SafeExponent < 0x7FF - (2 * SafeExponent) && exponent >= SafeExponent;
    }

    /// <inheritdoc cref="IsSafe(double)"/>
    private static bool IsSafe(float value)
    {
        const int Margin = 0x1A; // 24 bits of error term, and a little
        int exponent = (int)(BitConverter.SingleToUInt32Bits(value) >> 23) & 0xFF;
        return exponent is >= Margin and < 0xFF - Margin;
    }
}
