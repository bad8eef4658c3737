using System;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Xenolith.Cpu;

/// <summary>
/// SSE arithmetic as one operation of the host, for the case that programs are in nearly always: every exception masked, rounding to
/// nearest, no DAZ or FTZ, and PE noted already, as it is after the first rounded result. Then, if operands and result are normal
/// numbers or exact zeros, the host's result is the guest's, and no flag can change: IE, DE and ZE need other operands, OE and UE
/// another result.
/// </summary>
internal static unsafe class QuickFloat
{
    private const ulong DoubleOne = 1UL << 52;
    private const uint SingleOne = 1U << 23;

    /// <summary>Is MXCSR as described above?</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool IsUsual(CpuState* cpu) => (cpu->Mxcsr & 0xFFE0) == ((MxcsrBits.Flags << MxcsrBits.MaskShift) | MxcsrBits.PE);

    /// <summary>A scalar operation. False when it must be done exactly; nothing has changed then.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool TryScalar<TOp, T>(CpuState* cpu, byte* destination, T source)
        where T : unmanaged
    {
        if (!IsUsual(cpu))
        {
            return false;
        }

        if (sizeof(T) == 8)
        {
            double x = *(double*)destination;
            double y = Unsafe.BitCast<T, double>(source);
            double result = Host<TOp>(x, y);
            bool isQuick = (HasOneOperand<TOp>() | IsOperand(x)) & (IsDivision<TOp>() ? IsNormal(y) : IsOperand(y))
                & (IsSafe(result) | (result == 0 & IsExactZero<TOp>(x == 0, y == 0)));
            if (!isQuick)
            {
                return false;
            }

            *(double*)destination = result;
            return true;
        }

        float f = *(float*)destination;
        float g = Unsafe.BitCast<T, float>(source);
        float value = Host<TOp>(f, g);
        bool isPlain = (HasOneOperand<TOp>() | IsOperand(f)) & (IsDivision<TOp>() ? IsNormal(g) : IsOperand(g))
            & (IsSafe(value) | (value == 0 & IsExactZero<TOp>(f == 0, g == 0)));
        if (!isPlain)
        {
            return false;
        }

        *(float*)destination = value;
        return true;
    }

    /// <summary>A packed operation. False when it must be done exactly; nothing has changed then.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool TryPacked<TOp, T>(CpuState* cpu, byte* destination, byte* source)
        where T : unmanaged
    {
        if (!IsUsual(cpu))
        {
            return false;
        }

        Vector128<byte> x = *(Vector128<byte>*)destination;
        Vector128<byte> y = *(Vector128<byte>*)source;
        Vector128<byte> result = sizeof(T) == 8
            ? Host<TOp, double>(x.AsDouble(), y.AsDouble()).AsByte()
            : Host<TOp, float>(x.AsSingle(), y.AsSingle()).AsByte();
        bool isFine = sizeof(T) == 8
            ? IsQuick<TOp, long>(x.AsInt64(), y.AsInt64(), result.AsInt64(), (long)DoubleOne, 0x7FFL << 52)
            : IsQuick<TOp, int>(x.AsInt32(), y.AsInt32(), result.AsInt32(), (int)SingleOne, 0xFF << 23);
        if (isFine)
        {
            *(Vector128<byte>*)destination = result;
        }

        return isFine;
    }

    /// <summary>COMISD, UCOMISD: sets flags unless one is a NaN or denormal.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool TryCompare<T>(CpuState* cpu, T a, T b)
        where T : unmanaged
    {
        double x;
        double y;
        if (sizeof(T) == 8)
        {
            x = Unsafe.BitCast<T, double>(a);
            y = Unsafe.BitCast<T, double>(b);
            if (!IsPlain(x) || !IsPlain(y))
            {
                return false;
            }
        }
        else
        {
            float f = Unsafe.BitCast<T, float>(a);
            float g = Unsafe.BitCast<T, float>(b);
            if (!IsPlain(f) || !IsPlain(g))
            {
                return false;
            }

            x = f;
            y = g;
        }

        LazyFlags.SetCompared(cpu, x < y, x == y);
        return true;
    }

    /// <summary>Neither zero nor denormal, infinite or NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool IsNormal(double value) => Magnitude(value) - DoubleOne < (0x7FEUL << 52);

    /// <inheritdoc cref="IsNormal(double)"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool IsNormal(float value) => Magnitude(value) - SingleOne < (0xFEU << 23);

    /// <summary>Normal, and not the smallest binade: that one may have been rounded up from below it, which is an underflow.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool IsSafe(double value) => Magnitude(value) - (2 * DoubleOne) < (0x7FDUL << 52);

    /// <inheritdoc cref="IsSafe(double)"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool IsSafe(float value) => Magnitude(value) - (2 * SingleOne) < (0xFDU << 23);

    /// <summary>Neither denormal nor NaN: zero's predecessor is above them all.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool IsPlain(double value) => Magnitude(value) - 1 >= DoubleOne - 1 && !double.IsNaN(value);

    /// <inheritdoc cref="IsPlain(double)"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool IsPlain(float value) => Magnitude(value) - 1 >= SingleOne - 1 && !float.IsNaN(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    private static ulong Magnitude(double value) => BitConverter.DoubleToUInt64Bits(value) & ~(1UL << 63);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    private static uint Magnitude(float value) => BitConverter.SingleToUInt32Bits(value) & ~(1U << 31);

    /// <summary>The same conditions for all elements at once: bit patterns as signed integers, the sign masked away.</summary>
    /// <param name="one">The smallest normal number.</param>
    /// <param name="infinity">What all finite numbers are below.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    private static bool IsQuick<TOp, T>(Vector128<T> x, Vector128<T> y, Vector128<T> result, T one, T infinity)
        where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T>
    {
        Vector128<T> magnitude = Vector128.Create(T.MaxValue);
        Vector128<T> smallest = Vector128.Create(one);
        Vector128<T> end = Vector128.Create(infinity);
        Vector128<T> a = x & magnitude;
        Vector128<T> b = y & magnitude;
        Vector128<T> r = result & magnitude;
        Vector128<T> aIsZero = Vector128.Equals(a, Vector128<T>.Zero);
        Vector128<T> bIsZero = Vector128.Equals(b, Vector128<T>.Zero);
        Vector128<T> rIsZero = Vector128.Equals(r, Vector128<T>.Zero);
        Vector128<T> isBad = Vector128.GreaterThanOrEqual(a, end) | Vector128.GreaterThanOrEqual(b, end) | Vector128.GreaterThanOrEqual(r, end)
            | Vector128.AndNot(Vector128.LessThan(a, smallest), aIsZero)
            | (IsDivision<TOp>() ? Vector128.LessThan(b, smallest) : Vector128.AndNot(Vector128.LessThan(b, smallest), bIsZero))
            | Vector128.AndNot(Vector128.LessThan(r, Vector128.Create(one + one)), rIsZero);
        if (typeof(TOp) == typeof(MultiplyOp))
        {
            isBad |= Vector128.AndNot(rIsZero, aIsZero | bIsZero);
        }
        else if (IsDivision<TOp>())
        {
            isBad |= Vector128.AndNot(rIsZero, aIsZero);
        }

        return isBad == Vector128<T>.Zero;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a constant
    private static bool HasOneOperand<TOp>() => typeof(TOp) == typeof(SquareRootOp);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a constant
    private static bool IsDivision<TOp>() => typeof(TOp) == typeof(DivideOp);

    /// <summary>
    /// Zero that is the exact result, not what is left of an underflow. A sum of normal numbers is never that small by rounding.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    private static bool IsExactZero<TOp>(bool isFirstZero, bool isSecondZero) =>
        typeof(TOp) == typeof(MultiplyOp) ? isFirstZero | isSecondZero
        : typeof(TOp) == typeof(DivideOp) ? isFirstZero
        : typeof(TOp) != typeof(SquareRootOp) || isSecondZero;

    /// <summary>Zero or normal.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    private static bool IsOperand(double value) => IsNormal(value) | (value == 0);

    /// <inheritdoc cref="IsOperand(double)"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    private static bool IsOperand(float value) => IsNormal(value) | (value == 0);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    private static double Host<TOp>(double x, double y) =>
        typeof(TOp) == typeof(AddOp) ? x + y
        : typeof(TOp) == typeof(SubtractOp) ? x - y
        : typeof(TOp) == typeof(MultiplyOp) ? x * y
        : typeof(TOp) == typeof(DivideOp) ? x / y
        : Math.Sqrt(y);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    private static float Host<TOp>(float x, float y) =>
        typeof(TOp) == typeof(AddOp) ? x + y
        : typeof(TOp) == typeof(SubtractOp) ? x - y
        : typeof(TOp) == typeof(MultiplyOp) ? x * y
        : typeof(TOp) == typeof(DivideOp) ? x / y
        : MathF.Sqrt(y);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    private static Vector128<T> Host<TOp, T>(Vector128<T> x, Vector128<T> y) =>
        typeof(TOp) == typeof(AddOp) ? x + y
        : typeof(TOp) == typeof(SubtractOp) ? x - y
        : typeof(TOp) == typeof(MultiplyOp) ? x * y
        : typeof(TOp) == typeof(DivideOp) ? x / y
        : Vector128.Sqrt(y);
}
