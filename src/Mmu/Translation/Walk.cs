using System.Runtime.CompilerServices;

namespace Xenolith.Mmu;

/// <summary>A guest entry that the walk has used: what the accessed and dirty bits need afterwards.</summary>
internal struct UsedEntry
{
    public Gpa Gpa;
    public Hpa Hpa;
    public ulong Value;
    public PageRights Ept;
    public byte Level;
}

[InlineArray(5)]
internal struct UsedEntries
{
    private UsedEntry _first;
}

/// <summary>One translation under way: what was asked, and what is known so far.</summary>
internal struct Walk
{
    public AccessKind Kind;
    public AccessMode Mode;

    /// <summary>The access started from a linear address.</summary>
    public bool HasGva;

    /// <summary>The guest-physical reference under way is to a guest paging structure, not to the datum.</summary>
    public bool IsStructure;

    /// <summary>Mode-based execute control for EPT is on.</summary>
    public bool ModeBasedExecute;

    /// <summary>Guest rights of all levels so far; <see cref="PageRights.Dirty"/> when the guest leaf is dirty.</summary>
    public PageRights Guest;

    /// <summary>The guest leaf's G bit, as far as CR4.PGE gives it a meaning.</summary>
    public bool IsGlobal;

    /// <summary>log2 of the size of the guest's page.</summary>
    public int GuestShift;

    public int UsedCount;
    public UsedEntries Used;
}
