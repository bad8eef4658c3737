using System.Numerics;
using System.Runtime.CompilerServices;

namespace Xenolith.Cpu;

/// <summary>ADD (SDM 2A "ADD—Add").</summary>
internal readonly unsafe struct Add : IBinaryOp
{
    public static bool WritesDestination => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // the body of a handler
    public static T Apply<T, TFlags>(CpuState* cpu, T a, T b)
        where T : unmanaged, IBinaryInteger<T>
        where TFlags : struct, IFlagsWanted
    {
        T result = a + b;
        if (TFlags.Deferred)
        {
            DeferredFlags.Note(cpu, DeferredFlags.Add, a, b);
        }
        else if (TFlags.Wanted)
        {
            LazyFlags.SetAdd(cpu, a, b, result);
        }

        return result;
    }
}

/// <summary>ADC (SDM 2A "ADC—Add With Carry").</summary>
internal readonly unsafe struct Adc : IBinaryOp
{
    public static bool WritesDestination => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // the body of a handler
    public static T Apply<T, TFlags>(CpuState* cpu, T a, T b)
        where T : unmanaged, IBinaryInteger<T>
        where TFlags : struct, IFlagsWanted
    {
        T result = a + b + T.CreateTruncating(cpu->FlagsCarry >> 63);
        if (TFlags.Wanted)
        {
            LazyFlags.SetAdd(cpu, a, b, result);
        }

        return result;
    }
}

/// <summary>SUB (SDM 2B "SUB—Subtract").</summary>
internal readonly unsafe struct Sub : IBinaryOp
{
    public static bool WritesDestination => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // the body of a handler
    public static T Apply<T, TFlags>(CpuState* cpu, T a, T b)
        where T : unmanaged, IBinaryInteger<T>
        where TFlags : struct, IFlagsWanted
    {
        T result = a - b;
        if (TFlags.Deferred)
        {
            DeferredFlags.Note(cpu, DeferredFlags.Subtract, a, b);
        }
        else if (TFlags.Wanted)
        {
            LazyFlags.SetSub(cpu, a, b, result);
        }

        return result;
    }
}

/// <summary>SBB (SDM 2B "SBB—Integer Subtraction With Borrow").</summary>
internal readonly unsafe struct Sbb : IBinaryOp
{
    public static bool WritesDestination => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // the body of a handler
    public static T Apply<T, TFlags>(CpuState* cpu, T a, T b)
        where T : unmanaged, IBinaryInteger<T>
        where TFlags : struct, IFlagsWanted
    {
        T result = a - b - T.CreateTruncating(cpu->FlagsCarry >> 63);
        if (TFlags.Wanted)
        {
            LazyFlags.SetSub(cpu, a, b, result);
        }

        return result;
    }
}

/// <summary>CMP (SDM 2A "CMP—Compare Two Operands").</summary>
internal readonly unsafe struct Cmp : IBinaryOp
{
    public static bool WritesDestination => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // the body of a handler
    public static T Apply<T, TFlags>(CpuState* cpu, T a, T b)
        where T : unmanaged, IBinaryInteger<T>
        where TFlags : struct, IFlagsWanted => Sub.Apply<T, TFlags>(cpu, a, b);
}

/// <summary>INC: CF stays (SDM 2A "INC—Increment by 1").</summary>
internal readonly unsafe struct Inc : IUnaryOp
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // the body of a handler
    public static T Apply<T, TFlags>(CpuState* cpu, T a)
        where T : unmanaged, IBinaryInteger<T>
        where TFlags : struct, IFlagsWanted
    {
        T result = a + T.One;
        if (TFlags.Wanted)
        {
            T signBit = T.One << ((sizeof(T) * 8) - 1);
            LazyFlags.SetKeepingCarry(cpu, result, result == signBit, (ulong.CreateTruncating(result) & 0xF) == 0);
        }

        return result;
    }
}

/// <summary>DEC: CF stays (SDM 2A "DEC—Decrement by 1").</summary>
internal readonly unsafe struct Dec : IUnaryOp
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // the body of a handler
    public static T Apply<T, TFlags>(CpuState* cpu, T a)
        where T : unmanaged, IBinaryInteger<T>
        where TFlags : struct, IFlagsWanted
    {
        T result = a - T.One;
        if (TFlags.Wanted)
        {
            T signBit = T.One << ((sizeof(T) * 8) - 1);
            LazyFlags.SetKeepingCarry(cpu, result, a == signBit, (ulong.CreateTruncating(a) & 0xF) == 0);
        }

        return result;
    }
}

/// <summary>NEG (SDM 2B "NEG—Two's Complement Negation").</summary>
internal readonly unsafe struct Neg : IUnaryOp
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // the body of a handler
    public static T Apply<T, TFlags>(CpuState* cpu, T a)
        where T : unmanaged, IBinaryInteger<T>
        where TFlags : struct, IFlagsWanted => Sub.Apply<T, TFlags>(cpu, T.Zero, a);
}
