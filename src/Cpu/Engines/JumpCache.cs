using System.Runtime.CompilerServices;

using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <summary>
/// Direct-mapped cache from RIP to block for indirect branches. An entry proves itself at each use: RIP, mode, and a fetch tag
/// whose addend leads to the very bytes that were decoded.
/// </summary>
internal static unsafe class JumpCache
{
    public const int Size = 1 << 12;

    /// <summary>The block that is remembered where this address would be.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // in every return
    public static Block* Slot(CpuState* cpu, ulong rip) => ((Block**)cpu->JumpCache)[SlotOf(rip)];

    /// <summary>Is it the block that an address leads to now, and does the budget suffice for it? One branch for all of it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // in every return
    public static bool Leads(CpuState* cpu, Block* block, ulong rip)
    {
        FastTlbEntry* entry = cpu->FetchTlb + ((rip >> Pages.Shift) & 0xFFFF);
        ulong differences = (block->Rip ^ rip) | ((ulong)block->Mode ^ (ulong)cpu->Mode) | (entry->FetchTag ^ (rip & ~Pages.OffsetMask))
            | (ulong)(((nint)rip + entry->Addend) ^ block->HostCode) | (ulong)((cpu->Budget - block->Count) >> 63);
        return differences == 0;
    }

    /// <summary>Only in modes where RIP is the linear address.</summary>
    public static void Add(CpuState* cpu, Block* block)
    {
        if ((block->Mode & ExecutionMode.FlatCode) != 0 && block->SecondHpa == 0)
        {
            ((Block**)cpu->JumpCache)[SlotOf(block->Rip)] = block;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // two operations
    private static int SlotOf(ulong rip) => (int)(rip ^ (rip >> 12)) & (Size - 1);
}
