using Xenolith.Mmu;
using Xenolith.Xen.Abi;

namespace Xenolith.Xen;

/// <summary>What a guest frame number stands for; kept in bits 55:52 of the EPT entry, which the processor ignores.</summary>
internal enum PhysmapType : byte
{
    /// <summary>Nothing is mapped.</summary>
    None = 0,

    /// <summary>The domain's own memory.</summary>
    Ram = 1,

    /// <summary>A frame of another domain, mapped by a privileged one.</summary>
    Foreign = 2,

    /// <summary>A frame that another domain granted, writable or not.</summary>
    GrantWritable = 3,
    GrantReadOnly = 4,

    /// <summary>shared_info or a frame of the domain's grant table.</summary>
    XenPage = 5,

    /// <summary>A hole that the guest touched: reads give all ones, writes vanish.</summary>
    Hole = 6,
}

/// <summary>One mapping of a physmap.</summary>
internal readonly record struct PhysmapEntry(PhysmapType Type, Mfn Frame, int Order)
{
    public bool IsMapped => Type != PhysmapType.None;
}

/// <summary>
/// Guest frame to machine frame: the domain's EPT, four levels (SDM 3C "EPT Translation Mechanism"), in Xen's heap, written by Xen in
/// its own name. There is no second copy of it in C#.
/// <code>
/// 63   56 55  52 51             12 11  8  7  6 5  3  2 1 0
/// ignored  type   address           ign.  PS  0 MT   X W R       MT: 6 write-back, 0 uncacheable
/// </code>
/// </summary>
internal sealed class Physmap
{
    public const int AddressBits = 48;

    private const ulong ReadBit = 1;
    private const ulong WriteBit = 2;
    private const ulong ExecuteBit = 4;
    private const ulong WriteBack = 6 << 3;
    private const ulong LargeBit = 1 << 7;
    private const ulong PresentMask = ReadBit | WriteBit | ExecuteBit;
    private const ulong FrameMask = 0x000F_FFFF_FFFF_F000;
    private const int TypeShift = 52;
    private const int EntriesPerTable = 512;

    private readonly XenMemory _memory;
    private readonly XenHeap _heap;
    private readonly Mfn _root;

    private Physmap(XenMemory memory, XenHeap heap, Mfn root)
    {
        _memory = memory;
        _heap = heap;
        _root = root;
        Eptp = root.Address.Value | ((4 - 1) << 3) | 6; // four levels, structures write-back, no accessed and dirty flags
    }

    /// <summary>EPT pointer for the VMCS (SDM 3C "Extended-Page-Table Pointer").</summary>
    public ulong Eptp { get; }

    /// <summary>Set when a mapping was taken away or changed: translations of before must be flushed before the next entry.</summary>
    public bool NeedsFlush { get; set; }

    /// <summary>One past the highest guest frame number that was ever mapped.</summary>
    public ulong MaxGfn { get; private set; }

    public static Errno TryCreate(XenMemory memory, XenHeap heap, out Physmap? physmap)
    {
        bool allocated = heap.TryAllocate(out Mfn root);
        physmap = allocated ? new Physmap(memory, heap, root) : null;
        return allocated ? Errno.None : Errno.ENOMEM;
    }

    public PhysmapEntry Find(Gfn gfn)
    {
        if (gfn.Value >> (AddressBits - Pages.Shift) != 0)
        {
            return default;
        }

        Hpa table = _root.Address;
        for (int level = 4; ; level--)
        {
            ulong entry = _memory.Read<ulong>(Slot(table, gfn, level));
            if ((entry & PresentMask) == 0)
            {
                return default;
            }

            int order = 9 * (level - 1);
            if (level == 1 || (entry & LargeBit) != 0)
            {
                Mfn frame = new((entry & FrameMask) >> Pages.Shift);
                return new((PhysmapType)((entry >> TypeShift) & 0xF), frame + (gfn.Value & ((1UL << order) - 1)), order);
            }

            table = new Hpa(entry & FrameMask);
        }
    }

    /// <summary>Maps 2^order frames (order 0, 9 or 18, both sides aligned), replacing what was there.</summary>
    /// <returns>ENOMEM when Xen's heap has no frame for a table; ENOSPC when the guest frame is beyond the address width.</returns>
    public Errno Set(Gfn gfn, Mfn frame, int order, PhysmapType type)
    {
        ulong access = type switch
        {
            PhysmapType.GrantReadOnly => ReadBit,
            PhysmapType.Hole or PhysmapType.GrantWritable or PhysmapType.Foreign => ReadBit | WriteBit,
            _ => ReadBit | WriteBit | ExecuteBit,
        };
        ulong entry = frame.Address.Value | access | (type == PhysmapType.Hole ? 0 : WriteBack)
            | (order > 0 ? LargeBit : 0) | ((ulong)type << TypeShift);
        return Write(gfn, order, entry);
    }

    /// <summary>Takes 2^order frames out.</summary>
    public Errno Clear(Gfn gfn, int order) => Write(gfn, order, 0);

    /// <summary>
    /// Makes a hole readable as all ones: the largest page that no table lies in the way of, at an address where the machine has
    /// neither RAM nor device. A hole therefore never costs a table below the page-directory pointers, however wild the guest is.
    /// </summary>
    public Errno FillHole(Gfn gfn, Mfn nowhere)
    {
        Hpa table = _root.Address;
        for (int level = 4; ; level--)
        {
            ulong entry = _memory.Read<ulong>(Slot(table, gfn, level));
            int order = 9 * (level - 1);
            if ((entry & PresentMask) == 0 && level <= 3)
            {
                Gfn first = new(gfn.Value >> order << order);
                return Set(first, nowhere, order, PhysmapType.Hole);
            }

            if ((entry & PresentMask) == 0)
            {
                Errno error = AddTable(Slot(table, gfn, level), out entry);
                if (error != Errno.None)
                {
                    return error;
                }
            }
            else if (level == 1 || (entry & LargeBit) != 0)
            {
                return Errno.None;
            }

            table = new Hpa(entry & FrameMask);
        }
    }

    /// <summary>Gives the tables back to the heap.</summary>
    public void Destroy()
    {
        FreeTables(_root, 4);
        _heap.Free(_root);
    }

    private static Hpa Slot(Hpa table, Gfn gfn, int level) =>
        table + (((gfn.Value >> (9 * (level - 1))) & (EntriesPerTable - 1)) * sizeof(ulong));

    private Errno Write(Gfn gfn, int order, ulong value)
    {
        if (gfn.Value >> (AddressBits - Pages.Shift) != 0)
        {
            return Errno.ENOSPC;
        }

        int leaf = (order / 9) + 1;
        Hpa table = _root.Address;
        for (int level = 4; level > leaf; level--)
        {
            Hpa slot = Slot(table, gfn, level);
            ulong entry = _memory.Read<ulong>(slot);
            if ((entry & PresentMask) == 0 && value == 0)
            {
                return Errno.None;
            }

            Errno error = (entry & PresentMask) == 0 ? AddTable(slot, out entry)
                : (entry & LargeBit) != 0 ? SplitLarge(slot, level, ref entry)
                : Errno.None;
            if (error != Errno.None)
            {
                return error;
            }

            table = new Hpa(entry & FrameMask);
        }

        Replace(Slot(table, gfn, leaf), leaf, value);
        if (value != 0 && (value >> TypeShift & 0xF) != (ulong)PhysmapType.Hole && gfn.Value + (1UL << order) > MaxGfn)
        {
            MaxGfn = gfn.Value + (1UL << order);
        }

        return Errno.None;
    }

    private void Replace(Hpa slot, int level, ulong value)
    {
        ulong old = _memory.Read<ulong>(slot);
        _memory.Write(slot, value);
        if ((old & PresentMask) == 0)
        {
            return;
        }

        NeedsFlush = true;
        if (level > 1 && (old & LargeBit) == 0)
        {
            Mfn table = new((old & FrameMask) >> Pages.Shift);
            FreeTables(table, level - 1);
            _heap.Free(table);
        }
    }

    private Errno AddTable(Hpa slot, out ulong entry)
    {
        entry = 0;
        if (!_heap.TryAllocate(out Mfn table))
        {
            return Errno.ENOMEM;
        }

        entry = table.Address.Value | PresentMask;
        _memory.Write(slot, entry);
        return Errno.None;
    }

    /// <summary>A large page becomes a table of 512 pages of the next size, with the same meaning.</summary>
    private Errno SplitLarge(Hpa slot, int level, ref ulong entry)
    {
        if (!_heap.TryAllocate(out Mfn table))
        {
            return Errno.ENOMEM;
        }

        ulong partSize = Pages.Size << (9 * (level - 2));
        ulong part = level - 1 > 1 ? entry : entry & ~LargeBit;
        bool isHole = (PhysmapType)((entry >> TypeShift) & 0xF) == PhysmapType.Hole;
        for (ulong i = 0; i < EntriesPerTable; i++)
        {
            _memory.Write(table.Address + (i * sizeof(ulong)), part + (isHole ? 0 : i * partSize));
        }

        entry = table.Address.Value | PresentMask;
        _memory.Write(slot, entry);
        NeedsFlush = true;
        return Errno.None;
    }

    /// <summary>Frees the tables below a table. The depth is the walk's: at most three calls.</summary>
    private void FreeTables(Mfn table, int level)
    {
        for (ulong i = 0; i < EntriesPerTable && level > 1; i++)
        {
            ulong entry = _memory.Read<ulong>(table.Address + (i * sizeof(ulong)));
            if ((entry & PresentMask) != 0 && (entry & LargeBit) == 0)
            {
                Mfn below = new((entry & FrameMask) >> Pages.Shift);
                FreeTables(below, level - 1);
                _heap.Free(below);
            }
        }
    }
}
