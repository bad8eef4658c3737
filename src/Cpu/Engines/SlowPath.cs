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
    /// <summary>
    /// A probe missed. True when the fast table has the page now; otherwise the instruction has faulted, or was executed the
    /// careful way (it crosses pages, meets a device or decoded code).
    /// </summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static bool Fill(CpuState* cpu, Op* op, ulong linear, int sizeBytes, AccessKind kind)
    {
        Processor p = ProcessorOf(cpu);
        if (Probe.Tag(linear, sizeBytes) == (linear & ~Pages.OffsetMask) && p.IsCanonical(linear))
        {
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

    /// <summary>May an indirect branch go there? If not, the instruction is executed the careful way, to its fault.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static bool MayBranch(CpuState* cpu, Op* op, ulong target)
    {
        Processor p = ProcessorOf(cpu);
        if (p.IsBranchTarget(target))
        {
            return true;
        }

        p.StepInstead(op);
        return false;
    }

    /// <summary>The instruction would fault, or nearly: it is executed the careful way, and the engine is left.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void Careful(CpuState* cpu, Op* op) => ProcessorOf(cpu).StepInstead(op);

    /// <summary>Executes a cold instruction. True when the block goes on behind it.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static bool RunCold(CpuState* cpu, Op* op) => ProcessorOf(cpu).RunCold(op);

    private static Processor ProcessorOf(CpuState* cpu) => Unsafe.As<Processor>(GCHandle.FromIntPtr(cpu->Self).Target!);
}
