using System.Runtime.CompilerServices;

namespace Xenolith.Mmu;

/// <summary>Fields of the EPT pointer (SDM 3C "Extended-Page-Table Pointer (EPTP)").</summary>
public static class Eptp
{
    public const ulong MemoryTypeMask = 0x7;

    /// <summary>Accessed and dirty flags for EPT are on.</summary>
    public const ulong AccessedDirty = 1UL << 6;

    /// <summary>Levels of the walk: bits 5:3 hold one less.</summary>
    public static int Levels(ulong eptp) => (int)((eptp >> 3) & 7) + 1;

    /// <summary>EP4TA: bits 51:12, the address of the top table, which also tags cached mappings.</summary>
    public static ulong TableAddress(ulong eptp) => eptp & PagingEntry.AddressMask;
}

/// <summary>
/// Bits of EPT paging-structure entries, and when they are wrong (SDM 3C "EPT Translation Mechanism", "EPT Misconfigurations").
/// </summary>
/// <remarks>
/// <code>
///  63          51..12      11   10   9   8   7    6     5..3   2  1  0
/// +----+-----+-----------+----+----+---+---+----+-----+------+---+--+--+
/// |#VE | ... |  address  |ign.| XU | D | A | PS |IPAT | type | X | W| R|
/// +----+-----+-----------+----+----+---+---+----+-----+------+---+--+--+
/// </code>
/// Execute-only mappings are offered (IA32_VMX_EPT_VPID_CAP bit 0).
/// </remarks>
internal static class EptEntry
{
    public const ulong R = 1UL << 0;
    public const ulong W = 1UL << 1;
    public const ulong X = 1UL << 2;
    public const ulong PS = 1UL << 7;
    public const ulong A = 1UL << 8;
    public const ulong D = 1UL << 9;
    public const ulong XU = 1UL << 10;

    /// <summary>Highest level whose entries may map a page: 1 GByte at level 3.</summary>
    public const int HighestPageLevel = 3;

    private const ulong MisconfiguredTypes = (1 << 2) | (1 << 3) | (1 << 7); // memory types 2, 3 and 7 are reserved

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // once per EPT reference
    public static PageRights Rights(ulong entry, bool modeBasedExecute)
    {
        // Bits 2:0 lie where PageRights has EptR, EptW and EptX, four places up.
        ulong rights = (entry & (R | W | X)) << 4;
        ulong user = modeBasedExecute ? entry & XU : (entry & X) << 8;
        return (PageRights)(rights | (user >> 3));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsLeaf(ulong entry, int level) => level == 1 || ((entry & PS) != 0 && level <= HighestPageLevel);

    /// <summary>A present entry that software has set up wrongly.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsMisconfigured(ulong entry, int level, bool isLeaf, int physicalAddressBits)
    {
        if ((entry & (R | W)) == W)
        {
            return true; // writable but not readable
        }

        ulong reserved = PagingEntry.AddressMask & ~((1UL << physicalAddressBits) - 1);
        if (!isLeaf)
        {
            reserved |= level > HighestPageLevel ? 0xF8UL : 0x78UL; // bits 7:3, or 6:3 where bit 7 chose between page and table
            return (entry & reserved) != 0;
        }

        if (level > 1)
        {
            reserved |= ((1UL << Shift(level)) - 1) & ~Pages.OffsetMask;
        }

        return (entry & reserved) != 0 || ((MisconfiguredTypes >> (int)((entry >> 3) & 7)) & 1) != 0;
    }

    /// <summary>log2 of the bytes that one entry of a level spans.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Shift(int level) => Pages.Shift + (9 * (level - 1));
}
