using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;

using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <summary>Moves, conversions, and what else changes no flags.</summary>
internal static unsafe class MoveHandlers
{
    /// <summary>MOV r, r</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* MovReg<T, TDispatch>(CpuState* cpu, Op* op)
        where T : unmanaged, IBinaryInteger<T>
        where TDispatch : struct, IDispatch
    {
        Reg.Set(cpu, op->Dst, Reg.Get<T>(cpu, op->Src));

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    /// <summary>MOV r, imm</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* MovImm<T, TDispatch>(CpuState* cpu, Op* op)
        where T : unmanaged, IBinaryInteger<T>
        where TDispatch : struct, IDispatch
    {
        Reg.Set(cpu, op->Dst, T.CreateTruncating(op->Imm));

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    /// <summary>MOV r, m</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* Load<T, TAddress, TDispatch>(CpuState* cpu, Op* op)
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

        Reg.Set(cpu, op->Dst, *(T*)((nint)linear + entry->Addend));

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    /// <summary>MOV m, r</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* Store<T, TAddress, TDispatch>(CpuState* cpu, Op* op)
        where T : unmanaged, IBinaryInteger<T>
        where TAddress : struct, IAddress
        where TDispatch : struct, IDispatch
    {
        ulong linear = TAddress.Of(cpu, op);
        FastTlbEntry* entry = Probe.Entry(cpu, linear);
        if (entry->WriteTag != Probe.Tag(linear, sizeof(T)) && !SlowPath.Fill(cpu, op, linear, sizeof(T), AccessKind.Write))
        {
            return null;
        }

        *(T*)((nint)linear + entry->Addend) = Reg.Get<T>(cpu, op->Src);

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    /// <summary>MOV m, imm</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* StoreImm<T, TAddress, TDispatch>(CpuState* cpu, Op* op)
        where T : unmanaged, IBinaryInteger<T>
        where TAddress : struct, IAddress
        where TDispatch : struct, IDispatch
    {
        ulong linear = TAddress.Of(cpu, op);
        FastTlbEntry* entry = Probe.Entry(cpu, linear);
        if (entry->WriteTag != Probe.Tag(linear, sizeof(T)) && !SlowPath.Fill(cpu, op, linear, sizeof(T), AccessKind.Write))
        {
            return null;
        }

        *(T*)((nint)linear + entry->Addend) = T.CreateTruncating(op->Small);

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    /// <summary>MOVZX, MOVSX and MOVSXD r, r: TFrom is unsigned or signed</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* ExtendReg<TFrom, TTo, TDispatch>(CpuState* cpu, Op* op)
        where TFrom : unmanaged, IBinaryInteger<TFrom>
        where TTo : unmanaged, IBinaryInteger<TTo>
        where TDispatch : struct, IDispatch
    {
        Reg.Set(cpu, op->Dst, TTo.CreateTruncating(Reg.Get<TFrom>(cpu, op->Src)));

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    /// <summary>MOVZX, MOVSX and MOVSXD r, m: TFrom is unsigned or signed</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* ExtendMem<TFrom, TTo, TAddress, TDispatch>(CpuState* cpu, Op* op)
        where TFrom : unmanaged, IBinaryInteger<TFrom>
        where TTo : unmanaged, IBinaryInteger<TTo>
        where TAddress : struct, IAddress
        where TDispatch : struct, IDispatch
    {
        ulong linear = TAddress.Of(cpu, op);
        FastTlbEntry* entry = Probe.Entry(cpu, linear);
        if (entry->ReadTag != Probe.Tag(linear, sizeof(TFrom)) && !SlowPath.Fill(cpu, op, linear, sizeof(TFrom), AccessKind.Read))
        {
            return null;
        }

        Reg.Set(cpu, op->Dst, TTo.CreateTruncating(*(TFrom*)((nint)linear + entry->Addend)));

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    /// <summary>LEA</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* Lea<T, TAddress, TDispatch>(CpuState* cpu, Op* op)
        where T : unmanaged, IBinaryInteger<T>
        where TAddress : struct, IAddress
        where TDispatch : struct, IDispatch
    {
        Reg.Set(cpu, op->Dst, T.CreateTruncating(TAddress.Of(cpu, op)));

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    /// <summary>XCHG r, r</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* ExchangeReg<T, TDispatch>(CpuState* cpu, Op* op)
        where T : unmanaged, IBinaryInteger<T>
        where TDispatch : struct, IDispatch
    {
        T first = Reg.Get<T>(cpu, op->Dst);
        Reg.Set(cpu, op->Dst, Reg.Get<T>(cpu, op->Src));
        Reg.Set(cpu, op->Src, first);

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    /// <summary>CMOVcc r, r: a 32-bit destination is zero-extended either way</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* CmovReg<TCondition, T, TDispatch>(CpuState* cpu, Op* op)
        where TCondition : struct, ICondition
        where T : unmanaged, IBinaryInteger<T>
        where TDispatch : struct, IDispatch
    {
        T value = Reg.Get<T>(cpu, op->Src);
        Reg.Set(cpu, op->Dst, TCondition.Holds(cpu) ? value : Reg.Get<T>(cpu, op->Dst));

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    /// <summary>CMOVcc r, m: memory is read whatever the condition</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* CmovMem<TCondition, T, TAddress, TDispatch>(CpuState* cpu, Op* op)
        where TCondition : struct, ICondition
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

        T value = *(T*)((nint)linear + entry->Addend);
        Reg.Set(cpu, op->Dst, TCondition.Holds(cpu) ? value : Reg.Get<T>(cpu, op->Dst));

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    /// <summary>SETcc r</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* SetReg<TCondition, TDispatch>(CpuState* cpu, Op* op)
        where TCondition : struct, ICondition
        where TDispatch : struct, IDispatch
    {
        Reg.Set(cpu, op->Dst, TCondition.Holds(cpu) ? (byte)1 : (byte)0);

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    /// <summary>CDQ, CQO</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* SignToRdx<T, TDispatch>(CpuState* cpu, Op* op)
        where T : unmanaged, IBinaryInteger<T>
        where TDispatch : struct, IDispatch
    {
        Reg.Set(cpu, 2 * 8, T.CreateTruncating((long)(cpu->Gpr[0] << (64 - (sizeof(T) * 8))) >> 63));

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    /// <summary>BSWAP</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* ByteSwap<T, TDispatch>(CpuState* cpu, Op* op)
        where T : unmanaged, IBinaryInteger<T>
        where TDispatch : struct, IDispatch
    {
        ulong reversed = BinaryPrimitives.ReverseEndianness(*(ulong*)((byte*)cpu + op->Dst)) >> (64 - (sizeof(T) * 8));
        Reg.Set(cpu, op->Dst, T.CreateTruncating(reversed));

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    /// <summary>NOP and the like</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* Nothing<TDispatch>(CpuState* cpu, Op* op)
        where TDispatch : struct, IDispatch
    {

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }
}
