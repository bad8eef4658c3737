using System.Numerics;
using System.Runtime.CompilerServices;

namespace Xenolith.Cpu;

/// <summary>AND (SDM 2A "AND—Logical AND").</summary>
internal readonly unsafe struct And : IBinaryOp
{
    public static bool WritesDestination => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // the body of a handler
    public static T Apply<T, TFlags>(CpuState* cpu, T a, T b)
        where T : unmanaged, IBinaryInteger<T>
        where TFlags : struct, IFlagsWanted
    {
        T result = a & b;
        if (TFlags.Wanted)
        {
            LazyFlags.SetLogic(cpu, result);
        }

        return result;
    }
}

/// <summary>OR (SDM 2B "OR—Logical Inclusive OR").</summary>
internal readonly unsafe struct Or : IBinaryOp
{
    public static bool WritesDestination => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // the body of a handler
    public static T Apply<T, TFlags>(CpuState* cpu, T a, T b)
        where T : unmanaged, IBinaryInteger<T>
        where TFlags : struct, IFlagsWanted
    {
        T result = a | b;
        if (TFlags.Wanted)
        {
            LazyFlags.SetLogic(cpu, result);
        }

        return result;
    }
}

/// <summary>XOR (SDM 2D "XOR—Logical Exclusive OR").</summary>
internal readonly unsafe struct Xor : IBinaryOp
{
    public static bool WritesDestination => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // the body of a handler
    public static T Apply<T, TFlags>(CpuState* cpu, T a, T b)
        where T : unmanaged, IBinaryInteger<T>
        where TFlags : struct, IFlagsWanted
    {
        T result = a ^ b;
        if (TFlags.Wanted)
        {
            LazyFlags.SetLogic(cpu, result);
        }

        return result;
    }
}

/// <summary>TEST (SDM 2B "TEST—Logical Compare").</summary>
internal readonly unsafe struct Test : IBinaryOp
{
    public static bool WritesDestination => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // the body of a handler
    public static T Apply<T, TFlags>(CpuState* cpu, T a, T b)
        where T : unmanaged, IBinaryInteger<T>
        where TFlags : struct, IFlagsWanted => And.Apply<T, TFlags>(cpu, a, b);
}

/// <summary>NOT: no flags (SDM 2B "NOT—One's Complement Negation").</summary>
internal readonly unsafe struct Not : IUnaryOp
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // the body of a handler
    public static T Apply<T, TFlags>(CpuState* cpu, T a)
        where T : unmanaged, IBinaryInteger<T>
        where TFlags : struct, IFlagsWanted => ~a;
}
