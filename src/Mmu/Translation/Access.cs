using System;

namespace Xenolith.Mmu;

/// <summary>In which right a linear access is made (SDM 3A "Access Rights"): chooses the page rules and the fast TLB table.</summary>
public enum AccessMode : byte
{
    /// <summary>Supervisor-mode access with SMAP in force where CR4.SMAP is set (EFLAGS.AC = 0, or an implicit access).</summary>
    Supervisor = 0,

    /// <summary>User-mode access: CPL 3, explicit.</summary>
    User = 1,

    /// <summary>Explicit supervisor-mode access with EFLAGS.AC = 1: SMAP does not apply.</summary>
    SupervisorAc = 2,
}

/// <summary>How a translation ended.</summary>
public enum TranslationStatus : byte
{
    /// <summary>The access may proceed at <see cref="Translation.Hpa"/>.</summary>
    Ok,

    /// <summary>#PF with <see cref="Translation.ErrorCode"/>; CR2 is the linear address.</summary>
    PageFault,

    /// <summary>VM exit 48 with <see cref="Translation.ExitQualification"/> and <see cref="Translation.FaultGpa"/>.</summary>
    EptViolation,

    /// <summary>VM exit 49 with <see cref="Translation.FaultGpa"/>.</summary>
    EptMisconfiguration,

    /// <summary>The isolation unit said no (docs/asmi.md, G15).</summary>
    IsolationViolation,
}

/// <summary>Error code of a page fault (SDM 3A "Page-Fault Exceptions").</summary>
[Flags]
public enum PageFaultCode : uint
{
    None = 0,
    P = 1 << 0,
    WR = 1 << 1,
    US = 1 << 2,
    RSVD = 1 << 3,
    ID = 1 << 4,
    PK = 1 << 5,
    SS = 1 << 6,

    /// <summary>ASMI, G15: in root operation a denied access is a page fault with this bit, which no processor uses.</summary>
    ISO = 1 << 30,
}

/// <summary>The outcome of one translation: where the access may go, or which fault it met.</summary>
public struct Translation
{
    /// <summary>Linear address asked for.</summary>
    public Gva Gva;

    /// <summary>Guest-physical address reached by guest paging (equal to the host-physical one without EPT).</summary>
    public Gpa Gpa;

    /// <summary>Host-physical address of the datum.</summary>
    public Hpa Hpa;

    /// <summary>log2 of the size of the smallest mapping used (12, 21, 22 or 30): how much one TLB entry may cover.</summary>
    public byte PageShift;

    /// <summary>log2 of the size of the guest's own page: how much INVLPG forgets.</summary>
    public byte GuestPageShift;

    /// <summary>What the same mode may do with this page without another walk: dirty for Write, all checks passed.</summary>
    public bool MayRead;
    public bool MayWrite;
    public bool MayExecute;

    /// <summary>What the mappings themselves allow, before mode and control registers are asked: what a TLB keeps.</summary>
    public PageRights Rights;

    /// <summary>The leaf is global (CR4.PGE and G): it survives CR3 loads.</summary>
    public bool IsGlobal;

    /// <summary>#PF error code when the status is PageFault, or IsolationViolation in root operation.</summary>
    public PageFaultCode ErrorCode;

    /// <summary>Guest-physical address of the faulting reference for EPT and isolation exits.</summary>
    public Gpa FaultGpa;

    /// <summary>Exit qualification (SDM 3C "Exit Qualification for EPT Violations"; docs/asmi.md for isolation violations).</summary>
    public ulong ExitQualification;

    /// <summary>The denied reference when the status is IsolationViolation.</summary>
    public Hpa DeniedHpa;
    public AccessKind DeniedKind;
    public AccessOrigin DeniedOrigin;
    public Vmid DeniedName;
    public ulong Segment;
    public Vmid Owner;
}
