using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Xenolith.Mmu;

/// <summary>
/// One cached translation of a 4-KiB page (larger pages are kept in pieces). Its rights are those of the mappings, so that control
/// registers, mode and protection keys are asked anew at each use.
/// </summary>
[StructLayout(LayoutKind.Sequential, Size = 64)]
internal struct TaggedEntry
{
    /// <summary>Linear page address; 1, which is none, when the entry is empty.</summary>
    public ulong Page;

    /// <summary>EP4TA in bits 51:12, PCID in bits 11:0.</summary>
    public ulong Space;

    /// <summary>VMIDR in bits 31:0, VPID in 47:32, the epoch in 62:48, mode-based execute in 63.</summary>
    public ulong Identity;

    public ulong Gpa;
    public ulong Hpa;
    public PageRights Rights;
    public byte PageShift;
    public byte GuestPageShift;
    public bool IsGlobal;

    public const ulong Empty = 1;
}

/// <summary>The tags that a context looks up and fills under.</summary>
internal readonly struct TlbTags(ulong space, ulong identity)
{
    public ulong Space { get; } = space;

    public ulong Identity { get; } = identity;

    public static TlbTags Of(ref PagingContext context, ulong epoch)
    {
        ulong pcid = (context.Cr4 & Cr4.PCIDE) != 0 ? context.Cr3 & Cr3.PcidMask : 0;
        ulong identity = context.Name.Value | ((ulong)context.Vpid << 32) | (epoch << 48) | (context.EptModeBasedExecute ? 1UL << 63 : 0);
        return new TlbTags(Eptp.TableAddress(context.Eptp) | pcid, identity);
    }

    public static ushort Vpid(ulong identity) => (ushort)(identity >> 32);

    public static ushort Pcid(ulong space) => (ushort)(space & Cr3.PcidMask);

    public static ulong EptTable(ulong space) => space & ~Cr3.PcidMask;
}

/// <summary>What an invalidation asks of each entry: a struct, so that each scan is compiled for its question.</summary>
internal interface ITlbFilter
{
    bool Drops(in TaggedEntry entry);
}

/// <summary>The second level: set-associative, tagged by everything that tells translations of one linear address apart.</summary>
internal sealed unsafe class TaggedTlb : IDisposable
{
    public const int Sets = 1024;
    public const int Ways = 4;

    private const ulong LastEpoch = 0x7FFF;

    private readonly TaggedEntry* _entries;
    private readonly byte* _nextWay;
    private readonly ulong[] _largeRegions = new ulong[16];
    private bool _hasHuge;

    public TaggedTlb()
    {
        _entries = (TaggedEntry*)NativeMemory.AlignedAlloc(Sets * Ways * (nuint)sizeof(TaggedEntry), 64);
        _nextWay = (byte*)NativeMemory.AllocZeroed(Sets);
        Wipe();
    }

    /// <summary>Entries of an earlier epoch are void.</summary>
    public ulong Epoch { get; private set; }

    /// <summary>The entry for a page under these tags, or null.</summary>
    public TaggedEntry* Find(ulong page, TlbTags tags)
    {
        TaggedEntry* set = Set(page);
        for (int way = 0; way < Ways; way++)
        {
            TaggedEntry* entry = set + way;
            if (entry->Page == page && entry->Identity == tags.Identity && IsSpace(entry, tags.Space))
            {
                return entry;
            }
        }

        return null;
    }

    /// <summary>
    /// Caches a translation; what the isolation unit said earlier of the same page, for other kinds of access, still holds.
    /// </summary>
    public PageRights Insert(ulong page, TlbTags tags, in Translation translation)
    {
        ulong hpa = translation.Hpa.Value & ~Pages.OffsetMask;
        PageRights rights = translation.Rights;
        TaggedEntry* entry = Find(page, tags);
        if (entry == null)
        {
            entry = Victim(page);
        }
        else if (entry->Hpa == hpa)
        {
            rights |= entry->Rights & PageRights.IsolationAll;
        }

        entry->Page = page;
        entry->Space = tags.Space;
        entry->Identity = tags.Identity;
        entry->Gpa = translation.Gpa.Value & ~Pages.OffsetMask;
        entry->Hpa = hpa;
        entry->Rights = rights;
        entry->PageShift = translation.PageShift;
        entry->GuestPageShift = translation.GuestPageShift;
        entry->IsGlobal = translation.IsGlobal;
        NoteSize(page, translation.GuestPageShift);
        return rights;
    }

    /// <summary>May pieces of a larger guest page around this address be cached? False is certain.</summary>
    public bool MayHoldPieces(ulong page) => _hasHuge || (_largeRegions[Region(page) >> 6] & (1UL << (Region(page) & 63))) != 0;

    /// <summary>Forgets the entries of one page that a filter names.</summary>
    public ulong DropPage<TFilter>(ulong page, TFilter filter)
        where TFilter : struct, ITlbFilter => DropIn(Set(page), Ways, page, filter);

    /// <summary>Forgets all entries that a filter names.</summary>
    public ulong DropAll<TFilter>(TFilter filter)
        where TFilter : struct, ITlbFilter => DropIn(_entries, Sets * Ways, null, filter);

    /// <summary>Forgets everything, at the price of a counter.</summary>
    public void NewEpoch()
    {
        Array.Clear(_largeRegions);
        _hasHuge = false;
        if (++Epoch > LastEpoch)
        {
            Epoch = 0;
            Wipe();
        }
    }

    public void Dispose()
    {
        NativeMemory.AlignedFree(_entries);
        NativeMemory.Free(_nextWay);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool IsSpace(TaggedEntry* entry, ulong space) =>
        entry->Space == space || (entry->IsGlobal && TlbTags.EptTable(entry->Space) == TlbTags.EptTable(space));

    private static ulong DropIn<TFilter>(TaggedEntry* entries, int count, ulong? page, TFilter filter)
        where TFilter : struct, ITlbFilter
    {
        ulong dropped = 0;
        for (int i = 0; i < count; i++)
        {
            TaggedEntry* entry = entries + i;
            if (entry->Page != TaggedEntry.Empty && (page is null || entry->Page == page) && filter.Drops(in *entry))
            {
                entry->Page = TaggedEntry.Empty;
                dropped++;
            }
        }

        return dropped;
    }

    private static int Region(ulong page) => (int)(page >> 21) & 1023;

    private TaggedEntry* Set(ulong page) => _entries + ((int)((page >> 12) ^ (page >> 22)) & (Sets - 1)) * Ways;

    /// <summary>An empty way, or the next in turn: what is replaced depends on nothing but the history of accesses.</summary>
    private TaggedEntry* Victim(ulong page)
    {
        TaggedEntry* set = Set(page);
        for (int way = 0; way < Ways; way++)
        {
            if (set[way].Page == TaggedEntry.Empty || ((set[way].Identity >> 48) & LastEpoch) != Epoch)
            {
                return set + way;
            }
        }

        ref byte next = ref _nextWay[(set - _entries) / Ways];
        next = (byte)((next + 1) & (Ways - 1));
        return set + next;
    }

    private void NoteSize(ulong page, byte guestPageShift)
    {
        if (guestPageShift > 21)
        {
            _hasHuge = true; // 4 MiB or 1 GiB: its pieces lie in more than one region
        }
        else if (guestPageShift > Pages.Shift)
        {
            _largeRegions[Region(page) >> 6] |= 1UL << (Region(page) & 63);
        }
    }

    private void Wipe()
    {
        for (int i = 0; i < Sets * Ways; i++)
        {
            _entries[i].Page = TaggedEntry.Empty;
        }
    }
}
