using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Xenolith.Mmu;

/// <summary>
/// The translation look-aside buffer of one logical processor, in two levels: three direct-mapped tables (one per
/// <see cref="AccessMode"/>) that the engine probes inline, and behind them a tagged, set-associative one
/// (SDM 3A "Caching Translation Information", SDM 3C "Caching Translation Information" under VMX).
/// </summary>
/// <remarks>
/// The owner calls <see cref="OnContextChange"/> whenever something that the fast tables depend on has changed (CR0, CR3, CR4,
/// EFER, PKRU, VPID, EPTP, VMIDR), and at least once whenever it takes up work after other software or another processor may have
/// run: that is when a shootdown by the isolation unit is noticed.
/// </remarks>
public sealed unsafe partial class Tlb : IDisposable
{
    private readonly MemoryUnit _memory;
    private readonly FastTable[] _fast = [new(), new(), new()];

    public Tlb(MemoryUnit memory)
    {
        _memory = memory;
    }

    /// <summary>What happened here so far.</summary>
    public TlbCounters Counters;

    /// <summary>The table that the engine probes for accesses in this mode; fixed for the life of the TLB.</summary>
    public FastTlbEntry* Table(AccessMode mode) => _fast[(int)mode].Entries;

    /// <summary>
    /// The slow path of one access of at most a page: second level, else a walk; then the fast table is filled, where the page may be cached.
    /// </summary>
    /// <returns>True when the access may proceed at <paramref name="translation"/>'s HPA.</returns>
    public bool TryFill(
        ref PagingContext context, Gva gva, AccessKind kind, AccessMode mode, out Translation translation, out TranslationStatus status)
    {
        status = _memory.Translate(ref context, gva, kind, mode, out translation);
        if (kind == AccessKind.Execute)
        {
            Counters.FetchMisses++;
        }
        else
        {
            Counters.DataMisses++;
        }

        if (status != TranslationStatus.Ok)
        {
            return false;
        }

        FillFast(gva, mode, in translation);
        return true;
    }

    /// <summary>Undoes the fast tables: the context that they were filled under is no longer in force.</summary>
    public void OnContextChange()
    {
        foreach (FastTable table in _fast)
        {
            table.Undo();
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
    }

    private void FillFast(Gva gva, AccessMode mode, in Translation translation)
    {
        ulong page = gva.Value & ~Pages.OffsetMask;
        Hpa frame = new(translation.Hpa.Value & ~Pages.OffsetMask);
        if ((translation.Rights & PageRights.IsolationPage) == 0 || !_memory.Bus.IsRam(frame, Pages.Size))
        {
            return;
        }

        bool mayWrite = translation.MayWrite && !_memory.Bus.HoldsCode(frame.Frame);
        if (!translation.MayRead && !mayWrite && !translation.MayExecute)
        {
            return; // an entry without tags would not be known as filled
        }

        ref FastTlbEntry entry = ref _fast[(int)mode].Take(gva);
        entry.ReadTag = translation.MayRead ? page : FastTlbEntry.NoTag;
        entry.WriteTag = mayWrite ? page : FastTlbEntry.NoTag;
        entry.FetchTag = translation.MayExecute ? page : FastTlbEntry.NoTag;
        entry.Addend = (nint)_memory.Bus.RamPointer(frame) - (nint)page;
    }
}
