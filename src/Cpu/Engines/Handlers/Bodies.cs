using System.Runtime.CompilerServices;

namespace Xenolith.Cpu;

// What an op does, apart from how its memory operand is reached and how the next op is: those are the shells' (Shells.cs). A body is
// inlined into a shell and becomes one handler.

/// <summary>Works on registers alone.</summary>
internal unsafe interface IBody
{
    static abstract void Run(CpuState* cpu, Op* op);
}

/// <summary>Works on registers and one memory operand.</summary>
internal unsafe interface IMemoryBody : IAccess
{
    /// <param name="linear">The operand's linear address.</param>
    /// <param name="at">Where it lies in the host.</param>
    static abstract void Run(CpuState* cpu, Op* op, ulong linear, byte* at);
}

/// <summary>Decides whether the branch behind it is taken.</summary>
internal unsafe interface ITest
{
    static abstract bool Run(CpuState* cpu, Op* op);
}

/// <summary>As <see cref="ITest"/>, with one memory operand.</summary>
internal unsafe interface IMemoryTest : IAccess
{
    static abstract bool Run(CpuState* cpu, Op* op, byte* at);
}

/// <summary>May find that it cannot be done here; then nothing has changed, and the instruction is executed the careful way.</summary>
internal unsafe interface ITryBody
{
    static abstract bool TryRun(CpuState* cpu, Op* op);
}

/// <summary>As <see cref="ITryBody"/>, with one memory operand.</summary>
internal unsafe interface IMemoryTryBody : IAccess
{
    static abstract bool TryRun(CpuState* cpu, Op* op, byte* at);
}

/// <summary>Entering blocks.</summary>
internal static unsafe class Exits
{
    /// <summary>
    /// Takes the next block's count from the budget, and gives the op to go on with: the block's first, or the exit itself when the
    /// budget does not suffice. The exit's handler then gives back what was taken: no branch is needed here.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // the end of every block
    public static Op* Through(CpuState* cpu, Op* exit)
    {
        Block* next = exit->Target;
        long left = cpu->Budget - next->Count;
        cpu->Budget = left;
        cpu->DataAccesses += next->Accesses;
        nint isShort = (nint)(left >> 63);
        nint first = (nint)(next + 1);
        return (Op*)(first ^ ((first ^ (nint)exit) & isShort));
    }

    /// <summary>Takes a block's count from a budget that suffices, and gives its first op.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // the end of every indirect branch
    public static Op* Enter(CpuState* cpu, Block* block)
    {
        cpu->Budget -= block->Count;
        cpu->DataAccesses += block->Accesses;
        return (Op*)(block + 1);
    }

    /// <summary>Undoes what <see cref="Through"/> took.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // two additions
    public static void Return(CpuState* cpu, Op* exit)
    {
        Block* next = exit->Target;
        cpu->Budget += next->Count;
        cpu->DataAccesses -= next->Accesses;
    }

    /// <summary>Through the second exit of a conditional branch.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // the end of every block
    public static Op* Taken(CpuState* cpu, Op* op) => Through(cpu, op + 2);

    /// <summary>Through the first exit of a conditional branch.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // the end of every block
    public static Op* NotTaken(CpuState* cpu, Op* op) => Through(cpu, op + 1);
}
