namespace Xenolith.Mmu;

/// <summary>INVPCID types (SDM 2A "INVPCID").</summary>
public enum InvpcidType : ulong
{
    IndividualAddress = 0,
    SingleContext = 1,
    AllContextsWithGlobals = 2,
    AllContexts = 3,
}

/// <summary>INVVPID types (SDM 3C "INVVPID").</summary>
public enum InvvpidType : ulong
{
    IndividualAddress = 0,
    SingleContext = 1,
    AllContexts = 2,
    SingleContextRetainingGlobals = 3,
}

/// <summary>INVEPT types (SDM 3C "INVEPT").</summary>
public enum InveptType : ulong
{
    SingleContext = 1,
    AllContexts = 2,
}

// What invalidates what: SDM 3A "Operations that Invalidate TLBs and Paging-Structure Caches", SDM 3C "Operations that Invalidate
// Cached Mappings". Each method also brings the fast tables in line.
public sealed unsafe partial class Tlb
{
    private const ulong FlushingCr4Bits = Cr4.PGE | Cr4.PSE | Cr4.PAE | Cr4.LA57;

    /// <summary>INVLPG: the page, in the current PCID and among the globals, of the current VPID.</summary>
    public void Invlpg(ref PagingContext context, Gva gva)
    {
        ushort pcid = CurrentPcid(ref context);
        DropAddress(gva, new AddressFilter(gva.Value, context.Vpid, pcid, alsoGlobals: true));
    }

    /// <summary>INVPCID; the type and the PCID are checked by the instruction.</summary>
    public void Invpcid(ref PagingContext context, InvpcidType type, ushort pcid, Gva gva)
    {
        switch (type)
        {
            case InvpcidType.IndividualAddress:
                DropAddress(gva, new AddressFilter(gva.Value, context.Vpid, pcid, alsoGlobals: false));
                break;
            case InvpcidType.SingleContext:
                Drop(new ContextFilter(context.Vpid, pcid, alsoGlobals: false));
                break;
            case InvpcidType.AllContextsWithGlobals:
                Drop(new ContextFilter(context.Vpid, pcid: null, alsoGlobals: true));
                break;
            default:
                Drop(new ContextFilter(context.Vpid, pcid: null, alsoGlobals: false));
                break;
        }
    }

    /// <summary>
    /// MOV to CR3 (<paramref name="operand"/> still has bit 63) or a task switch; call it after CR3 has changed.
    /// </summary>
    public void OnCr3Load(ref PagingContext context, ulong operand)
    {
        bool hasPcids = (context.Cr4 & Cr4.PCIDE) != 0;
        if (!hasPcids || (operand & Cr3.KeepTranslations) == 0)
        {
            Drop(new ContextFilter(context.Vpid, hasPcids ? (ushort)(operand & Cr3.PcidMask) : (ushort)0, alsoGlobals: false));
        }
        else
        {
            OnContextChange();
        }
    }

    /// <summary>MOV to CR0; call it after CR0 has changed. Paging switched on or off leaves nothing.</summary>
    public void OnCr0Change(ref PagingContext context, ulong oldCr0)
    {
        if (((oldCr0 ^ context.Cr0) & Cr0.PG) != 0)
        {
            Drop(new ContextFilter(context.Vpid, pcid: null, alsoGlobals: true));
        }
        else
        {
            OnContextChange();
        }
    }

    /// <summary>MOV to CR4; call it after CR4 has changed.</summary>
    public void OnCr4Change(ref PagingContext context, ulong oldCr4)
    {
        ulong changed = oldCr4 ^ context.Cr4;
        bool smepSet = (changed & context.Cr4 & Cr4.SMEP) != 0;
        bool pcidsCleared = (changed & oldCr4 & Cr4.PCIDE) != 0;
        if ((changed & FlushingCr4Bits) != 0 || smepSet || pcidsCleared)
        {
            Drop(new ContextFilter(context.Vpid, pcid: null, alsoGlobals: true));
        }
        else
        {
            OnContextChange();
        }
    }

    /// <summary>
    /// VM entry or exit. Without VPIDs everything of VPID 0 goes. With them nothing does: the owner calls <see cref="Refresh"/> before
    /// it runs the next instruction, so that a guest that is left for a moment finds its fast tables again.
    /// </summary>
    public void OnVmTransition(bool vpidEnabled)
    {
        if (!vpidEnabled)
        {
            Drop(new ContextFilter(vpid: 0, pcid: null, alsoGlobals: true));
        }
    }

    /// <summary>INVVPID; the operands are checked by the instruction.</summary>
    public void Invvpid(InvvpidType type, ushort vpid, Gva gva)
    {
        switch (type)
        {
            case InvvpidType.IndividualAddress:
                DropAddress(gva, new AddressFilter(gva.Value, vpid, pcid: null, alsoGlobals: true));
                break;
            case InvvpidType.SingleContext:
                Drop(new ContextFilter(vpid, pcid: null, alsoGlobals: true));
                break;
            case InvvpidType.SingleContextRetainingGlobals:
                Drop(new ContextFilter(vpid, pcid: null, alsoGlobals: false));
                break;
            default:
                Drop(default(NonZeroVpidFilter));
                break;
        }
    }

    /// <summary>INVEPT; the operands are checked by the instruction.</summary>
    public void Invept(InveptType type, ulong eptp)
    {
        if (type == InveptType.SingleContext)
        {
            Drop(new EptFilter(Eptp.TableAddress(eptp)));
        }
        else
        {
            DropEverything();
        }
    }

    private static ushort CurrentPcid(ref PagingContext context) =>
        (context.Cr4 & Cr4.PCIDE) != 0 ? (ushort)(context.Cr3 & Cr3.PcidMask) : (ushort)0;

    private void Drop<TFilter>(TFilter filter)
        where TFilter : struct, ITlbFilter
    {
        Counters.Invalidated += _tagged.DropAll(filter);
        OnContextChange();
    }

    /// <summary>One linear address: its page, or all pieces of the larger page that it lies in.</summary>
    private void DropAddress(Gva gva, AddressFilter filter)
    {
        ulong page = gva.Value & ~Pages.OffsetMask;
        if (_tagged.MayHoldPieces(page))
        {
            Drop(filter);
            return;
        }

        Counters.Invalidated += _tagged.DropPage(page, filter);
        DropFast(page);
    }

    /// <summary>Translations of one linear address.</summary>
    private readonly struct AddressFilter(ulong address, ushort vpid, ushort? pcid, bool alsoGlobals) : ITlbFilter
    {
        public bool Drops(in TaggedEntry entry) =>
            ((entry.Page ^ address) >> entry.GuestPageShift) == 0
            && TlbTags.Vpid(entry.Identity) == vpid
            && (entry.IsGlobal ? alsoGlobals : pcid is null || TlbTags.Pcid(entry.Space) == pcid);
    }

    /// <summary>All translations of one VPID, in one PCID or in all.</summary>
    private readonly struct ContextFilter(ushort vpid, ushort? pcid, bool alsoGlobals) : ITlbFilter
    {
        public bool Drops(in TaggedEntry entry) =>
            TlbTags.Vpid(entry.Identity) == vpid
            && (entry.IsGlobal ? alsoGlobals : pcid is null || TlbTags.Pcid(entry.Space) == pcid);
    }

    private readonly struct NonZeroVpidFilter : ITlbFilter
    {
        public bool Drops(in TaggedEntry entry) => TlbTags.Vpid(entry.Identity) != 0;
    }

    /// <summary>All translations made with one EPT hierarchy.</summary>
    private readonly struct EptFilter(ulong table) : ITlbFilter
    {
        public bool Drops(in TaggedEntry entry) => TlbTags.EptTable(entry.Space) == table;
    }
}
