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
public readonly struct PhysicalAccess
{
    public PhysicalAccess(Hpa address, AccessKind kind, AccessOrigin origin, Vmid name)
    {
        Address = address;
        Kind = kind;
        Origin = origin;
        Name = name;
    }

    /// <summary>An access that a guest-physical address led to.</summary>
    public PhysicalAccess(Hpa address, AccessKind kind, AccessOrigin origin, Vmid name, Gpa guestAddress)
    {
        Address = address;
        GuestAddress = guestAddress;
        Kind = kind;
        Origin = origin;
        Name = name;
        HasGuestAddress = true;
    }

    public Hpa Address { get; }

    /// <summary>The guest-physical address that led here, when there is one; units that bind GPA to HPA need it.</summary>
    public Gpa GuestAddress { get; }

    /// <summary>In whose name the access is made.</summary>
    public Vmid Name { get; }

    public AccessKind Kind { get; }

    public AccessOrigin Origin { get; }

    /// <summary>True when <see cref="GuestAddress"/> means something.</summary>
    public bool HasGuestAddress { get; }
}

/// <summary>
/// The unit's answer to one access. As built by <see cref="Allow"/> and <see cref="Deny"/> it holds for this kind of access to the
/// whole 4-KiB page; a unit that knows more, or less, says so in <see cref="HoldsForAllKinds"/> and <see cref="HoldsForPage"/>,
/// because a TLB will repeat the answer without asking again.
/// </summary>
/// <remarks>
/// Two words, so that it travels in registers:
/// <code>
///  63.........35  34    33    32   31...........0
/// +------------+------+-----+-----+--------------+
/// |  look-ups  |kinds |page |allow| owner's VMID |
/// +------------+------+-----+-----+--------------+
/// </code>
/// </remarks>
public readonly struct Verdict
{
    private const ulong AllowedBit = 1UL << 32;
    private const ulong PageBit = 1UL << 33;
    private const ulong AllKindsBit = 1UL << 34;
    private const int LookupsShift = 35;

    private readonly ulong _packed;

    private Verdict(ulong segment, ulong flags, Vmid owner, uint lookups)
    {
        Segment = segment;
        _packed = owner.Value | flags | ((ulong)lookups << LookupsShift);
    }

    /// <summary>The physical segment, or frame where the unit has no segments.</summary>
    public ulong Segment { get; }

    public bool IsAllowed => (_packed & AllowedBit) != 0;

    /// <summary>False when another address of the same page may be judged otherwise: such a page stays out of every TLB.</summary>
    public bool HoldsForPage
    {
        get => (_packed & PageBit) != 0;
        init => _packed = value ? _packed | PageBit : _packed & ~PageBit;
    }

    /// <summary>True when reads, writes and fetches are all judged alike: one judgement then fills all three TLB tags.</summary>
    public bool HoldsForAllKinds
    {
        get => (_packed & AllKindsBit) != 0;
        init => _packed = value ? _packed | AllKindsBit : _packed & ~AllKindsBit;
    }

    /// <summary>Look-ups in the unit's own table that this judgement needed (the counting rule's unit of cost).</summary>
    public uint Lookups => (uint)(_packed >> LookupsShift);

    /// <summary>Who owns the segment, as far as the unit knows.</summary>
    public Vmid Owner => new((uint)_packed);

    public static Verdict Allow(ulong segment = 0, Vmid owner = default, uint lookups = 0) =>
        new(segment, AllowedBit | PageBit, owner, lookups);

    /// <summary>Allowed, whatever the kind of access.</summary>
    public static Verdict AllowAllKinds(ulong segment = 0, Vmid owner = default, uint lookups = 0) =>
        new(segment, AllowedBit | PageBit | AllKindsBit, owner, lookups);

    public static Verdict Deny(ulong segment = 0, Vmid owner = default, uint lookups = 0) => new(segment, PageBit, owner, lookups);
}
