using System.Numerics;
using System.Runtime.CompilerServices;

using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <summary>An operation and the conditional jump behind it, as one op. Exits: op[1] not taken, op[2] taken.</summary>
internal static unsafe class FusedHandlers
{
    /// <summary>op r, r and Jcc</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* RegReg<TOp, T, TCondition, TDispatch>(CpuState* cpu, Op* op)
        where TOp : struct, IBinaryOp
        where T : unmanaged, IBinaryInteger<T>
        where TCondition : struct, ICondition
        where TDispatch : struct, IDispatch
    {
        T result = TOp.Apply<T, WithFlags>(cpu, Reg.Get<T>(cpu, op->Dst), Reg.Get<T>(cpu, op->Src));
        if (TOp.WritesDestination)
        {
            Reg.Set(cpu, op->Dst, result);
        }

        Op* exit = op + 1 + (TCondition.Holds(cpu) ? 1 : 0);
        Block* next = exit->Target;
        long left = cpu->Budget - next->Count;
        if (left < 0)
        {
            if (TDispatch.Threaded)
            {
                return exit->Handler(cpu, exit);
            }

            return exit;
        }

        cpu->Budget = left;
        cpu->DataAccesses += next->Accesses;
        Op* first = (Op*)(next + 1);
        if (TDispatch.Threaded)
        {
            return first->Handler(cpu, first);
        }

        return first;
    }

    /// <summary>op r, imm and Jcc</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* RegImm<TOp, T, TCondition, TDispatch>(CpuState* cpu, Op* op)
        where TOp : struct, IBinaryOp
        where T : unmanaged, IBinaryInteger<T>
        where TCondition : struct, ICondition
        where TDispatch : struct, IDispatch
    {
        T result = TOp.Apply<T, WithFlags>(cpu, Reg.Get<T>(cpu, op->Dst), T.CreateTruncating(op->Imm));
        if (TOp.WritesDestination)
        {
            Reg.Set(cpu, op->Dst, result);
        }

        Op* exit = op + 1 + (TCondition.Holds(cpu) ? 1 : 0);
        Block* next = exit->Target;
        long left = cpu->Budget - next->Count;
        if (left < 0)
        {
            if (TDispatch.Threaded)
            {
                return exit->Handler(cpu, exit);
            }

            return exit;
        }

        cpu->Budget = left;
        cpu->DataAccesses += next->Accesses;
        Op* first = (Op*)(next + 1);
        if (TDispatch.Threaded)
        {
            return first->Handler(cpu, first);
        }

        return first;
    }

    /// <summary>op r, m and Jcc</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* RegMem<TOp, T, TAddress, TCondition, TDispatch>(CpuState* cpu, Op* op)
        where TOp : struct, IBinaryOp
        where T : unmanaged, IBinaryInteger<T>
        where TAddress : struct, IAddress
        where TCondition : struct, ICondition
        where TDispatch : struct, IDispatch
    {
        ulong linear = TAddress.Of(cpu, op);
        FastTlbEntry* entry = Probe.Entry(cpu, linear);
        if (entry->ReadTag != Probe.Tag(linear, sizeof(T)) && !SlowPath.Fill(cpu, op, linear, sizeof(T), AccessKind.Read))
        {
            return null;
        }

        T result = TOp.Apply<T, WithFlags>(cpu, Reg.Get<T>(cpu, op->Dst), *(T*)((nint)linear + entry->Addend));
        if (TOp.WritesDestination)
        {
            Reg.Set(cpu, op->Dst, result);
        }

        Op* exit = op + 1 + (TCondition.Holds(cpu) ? 1 : 0);
        Block* next = exit->Target;
        long left = cpu->Budget - next->Count;
        if (left < 0)
        {
            if (TDispatch.Threaded)
            {
                return exit->Handler(cpu, exit);
            }

            return exit;
        }

        cpu->Budget = left;
        cpu->DataAccesses += next->Accesses;
        Op* first = (Op*)(next + 1);
        if (TDispatch.Threaded)
        {
            return first->Handler(cpu, first);
        }

        return first;
    }

    /// <summary>op m, r and Jcc</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* MemReg<TOp, T, TAddress, TCondition, TDispatch>(CpuState* cpu, Op* op)
        where TOp : struct, IBinaryOp
        where T : unmanaged, IBinaryInteger<T>
        where TAddress : struct, IAddress
        where TCondition : struct, ICondition
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
        T result = TOp.Apply<T, WithFlags>(cpu, *memory, Reg.Get<T>(cpu, op->Src));
        if (TOp.WritesDestination)
        {
            *memory = result;
        }

        Op* exit = op + 1 + (TCondition.Holds(cpu) ? 1 : 0);
        Block* next = exit->Target;
        long left = cpu->Budget - next->Count;
        if (left < 0)
        {
            if (TDispatch.Threaded)
            {
                return exit->Handler(cpu, exit);
            }

            return exit;
        }

        cpu->Budget = left;
        cpu->DataAccesses += next->Accesses;
        Op* first = (Op*)(next + 1);
        if (TDispatch.Threaded)
        {
            return first->Handler(cpu, first);
        }

        return first;
    }

    /// <summary>op m, imm and Jcc</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* MemImm<TOp, T, TAddress, TCondition, TDispatch>(CpuState* cpu, Op* op)
        where TOp : struct, IBinaryOp
        where T : unmanaged, IBinaryInteger<T>
        where TAddress : struct, IAddress
        where TCondition : struct, ICondition
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
        T result = TOp.Apply<T, WithFlags>(cpu, *memory, T.CreateTruncating(op->Small));
        if (TOp.WritesDestination)
        {
            *memory = result;
        }

        Op* exit = op + 1 + (TCondition.Holds(cpu) ? 1 : 0);
        Block* next = exit->Target;
        long left = cpu->Budget - next->Count;
        if (left < 0)
        {
            if (TDispatch.Threaded)
            {
                return exit->Handler(cpu, exit);
            }

            return exit;
        }

        cpu->Budget = left;
        cpu->DataAccesses += next->Accesses;
        Op* first = (Op*)(next + 1);
        if (TDispatch.Threaded)
        {
            return first->Handler(cpu, first);
        }

        return first;
    }

    /// <summary>op r and Jcc</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* Unary<TOp, T, TCondition, TDispatch>(CpuState* cpu, Op* op)
        where TOp : struct, IUnaryOp
        where T : unmanaged, IBinaryInteger<T>
        where TCondition : struct, ICondition
        where TDispatch : struct, IDispatch
    {
        Reg.Set(cpu, op->Dst, TOp.Apply<T, WithFlags>(cpu, Reg.Get<T>(cpu, op->Dst)));

        Op* exit = op + 1 + (TCondition.Holds(cpu) ? 1 : 0);
        Block* next = exit->Target;
        long left = cpu->Budget - next->Count;
        if (left < 0)
        {
            if (TDispatch.Threaded)
            {
                return exit->Handler(cpu, exit);
            }

            return exit;
        }

        cpu->Budget = left;
        cpu->DataAccesses += next->Accesses;
        Op* first = (Op*)(next + 1);
        if (TDispatch.Threaded)
        {
            return first->Handler(cpu, first);
        }

        return first;
    }
}
