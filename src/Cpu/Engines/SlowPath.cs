using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <summary>
/// Where handlers go when the fast way is closed. Each first gives back what the block's head has taken in advance, so that managed
/// code sees exact counts and RIP. False means: leave the engine, everything is settled.
/// </summary>
internal static unsafe class SlowPath
{
    /// <summary>In what <see cref="Miss"/> is told about an access: it writes.</summary>
    public const int WriteBit = 0x100;

    /// <summary>In what <see cref="Miss"/> is told about an access: its address must be a multiple of 16.</summary>
    public const int AlignedBit = 0x200;

    /// <summary>
    /// A probe missed: the page is fetched into the fast table and the op runs again, or the engine is left. What the op's handler
    /// returns suits either dispatch.
    /// </summary>
    /// <param name="access">Size in bytes and the bits above.</param>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)] // ends in a jump, as handlers do
    public static Op* Miss(CpuState* cpu, Op* op, ulong linear, int access)
    {
        if (!Fill(cpu, op, linear, access))
        {
            return null;
        }

        return op->Handler(cpu, op);
    }

    /// <summary>A chain ended early: the op that could not be done is executed by a handler of its own.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)] // ends in a jump, as handlers do
    public static Op* Unchain(CpuState* cpu, Op* head)
    {
        Op* op = cpu->Unchained;
        return (op == head ? HandlerTable.HeadOf(op->Handler) : op->Handler)(cpu, op);
    }

    /// <summary>
    /// True when the fast table has the page now; otherwise the instruction has faulted, or was executed the careful way (it crosses
    /// pages, is not aligned, meets a device or decoded code).
    /// </summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static bool Fill(CpuState* cpu, Op* op, ulong linear, int access)
    {
        Processor p = ProcessorOf(cpu);
        int sizeBytes = access & 0xFF;
        bool isMisaligned = (access & AlignedBit) != 0 && (linear & 15) != 0;
        if (!isMisaligned && Probe.Tag(linear, sizeBytes) == (linear & ~Pages.OffsetMask) && p.IsCanonical(linear))
        {
            AccessKind kind = (access & WriteBit) != 0 ? AccessKind.Write : AccessKind.Read;
            p.GiveBack(op);
            if (!p.TryTranslate(linear, kind, cpu->DataAccess, out _))
            {
                cpu->DataAccesses++;
                p.SettleFault();
                return false;
            }

            FastTlbEntry* entry = Probe.Entry(cpu, linear);
            ulong tag = kind == AccessKind.Read ? entry->ReadTag : entry->WriteTag;
            p.TakeAgain(op);
            if (tag == (linear & ~Pages.OffsetMask))
            {
                return true;
            }
        }

        p.StepInstead(op);
        return false;
    }

    /// <summary>
    /// An indirect jump or a return to where no block is known, or none that the budget allows: the engine finds one. To an address that
    /// is none, the instruction is executed the careful way, to its fault.
    /// </summary>
    /// <param name="stackPointer">What RSP becomes.</param>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static Op* IndirectJump(CpuState* cpu, Op* op, ulong target, ulong stackPointer)
    {
        Processor p = ProcessorOf(cpu);
        if (!p.IsBranchTarget(target))
        {
            return Careful(cpu, op);
        }

        cpu->Gpr[4] = stackPointer;
        cpu->Rip = target;
        return null;
    }

    /// <summary>As <see cref="IndirectJump"/>, for calls: the fast table has the stack's page.</summary>
    /// <param name="stack">Where the return address goes.</param>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static Op* IndirectCall<T>(CpuState* cpu, Op* op, ulong target, ulong stack)
        where T : unmanaged, System.Numerics.IBinaryInteger<T>
    {
        if (!ProcessorOf(cpu).IsBranchTarget(target))
        {
            return Careful(cpu, op);
        }

        *(T*)((nint)stack + Probe.Entry(cpu, stack)->Addend) = T.CreateTruncating(Block.Of(op)->Rip + op->IpOffset + op->Length);
        cpu->Gpr[4] = stack;
        cpu->Rip = target;
        return null;
    }

    /// <summary>The instruction would fault, or nearly: it is executed the careful way, and the engine is left.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static Op* Careful(CpuState* cpu, Op* op)
    {
        ProcessorOf(cpu).StepInstead(op);
        return null;
    }

    /// <summary>Executes a cold instruction. True when the block goes on behind it.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static bool RunCold(CpuState* cpu, Op* op) => ProcessorOf(cpu).RunCold(op);

    private static Processor ProcessorOf(CpuState* cpu) => Unsafe.As<Processor>(GCHandle.FromIntPtr(cpu->Self).Target!);
}
