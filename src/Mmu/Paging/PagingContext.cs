namespace Xenolith.Mmu;

/// <summary>
/// Everything of a logical processor that translation depends on. It is the one place where these registers live: the processor's
/// state embeds it, and no copy exists. Unmanaged, fixed layout.
/// </summary>
public unsafe struct PagingContext
{
    public ulong Cr0;
    public ulong Cr3;
    public ulong Cr4;
    public ulong Efer;

    /// <summary>PDPTE0-3, loaded by MOV to CR3 under PAE paging or by VM entry (SDM 3A "PDPTE Registers").</summary>
    public fixed ulong Pdptes[4];

    /// <summary>Protection keys (SDM 3A "Protection Keys"): PKRU for user pages, IA32_PKRS for supervisor pages.</summary>
    public uint Pkru;
    public uint Pkrs;

    /// <summary>EPTP of the current VMCS while EPT is in force; zero without EPT (root operation, or EPT off).</summary>
    public ulong Eptp;

    /// <summary>Mode-based execute control for EPT is on (XS/XU instead of X).</summary>
    public bool EptModeBasedExecute;

    /// <summary>True in VMX non-root operation: a denied access ends in a VM exit instead of #PF (docs/asmi.md, G15).</summary>
    public bool NonRoot;

    /// <summary>VPID of the current context; zero in root operation or without VPIDs.</summary>
    public ushort Vpid;

    /// <summary>MAXPHYADDR: which physical-address bits paging entries may use; the rest are reserved.</summary>
    public byte PhysicalAddressBits;

    /// <summary>VMIDR: in whose name software's references and data are judged.</summary>
    public Vmid Name;

    /// <summary>In whose name EPT entries and other VMX structures are fetched.</summary>
    public Vmid HypervisorName;

    /// <summary>
    /// Bits of a present PDPTE register that must be zero: 2:1, 8:5 and those beyond MAXPHYADDR (SDM 3A "PDPTE Registers").
    /// </summary>
    public static ulong PdpteReserved(int physicalAddressBits) => 0x1E6UL | ~((1UL << physicalAddressBits) - 1);
}
