using System;

namespace Xenolith.Mmu;

/// <summary>
/// The translation look-aside buffer of one logical processor, in two levels: three direct-mapped tables (one per
/// <see cref="AccessMode"/>) that the engine probes inline, and behind them a tagged, set-associative one
/// (SDM 3A "Caching Translation Information", SDM 3C "Caching Translation Information" under VMX).
/// </summary>
/// <remarks>
/// The fast tables hold for one context: CR0, CR3, CR4, EFER, protection keys, VPID, EPTP, VMIDR, and the isolation unit's generation.
/// The owner calls <see cref="OnContextChange"/> when one of them has changed while it goes on running, and <see cref="Refresh"/>
/// whenever it takes up work after other software or another processor may have run: that is when a shootdown by the isolation unit is
/// noticed.
/// </remarks>
public sealed unsafe partial class Tlb : IDisposable
{
    private readonly MemoryUnit _memory;
    private readonly FastTable[] _fast = [new(), new(), new()];
    private readonly TaggedTlb _tagged = new();
    private PagingContext _filledUnder;
    private ulong _generation;

    public Tlb(MemoryUnit memory)
    {
        _memory = memory;
        _generation = memory.Control.Generation;
    }

    /// <summary>What happened here so far.</summary>
    public TlbCounters Counters;

    /// <summary>The table that the engine probes for accesses in this mode; fixed for the life of the TLB.</summary>
    public FastTlbEntry* Table(AccessMode mode) => _fast[(int)mode].Entries;

    /// <summary>
    /// The slow path of one access of at most a page: second level, else a walk; then the fast table is filled, where the page may be
    /// cached. A hit of the second level gives GPA, HPA, size and rights, but no segment and owner.
    /// </summary>
    /// <returns>True when the access may proceed at <paramref name="translation"/>'s HPA.</returns>
    public bool TryFill(
        ref PagingContext context, Gva gva, AccessKind kind, AccessMode mode, out Translation translation, out TranslationStatus status)
    {
        NoticeShootdown();
        ulong page = gva.Value & ~Pages.OffsetMask;
        TlbTags tags = TlbTags.Of(ref context, _tagged.Epoch);
        TaggedEntry* entry = _tagged.Find(page, tags);
        if (entry != null && AccessRights.AllAllow(ref context, entry->Rights, kind, mode))
        {
            Counters.SecondLevelHits++;
            status = TranslationStatus.Ok;
            translation = Recall(entry, gva);
            FillFast(ref context, page, mode, ref translation);
            return true;
        }

        status = _memory.Translate(ref context, gva, kind, mode, out translation);
        Counters.DataMisses += kind == AccessKind.Execute ? 0UL : 1;
        Counters.FetchMisses += kind == AccessKind.Execute ? 1UL : 0;
        if (status != TranslationStatus.Ok)
        {
            // A page fault makes the processor forget what it knows of the page (SDM 3A "Invalidation of TLBs by Page Faults").
            if (entry != null)
            {
                entry->Page = TaggedEntry.Empty;
                DropFast(page);
            }

            return false;
        }

        if ((translation.Rights & PageRights.IsolationPage) != 0)
        {
            translation.Rights = _tagged.Insert(page, tags, in translation);
            FillFast(ref context, page, mode, ref translation);
        }

        return true;
    }

    /// <summary>Undoes the fast tables: the context that they were filled under is no longer in force.</summary>
    public void OnContextChange()
    {
        NoticeShootdown();
        UndoFast();
    }

    /// <summary>Drops everything: windows of the bus have come, gone or moved.</summary>
    public void OnBusChange() => DropEverything();

    /// <summary>Undoes the fast tables if the context is another than the one that they were filled under.</summary>
    public void Refresh(ref PagingContext context)
    {
        NoticeShootdown();
        if (!IsFilledUnder(ref context))
        {
            UndoFast();
        }
    }

    /// <summary>The page begins to hold decoded code: its writers must come by the slow path from now on.</summary>
    public void DropWriteTags(Mfn frame)
    {
        byte* host = _memory.Bus.RamPointer(frame.Address);
        foreach (FastTable table in _fast)
        {
            table.DropWriteTags(host);
        }
    }

    public void Dispose()
    {
        foreach (FastTable table in _fast)
        {
            table.Dispose();
        }

        _tagged.Dispose();
    }

    private static Translation Recall(TaggedEntry* entry, Gva gva)
    {
        ulong offset = gva.Value & Pages.OffsetMask;
        Translation translation = default;
        translation.Gva = gva;
        translation.Gpa = new Gpa(entry->Gpa | offset);
        translation.Hpa = new Hpa(entry->Hpa | offset);
        translation.PageShift = entry->PageShift;
        translation.GuestPageShift = entry->GuestPageShift;
        translation.Rights = entry->Rights;
        translation.IsGlobal = entry->IsGlobal;
        return translation;
    }

    private void FillFast(ref PagingContext context, ulong page, AccessMode mode, ref Translation translation)
    {
        Hpa frame = new(translation.Hpa.Value & ~Pages.OffsetMask);
        if (!_memory.Bus.IsRam(frame, Pages.Size))
        {
            return; // a device: the second level spares the walk, the access itself always goes the careful way
        }

        translation.MayRead = AccessRights.AllAllow(ref context, translation.Rights, AccessKind.Read, mode);
        translation.MayWrite = AccessRights.AllAllow(ref context, translation.Rights, AccessKind.Write, mode);
        translation.MayExecute = AccessRights.AllAllow(ref context, translation.Rights, AccessKind.Execute, mode);
        bool mayWrite = translation.MayWrite && !_memory.Bus.HoldsCode(frame.Frame);
        if (!translation.MayRead && !mayWrite && !translation.MayExecute)
        {
            return; // an entry without tags would not be known as filled
        }

        if (!IsFilledUnder(ref context))
        {
            UndoFast();
            _filledUnder = context;
        }

        ref FastTlbEntry entry = ref _fast[(int)mode].Take(new Gva(page));
        entry.ReadTag = translation.MayRead ? page : FastTlbEntry.NoTag;
        entry.WriteTag = mayWrite ? page : FastTlbEntry.NoTag;
        entry.FetchTag = translation.MayExecute ? page : FastTlbEntry.NoTag;
        entry.Addend = (nint)_memory.Bus.RamPointer(frame) - (nint)page;
    }

    /// <summary>G14: memory has changed hands, and any entry may be of a page that did.</summary>
    private void NoticeShootdown()
    {
        if (_generation != _memory.Control.Generation)
        {
            _generation = _memory.Control.Generation;
            Counters.Shootdowns++;
            DropEverything();
        }
    }

    private bool IsFilledUnder(ref PagingContext context) =>
        _filledUnder.Cr0 == context.Cr0
        && _filledUnder.Cr3 == context.Cr3
        && _filledUnder.Cr4 == context.Cr4
        && _filledUnder.Efer == context.Efer
        && _filledUnder.Pkru == context.Pkru
        && _filledUnder.Pkrs == context.Pkrs
        && _filledUnder.Eptp == context.Eptp
        && _filledUnder.EptModeBasedExecute == context.EptModeBasedExecute
        && _filledUnder.Vpid == context.Vpid
        && _filledUnder.Name == context.Name;

    private void DropEverything()
    {
        _tagged.NewEpoch();
        UndoFast();
    }

    private void DropFast(ulong page)
    {
        foreach (FastTable table in _fast)
        {
            table.Drop(new Gva(page));
        }
    }

    private void UndoFast()
    {
        foreach (FastTable table in _fast)
        {
            table.Undo();
        }
    }
}
