using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Xenolith.Cpu;

/// <summary>
/// Whether this runtime turns a handler's last call into a jump. It does where handlers are compiled optimised, but no contract says
/// so: the stack is measured over a chain of handlers, once per process, before the threaded engine is used.
/// </summary>
internal static unsafe class TailCalls
{
    private const int ChainLength = 512;

    /// <summary>True when a chain of handlers runs in one stack frame.</summary>
    public static bool Work { get; } = Measure();

    private static bool Measure()
    {
        CpuState* cpu = (CpuState*)NativeMemory.AlignedAlloc((nuint)sizeof(CpuState), 64);
        Op* ops = (Op*)NativeMemory.AlignedAlloc((nuint)(sizeof(Op) * (ChainLength + 1)), 64);
        *cpu = default;
        for (int i = 0; i < ChainLength; i++)
        {
            ops[i] = default;
            ops[i].Handler = &Link;
        }

        ops[ChainLength] = default;
        ops[ChainLength].Handler = &End;
        Op* result = ops->Handler(cpu, ops);
        ulong depth = cpu->Gpr[0] - cpu->Gpr[1];
        NativeMemory.AlignedFree(cpu);
        NativeMemory.AlignedFree(ops);
        return result == null && depth < ChainLength * 8;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static Op* Link(CpuState* cpu, Op* op)
    {
        NoteStack(cpu);
        return op[1].Handler(cpu, op + 1);
    }

    private static Op* End(CpuState* cpu, Op* op) => null;

    /// <summary>Highest stack address in RAX, lowest in RCX.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void NoteStack(CpuState* cpu)
    {
        ulong here;
        ulong address = (ulong)&here;
        cpu->Gpr[0] = ulong.Max(cpu->Gpr[0], address);
        cpu->Gpr[1] = cpu->Gpr[1] == 0 ? address : ulong.Min(cpu->Gpr[1], address);
    }
}
