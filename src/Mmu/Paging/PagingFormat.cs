using System.Runtime.CompilerServices;

namespace Xenolith.Mmu;

/// <summary>Bits that guest paging-structure entries of all formats share (SDM 3A "Paging-Structure Entries").</summary>
internal static class PagingEntry
{
    public const ulong P = 1UL << 0;
    public const ulong RW = 1UL << 1;
    public const ulong US = 1UL << 2;
    public const ulong A = 1UL << 5;
    public const ulong D = 1UL << 6;
    public const ulong PS = 1UL << 7;
    public const ulong G = 1UL << 8;
    public const ulong XD = 1UL << 63;

    /// <summary>Bits 62:59 of a leaf.</summary>
    public const int KeyShift = 59;

    /// <summary>Bits 51:12: the most that any 64-bit entry uses for an address.</summary>
    public const ulong AddressMask = 0x000F_FFFF_FFFF_F000;
}

/// <summary>
/// One paging mode as data: how many levels, how wide their indexes and entries, which bits must be zero (SDM 3A "Paging Modes and
/// Control Bits", "32-Bit Paging", "PAE Paging", "4-Level Paging and 5-Level Paging").
/// </summary>
internal readonly struct PagingFormat
{
    /// <summary>Level at which the walk starts; zero without paging. Under PAE the PDPTE registers are level 3 and no reference.</summary>
    public byte Levels { get; private init; }

    /// <summary>log2 of the entry size in bytes.</summary>
    public byte EntryShift { get; private init; }

    /// <summary>Index bits per level.</summary>
    public byte IndexBits { get; private init; }

    /// <summary>Highest level whose entries may map a page by PS = 1.</summary>
    public byte HighestPageLevel { get; private init; }

    /// <summary>Bits that must be zero in every present entry.</summary>
    public ulong Reserved { get; private init; }

    /// <summary>MAXPHYADDR, for the address bits of 32-bit paging's 4-MByte pages.</summary>
    public byte PhysicalAddressBits { get; private init; }

    public bool IsPae => Levels == 2 && EntryShift == 3;

    public bool Is32Bit => EntryShift == 2;

    /// <summary>The mode that the control registers select.</summary>
    public static PagingFormat Of(ref PagingContext context)
    {
        if ((context.Cr0 & Cr0.PG) == 0)
        {
            return default;
        }

        if ((context.Cr4 & Cr4.PAE) == 0)
        {
            return new PagingFormat
            {
                Levels = 2,
                EntryShift = 2,
                IndexBits = 10,
                HighestPageLevel = (context.Cr4 & Cr4.PSE) != 0 ? (byte)2 : (byte)1,
                PhysicalAddressBits = context.PhysicalAddressBits,
            };
        }

        // Bits 51:MAXPHYADDR, and XD while EFER.NXE = 0, are reserved in every entry of eight bytes.
        ulong reserved = PagingEntry.AddressMask & ~((1UL << context.PhysicalAddressBits) - 1);
        if ((context.Efer & Efer.NXE) == 0)
        {
            reserved |= PagingEntry.XD;
        }

        if ((context.Efer & Efer.LMA) == 0)
        {
            // PAE has no ignored bits at the top: 62:52 are reserved.
            return new PagingFormat { Levels = 2, EntryShift = 3, IndexBits = 9, HighestPageLevel = 2, Reserved = reserved | (0x7FFUL << 52) };
        }

        byte levels = (context.Cr4 & Cr4.LA57) != 0 ? (byte)5 : (byte)4;
        return new PagingFormat { Levels = levels, EntryShift = 3, IndexBits = 9, HighestPageLevel = 3, Reserved = reserved };
    }

    /// <summary>log2 of the bytes that one entry of a level spans: 12 at level 1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // twice per level of every walk
    public int Shift(int level) => Pages.Shift + (IndexBits * (level - 1));

    /// <summary>Does the entry map a page, rather than reference the next level?</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool IsLeaf(ulong entry, int level) => level == 1 || ((entry & PagingEntry.PS) != 0 && level <= HighestPageLevel);

    /// <summary>Is a bit set that this mode reserves at this level?</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool HasReservedBits(ulong entry, int level, bool isLeaf)
    {
        ulong reserved = Reserved;
        if (level > 1 && isLeaf)
        {
            reserved |= Is32Bit ? Reserved4MByte() : ((1UL << Shift(level)) - 1) & ~0x1FFFUL; // below the frame, above PAT (bit 12)
        }
        else if (level > 3)
        {
            reserved |= PagingEntry.PS; // PML4E and PML5E reserve it; no lower non-leaf has it set, but where 32-bit paging ignores it
        }

        return (entry & reserved) != 0;
    }

    /// <summary>The address in an entry: the next table, or the page that a leaf maps.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ulong Address(ulong entry, int level, bool isLeaf)
    {
        if (level == 1 || !isLeaf)
        {
            return entry & PagingEntry.AddressMask;
        }

        return Is32Bit
            ? (entry & 0xFFC0_0000) | ((entry & 0x001F_E000) << 19) // PSE-36: bits 20:13 hold address bits 39:32
            : entry & PagingEntry.AddressMask & ~((1UL << Shift(level)) - 1);
    }

    /// <summary>
    /// Bit 21, and those of bits 20:13 that would go beyond MAXPHYADDR (SDM 3A "32-Bit Paging", table of 4-MByte page PDEs).
    /// </summary>
    private ulong Reserved4MByte()
    {
        ulong reserved = 1UL << 21;
        if (PhysicalAddressBits < 40)
        {
            reserved |= 0x001F_E000 & ~((1UL << (PhysicalAddressBits - 19)) - 1);
        }

        return reserved;
    }
}
