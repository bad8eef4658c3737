using System.Runtime.CompilerServices;

using Xenolith.Mmu;

namespace Xenolith.Cpu;

// Superinstructions, composed of the same bodies when a block has proved hot: several ops in one handler, without a jump between them.
// The ops stay as they are. A step that cannot be done here (its page is not in the fast table) ends the chain at its op, whose own
// handler then finds the same and knows what to do.

/// <summary>One or more ops, one behind the other.</summary>
internal unsafe interface IStep
{
    /// <summary>How many ops.</summary>
    static abstract int Length { get; }

    /// <summary>False when it could not be done: <see cref="CpuState.Unchained"/> then says by which op.</summary>
    static abstract bool Run(CpuState* cpu, Op* op);
}

internal readonly unsafe struct PlainStep<TBody> : IStep
    where TBody : struct, IBody
{
    public static int Length
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)] // a constant
        get => 1;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a chain
    public static bool Run(CpuState* cpu, Op* op)
    {
        TBody.Run(cpu, op);
        return true;
    }
}

internal readonly unsafe struct MemoryStep<TBody, TAddress> : IStep
    where TBody : struct, IMemoryBody
    where TAddress : struct, IAddress
{
    public static int Length
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)] // a constant
        get => 1;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a chain
    public static bool Run(CpuState* cpu, Op* op)
    {
        ulong linear = TAddress.Of(cpu, op);
        FastTlbEntry* entry = Probe.Entry(cpu, linear);
        if (Probe.Misses<TBody>(entry, linear))
        {
            cpu->Unchained = op;
            return false;
        }

        TBody.Run(cpu, op, linear, (byte*)linear + entry->Addend);
        return true;
    }
}

internal readonly unsafe struct TryStep<TBody> : IStep
    where TBody : struct, ITryBody
{
    public static int Length
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)] // a constant
        get => 1;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a chain
    public static bool Run(CpuState* cpu, Op* op)
    {
        cpu->Unchained = op;
        return TBody.TryRun(cpu, op);
    }
}

internal readonly unsafe struct TryMemoryStep<TBody, TAddress> : IStep
    where TBody : struct, IMemoryTryBody
    where TAddress : struct, IAddress
{
    public static int Length
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)] // a constant
        get => 1;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a chain
    public static bool Run(CpuState* cpu, Op* op)
    {
        ulong linear = TAddress.Of(cpu, op);
        FastTlbEntry* entry = Probe.Entry(cpu, linear);
        cpu->Unchained = op;
        return !Probe.Misses<TBody>(entry, linear) && TBody.TryRun(cpu, op, (byte*)linear + entry->Addend);
    }
}

/// <summary>Two steps, each of which may be such a pair.</summary>
internal readonly unsafe struct Then<TFirst, TSecond> : IStep
    where TFirst : struct, IStep
    where TSecond : struct, IStep
{
    public static int Length
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)] // a constant
        get => TFirst.Length + TSecond.Length;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a chain
    public static bool Run(CpuState* cpu, Op* op) => TFirst.Run(cpu, op) && TSecond.Run(cpu, op + TFirst.Length);
}

/// <summary>The shells of chains.</summary>
internal static unsafe class ChainShells
{
    /// <summary>Steps in the middle of a block.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* Chain<TSteps, TDispatch>(CpuState* cpu, Op* op)
        where TSteps : struct, IStep
        where TDispatch : struct, IDispatch
    {
        if (!TSteps.Run(cpu, op))
        {
            return SlowPath.Unchain(cpu, op);
        }

        Op* next = op + TSteps.Length;
        if (TDispatch.Threaded)
        {
            return next->Handler(cpu, next);
        }

        return next;
    }

    /// <summary>Steps and the branch that ends the block.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* ChainBranch<TSteps, TTest, TDispatch>(CpuState* cpu, Op* op)
        where TSteps : struct, IStep
        where TTest : struct, ITest
        where TDispatch : struct, IDispatch
    {
        if (!TSteps.Run(cpu, op))
        {
            return SlowPath.Unchain(cpu, op);
        }

        op += TSteps.Length;
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
}
