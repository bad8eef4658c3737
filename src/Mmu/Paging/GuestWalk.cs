using System.Runtime.CompilerServices;
using System.Threading;

namespace Xenolith.Mmu;

// The linear address's way to a guest-physical one (SDM 3A "Paging"), for every mode: PagingFormat is the mode, this is the loop.
public sealed unsafe partial class TranslationUnit<TUnit, TProbe>
{
    /// <summary>Fills the translation's GPA, and sets accessed and dirty bits, when guest paging allows the access.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private TranslationStatus WalkGuest(ref PagingContext context, Gva gva, ref Walk walk, ref Translation translation)
    {
        walk.UsedCount = 0;
        walk.IsStructure = true;
        walk.IsGlobal = false;
        walk.Guest = PageRights.GuestAll | PageRights.Dirty;
        walk.GuestShift = 64;
        PagingFormat format = PagingFormat.Of(ref context);
        if (format.Levels != 0)
        {
            TranslationStatus status = Descend(ref context, gva, in format, ref walk, ref translation);
            if (status != TranslationStatus.Ok)
            {
                return status;
            }

            // Rights are determined once a translation exists, from all levels together.
            if (!AccessRights.GuestAllows(ref context, walk.Guest, walk.Kind, walk.Mode))
            {
                bool byKey = !AccessRights.KeyAllows(ref context, walk.Guest, walk.Kind, walk.Mode);
                return Fault(ref context, ref walk, byKey ? PageFaultCode.P | PageFaultCode.PK : PageFaultCode.P, ref translation);
            }

            status = SetAccessedAndDirty(ref context, in format, ref walk, ref translation);
            if (status != TranslationStatus.Ok)
            {
                return status;
            }
        }
        else
        {
            // Without paging a linear address is the guest-physical one, with user rights to everything.
            translation.Gpa = new Gpa(gva.Value);
        }

        walk.IsStructure = false;
        return TranslationStatus.Ok;
    }

    /// <summary>From the top table to the leaf, one reference per level.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private TranslationStatus Descend(
        ref PagingContext context, Gva gva, in PagingFormat format, ref Walk walk, ref Translation translation)
    {
        // CR3 holds the top table's address, except under PAE: there the four PDPTE registers do.
        ulong table = context.Cr3 & PagingEntry.AddressMask;
        if (format.IsPae)
        {
            ulong pdpte = context.Pdptes[(gva.Value >> 30) & 3];
            if ((pdpte & PagingEntry.P) == 0)
            {
                return Fault(ref context, ref walk, PageFaultCode.None, ref translation);
            }

            table = pdpte & PagingEntry.AddressMask;
        }
        else if (format.Is32Bit)
        {
            table = context.Cr3 & 0xFFFF_F000;
        }

        for (int level = format.Levels; ; level--)
        {
            ulong index = (gva.Value >> format.Shift(level)) & ((1UL << format.IndexBits) - 1);
            Gpa entryGpa = new(table + (index << format.EntryShift));
            TranslationStatus status = ReadGuestEntry(ref context, entryGpa, level, in format, ref walk, ref translation);
            if (status != TranslationStatus.Ok)
            {
                return status;
            }

            ulong entry = walk.Used[walk.UsedCount - 1].Value;
            if ((entry & PagingEntry.P) == 0)
            {
                return Fault(ref context, ref walk, PageFaultCode.None, ref translation);
            }

            bool isLeaf = format.IsLeaf(entry, level);
            if (format.HasReservedBits(entry, level, isLeaf))
            {
                return Fault(ref context, ref walk, PageFaultCode.P | PageFaultCode.RSVD, ref translation);
            }

            // R/W and U/S must be granted at every level; XD at any level takes the right away.
            PageRights granted = (PageRights)(((entry & PagingEntry.RW) != 0 ? (int)PageRights.RW : 0) | ((entry & PagingEntry.US) != 0 ? (int)PageRights.US : 0));
            walk.Guest &= granted | ~PageRights.GuestAll;
            if ((entry & PagingEntry.XD) != 0)
            {
                walk.Guest |= PageRights.XD;
            }

            table = format.Address(entry, level, isLeaf);
            if (isLeaf)
            {
                int shift = format.Shift(level);
                translation.Gpa = new Gpa(table | (gva.Value & ((1UL << shift) - 1)));
                walk.GuestShift = shift;
                walk.IsGlobal = (entry & PagingEntry.G) != 0 && (context.Cr4 & Cr4.PGE) != 0;
                walk.Guest |= (PageRights)(((entry >> PagingEntry.KeyShift) & 0xF) << AccessRights.KeyShift);
                return TranslationStatus.Ok;
            }
        }
    }

    /// <summary>One guest reference: EPT and the isolation unit judge the entry's own address first; then it is read.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private TranslationStatus ReadGuestEntry(
        ref PagingContext context, Gpa entryGpa, int level, in PagingFormat format, ref Walk walk, ref Translation translation)
    {
        // With accessed and dirty flags for EPT on, EPT takes references to guest paging structures for writes
        // (SDM 3C "Accessed and Dirty Flags for EPT"). What happens to memory is a read, and that is what the unit judges.
        AccessKind eptKind = (context.Eptp & Eptp.AccessedDirty) != 0 ? AccessKind.Write : AccessKind.Read;
        TranslationStatus status = SecondStage(ref context, ref walk, entryGpa, eptKind, out Hpa hpa, out PageRights ept, out _, ref translation);
        if (status != TranslationStatus.Ok)
        {
            return status;
        }

        Counters.GuestReferences++;
        PhysicalAccess access = new(hpa, AccessKind.Read, AccessOrigin.GuestPaging, context.Name, entryGpa);
        Verdict verdict = JudgeCounted(in access);
        ulong value = verdict.IsAllowed ? ReadEntry(hpa, format.EntryShift) : 0;
        if (TProbe.IsRecording)
        {
            RecordStep(WalkStage.Guest, level, in access, in verdict, value, isUpdate: false);
        }

        if (!verdict.IsAllowed)
        {
            return Denied(ref context, ref walk, in access, in verdict, ref translation);
        }

        ref UsedEntry used = ref walk.Used[walk.UsedCount++];
        used.Gpa = entryGpa;
        used.Hpa = hpa;
        used.Value = value;
        used.Ept = ept;
        used.Level = (byte)level;
        return TranslationStatus.Ok;
    }

    /// <summary>
    /// Sets A in every entry used, and D in the leaf of a write (SDM 3A "Accessed and Dirty Flags"): after guest paging has allowed the
    /// access, before EPT is asked for the datum. Each update is an access of its own, a write, that EPT and the isolation unit judge.
    /// </summary>
    private TranslationStatus SetAccessedAndDirty(
        ref PagingContext context, in PagingFormat format, ref Walk walk, ref Translation translation)
    {
        for (int i = 0; i < walk.UsedCount; i++)
        {
            ref UsedEntry used = ref walk.Used[i];
            bool isLeaf = i == walk.UsedCount - 1;
            ulong wanted = isLeaf && walk.Kind == AccessKind.Write ? PagingEntry.A | PagingEntry.D : PagingEntry.A;
            if ((used.Value & wanted) != wanted)
            {
                TranslationStatus status = UpdateGuestEntry(ref context, ref used, wanted, in format, ref walk, ref translation);
                if (status != TranslationStatus.Ok)
                {
                    return status;
                }
            }

            if (isLeaf && (used.Value & PagingEntry.D) == 0)
            {
                walk.Guest &= ~PageRights.Dirty;
            }
        }

        return TranslationStatus.Ok;
    }

    private TranslationStatus UpdateGuestEntry(
        ref PagingContext context, ref UsedEntry used, ulong wanted, in PagingFormat format, ref Walk walk, ref Translation translation)
    {
        if ((used.Ept & PageRights.EptW) == 0)
        {
            // Processors report the locked update as a read and a write.
            return EptViolation(ref walk, used.Gpa, EptQualification.Read | EptQualification.Write, used.Ept, ref translation);
        }

        PhysicalAccess access = new(used.Hpa, AccessKind.Write, AccessOrigin.GuestPaging, context.Name, used.Gpa);
        Verdict verdict = JudgeCounted(in access);
        Counters.Updates++;
        if (verdict.IsAllowed)
        {
            used.Value = SetBits(used.Hpa, used.Value, wanted, format.EntryShift);
        }

        if (TProbe.IsRecording)
        {
            RecordStep(WalkStage.Guest, used.Level, in access, in verdict, verdict.IsAllowed ? used.Value : 0, isUpdate: true);
        }

        return verdict.IsAllowed ? TranslationStatus.Ok : Denied(ref context, ref walk, in access, in verdict, ref translation);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ulong ReadEntry(Hpa address, int entryShift)
    {
        // Entries are aligned, so they never cross a page.
        if (address.Value >= _ramSizeBytes || Bus.IsWindow(address))
        {
            return ReadDeviceEntry(address, entryShift);
        }

        byte* pointer = _ram + address.Value;
        return entryShift == 2 ? *(uint*)pointer : *(ulong*)pointer;
    }

    /// <summary>Where nothing answers, all ones come back: reserved bits.</summary>
    private ulong ReadDeviceEntry(Hpa address, int entryShift)
    {
        ulong value = Bus.ReadDevice(address, 1 << entryShift);
        return entryShift == 2 ? (uint)value : value;
    }

    /// <summary>
    /// Sets accessed or dirty bits as the processor does, by a locked compare-exchange. Processors of this machine take turns, so what
    /// the exchange may find changed is only what this walk itself set: the same entry used at two levels (a self-map). The bits are
    /// then added to those.
    /// </summary>
    private ulong SetBits(Hpa address, ulong seen, ulong wanted, int entryShift)
    {
        if (!Bus.IsRam(address, 1UL << entryShift))
        {
            return seen | wanted;
        }

        Bus.NoteWrite(address, 1UL << entryShift);
        byte* pointer = Bus.RamPointer(address);
        while (true)
        {
            ulong found = entryShift == 2
                ? Interlocked.CompareExchange(ref *(uint*)pointer, (uint)(seen | wanted), (uint)seen)
                : Interlocked.CompareExchange(ref *(ulong*)pointer, seen | wanted, seen);
            if (found == seen)
            {
                return seen | wanted;
            }

            seen = found;
        }
    }
}
