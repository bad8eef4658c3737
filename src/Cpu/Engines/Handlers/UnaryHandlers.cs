using System;
using System.Numerics;
using System.Runtime.CompilerServices;

using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <summary>One-operand arithmetic, shifts by register, and the multi-operand forms of IMUL.</summary>
internal static unsafe class UnaryHandlers
{
    /// <summary>op r</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* Reg1<TOp, T, TFlags, TDispatch>(CpuState* cpu, Op* op)
        where TOp : struct, IUnaryOp
        where T : unmanaged, IBinaryInteger<T>
        where TFlags : struct, IFlagsWanted
        where TDispatch : struct, IDispatch
    {
        Reg.Set(cpu, op->Dst, TOp.Apply<T, TFlags>(cpu, Reg.Get<T>(cpu, op->Dst)));

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    /// <summary>op m</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* Mem<TOp, T, TFlags, TAddress, TDispatch>(CpuState* cpu, Op* op)
        where TOp : struct, IUnaryOp
        where T : unmanaged, IBinaryInteger<T>
        where TFlags : struct, IFlagsWanted
        where TAddress : struct, IAddress
        where TDispatch : struct, IDispatch
    {
        ulong linear = TAddress.Of(cpu, op);
        FastTlbEntry* entry = Probe.Entry(cpu, linear);
        if (entry->WriteTag != Probe.Tag(linear, sizeof(T)) && !SlowPath.Fill(cpu, op, linear, sizeof(T), AccessKind.Write))
        {
            return null;
        }

        T* memory = (T*)((nint)linear + entry->Addend);
        *memory = TOp.Apply<T, TFlags>(cpu, *memory);

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    /// <summary>shift r, imm: the count is masked and not zero</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* ShiftImm<TOp, T, TFlags, TDispatch>(CpuState* cpu, Op* op)
        where TOp : struct, IShiftOp
        where T : unmanaged, IBinaryInteger<T>
        where TFlags : struct, IFlagsWanted
        where TDispatch : struct, IDispatch
    {
        Reg.Set(cpu, op->Dst, TOp.Apply<T, TFlags>(cpu, Reg.Get<T>(cpu, op->Dst), op->Small));

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    /// <summary>shift r, CL: a masked count of zero changes nothing but, as any 32-bit write, the upper half</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* ShiftCl<TOp, T, TDispatch>(CpuState* cpu, Op* op)
        where TOp : struct, IShiftOp
        where T : unmanaged, IBinaryInteger<T>
        where TDispatch : struct, IDispatch
    {
        int count = (int)cpu->Gpr[1] & (sizeof(T) == 8 ? 63 : 31);
        T value = Reg.Get<T>(cpu, op->Dst);
        Reg.Set(cpu, op->Dst, count == 0 ? value : TOp.Apply<T, WithFlags>(cpu, value, count));

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    /// <summary>IMUL r, r</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* ImulReg<T, TDispatch>(CpuState* cpu, Op* op)
        where T : unmanaged, IBinaryInteger<T>
        where TDispatch : struct, IDispatch
    {
        Reg.Set(cpu, op->Dst, Multiply(cpu, Reg.Get<T>(cpu, op->Dst), Reg.Get<T>(cpu, op->Src)));

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    /// <summary>IMUL r, r, imm</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* ImulRegImm<T, TDispatch>(CpuState* cpu, Op* op)
        where T : unmanaged, IBinaryInteger<T>
        where TDispatch : struct, IDispatch
    {
        Reg.Set(cpu, op->Dst, Multiply(cpu, Reg.Get<T>(cpu, op->Src), T.CreateTruncating(op->Imm)));

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    /// <summary>IMUL r, m</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* ImulMem<T, TAddress, TDispatch>(CpuState* cpu, Op* op)
        where T : unmanaged, IBinaryInteger<T>
        where TAddress : struct, IAddress
        where TDispatch : struct, IDispatch
    {
        ulong linear = TAddress.Of(cpu, op);
        FastTlbEntry* entry = Probe.Entry(cpu, linear);
        if (entry->ReadTag != Probe.Tag(linear, sizeof(T)) && !SlowPath.Fill(cpu, op, linear, sizeof(T), AccessKind.Read))
        {
            return null;
        }

        Reg.Set(cpu, op->Dst, Multiply(cpu, Reg.Get<T>(cpu, op->Dst), *(T*)((nint)linear + entry->Addend)));

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    /// <summary>CF = OF = the signed product does not fit; the other flags stay.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // the body of three handlers
    private static T Multiply<T>(CpuState* cpu, T a, T b)
        where T : unmanaged, IBinaryInteger<T>
    {
        bool overflow;
        T result;
        if (sizeof(T) == 8)
        {
            long x = long.CreateTruncating(a);
            long y = long.CreateTruncating(b);
            overflow = ((int)x != x || (int)y != y) && ProductNeedsMoreThan64Bits(x, y);
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
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static bool ProductNeedsMoreThan64Bits(long x, long y)
    {
        long high = Math.BigMul(x, y, out long low);
        return high != low >> 63;
    }
}
