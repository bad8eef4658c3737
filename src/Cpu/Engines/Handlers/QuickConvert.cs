using System.Numerics;
using System.Runtime.CompilerServices;

namespace Xenolith.Cpu;

/// <summary>
/// Conversions as one operation of the host, where no flag of MXCSR can change: exact ones of plain numbers, and rounded ones under the
/// usual MXCSR (<see cref="QuickFloat.IsUsual"/>). False leaves everything as it was, for the careful way.
/// </summary>
internal static unsafe class QuickConvert
{
    /// <summary>CVTSI2SD, CVTSI2SS.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool TryFromInteger<T, TTo>(CpuState* cpu, byte* destination, T source)
        where T : unmanaged, IBinaryInteger<T>
        where TTo : unmanaged, IFloatingPoint<TTo>
    {
        bool isExact = sizeof(T) == 4 && sizeof(TTo) == 8;
        if (!isExact && !QuickFloat.IsUsual(cpu))
        {
            return false;
        }

        *(TTo*)destination = TTo.CreateTruncating(source);
        return true;
    }

    /// <summary>CVTTSD2SI, CVTTSS2SI: within the range of the result.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool TryTruncate<TFrom, T>(CpuState* cpu, byte register, TFrom source)
        where TFrom : unmanaged, IFloatingPoint<TFrom>
        where T : unmanaged, IBinaryInteger<T>
    {
        double value = double.CreateTruncating(source);
        double limit = sizeof(T) == 8 ? 9.2e18 : 2147483648.0;
        if (!(value < limit && value > -limit) || !QuickFloat.IsUsual(cpu))
        {
            return false;
        }

        if (sizeof(T) == 8)
        {
            Reg.Set(cpu, register, (ulong)(long)value);
        }
        else
        {
            Reg.Set(cpu, register, (uint)(int)value);
        }

        return true;
    }

    /// <summary>CVTSS2SD: exact.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool TryWiden(byte* destination, float source)
    {
        if (!QuickFloat.IsPlain(source))
        {
            return false;
        }

        *(double*)destination = source;
        return true;
    }

    /// <summary>CVTSD2SS.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool TryNarrow(CpuState* cpu, byte* destination, double source)
    {
        float result = (float)source;
        if (!QuickFloat.IsUsual(cpu) || !QuickFloat.IsNormal(source) || !QuickFloat.IsSafe(result))
        {
            return false;
        }

        *(float*)destination = result;
        return true;
    }
}
