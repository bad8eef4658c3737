using System;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace Xenolith.Cpu;

/// <summary>op r, r</summary>
internal readonly unsafe struct RegReg<TOp, T, TFlags> : IBody
    where TOp : struct, IBinaryOp
    where T : unmanaged, IBinaryInteger<T>
    where TFlags : struct, IFlagsWanted
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op)
    {
        T result = TOp.Apply<T, TFlags>(cpu, Reg.Get<T>(cpu, op->Dst), Reg.Get<T>(cpu, op->Src));
        if (TOp.WritesDestination)
        {
            Reg.Set(cpu, op->Dst, result);
        }
    }
}

/// <summary>op r, imm</summary>
internal readonly unsafe struct RegImm<TOp, T, TFlags> : IBody
    where TOp : struct, IBinaryOp
    where T : unmanaged, IBinaryInteger<T>
    where TFlags : struct, IFlagsWanted
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op)
    {
        T result = TOp.Apply<T, TFlags>(cpu, Reg.Get<T>(cpu, op->Dst), T.CreateTruncating(op->Imm));
        if (TOp.WritesDestination)
        {
            Reg.Set(cpu, op->Dst, result);
        }
    }
}

/// <summary>op r, m</summary>
internal readonly unsafe struct RegMem<TOp, T, TFlags> : IMemoryBody
    where TOp : struct, IBinaryOp
    where T : unmanaged, IBinaryInteger<T>
    where TFlags : struct, IFlagsWanted
{
    public static int SizeBytes => sizeof(T);

    public static bool Writes => false;

    public static bool Aligned => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op, ulong linear, byte* at)
    {
        T result = TOp.Apply<T, TFlags>(cpu, Reg.Get<T>(cpu, op->Dst), *(T*)at);
        if (TOp.WritesDestination)
        {
            Reg.Set(cpu, op->Dst, result);
        }
    }
}

/// <summary>op m, r. Write permission is asked for before the first read: the fault is that of a write.</summary>
internal readonly unsafe struct MemReg<TOp, T, TFlags> : IMemoryBody
    where TOp : struct, IBinaryOp
    where T : unmanaged, IBinaryInteger<T>
    where TFlags : struct, IFlagsWanted
{
    public static int SizeBytes => sizeof(T);

    public static bool Writes => TOp.WritesDestination;

    public static bool Aligned => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op, ulong linear, byte* at)
    {
        T result = TOp.Apply<T, TFlags>(cpu, *(T*)at, Reg.Get<T>(cpu, op->Src));
        if (TOp.WritesDestination)
        {
            *(T*)at = result;
        }
    }
}

/// <summary>op m, imm</summary>
internal readonly unsafe struct MemImm<TOp, T, TFlags> : IMemoryBody
    where TOp : struct, IBinaryOp
    where T : unmanaged, IBinaryInteger<T>
    where TFlags : struct, IFlagsWanted
{
    public static int SizeBytes => sizeof(T);

    public static bool Writes => TOp.WritesDestination;

    public static bool Aligned => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op, ulong linear, byte* at)
    {
        T result = TOp.Apply<T, TFlags>(cpu, *(T*)at, T.CreateTruncating(op->Small));
        if (TOp.WritesDestination)
        {
            *(T*)at = result;
        }
    }
}

/// <summary>op r</summary>
internal readonly unsafe struct UnaryReg<TOp, T, TFlags> : IBody
    where TOp : struct, IUnaryOp
    where T : unmanaged, IBinaryInteger<T>
    where TFlags : struct, IFlagsWanted
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op) => Reg.Set(cpu, op->Dst, TOp.Apply<T, TFlags>(cpu, Reg.Get<T>(cpu, op->Dst)));
}

/// <summary>op m</summary>
internal readonly unsafe struct UnaryMem<TOp, T, TFlags> : IMemoryBody
    where TOp : struct, IUnaryOp
    where T : unmanaged, IBinaryInteger<T>
    where TFlags : struct, IFlagsWanted
{
    public static int SizeBytes => sizeof(T);

    public static bool Writes => true;

    public static bool Aligned => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op, ulong linear, byte* at) => *(T*)at = TOp.Apply<T, TFlags>(cpu, *(T*)at);
}

/// <summary>shift r, imm: the count is masked and not zero. Src is the register shifted.</summary>
internal readonly unsafe struct ShiftImm<TOp, T, TFlags> : IBody
    where TOp : struct, IShiftOp
    where T : unmanaged, IBinaryInteger<T>
    where TFlags : struct, IFlagsWanted
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op) =>
        Reg.Set(cpu, op->Dst, TOp.Apply<T, TFlags>(cpu, Reg.Get<T>(cpu, op->Src), op->Small));
}

/// <summary>shift m, imm: the count is masked and not zero; Small holds it.</summary>
internal readonly unsafe struct ShiftMemImm<TOp, T, TFlags> : IMemoryBody
    where TOp : struct, IShiftOp
    where T : unmanaged, IBinaryInteger<T>
    where TFlags : struct, IFlagsWanted
{
    public static int SizeBytes => sizeof(T);

    public static bool Writes => true;

    public static bool Aligned => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op, ulong linear, byte* at) => *(T*)at = TOp.Apply<T, TFlags>(cpu, *(T*)at, op->Small);
}

/// <summary>shift r, CL: a masked count of zero changes nothing but, as any 32-bit write, the upper half.</summary>
internal readonly unsafe struct ShiftCl<TOp, T> : IBody
    where TOp : struct, IShiftOp
    where T : unmanaged, IBinaryInteger<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op)
    {
        int count = (int)cpu->Gpr[1] & (sizeof(T) == 8 ? 63 : 31);
        T value = Reg.Get<T>(cpu, op->Dst);
        Reg.Set(cpu, op->Dst, count == 0 ? value : TOp.Apply<T, WithFlags>(cpu, value, count));
    }
}

/// <summary>IMUL r, r</summary>
internal readonly unsafe struct ImulReg<T, TFlags> : IBody
    where T : unmanaged, IBinaryInteger<T>
    where TFlags : struct, IFlagsWanted
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op) =>
        Reg.Set(cpu, op->Dst, Product.Of<T, TFlags>(cpu, Reg.Get<T>(cpu, op->Dst), Reg.Get<T>(cpu, op->Src)));
}

/// <summary>IMUL r, r, imm</summary>
internal readonly unsafe struct ImulRegImm<T, TFlags> : IBody
    where T : unmanaged, IBinaryInteger<T>
    where TFlags : struct, IFlagsWanted
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op) =>
        Reg.Set(cpu, op->Dst, Product.Of<T, TFlags>(cpu, Reg.Get<T>(cpu, op->Src), T.CreateTruncating(op->Imm)));
}

/// <summary>IMUL r, m</summary>
internal readonly unsafe struct ImulMem<T, TFlags> : IMemoryBody
    where T : unmanaged, IBinaryInteger<T>
    where TFlags : struct, IFlagsWanted
{
    public static int SizeBytes => sizeof(T);

    public static bool Writes => false;

    public static bool Aligned => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op, ulong linear, byte* at) =>
        Reg.Set(cpu, op->Dst, Product.Of<T, TFlags>(cpu, Reg.Get<T>(cpu, op->Dst), *(T*)at));
}

/// <summary>IMUL r, m, imm</summary>
internal readonly unsafe struct ImulMemImm<T, TFlags> : IMemoryBody
    where T : unmanaged, IBinaryInteger<T>
    where TFlags : struct, IFlagsWanted
{
    public static int SizeBytes => sizeof(T);

    public static bool Writes => false;

    public static bool Aligned => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op, ulong linear, byte* at) =>
        Reg.Set(cpu, op->Dst, Product.Of<T, TFlags>(cpu, *(T*)at, T.CreateTruncating(op->Small)));
}

/// <summary>Signed products of IMUL's forms with several operands.</summary>
internal static unsafe class Product
{
    /// <summary>CF = OF = the signed product does not fit; the other flags stay.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // the body of handlers
    public static T Of<T, TFlags>(CpuState* cpu, T a, T b)
        where T : unmanaged, IBinaryInteger<T>
        where TFlags : struct, IFlagsWanted
    {
        if (!TFlags.Wanted)
        {
            return a * b;
        }

        bool overflow;
        T result;
        if (sizeof(T) == 8)
        {
            long x = long.CreateTruncating(a);
            long y = long.CreateTruncating(b);
            overflow = ((int)x != x || (int)y != y) && NeedsMoreThan64Bits(x, y);
            result = T.CreateTruncating(x * y);
        }
        else
        {
            int spare = 64 - (sizeof(T) * 8);
            long product = (long.CreateTruncating(a) << spare >> spare) * (long.CreateTruncating(b) << spare >> spare);
            overflow = product << spare >> spare != product;
            result = T.CreateTruncating(product);
        }

        LazyFlags.SetCarryOverflow(cpu, overflow, overflow);
        return result;
    }

    // Not inlined: a handler with a local whose address is taken (low) cannot end in a tail call, and the stack would grow.
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static bool NeedsMoreThan64Bits(long x, long y)
    {
        long high = Math.BigMul(x, y, out long low);
        return high != low >> 63;
    }
}
