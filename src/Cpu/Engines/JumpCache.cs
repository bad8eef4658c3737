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

    /// <summary>Null when the block is not known here.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // in every return
    public static Block* Find(CpuState* cpu, ulong rip)
    {
        Block* block = ((Block**)cpu->JumpCache)[Slot(rip)];
        FastTlbEntry* entry = cpu->FetchTlb + ((rip >> Pages.Shift) & 0xFFFF);
        return block->Rip == rip && block->Mode == cpu->Mode
            && entry->FetchTag == (rip & ~Pages.OffsetMask) && (nint)rip + entry->Addend == block->HostCode
            ? block
            : null;
    }

    /// <summary>Only in modes where RIP is the linear address.</summary>
    public static void Add(CpuState* cpu, Block* block)
    {
        if ((block->Mode & ExecutionMode.FlatCode) != 0 && block->SecondHpa == 0)
        {
            ((Block**)cpu->JumpCache)[Slot(block->Rip)] = block;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // two operations
    private static int Slot(ulong rip) => (int)(rip ^ (rip >> 12)) & (Size - 1);
}
