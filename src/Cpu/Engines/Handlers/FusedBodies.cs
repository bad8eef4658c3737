using System.Numerics;
using System.Runtime.CompilerServices;

namespace Xenolith.Cpu;

/// <summary>The condition of a fused branch, from what its first half had at hand.</summary>
internal static unsafe class Fused
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool Holds<TOp, TCondition, T>(CpuState* cpu, T a, T b, T result)
        where TOp : struct, IBinaryOp
        where TCondition : struct, ICondition
        where T : unmanaged, IBinaryInteger<T> =>
        typeof(TOp) == typeof(Cmp) || typeof(TOp) == typeof(Sub) ? TCondition.HoldsAfterSub(cpu, a, b, result)
        : typeof(TOp) == typeof(Add) ? TCondition.HoldsAfter(cpu, result)
        : TCondition.HoldsAfterLogic(cpu, result);
}

/// <summary>Jcc: the flags decide.</summary>
internal readonly unsafe struct FlagsTest<TCondition> : ITest
    where TCondition : struct, ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static bool Run(CpuState* cpu, Op* op) => TCondition.Holds(cpu);
}

/// <summary>op r, r and Jcc</summary>
internal readonly unsafe struct RegRegTest<TOp, T, TCondition, TFlags> : ITest
    where TOp : struct, IBinaryOp
    where T : unmanaged, IBinaryInteger<T>
    where TCondition : struct, ICondition
    where TFlags : struct, IFlagsWanted
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static bool Run(CpuState* cpu, Op* op)
    {
        T a = Reg.Get<T>(cpu, op->Dst);
        T b = Reg.Get<T>(cpu, op->Src);
        T result = TOp.Apply<T, TFlags>(cpu, a, b);
        if (TOp.WritesDestination)
        {
            Reg.Set(cpu, op->Dst, result);
        }

        return Fused.Holds<TOp, TCondition, T>(cpu, a, b, result);
    }
}

/// <summary>op r, imm and Jcc</summary>
internal readonly unsafe struct RegImmTest<TOp, T, TCondition, TFlags> : ITest
    where TOp : struct, IBinaryOp
    where T : unmanaged, IBinaryInteger<T>
    where TCondition : struct, ICondition
    where TFlags : struct, IFlagsWanted
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static bool Run(CpuState* cpu, Op* op)
    {
        T a = Reg.Get<T>(cpu, op->Dst);
        T b = T.CreateTruncating(op->Imm);
        T result = TOp.Apply<T, TFlags>(cpu, a, b);
        if (TOp.WritesDestination)
        {
            Reg.Set(cpu, op->Dst, result);
        }

        return Fused.Holds<TOp, TCondition, T>(cpu, a, b, result);
    }
}

/// <summary>op r and Jcc</summary>
internal readonly unsafe struct UnaryTest<TOp, T, TCondition, TFlags> : ITest
    where TOp : struct, IUnaryOp
    where T : unmanaged, IBinaryInteger<T>
    where TCondition : struct, ICondition
    where TFlags : struct, IFlagsWanted
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static bool Run(CpuState* cpu, Op* op)
    {
        T result = TOp.Apply<T, TFlags>(cpu, Reg.Get<T>(cpu, op->Dst));
        Reg.Set(cpu, op->Dst, result);
        return TCondition.HoldsAfter(cpu, result);
    }
}

/// <summary>op r, m and Jcc</summary>
internal readonly unsafe struct RegMemTest<TOp, T, TCondition, TFlags> : IMemoryTest
    where TOp : struct, IBinaryOp
    where T : unmanaged, IBinaryInteger<T>
    where TCondition : struct, ICondition
    where TFlags : struct, IFlagsWanted
{
    public static int SizeBytes => sizeof(T);

    public static bool Writes => false;

    public static bool Aligned => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static bool Run(CpuState* cpu, Op* op, byte* at)
    {
        T a = Reg.Get<T>(cpu, op->Dst);
        T b = *(T*)at;
        T result = TOp.Apply<T, TFlags>(cpu, a, b);
        if (TOp.WritesDestination)
        {
            Reg.Set(cpu, op->Dst, result);
        }

        return Fused.Holds<TOp, TCondition, T>(cpu, a, b, result);
    }
}

/// <summary>op m, r and Jcc</summary>
internal readonly unsafe struct MemRegTest<TOp, T, TCondition, TFlags> : IMemoryTest
    where TOp : struct, IBinaryOp
    where T : unmanaged, IBinaryInteger<T>
    where TCondition : struct, ICondition
    where TFlags : struct, IFlagsWanted
{
    public static int SizeBytes => sizeof(T);

    public static bool Writes => TOp.WritesDestination;

    public static bool Aligned => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static bool Run(CpuState* cpu, Op* op, byte* at)
    {
        T a = *(T*)at;
        T b = Reg.Get<T>(cpu, op->Src);
        T result = TOp.Apply<T, TFlags>(cpu, a, b);
        if (TOp.WritesDestination)
        {
            *(T*)at = result;
        }

        return Fused.Holds<TOp, TCondition, T>(cpu, a, b, result);
    }
}

/// <summary>op m, imm and Jcc</summary>
internal readonly unsafe struct MemImmTest<TOp, T, TCondition, TFlags> : IMemoryTest
    where TOp : struct, IBinaryOp
    where T : unmanaged, IBinaryInteger<T>
    where TCondition : struct, ICondition
    where TFlags : struct, IFlagsWanted
{
    public static int SizeBytes => sizeof(T);

    public static bool Writes => TOp.WritesDestination;

    public static bool Aligned => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static bool Run(CpuState* cpu, Op* op, byte* at)
    {
        T a = *(T*)at;
        T b = T.CreateTruncating(op->Small);
        T result = TOp.Apply<T, TFlags>(cpu, a, b);
        if (TOp.WritesDestination)
        {
            *(T*)at = result;
        }

        return Fused.Holds<TOp, TCondition, T>(cpu, a, b, result);
    }
}
