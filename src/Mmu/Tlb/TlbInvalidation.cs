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
    /// <summary>INVLPG: the page, in the current PCID and among the globals, of the current VPID.</summary>
    public void Invlpg(ref PagingContext context, Gva gva) => OnContextChange();

    /// <summary>INVPCID; the type and the PCID are checked by the instruction.</summary>
    public void Invpcid(ref PagingContext context, InvpcidType type, ushort pcid, Gva gva) => OnContextChange();

    /// <summary>
    /// MOV to CR3 (<paramref name="operand"/> still has bit 63) or a task switch; call it after CR3 has changed.
    /// </summary>
    public void OnCr3Load(ref PagingContext context, ulong operand) => OnContextChange();

    /// <summary>MOV to CR0; call it after CR0 has changed.</summary>
    public void OnCr0Change(ref PagingContext context, ulong oldCr0) => OnContextChange();

    /// <summary>MOV to CR4; call it after CR4 has changed.</summary>
    public void OnCr4Change(ref PagingContext context, ulong oldCr4) => OnContextChange();

    /// <summary>VM entry or exit, after the new context is in place. Without VPIDs everything of VPID 0 goes.</summary>
    public void OnVmTransition(bool vpidEnabled) => OnContextChange();

    /// <summary>INVVPID; the operands are checked by the instruction.</summary>
    public void Invvpid(InvvpidType type, ushort vpid, Gva gva) => OnContextChange();

    /// <summary>INVEPT; the operands are checked by the instruction.</summary>
    public void Invept(InveptType type, ulong eptp) => OnContextChange();
}
