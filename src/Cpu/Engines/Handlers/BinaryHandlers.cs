using System.Numerics;
using System.Runtime.CompilerServices;

using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <summary>Two-operand arithmetic and logic, by operand form.</summary>
internal static unsafe class BinaryHandlers
{
    /// <summary>op r, r</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* RegReg<TOp, T, TFlags, TDispatch>(CpuState* cpu, Op* op)
        where TOp : struct, IBinaryOp
        where T : unmanaged, IBinaryInteger<T>
        where TFlags : struct, IFlagsWanted
        where TDispatch : struct, IDispatch
    {
        T result = TOp.Apply<T, TFlags>(cpu, Reg.Get<T>(cpu, op->Dst), Reg.Get<T>(cpu, op->Src));
        if (TOp.WritesDestination)
        {
            Reg.Set(cpu, op->Dst, result);
        }

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    /// <summary>op r, imm</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* RegImm<TOp, T, TFlags, TDispatch>(CpuState* cpu, Op* op)
        where TOp : struct, IBinaryOp
        where T : unmanaged, IBinaryInteger<T>
        where TFlags : struct, IFlagsWanted
        where TDispatch : struct, IDispatch
    {
        T result = TOp.Apply<T, TFlags>(cpu, Reg.Get<T>(cpu, op->Dst), T.CreateTruncating(op->Imm));
        if (TOp.WritesDestination)
        {
            Reg.Set(cpu, op->Dst, result);
        }

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    /// <summary>op r, m</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* RegMem<TOp, T, TFlags, TAddress, TDispatch>(CpuState* cpu, Op* op)
        where TOp : struct, IBinaryOp
        where T : unmanaged, IBinaryInteger<T>
        where TFlags : struct, IFlagsWanted
        where TAddress : struct, IAddress
        where TDispatch : struct, IDispatch
    {
        ulong linear = TAddress.Of(cpu, op);
        FastTlbEntry* entry = Probe.Entry(cpu, linear);
        if (entry->ReadTag != Probe.Tag(linear, sizeof(T)) && !SlowPath.Fill(cpu, op, linear, sizeof(T), AccessKind.Read))
        {
            return null;
        }

        T result = TOp.Apply<T, TFlags>(cpu, Reg.Get<T>(cpu, op->Dst), *(T*)((nint)linear + entry->Addend));
        if (TOp.WritesDestination)
        {
            Reg.Set(cpu, op->Dst, result);
        }

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    /// <summary>op m, r</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* MemReg<TOp, T, TFlags, TAddress, TDispatch>(CpuState* cpu, Op* op)
        where TOp : struct, IBinaryOp
        where T : unmanaged, IBinaryInteger<T>
        where TFlags : struct, IFlagsWanted
        where TAddress : struct, IAddress
        where TDispatch : struct, IDispatch
    {
        ulong linear = TAddress.Of(cpu, op);
        FastTlbEntry* entry = Probe.Entry(cpu, linear);
        if (TOp.WritesDestination)
        {
            // Write permission is asked for before the first read: the fault is that of a write.
            if (entry->WriteTag != Probe.Tag(linear, sizeof(T)) && !SlowPath.Fill(cpu, op, linear, sizeof(T), AccessKind.Write))
            {
                return null;
            }
        }
        else if (entry->ReadTag != Probe.Tag(linear, sizeof(T)) && !SlowPath.Fill(cpu, op, linear, sizeof(T), AccessKind.Read))
        {
            return null;
        }

        T* memory = (T*)((nint)linear + entry->Addend);
        T result = TOp.Apply<T, TFlags>(cpu, *memory, Reg.Get<T>(cpu, op->Src));
        if (TOp.WritesDestination)
        {
            *memory = result;
        }

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    /// <summary>op m, imm</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* MemImm<TOp, T, TFlags, TAddress, TDispatch>(CpuState* cpu, Op* op)
        where TOp : struct, IBinaryOp
        where T : unmanaged, IBinaryInteger<T>
        where TFlags : struct, IFlagsWanted
        where TAddress : struct, IAddress
        where TDispatch : struct, IDispatch
    {
        ulong linear = TAddress.Of(cpu, op);
        FastTlbEntry* entry = Probe.Entry(cpu, linear);
        if (TOp.WritesDestination)
        {
            // Write permission is asked for before the first read: the fault is that of a write.
            if (entry->WriteTag != Probe.Tag(linear, sizeof(T)) && !SlowPath.Fill(cpu, op, linear, sizeof(T), AccessKind.Write))
            {
                return null;
            }
        }
        else if (entry->ReadTag != Probe.Tag(linear, sizeof(T)) && !SlowPath.Fill(cpu, op, linear, sizeof(T), AccessKind.Read))
        {
            return null;
        }

        T* memory = (T*)((nint)linear + entry->Addend);
        T result = TOp.Apply<T, TFlags>(cpu, *memory, T.CreateTruncating(op->Small));
        if (TOp.WritesDestination)
        {
            *memory = result;
        }

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }
}
