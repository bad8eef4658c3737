using System.Numerics;
using System.Runtime.CompilerServices;

using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <summary>Calls, jumps, the ends of blocks, and cold instructions.</summary>
internal static unsafe class ControlHandlers
{
    /// <summary>CALL rel: exit op[1]</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* Call<T, TDispatch>(CpuState* cpu, Op* op)
        where T : unmanaged, IBinaryInteger<T>
        where TDispatch : struct, IDispatch
    {
        ulong linear = BelowStack<T>.Of(cpu, op);
        FastTlbEntry* entry = Probe.Entry(cpu, linear);
        if (Probe.Misses<PushImm<T>>(entry, linear))
        {
            return SlowPath.Miss(cpu, op, linear, Probe.Describe<PushImm<T>>());
        }

        PushImm<T>.Run(cpu, op, linear, (byte*)linear + entry->Addend);
        Op* next = Exits.Through(cpu, op + 1);
        if (TDispatch.Threaded)
        {
            return next->Handler(cpu, next);
        }

        return next;
    }

    /// <summary>CALL r. The target is judged before the stack is: whatever is not plain is left to the careful way.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* CallReg<T, TDispatch>(CpuState* cpu, Op* op)
        where T : unmanaged, IBinaryInteger<T>
        where TDispatch : struct, IDispatch
    {
        ulong target = ulong.CreateTruncating(Reg.Get<T>(cpu, op->Src));
        ulong linear = BelowStack<T>.Of(cpu, op);
        FastTlbEntry* entry = Probe.Entry(cpu, linear);
        if (Probe.Misses<PushImm<T>>(entry, linear))
        {
            return SlowPath.Careful(cpu, op);
        }

        Block* block = JumpCache.Slot(cpu, target);
        if (!JumpCache.Leads(cpu, block, target))
        {
            return SlowPath.IndirectCall<T>(cpu, op, target, linear);
        }

        *(T*)((nint)linear + entry->Addend) = T.CreateTruncating(op->Imm);
        cpu->Gpr[4] = linear;
        Op* next = Exits.Enter(cpu, block);
        if (TDispatch.Threaded)
        {
            return next->Handler(cpu, next);
        }

        return next;
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
        if (Probe.Misses<Load<T>>(entry, source))
        {
            return SlowPath.Miss(cpu, op, source, Probe.Describe<Load<T>>());
        }

        ulong target = ulong.CreateTruncating(*(T*)((nint)source + entry->Addend));
        ulong linear = BelowStack<T>.Of(cpu, op);
        entry = Probe.Entry(cpu, linear);
        if (Probe.Misses<PushImm<T>>(entry, linear))
        {
            return SlowPath.Careful(cpu, op); // the second access of one instruction: counts stay exact this way
        }

        Block* block = JumpCache.Slot(cpu, target);
        if (!JumpCache.Leads(cpu, block, target))
        {
            return SlowPath.IndirectCall<T>(cpu, op, target, linear);
        }

        *(T*)((nint)linear + entry->Addend) = T.CreateTruncating(Block.Of(op)->Rip + op->IpOffset + op->Length);
        cpu->Gpr[4] = linear;
        Op* next = Exits.Enter(cpu, block);
        if (TDispatch.Threaded)
        {
            return next->Handler(cpu, next);
        }

        return next;
    }

    /// <summary>JMP r</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* JumpReg<T, TDispatch>(CpuState* cpu, Op* op)
        where T : unmanaged, IBinaryInteger<T>
        where TDispatch : struct, IDispatch
    {
        ulong target = ulong.CreateTruncating(Reg.Get<T>(cpu, op->Src));
        Block* block = JumpCache.Slot(cpu, target);
        if (!JumpCache.Leads(cpu, block, target))
        {
            return SlowPath.IndirectJump(cpu, op, target, cpu->Gpr[4]);
        }

        Op* next = Exits.Enter(cpu, block);
        if (TDispatch.Threaded)
        {
            return next->Handler(cpu, next);
        }

        return next;
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
        if (Probe.Misses<Load<T>>(entry, linear))
        {
            return SlowPath.Miss(cpu, op, linear, Probe.Describe<Load<T>>());
        }

        ulong target = ulong.CreateTruncating(*(T*)((nint)linear + entry->Addend));
        Block* block = JumpCache.Slot(cpu, target);
        if (!JumpCache.Leads(cpu, block, target))
        {
            return SlowPath.IndirectJump(cpu, op, target, cpu->Gpr[4]);
        }

        Op* next = Exits.Enter(cpu, block);
        if (TDispatch.Threaded)
        {
            return next->Handler(cpu, next);
        }

        return next;
    }

    /// <summary>RET, RET imm16</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* Return<T, TDispatch>(CpuState* cpu, Op* op)
        where T : unmanaged, IBinaryInteger<T>
        where TDispatch : struct, IDispatch
    {
        ulong linear = TopOfStack<T>.Of(cpu, op);
        FastTlbEntry* entry = Probe.Entry(cpu, linear);
        if (Probe.Misses<PopReg<T>>(entry, linear))
        {
            return SlowPath.Miss(cpu, op, linear, Probe.Describe<PopReg<T>>());
        }

        ulong target = ulong.CreateTruncating(*(T*)((nint)linear + entry->Addend));
        ulong top = ulong.CreateTruncating(T.CreateTruncating(linear + (uint)sizeof(T) + op->Imm));
        Block* block = JumpCache.Slot(cpu, target);
        if (!JumpCache.Leads(cpu, block, target))
        {
            return SlowPath.IndirectJump(cpu, op, target, top);
        }

        cpu->Gpr[4] = top;
        Op* next = Exits.Enter(cpu, block);
        if (TDispatch.Threaded)
        {
            return next->Handler(cpu, next);
        }

        return next;
    }

    /// <summary>JMP rel, and the end of a block that no branch ends: exit op[1]</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* Jump<TDispatch>(CpuState* cpu, Op* op)
        where TDispatch : struct, IDispatch
    {
        Op* next = Exits.Through(cpu, op + 1);
        if (TDispatch.Threaded)
        {
            return next->Handler(cpu, next);
        }

        return next;
    }

    /// <summary>The slow way through an exit: not linked yet, or the budget is too small for the next block.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* Exit<TDispatch>(CpuState* cpu, Op* op)
        where TDispatch : struct, IDispatch
    {
        Exits.Return(cpu, op);
        cpu->Rip = op->TargetRip;
        cpu->LastExit = op;
        return null;
    }

    /// <summary>An exit into another page: the fetch tag must still lead to the block that was linked.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* CrossPage<TDispatch>(CpuState* cpu, Op* op)
        where TDispatch : struct, IDispatch
    {
        Exits.Return(cpu, op);
        Block* block = op->CrossTarget;
        ulong rip = block->Rip;
        if (!JumpCache.Leads(cpu, block, rip))
        {
            cpu->Rip = rip;
            return null;
        }

        Op* next = Exits.Enter(cpu, block);
        if (TDispatch.Threaded)
        {
            return next->Handler(cpu, next);
        }

        return next;
    }

    /// <summary>Stands in every op of a block whose code was overwritten: the next instruction is looked up anew.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* Dead<TDispatch>(CpuState* cpu, Op* op)
        where TDispatch : struct, IDispatch
    {
        Block* block = Block.Of(op);
        Block* successor = block->Successor;
        while (successor != null && successor->IsDead && successor->Successor != null)
        {
            block->Successor = successor = successor->Successor; // a block rewritten often must not leave a long chain
        }

        cpu->Budget += block->Count - op->InstructionIndex;
        cpu->DataAccesses -= block->Accesses - op->AccessesBefore;
        if (op->InstructionIndex != 0 || successor == null || successor->Count > cpu->Budget || cpu->FlagsDeferred != 0)
        {
            cpu->Rip = block->Rip + op->IpOffset;
            return null;
        }

        Op* next = Exits.Enter(cpu, successor);
        if (TDispatch.Threaded)
        {
            return next->Handler(cpu, next);
        }

        return next;
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

        Op* next = op + 1;
        if (TDispatch.Threaded)
        {
            return next->Handler(cpu, next);
        }

        return next;
    }
}
