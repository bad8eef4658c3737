using System.Runtime.CompilerServices;

using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <summary>
/// The handlers: a body inside the code that reaches its operand and the next op. They are written so that the JIT gives them no stack
/// frame, which it does for methods of at most 100 bytes of IL, three basic blocks and no call but in tail position: the slow path of a
/// memory operand is a tail call too, and runs the op again once the page is there. The end of each shell is repeated because a call
/// that was inlined is not in tail position any more.
/// </summary>
internal static unsafe class Shells
{
    /// <summary>Registers only.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* Plain<TBody, TDispatch>(CpuState* cpu, Op* op)
        where TBody : struct, IBody
        where TDispatch : struct, IDispatch
    {
        TBody.Run(cpu, op);
        Op* next = op + 1;
        if (TDispatch.Threaded)
        {
            return next->Handler(cpu, next);
        }

        return next;
    }

    /// <summary>One memory operand.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* Memory<TBody, TAddress, TDispatch>(CpuState* cpu, Op* op)
        where TBody : struct, IMemoryBody
        where TAddress : struct, IAddress
        where TDispatch : struct, IDispatch
    {
        ulong linear = TAddress.Of(cpu, op);
        FastTlbEntry* entry = Probe.Entry(cpu, linear);
        if (Probe.Misses<TBody>(entry, linear))
        {
            return SlowPath.Miss(cpu, op, linear, Probe.Describe<TBody>());
        }

        TBody.Run(cpu, op, linear, (byte*)linear + entry->Addend);
        Op* next = op + 1;
        if (TDispatch.Threaded)
        {
            return next->Handler(cpu, next);
        }

        return next;
    }

    /// <summary>
    /// The end of a block: exits op[1] not taken, op[2] taken. Each way has a jump of its own, which the host predicts well: an indirect
    /// jump that has led to one place only costs it a cycle, one that has led to two costs five and more.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* Branch<TTest, TDispatch>(CpuState* cpu, Op* op)
        where TTest : struct, ITest
        where TDispatch : struct, IDispatch
    {
        if (TTest.Run(cpu, op))
        {
            Op* next = Exits.Taken(cpu, op);
            if (TDispatch.Threaded)
            {
                return next->Handler(cpu, next);
            }

            return next;
        }

        Op* other = Exits.NotTaken(cpu, op);
        if (TDispatch.Threaded)
        {
            return other->Handler(cpu, other);
        }

        return other;
    }

    /// <summary>The end of a block that tests a memory operand.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* BranchMemory<TTest, TAddress, TDispatch>(CpuState* cpu, Op* op)
        where TTest : struct, IMemoryTest
        where TAddress : struct, IAddress
        where TDispatch : struct, IDispatch
    {
        ulong linear = TAddress.Of(cpu, op);
        FastTlbEntry* entry = Probe.Entry(cpu, linear);
        if (Probe.Misses<TTest>(entry, linear))
        {
            return SlowPath.Miss(cpu, op, linear, Probe.Describe<TTest>());
        }

        if (TTest.Run(cpu, op, (byte*)linear + entry->Addend))
        {
            Op* next = Exits.Taken(cpu, op);
            if (TDispatch.Threaded)
            {
                return next->Handler(cpu, next);
            }

            return next;
        }

        Op* other = Exits.NotTaken(cpu, op);
        if (TDispatch.Threaded)
        {
            return other->Handler(cpu, other);
        }

        return other;
    }

    /// <summary>Registers only, unless the body declines.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* Try<TBody, TDispatch>(CpuState* cpu, Op* op)
        where TBody : struct, ITryBody
        where TDispatch : struct, IDispatch
    {
        if (!TBody.TryRun(cpu, op))
        {
            return SlowPath.Careful(cpu, op);
        }

        Op* next = op + 1;
        if (TDispatch.Threaded)
        {
            return next->Handler(cpu, next);
        }

        return next;
    }

    /// <summary>One memory operand, unless the body declines.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* TryMemory<TBody, TAddress, TDispatch>(CpuState* cpu, Op* op)
        where TBody : struct, IMemoryTryBody
        where TAddress : struct, IAddress
        where TDispatch : struct, IDispatch
    {
        ulong linear = TAddress.Of(cpu, op);
        FastTlbEntry* entry = Probe.Entry(cpu, linear);
        if (Probe.Misses<TBody>(entry, linear))
        {
            return SlowPath.Miss(cpu, op, linear, Probe.Describe<TBody>());
        }

        if (!TBody.TryRun(cpu, op, (byte*)linear + entry->Addend))
        {
            return SlowPath.Careful(cpu, op);
        }

        Op* next = op + 1;
        if (TDispatch.Threaded)
        {
            return next->Handler(cpu, next);
        }

        return next;
    }
}
