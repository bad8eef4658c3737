using System.Numerics;
using System.Runtime.CompilerServices;

using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <summary>Stack, branches, the ends of blocks, and cold instructions.</summary>
internal static unsafe class ControlHandlers
{
    /// <summary>PUSH r</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* PushReg<T, TDispatch>(CpuState* cpu, Op* op)
        where T : unmanaged, IBinaryInteger<T>
        where TDispatch : struct, IDispatch
    {
        ulong linear = cpu->Gpr[4] - (uint)sizeof(T);
        if (sizeof(T) == 4)
        {
            linear = (uint)linear; // a flat 32-bit stack wraps
        }

        FastTlbEntry* entry = Probe.Entry(cpu, linear);
        if (entry->WriteTag != Probe.Tag(linear, sizeof(T)) && !SlowPath.Fill(cpu, op, linear, sizeof(T), AccessKind.Write))
        {
            return null;
        }

        *(T*)((nint)linear + entry->Addend) = Reg.Get<T>(cpu, op->Src);
        cpu->Gpr[4] = linear;

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    /// <summary>PUSH imm</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* PushImm<T, TDispatch>(CpuState* cpu, Op* op)
        where T : unmanaged, IBinaryInteger<T>
        where TDispatch : struct, IDispatch
    {
        ulong linear = cpu->Gpr[4] - (uint)sizeof(T);
        if (sizeof(T) == 4)
        {
            linear = (uint)linear; // a flat 32-bit stack wraps
        }

        FastTlbEntry* entry = Probe.Entry(cpu, linear);
        if (entry->WriteTag != Probe.Tag(linear, sizeof(T)) && !SlowPath.Fill(cpu, op, linear, sizeof(T), AccessKind.Write))
        {
            return null;
        }

        *(T*)((nint)linear + entry->Addend) = T.CreateTruncating(op->Imm);
        cpu->Gpr[4] = linear;

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    /// <summary>POP r; POP rSP ends with the popped value</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* PopReg<T, TDispatch>(CpuState* cpu, Op* op)
        where T : unmanaged, IBinaryInteger<T>
        where TDispatch : struct, IDispatch
    {
        ulong linear = cpu->Gpr[4];
        if (sizeof(T) == 4)
        {
            linear = (uint)linear; // a flat 32-bit stack wraps
        }

        FastTlbEntry* entry = Probe.Entry(cpu, linear);
        if (entry->ReadTag != Probe.Tag(linear, sizeof(T)) && !SlowPath.Fill(cpu, op, linear, sizeof(T), AccessKind.Read))
        {
            return null;
        }

        T value = *(T*)((nint)linear + entry->Addend);
        Reg.Set(cpu, Reg.Rsp, T.CreateTruncating(linear + (uint)sizeof(T)));
        Reg.Set(cpu, op->Dst, value);

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    /// <summary>LEAVE</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* Leave<T, TDispatch>(CpuState* cpu, Op* op)
        where T : unmanaged, IBinaryInteger<T>
        where TDispatch : struct, IDispatch
    {
        ulong linear = cpu->Gpr[5];
        if (sizeof(T) == 4)
        {
            linear = (uint)linear; // a flat 32-bit stack wraps
        }

        FastTlbEntry* entry = Probe.Entry(cpu, linear);
        if (entry->ReadTag != Probe.Tag(linear, sizeof(T)) && !SlowPath.Fill(cpu, op, linear, sizeof(T), AccessKind.Read))
        {
            return null;
        }

        T frame = *(T*)((nint)linear + entry->Addend);
        Reg.Set(cpu, Reg.Rsp, T.CreateTruncating(linear + (uint)sizeof(T)));
        Reg.Set(cpu, 5 * 8, frame);

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    /// <summary>CALL rel: exit op[1]</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* Call<T, TDispatch>(CpuState* cpu, Op* op)
        where T : unmanaged, IBinaryInteger<T>
        where TDispatch : struct, IDispatch
    {
        ulong linear = cpu->Gpr[4] - (uint)sizeof(T);
        if (sizeof(T) == 4)
        {
            linear = (uint)linear; // a flat 32-bit stack wraps
        }

        FastTlbEntry* entry = Probe.Entry(cpu, linear);
        if (entry->WriteTag != Probe.Tag(linear, sizeof(T)) && !SlowPath.Fill(cpu, op, linear, sizeof(T), AccessKind.Write))
        {
            return null;
        }

        *(T*)((nint)linear + entry->Addend) = T.CreateTruncating(op->Imm);
        cpu->Gpr[4] = linear;
        Op* exit = op + 1;
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

    /// <summary>CALL r</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* CallReg<T, TDispatch>(CpuState* cpu, Op* op)
        where T : unmanaged, IBinaryInteger<T>
        where TDispatch : struct, IDispatch
    {
        ulong target = ulong.CreateTruncating(Reg.Get<T>(cpu, op->Src));
        Block* next = JumpCache.Find(cpu, target);
        if (next == null && !SlowPath.MayBranch(cpu, op, target))
        {
            return null;
        }

        ulong linear = cpu->Gpr[4] - (uint)sizeof(T);
        if (sizeof(T) == 4)
        {
            linear = (uint)linear; // a flat 32-bit stack wraps
        }

        FastTlbEntry* entry = Probe.Entry(cpu, linear);
        if (entry->WriteTag != Probe.Tag(linear, sizeof(T)) && !SlowPath.Fill(cpu, op, linear, sizeof(T), AccessKind.Write))
        {
            return null;
        }

        *(T*)((nint)linear + entry->Addend) = T.CreateTruncating(op->Imm);
        cpu->Gpr[4] = linear;
        if (next == null)
        {
            cpu->Rip = target;
            return null;
        }

        long left = cpu->Budget - next->Count;
        if (left < 0)
        {
            cpu->Rip = target;
            return null;
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

    /// <summary>CALL m: the target is read before the return address is pushed.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* CallMem<T, TAddress, TDispatch>(CpuState* cpu, Op* op)
        where T : unmanaged, IBinaryInteger<T>
        where TAddress : struct, IAddress
        where TDispatch : struct, IDispatch
    {
        ulong source = TAddress.Of(cpu, op);
        FastTlbEntry* entry = Probe.Entry(cpu, source);
        if (entry->ReadTag != Probe.Tag(source, sizeof(T)) && !SlowPath.Fill(cpu, op, source, sizeof(T), AccessKind.Read))
        {
            return null;
        }

        ulong target = ulong.CreateTruncating(*(T*)((nint)source + entry->Addend));
        Block* next = JumpCache.Find(cpu, target);
        if (next == null && !SlowPath.MayBranch(cpu, op, target))
        {
            return null;
        }

        ulong linear = cpu->Gpr[4] - (uint)sizeof(T);
        if (sizeof(T) == 4)
        {
            linear = (uint)linear; // a flat 32-bit stack wraps
        }

        entry = Probe.Entry(cpu, linear);
        if (entry->WriteTag != Probe.Tag(linear, sizeof(T)))
        {
            SlowPath.Careful(cpu, op); // the second access of one instruction: counts stay exact this way
            return null;
        }

        *(T*)((nint)linear + entry->Addend) = T.CreateTruncating(Block.Of(op)->Rip + op->IpOffset + op->Length);
        cpu->Gpr[4] = linear;
        if (next == null || next->Count > cpu->Budget)
        {
            cpu->Rip = target;
            return null;
        }

        cpu->Budget -= next->Count;
        cpu->DataAccesses += next->Accesses;
        Op* first = (Op*)(next + 1);
        if (TDispatch.Threaded)
        {
            return first->Handler(cpu, first);
        }

        return first;
    }

    /// <summary>JMP r</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* JumpReg<T, TDispatch>(CpuState* cpu, Op* op)
        where T : unmanaged, IBinaryInteger<T>
        where TDispatch : struct, IDispatch
    {
        ulong target = ulong.CreateTruncating(Reg.Get<T>(cpu, op->Src));
        Block* next = JumpCache.Find(cpu, target);
        if (next == null && !SlowPath.MayBranch(cpu, op, target))
        {
            return null;
        }

        if (next == null)
        {
            cpu->Rip = target;
            return null;
        }

        long left = cpu->Budget - next->Count;
        if (left < 0)
        {
            cpu->Rip = target;
            return null;
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

    /// <summary>JMP m</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* JumpMem<T, TAddress, TDispatch>(CpuState* cpu, Op* op)
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

        ulong target = ulong.CreateTruncating(*(T*)((nint)linear + entry->Addend));
        Block* next = JumpCache.Find(cpu, target);
        if (next == null && !SlowPath.MayBranch(cpu, op, target))
        {
            return null;
        }

        if (next == null)
        {
            cpu->Rip = target;
            return null;
        }

        long left = cpu->Budget - next->Count;
        if (left < 0)
        {
            cpu->Rip = target;
            return null;
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

    /// <summary>RET, RET imm16</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* Return<T, TDispatch>(CpuState* cpu, Op* op)
        where T : unmanaged, IBinaryInteger<T>
        where TDispatch : struct, IDispatch
    {
        ulong linear = cpu->Gpr[4];
        if (sizeof(T) == 4)
        {
            linear = (uint)linear; // a flat 32-bit stack wraps
        }

        FastTlbEntry* entry = Probe.Entry(cpu, linear);
        if (entry->ReadTag != Probe.Tag(linear, sizeof(T)) && !SlowPath.Fill(cpu, op, linear, sizeof(T), AccessKind.Read))
        {
            return null;
        }

        ulong target = ulong.CreateTruncating(*(T*)((nint)linear + entry->Addend));
        Block* next = JumpCache.Find(cpu, target);
        if (next == null && !SlowPath.MayBranch(cpu, op, target))
        {
            return null;
        }

        Reg.Set(cpu, Reg.Rsp, T.CreateTruncating(linear + (uint)sizeof(T) + op->Imm));
        if (next == null)
        {
            cpu->Rip = target;
            return null;
        }

        long left = cpu->Budget - next->Count;
        if (left < 0)
        {
            cpu->Rip = target;
            return null;
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

    /// <summary>Jcc: exits op[1] not taken, op[2] taken</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* JumpIf<TCondition, TDispatch>(CpuState* cpu, Op* op)
        where TCondition : struct, ICondition
        where TDispatch : struct, IDispatch
    {
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

    /// <summary>JMP rel, and the end of a block that no branch ends: exit op[1]</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* Jump<TDispatch>(CpuState* cpu, Op* op)
        where TDispatch : struct, IDispatch
    {
        Op* exit = op + 1;
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

    /// <summary>The slow way through an exit: not linked yet, or the budget is too small for the next block.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* Exit<TDispatch>(CpuState* cpu, Op* op)
        where TDispatch : struct, IDispatch
    {
        cpu->Rip = op->TargetRip;
        cpu->LastExit = op;
        return null;
    }

    /// <summary>An exit into another page: the fetch tag must still lead to the block that was linked.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* CrossPage<TDispatch>(CpuState* cpu, Op* op)
        where TDispatch : struct, IDispatch
    {
        Block* next = op->CrossTarget;
        ulong rip = next->Rip;
        FastTlbEntry* entry = cpu->FetchTlb + ((rip >> Pages.Shift) & 0xFFFF);
        long left = cpu->Budget - next->Count;
        if (entry->FetchTag != (rip & ~Pages.OffsetMask) || (nint)rip + entry->Addend != next->HostCode || left < 0)
        {
            cpu->Rip = rip;
            return null;
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

    /// <summary>Stands in every op of a block whose code was overwritten: the next instruction is looked up anew.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* Dead<TDispatch>(CpuState* cpu, Op* op)
        where TDispatch : struct, IDispatch
    {
        Block* block = Block.Of(op);
        Block* next = block->Successor;
        while (next != null && next->IsDead && next->Successor != null)
        {
            block->Successor = next = next->Successor; // a block rewritten often must not leave a long chain
        }

        cpu->Budget += block->Count - op->InstructionIndex;
        cpu->DataAccesses -= block->Accesses - op->AccessesBefore;
        if (op->InstructionIndex != 0 || next == null || next->Count > cpu->Budget)
        {
            cpu->Rip = block->Rip + op->IpOffset;
            return null;
        }

        cpu->Budget -= next->Count;
        cpu->DataAccesses += next->Accesses;
        Op* first = (Op*)(next + 1);
        if (TDispatch.Threaded)
        {
            return first->Handler(cpu, first);
        }

        return first;
    }

    /// <summary>An instruction that a managed method executes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* Cold<TDispatch>(CpuState* cpu, Op* op)
        where TDispatch : struct, IDispatch
    {
        if (!SlowPath.RunCold(cpu, op))
        {
            return null;
        }

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }
}
