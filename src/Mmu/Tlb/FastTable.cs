using System;
using System.Runtime.InteropServices;

namespace Xenolith.Mmu;

/// <summary>
/// One direct-mapped table of 64K <see cref="FastTlbEntry"/> and the log of its filled slots: a flush undoes what was filled
/// instead of wiping 2 MiB.
/// </summary>
internal sealed unsafe class FastTable : IDisposable
{
    public const int Slots = 1 << 16;

    private readonly ushort* _filled;
    public FastTable()
    {
        Entries = (FastTlbEntry*)NativeMemory.AlignedAlloc(Slots * (nuint)sizeof(FastTlbEntry), 64);
        _filled = (ushort*)NativeMemory.Alloc(Slots, sizeof(ushort));
        new Span<ulong>(Entries, Slots * sizeof(FastTlbEntry) / sizeof(ulong)).Fill(FastTlbEntry.NoTag);
    }

    /// <summary>The entries; index (linear address >> 12) &amp; 0xFFFF.</summary>
    public FastTlbEntry* Entries { get; private set; }

    /// <summary>Slots in the log: never more than there are slots, since none is logged twice.</summary>
    public int FilledCount { get; private set; }

    /// <summary>The slot for an address, about to be filled.</summary>
    public ref FastTlbEntry Take(Gva gva)
    {
        int slot = Slot(gva);
        ref FastTlbEntry entry = ref Entries[slot];
        if ((entry.ReadTag & entry.WriteTag & entry.FetchTag) == FastTlbEntry.NoTag)
        {
            _filled[FilledCount++] = (ushort)slot;
        }

        return ref entry;
    }

    /// <summary>Forgets one page. Its slot stays in the log with at least one tag, so that it is never logged twice.</summary>
    public void Drop(Gva gva)
    {
        ref FastTlbEntry entry = ref Entries[Slot(gva)];
        if ((entry.ReadTag & entry.WriteTag & entry.FetchTag) != FastTlbEntry.NoTag)
        {
            Forget(ref entry);
        }
    }

    /// <summary>Takes the write tags of all linear pages that lie at a host page.</summary>
    public void DropWriteTags(byte* hostPage)
    {
        for (int i = 0; i < FilledCount; i++)
        {
            ref FastTlbEntry entry = ref Entries[_filled[i]];
            if (entry.WriteTag != FastTlbEntry.NoTag && (byte*)((nint)entry.WriteTag + entry.Addend) == hostPage)
            {
                entry.WriteTag = Dropped;
            }
        }
    }

    /// <summary>Empties the filled slots.</summary>
    public void Undo()
    {
        for (int i = 0; i < FilledCount; i++)
        {
            ref FastTlbEntry entry = ref Entries[_filled[i]];
            entry.ReadTag = entry.WriteTag = entry.FetchTag = FastTlbEntry.NoTag;
        }

        FilledCount = 0;
    }

    public void Dispose()
    {
        NativeMemory.AlignedFree(Entries);
        NativeMemory.Free(_filled);
        Entries = null;
    }

    // A tag that no page address equals, and yet not NoTag: the slot is still in the log.
    private const ulong Dropped = ulong.MaxValue - 1;

    private static int Slot(Gva gva) => (int)(gva.Value >> Pages.Shift) & (Slots - 1);

    private static void Forget(ref FastTlbEntry entry) => entry.ReadTag = entry.WriteTag = entry.FetchTag = Dropped;
}
