namespace Xenolith.Mmu;

/// <summary>What an access wants to do with the bytes.</summary>
public enum AccessKind : byte
{
    Read,
    Write,
    Execute,
}

/// <summary>Why a physical access is made; decides in whose name it is judged (docs/asmi.md, G2, G11, G13).</summary>
public enum AccessOrigin : byte
{
    /// <summary>The datum or instruction itself, in the name in VMIDR.</summary>
    Datum,

    /// <summary>A paging-structure entry of the running software, in the name in VMIDR.</summary>
    GuestPaging,

    /// <summary>An EPT entry, in the hypervisor's name.</summary>
    EptPaging,

    /// <summary>VMCS, bitmaps and other structures that the processor reads for the hypervisor, in its name.</summary>
    VmxStructure,

    /// <summary>The emulated Xen or a C#-hosted Dom0 acting for itself or, for a hypercall's arguments, for its caller.</summary>
    Hypervisor,

    /// <summary>A device, in the name it is assigned to.</summary>
    Dma,
}

/// <summary>One physical access as the isolation unit sees it. It never crosses a 4-KiB page.</summary>
public readonly struct PhysicalAccess(Hpa address, AccessKind kind, AccessOrigin origin, Vmid name)
{
    public Hpa Address { get; } = address;

    public AccessKind Kind { get; } = kind;

    public AccessOrigin Origin { get; } = origin;

    /// <summary>In whose name the access is made.</summary>
    public Vmid Name { get; } = name;

    /// <summary>The guest-physical address that led here, when there is one; units that bind GPA to HPA need it.</summary>
    public Gpa GuestAddress { get; init; }

    /// <summary>True when <see cref="GuestAddress"/> means something.</summary>
    public bool HasGuestAddress { get; init; }
}

/// <summary>
/// The unit's answer to one access. As built by <see cref="Allow"/> and <see cref="Deny"/> it holds for this kind of access to the
/// whole 4-KiB page; a unit that knows more, or less, says so in <see cref="HoldsForAllKinds"/> and <see cref="HoldsForPage"/>,
/// because a TLB will repeat the answer without asking again.
/// </summary>
public readonly struct Verdict
{
    private Verdict(bool allowed, uint lookups, ulong segment, Vmid owner)
    {
        IsAllowed = allowed;
        Lookups = lookups;
        Segment = segment;
        Owner = owner;
        HoldsForPage = true;
    }

    public bool IsAllowed { get; }

    /// <summary>False when another address of the same page may be judged otherwise: such a page stays out of every TLB.</summary>
    public bool HoldsForPage { get; init; }

    /// <summary>True when reads, writes and fetches are all judged alike: one judgement then fills all three TLB tags.</summary>
    public bool HoldsForAllKinds { get; init; }

    /// <summary>Look-ups in the unit's own table that this judgement needed (the counting rule's unit of cost).</summary>
    public uint Lookups { get; }

    /// <summary>The physical segment, or frame where the unit has no segments.</summary>
    public ulong Segment { get; }

    /// <summary>Who owns the segment, as far as the unit knows.</summary>
    public Vmid Owner { get; }

    public static Verdict Allow(ulong segment = 0, Vmid owner = default, uint lookups = 0) => new(true, lookups, segment, owner);

    public static Verdict Deny(ulong segment = 0, Vmid owner = default, uint lookups = 0) => new(false, lookups, segment, owner);
}
