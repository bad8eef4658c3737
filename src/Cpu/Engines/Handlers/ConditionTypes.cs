using System;
using System.Numerics;
using System.Runtime.CompilerServices;

using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>
/// A condition code as a type, so that a handler is compiled for it. Behind a subtraction or a logic operation in the same handler it
/// follows from the operands, without a way through the flags.
/// </summary>
internal unsafe interface ICondition
{
    static abstract bool Holds(CpuState* cpu);

    /// <summary>After flags were set from result = a - b.</summary>
    static abstract bool HoldsAfterSub<T>(CpuState* cpu, T a, T b, T result)
        where T : unmanaged, IBinaryInteger<T>;

    /// <summary>After flags were set from a result of AND, OR, XOR: no carry, no overflow.</summary>
    static abstract bool HoldsAfterLogic<T>(CpuState* cpu, T result)
        where T : unmanaged, IBinaryInteger<T>;

    /// <summary>After flags were set from any result: ZF and SF follow from it.</summary>
    static abstract bool HoldsAfter<T>(CpuState* cpu, T result)
        where T : unmanaged, IBinaryInteger<T>;
}

/// <summary>Comparisons of numbers whose type is unsigned.</summary>
internal static class Values
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool Below<T>(T a, T b)
        where T : unmanaged, IBinaryInteger<T> => a < b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static unsafe bool Less<T>(T a, T b)
        where T : unmanaged, IBinaryInteger<T> =>
        sizeof(T) switch
        {
            1 => sbyte.CreateTruncating(a) < sbyte.CreateTruncating(b),
            2 => short.CreateTruncating(a) < short.CreateTruncating(b),
            4 => int.CreateTruncating(a) < int.CreateTruncating(b),
            _ => long.CreateTruncating(a) < long.CreateTruncating(b),
        };

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool Negative<T>(T a)
        where T : unmanaged, IBinaryInteger<T> => Less(a, T.Zero);
}

/// <summary>The condition-code types, by <see cref="ConditionCode"/>.</summary>
internal static class ConditionTypes
{
    private static readonly Type?[] ByCode =
    [
        null, typeof(IfO), typeof(IfNo), typeof(IfB), typeof(IfAe), typeof(IfE), typeof(IfNe), typeof(IfBe), typeof(IfA),
        typeof(IfS), typeof(IfNs), typeof(IfP), typeof(IfNp), typeof(IfL), typeof(IfGe), typeof(IfLe), typeof(IfG),
    ];

    public static Type Of(ConditionCode code) => ByCode[(int)code] ?? throw new ArgumentOutOfRangeException(nameof(code));
}

internal readonly unsafe struct IfO : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool Holds(CpuState* cpu) => LazyFlags.Overflow(cpu);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfterSub<T>(CpuState* cpu, T a, T b, T result)
        where T : unmanaged, IBinaryInteger<T> => Holds(cpu);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfterLogic<T>(CpuState* cpu, T result)
        where T : unmanaged, IBinaryInteger<T> => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfter<T>(CpuState* cpu, T result)
        where T : unmanaged, IBinaryInteger<T> => Holds(cpu);
}

internal readonly unsafe struct IfNo : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool Holds(CpuState* cpu) => !LazyFlags.Overflow(cpu);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfterSub<T>(CpuState* cpu, T a, T b, T result)
        where T : unmanaged, IBinaryInteger<T> => Holds(cpu);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfterLogic<T>(CpuState* cpu, T result)
        where T : unmanaged, IBinaryInteger<T> => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfter<T>(CpuState* cpu, T result)
        where T : unmanaged, IBinaryInteger<T> => Holds(cpu);
}

internal readonly unsafe struct IfB : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool Holds(CpuState* cpu) => LazyFlags.Carry(cpu);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfterSub<T>(CpuState* cpu, T a, T b, T result)
        where T : unmanaged, IBinaryInteger<T> => Values.Below(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfterLogic<T>(CpuState* cpu, T result)
        where T : unmanaged, IBinaryInteger<T> => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfter<T>(CpuState* cpu, T result)
        where T : unmanaged, IBinaryInteger<T> => Holds(cpu);
}

internal readonly unsafe struct IfAe : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool Holds(CpuState* cpu) => !LazyFlags.Carry(cpu);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfterSub<T>(CpuState* cpu, T a, T b, T result)
        where T : unmanaged, IBinaryInteger<T> => !Values.Below(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfterLogic<T>(CpuState* cpu, T result)
        where T : unmanaged, IBinaryInteger<T> => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfter<T>(CpuState* cpu, T result)
        where T : unmanaged, IBinaryInteger<T> => Holds(cpu);
}

internal readonly unsafe struct IfE : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool Holds(CpuState* cpu) => LazyFlags.Zero(cpu);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfterSub<T>(CpuState* cpu, T a, T b, T result)
        where T : unmanaged, IBinaryInteger<T> => a == b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfterLogic<T>(CpuState* cpu, T result)
        where T : unmanaged, IBinaryInteger<T> => result == T.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfter<T>(CpuState* cpu, T result)
        where T : unmanaged, IBinaryInteger<T> => result == T.Zero;
}

internal readonly unsafe struct IfNe : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool Holds(CpuState* cpu) => !LazyFlags.Zero(cpu);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfterSub<T>(CpuState* cpu, T a, T b, T result)
        where T : unmanaged, IBinaryInteger<T> => a != b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfterLogic<T>(CpuState* cpu, T result)
        where T : unmanaged, IBinaryInteger<T> => result != T.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfter<T>(CpuState* cpu, T result)
        where T : unmanaged, IBinaryInteger<T> => result != T.Zero;
}

internal readonly unsafe struct IfBe : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool Holds(CpuState* cpu) => LazyFlags.Carry(cpu) | LazyFlags.Zero(cpu);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfterSub<T>(CpuState* cpu, T a, T b, T result)
        where T : unmanaged, IBinaryInteger<T> => !Values.Below(b, a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfterLogic<T>(CpuState* cpu, T result)
        where T : unmanaged, IBinaryInteger<T> => result == T.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfter<T>(CpuState* cpu, T result)
        where T : unmanaged, IBinaryInteger<T> => Holds(cpu);
}

internal readonly unsafe struct IfA : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool Holds(CpuState* cpu) => !(LazyFlags.Carry(cpu) | LazyFlags.Zero(cpu));

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfterSub<T>(CpuState* cpu, T a, T b, T result)
        where T : unmanaged, IBinaryInteger<T> => Values.Below(b, a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfterLogic<T>(CpuState* cpu, T result)
        where T : unmanaged, IBinaryInteger<T> => result != T.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfter<T>(CpuState* cpu, T result)
        where T : unmanaged, IBinaryInteger<T> => Holds(cpu);
}

internal readonly unsafe struct IfS : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool Holds(CpuState* cpu) => LazyFlags.Sign(cpu);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfterSub<T>(CpuState* cpu, T a, T b, T result)
        where T : unmanaged, IBinaryInteger<T> => Values.Negative(result);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfterLogic<T>(CpuState* cpu, T result)
        where T : unmanaged, IBinaryInteger<T> => Values.Negative(result);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfter<T>(CpuState* cpu, T result)
        where T : unmanaged, IBinaryInteger<T> => Values.Negative(result);
}

internal readonly unsafe struct IfNs : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool Holds(CpuState* cpu) => !LazyFlags.Sign(cpu);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfterSub<T>(CpuState* cpu, T a, T b, T result)
        where T : unmanaged, IBinaryInteger<T> => !Values.Negative(result);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfterLogic<T>(CpuState* cpu, T result)
        where T : unmanaged, IBinaryInteger<T> => !Values.Negative(result);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfter<T>(CpuState* cpu, T result)
        where T : unmanaged, IBinaryInteger<T> => !Values.Negative(result);
}

internal readonly unsafe struct IfP : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool Holds(CpuState* cpu) => LazyFlags.Parity(cpu);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfterSub<T>(CpuState* cpu, T a, T b, T result)
        where T : unmanaged, IBinaryInteger<T> => Holds(cpu);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfterLogic<T>(CpuState* cpu, T result)
        where T : unmanaged, IBinaryInteger<T> => Holds(cpu);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfter<T>(CpuState* cpu, T result)
        where T : unmanaged, IBinaryInteger<T> => Holds(cpu);
}

internal readonly unsafe struct IfNp : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool Holds(CpuState* cpu) => !LazyFlags.Parity(cpu);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfterSub<T>(CpuState* cpu, T a, T b, T result)
        where T : unmanaged, IBinaryInteger<T> => Holds(cpu);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfterLogic<T>(CpuState* cpu, T result)
        where T : unmanaged, IBinaryInteger<T> => Holds(cpu);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfter<T>(CpuState* cpu, T result)
        where T : unmanaged, IBinaryInteger<T> => Holds(cpu);
}

internal readonly unsafe struct IfL : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool Holds(CpuState* cpu) => LazyFlags.Less(cpu);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfterSub<T>(CpuState* cpu, T a, T b, T result)
        where T : unmanaged, IBinaryInteger<T> => Values.Less(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfterLogic<T>(CpuState* cpu, T result)
        where T : unmanaged, IBinaryInteger<T> => Values.Negative(result);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfter<T>(CpuState* cpu, T result)
        where T : unmanaged, IBinaryInteger<T> => Holds(cpu);
}

internal readonly unsafe struct IfGe : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool Holds(CpuState* cpu) => !LazyFlags.Less(cpu);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfterSub<T>(CpuState* cpu, T a, T b, T result)
        where T : unmanaged, IBinaryInteger<T> => !Values.Less(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfterLogic<T>(CpuState* cpu, T result)
        where T : unmanaged, IBinaryInteger<T> => !Values.Negative(result);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfter<T>(CpuState* cpu, T result)
        where T : unmanaged, IBinaryInteger<T> => Holds(cpu);
}

internal readonly unsafe struct IfLe : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool Holds(CpuState* cpu) => LazyFlags.Less(cpu) | LazyFlags.Zero(cpu);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfterSub<T>(CpuState* cpu, T a, T b, T result)
        where T : unmanaged, IBinaryInteger<T> => !Values.Less(b, a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfterLogic<T>(CpuState* cpu, T result)
        where T : unmanaged, IBinaryInteger<T> => Values.Negative(result) | (result == T.Zero);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfter<T>(CpuState* cpu, T result)
        where T : unmanaged, IBinaryInteger<T> => Holds(cpu);
}

internal readonly unsafe struct IfG : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool Holds(CpuState* cpu) => !(LazyFlags.Less(cpu) | LazyFlags.Zero(cpu));

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfterSub<T>(CpuState* cpu, T a, T b, T result)
        where T : unmanaged, IBinaryInteger<T> => Values.Less(b, a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfterLogic<T>(CpuState* cpu, T result)
        where T : unmanaged, IBinaryInteger<T> => !(Values.Negative(result) | (result == T.Zero));

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool HoldsAfter<T>(CpuState* cpu, T result)
        where T : unmanaged, IBinaryInteger<T> => Holds(cpu);
}
