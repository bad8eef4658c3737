namespace Xenolith.Mmu;

/// <summary>
/// Exit qualification of EPT violations (SDM 3C "Exit Qualification for EPT Violations"), and of isolation violations, which use the
/// same places where they mean the same (docs/asmi.md, G15).
/// </summary>
public static class EptQualification
{
    public const ulong Read = 1UL << 0;
    public const ulong Write = 1UL << 1;
    public const ulong Execute = 1UL << 2;

    /// <summary>Isolation violations only: the denied reference was to a paging structure, of either stage.</summary>
    public const ulong PagingStructure = 1UL << 3;

    /// <summary>The guest-linear-address field is valid.</summary>
    public const ulong LinearValid = 1UL << 7;

    /// <summary>The access was to the translation of the linear address; clear for a reference to a paging structure.</summary>
    public const ulong IsTranslation = 1UL << 8;

    /// <summary>Advanced information: the linear address is a user-mode one.</summary>
    public const ulong UserAddress = 1UL << 9;

    /// <summary>Advanced information: guest paging lets the page be written.</summary>
    public const ulong GuestWritable = 1UL << 10;

    /// <summary>Advanced information: guest paging forbids execution.</summary>
    public const ulong GuestExecuteDisable = 1UL << 11;

    /// <summary>Bits 2:0: what was asked for.</summary>
    /// <param name="kind">What EPT took the access for.</param>
    /// <param name="isStructureWrite">A reference to a guest paging structure that counts as a write: reported as both.</param>
    public static ulong Of(AccessKind kind, bool isStructureWrite) => isStructureWrite ? Read | Write : Read << (int)kind;
}

// How a walk ends badly: each method fills what the fault's receiver will ask for, and gives the status.
public sealed unsafe partial class TranslationUnit<TUnit, TProbe>
{
    /// <summary>#PF (SDM 3A "Page-Fault Exceptions").</summary>
    private static TranslationStatus Fault(ref PagingContext context, ref Walk walk, PageFaultCode cause, ref Translation translation)
    {
        translation.ErrorCode = cause | AccessCode(ref context, ref walk);
        return TranslationStatus.PageFault;
    }

    /// <summary>The part of the error code that tells what was tried.</summary>
    private static PageFaultCode AccessCode(ref PagingContext context, ref Walk walk)
    {
        PageFaultCode code = walk.Mode == AccessMode.User ? PageFaultCode.US : PageFaultCode.None;
        if (walk.Kind == AccessKind.Write)
        {
            code |= PageFaultCode.WR;
        }

        // I/D is reported only where execution is a right of its own: under XD, or under SMEP.
        bool hasExecuteDisable = (context.Cr4 & Cr4.PAE) != 0 && (context.Efer & Efer.NXE) != 0;
        if (walk.Kind == AccessKind.Execute && (hasExecuteDisable || (context.Cr4 & Cr4.SMEP) != 0))
        {
            code |= PageFaultCode.ID;
        }

        return code;
    }

    /// <summary>VM exit 48.</summary>
    /// <param name="asked">Qualification bits 2:0.</param>
    /// <param name="rights">The logical AND of the rights of all EPT entries used.</param>
    private static TranslationStatus EptViolation(ref Walk walk, Gpa gpa, ulong asked, PageRights rights, ref Translation translation)
    {
        ulong qualification = asked | ((ulong)(rights & (PageRights.EptR | PageRights.EptW | PageRights.EptX)) >> 1);
        translation.FaultGpa = gpa;
        translation.ExitQualification = qualification | UserExecute(ref walk, rights) | LinearBits(ref walk);
        return TranslationStatus.EptViolation;
    }

    /// <summary>
    /// Bit 6: user-mode execute, defined only under mode-based execute control (where the walk keeps the two rights apart).
    /// </summary>
    private static ulong UserExecute(ref Walk walk, PageRights rights) =>
        walk.ModeBasedExecute && (rights & PageRights.EptXU) != 0 ? 1UL << 6 : 0;

    /// <summary>Bits 11:7: how the access came from a linear address.</summary>
    private static ulong LinearBits(ref Walk walk)
    {
        if (!walk.HasGva)
        {
            return 0;
        }

        if (walk.IsStructure)
        {
            return EptQualification.LinearValid;
        }

        ulong bits = EptQualification.LinearValid | EptQualification.IsTranslation;
        bits |= (walk.Guest & PageRights.US) != 0 ? EptQualification.UserAddress : 0;
        bits |= (walk.Guest & PageRights.RW) != 0 ? EptQualification.GuestWritable : 0;
        bits |= (walk.Guest & PageRights.XD) != 0 ? EptQualification.GuestExecuteDisable : 0;
        return bits;
    }

    /// <summary>
    /// The isolation unit said no: VM exit 165 in non-root operation, #PF with <see cref="PageFaultCode.ISO"/> in root operation.
    /// </summary>
    private static TranslationStatus Denied(
        ref PagingContext context, ref Walk walk, in PhysicalAccess access, in Verdict verdict, ref Translation translation)
    {
        bool isStructure = access.Origin is AccessOrigin.GuestPaging or AccessOrigin.EptPaging;
        ulong qualification = EptQualification.Read << (int)access.Kind;
        qualification |= isStructure ? EptQualification.PagingStructure : 0;
        qualification |= LinearBits(ref walk) & (EptQualification.LinearValid | EptQualification.IsTranslation);
        translation.ExitQualification = qualification;
        translation.FaultGpa = access.GuestAddress;
        translation.ErrorCode = PageFaultCode.P | PageFaultCode.ISO | AccessCode(ref context, ref walk);
        translation.DeniedHpa = access.Address;
        translation.DeniedKind = access.Kind;
        translation.DeniedOrigin = access.Origin;
        translation.DeniedName = access.Name;
        translation.Segment = verdict.Segment;
        translation.Owner = verdict.Owner;
        return TranslationStatus.IsolationViolation;
    }

    private void RecordStep(
        WalkStage stage, int level, in PhysicalAccess access, in Verdict verdict, ulong entry, bool isUpdate) => _probe.Step(new TranslationStep
        {
            Stage = stage,
            Level = (byte)level,
            IsUpdate = isUpdate,
            Gpa = stage == WalkStage.Ept ? new Gpa(access.Address.Value) : access.GuestAddress,
            Hpa = access.Address,
            Entry = entry,
            Kind = access.Kind,
            Name = access.Name,
            Verdict = verdict,
        });
}
