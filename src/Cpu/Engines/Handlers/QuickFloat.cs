using System;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Xenolith.Cpu;

/// <summary>
/// SSE arithmetic as one operation of the host, for the case that programs are in nearly always: every exception masked, rounding to
/// nearest, no DAZ or FTZ, and PE noted already, as it is after the first rounded result. Then, if operands and result are normal
/// numbers, the host's result is the guest's, and no flag can change: IE, DE and ZE need other operands, OE and UE another result.
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
            if ((typeof(TOp) != typeof(SquareRootOp) && !IsNormal(x)) || !IsNormal(y) || !IsSafe(result))
            {
                return false;
            }

            *(double*)destination = result;
            return true;
        }

        float f = *(float*)destination;
        float g = Unsafe.BitCast<T, float>(source);
        float value = Host<TOp>(f, g);
        if ((typeof(TOp) != typeof(SquareRootOp) && !IsNormal(f)) || !IsNormal(g) || !IsSafe(value))
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
            ? InRange(x.AsInt64(), (long)DoubleOne, 0x7FFL << 52) & InRange(y.AsInt64(), (long)DoubleOne, 0x7FFL << 52)
                & InRange(result.AsInt64(), 2L << 52, 0x7FFL << 52)
            : InRange(x.AsInt32(), (int)SingleOne, 0xFF << 23) & InRange(y.AsInt32(), (int)SingleOne, 0xFF << 23)
                & InRange(result.AsInt32(), 2 << 23, 0xFF << 23);
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

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    private static bool InRange(Vector128<long> value, long from, long to)
    {
        Vector128<long> magnitude = value & Vector128.Create(long.MaxValue);
        Vector128<long> isOutside = Vector128.LessThan(magnitude, Vector128.Create(from)) | Vector128.GreaterThanOrEqual(magnitude, Vector128.Create(to));
        return isOutside == Vector128<long>.Zero;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    private static bool InRange(Vector128<int> value, int from, int to)
    {
        Vector128<int> magnitude = value & Vector128.Create(int.MaxValue);
        Vector128<int> isOutside = Vector128.LessThan(magnitude, Vector128.Create(from)) | Vector128.GreaterThanOrEqual(magnitude, Vector128.Create(to));
        return isOutside == Vector128<int>.Zero;
    }

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
