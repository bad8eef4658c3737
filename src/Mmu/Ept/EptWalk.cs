using System.Runtime.CompilerServices;

namespace Xenolith.Mmu;

// From a guest-physical address to a host-physical one (SDM 3C "EPT Translation Mechanism").
public sealed unsafe partial class TranslationUnit<TUnit, TProbe>
{
    /// <summary>EPT where it is in force; without it, a guest-physical address is the host-physical one.</summary>
    /// <param name="kind">What EPT takes the access for.</param>
    /// <param name="rights">EPT rights of the page, and <see cref="PageRights.Dirty"/> when EPT has no dirty bit to set for it.</param>
    /// <param name="shift">log2 of the size of the EPT mapping; 64 without EPT.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // keeps walks without EPT free of a call per level
    private TranslationStatus SecondStage(
        ref PagingContext context,
        ref Walk walk,
        Gpa gpa,
        AccessKind kind,
        out Hpa hpa,
        out PageRights rights,
        out int shift,
        ref Translation translation)
    {
        if (context.Eptp != 0)
        {
            return WalkEpt(ref context, ref walk, gpa, kind, out hpa, out rights, out shift, ref translation);
        }

        hpa = new Hpa(gpa.Value);
        rights = PageRights.EptAll | PageRights.Dirty;
        shift = 64;
        return TranslationStatus.Ok;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private TranslationStatus WalkEpt(
        ref PagingContext context,
        ref Walk walk,
        Gpa gpa,
        AccessKind kind,
        out Hpa hpa,
        out PageRights rights,
        out int shift,
        ref Translation translation)
    {
        Unsafe.SkipInit(out UsedEntries used);
        int usedCount = 0;
        int level = Eptp.Levels(context.Eptp);
        ulong table = Eptp.TableAddress(context.Eptp);
        rights = PageRights.EptAll;
        shift = EptEntry.Shift(level + 1);
        hpa = default;
        ulong asked = EptQualification.Of(kind, isStructureWrite: walk.IsStructure && kind == AccessKind.Write);
        if (gpa.Value >> shift != 0)
        {
            return EptViolation(ref walk, gpa, asked, PageRights.None, ref translation); // no entry at all for such an address
        }

        for (; ; level--)
        {
            shift = EptEntry.Shift(level);
            Hpa entryHpa = new(table + (((gpa.Value >> shift) & 0x1FF) << 3));
            if (!TryReadEptEntry(ref context, ref walk, gpa, entryHpa, level, out ulong entry, ref translation))
            {
                return TranslationStatus.IsolationViolation;
            }

            // Not present when it grants nothing: the privileges of all levels together are then none.
            PageRights granted = EptEntry.Rights(entry, context.EptModeBasedExecute);
            rights &= granted;
            if (granted == PageRights.None)
            {
                return EptViolation(ref walk, gpa, asked, PageRights.None, ref translation);
            }

            bool isLeaf = EptEntry.IsLeaf(entry, level);
            if (EptEntry.IsMisconfigured(entry, level, isLeaf, context.PhysicalAddressBits))
            {
                translation.FaultGpa = gpa;
                return TranslationStatus.EptMisconfiguration;
            }

            used[usedCount].Hpa = entryHpa;
            used[usedCount].Value = entry;
            used[usedCount++].Level = (byte)level;
            table = entry & PagingEntry.AddressMask;
            if (isLeaf)
            {
                ulong offset = (1UL << shift) - 1;
                hpa = new Hpa((table & ~offset) | (gpa.Value & offset));
                break;
            }
        }

        // Privileges come last (SDM 3C "Prioritization of EPT Misconfigurations and EPT Violations").
        if ((rights & AccessRights.EptNeeds(kind, (walk.Guest & PageRights.US) != 0)) == 0)
        {
            return EptViolation(ref walk, gpa, asked, rights, ref translation);
        }

        return (context.Eptp & Eptp.AccessedDirty) == 0
            ? NoDirtyBit(ref rights)
            : SetEptAccessedAndDirty(ref context, ref walk, gpa, kind, ref used, usedCount, ref rights, ref translation);
    }

    /// <summary>
    /// One EPT reference, judged in the hypervisor's name (docs/asmi.md, G2). False, with the denial noted, when it is refused.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // twenty times in a cold nested walk
    private bool TryReadEptEntry(
        ref PagingContext context, ref Walk walk, Gpa gpa, Hpa entryHpa, int level, out ulong entry, ref Translation translation)
    {
        PhysicalAccess access = new(entryHpa, AccessKind.Read, AccessOrigin.EptPaging, context.HypervisorName, gpa);
        Counters.EptReferences++;
        Verdict verdict = JudgeCounted(in access);
        entry = verdict.IsAllowed ? ReadEntry(entryHpa, 3) : 0;
        if (TProbe.IsRecording)
        {
            RecordStep(WalkStage.Ept, level, in access, in verdict, entry, isUpdate: false);
        }

        if (!verdict.IsAllowed)
        {
            _ = Denied(ref context, ref walk, in access, in verdict, ref translation);
        }

        return verdict.IsAllowed;
    }

    private static TranslationStatus NoDirtyBit(ref PageRights rights)
    {
        rights |= PageRights.Dirty;
        return TranslationStatus.Ok;
    }

    /// <summary>
    /// SDM 3C "Accessed and Dirty Flags for EPT": A in every entry used, D in the leaf of a write. Written in the hypervisor's name.
    /// </summary>
    private TranslationStatus SetEptAccessedAndDirty(
        ref PagingContext context,
        ref Walk walk,
        Gpa gpa,
        AccessKind kind,
        ref UsedEntries used,
        int usedCount,
        ref PageRights rights,
        ref Translation translation)
    {
        for (int i = 0; i < usedCount; i++)
        {
            ref UsedEntry entry = ref used[i];
            bool isLeaf = i == usedCount - 1;
            ulong wanted = isLeaf && kind == AccessKind.Write ? EptEntry.A | EptEntry.D : EptEntry.A;
            if ((entry.Value & wanted) != wanted)
            {
                PhysicalAccess access = new(entry.Hpa, AccessKind.Write, AccessOrigin.EptPaging, context.HypervisorName, gpa);
                Verdict verdict = JudgeCounted(in access);
                Counters.Updates++;
                if (verdict.IsAllowed)
                {
                    entry.Value = SetBits(entry.Hpa, entry.Value, wanted, 3);
                }

                if (TProbe.IsRecording)
                {
                    RecordStep(WalkStage.Ept, entry.Level, in access, in verdict, verdict.IsAllowed ? entry.Value : 0, isUpdate: true);
                }

                if (!verdict.IsAllowed)
                {
                    return Denied(ref context, ref walk, in access, in verdict, ref translation);
                }
            }

            if (isLeaf && (entry.Value & EptEntry.D) != 0)
            {
                rights |= PageRights.Dirty;
            }
        }

        return TranslationStatus.Ok;
    }
}
