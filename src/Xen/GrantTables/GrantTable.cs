using System.Collections.Generic;

using Xenolith.Mmu;
using Xenolith.Xen.Abi;

namespace Xenolith.Xen;

/// <summary>A granted page that this domain has mapped: what a grant handle names.</summary>
internal sealed record GrantMapping(Domain Granter, uint Reference, Gfn Gfn, Mfn Frame, bool IsReadOnly);

/// <summary>
/// The grant table of one domain, version 1: frames that the domain writes grants into, and the grants of others that it has mapped.
/// The frames are the domain's and shared with Xen (xen/include/public/grant_table.h).
/// </summary>
internal sealed class GrantTable(Domain domain, XenMemory memory, uint maxFrames)
{
    public const uint DefaultMaxFrames = 64;

    private const uint EntriesPerFrame = (uint)Pages.Size / 8;
    private const int MaxMappings = 4096;

    private readonly List<(Mfn Frame, ulong Gfn)> _frames = [];
    private readonly List<GrantMapping?> _mappings = [];

    public uint FrameCount => (uint)_frames.Count;

    public uint MaxFrames => maxFrames;

    /// <summary>Where frame <paramref name="index"/> is mapped in the domain; all ones: nowhere.</summary>
    public ulong GfnOf(int index) => _frames[index].Gfn;

    /// <summary>Makes the table so many frames large; it never shrinks.</summary>
    public Errno Grow(uint frames)
    {
        if (frames > maxFrames)
        {
            return Errno.EINVAL;
        }

        while (_frames.Count < frames)
        {
            Errno error = domain.Memory.TryAllocate(FrameUse.SharedWithXen, 0, out Mfn frame);
            if (error != Errno.None)
            {
                return error;
            }

            _frames.Add((frame, ulong.MaxValue));
        }

        return Errno.None;
    }

    /// <summary>XENMAPSPACE_grant_table: frame <paramref name="index"/> appears at a guest frame; the table grows to have it.</summary>
    public Errno MapFrame(PhysmapChanges changes, ulong index, Gfn gfn)
    {
        Errno error = index < maxFrames ? Grow((uint)index + 1) : Errno.EINVAL;
        if (error != Errno.None)
        {
            return error;
        }

        (Mfn frame, ulong before) = _frames[(int)index];
        error = changes.MapXenPage(domain, gfn, frame, before);
        if (error == Errno.None)
        {
            _frames[(int)index] = (frame, gfn.Value);
        }

        return error;
    }

    /// <summary>Reads the grant of a reference, as its owner wrote it.</summary>
    public GrantStatus TryReadEntry(uint reference, out GrantEntryV1 entry)
    {
        entry = default;
        if (reference >= FrameCount * EntriesPerFrame)
        {
            return GrantStatus.BadGntref;
        }

        if (memory.TryRead(EntryAddress(reference), out entry))
        {
            return GrantStatus.Okay;
        }

        domain.Counters.RefusedXenWrites++;
        return GrantStatus.GeneralError;
    }

    /// <summary>Sets or clears the bits by which the granter sees that its page is in use.</summary>
    public void MarkUse(uint reference, bool isReadOnly, bool inUse)
    {
        Hpa address = EntryAddress(reference);
        if (!memory.TryRead(address, out ushort flags))
        {
            return;
        }

        ushort bits = (ushort)(isReadOnly ? GrantEntryV1.Reading : GrantEntryV1.Reading | GrantEntryV1.Writing);
        _ = memory.TryWrite(address, (ushort)(inUse ? flags | bits : flags & ~bits));
    }

    /// <summary>The grant permits this domain's page to another: checks the entry, finds the frame.</summary>
    public GrantStatus TryResolve(uint reference, Domain grantee, bool wantsWrite, out Mfn frame)
    {
        frame = default;
        GrantStatus status = TryReadEntry(reference, out GrantEntryV1 entry);
        if (status != GrantStatus.Okay)
        {
            return status;
        }

        if ((entry.Flags & GrantEntryV1.TypeMask) != GrantEntryV1.PermitAccess || entry.DomId != grantee.Id)
        {
            return GrantStatus.BadGntref;
        }

        if (wantsWrite && (entry.Flags & GrantEntryV1.ReadOnly) != 0)
        {
            return GrantStatus.BadGntref;
        }

        PhysmapEntry page = domain.Physmap.Find(new Gfn(entry.Frame));
        frame = page.Frame;
        return page.Type == PhysmapType.Ram ? GrantStatus.Okay : GrantStatus.BadPage;
    }

    /// <summary>A handle for a mapping that this domain has made. False when it has too many.</summary>
    public bool TryAddMapping(GrantMapping mapping, out uint handle)
    {
        int free = _mappings.IndexOf(null);
        if (free < 0 && _mappings.Count >= MaxMappings)
        {
            handle = 0;
            return false;
        }

        if (free < 0)
        {
            free = _mappings.Count;
            _mappings.Add(null);
        }

        _mappings[free] = mapping;
        handle = (uint)free;
        return true;
    }

    public GrantMapping? FindMapping(uint handle) => handle < (uint)_mappings.Count ? _mappings[(int)handle] : null;

    public void RemoveMapping(uint handle) => _mappings[(int)handle] = null;

    /// <summary>The handles of all mappings that this domain still has.</summary>
    public IEnumerable<uint> Handles()
    {
        for (int i = 0; i < _mappings.Count; i++)
        {
            if (_mappings[i] is not null)
            {
                yield return (uint)i;
            }
        }
    }

    private Hpa EntryAddress(uint reference) => _frames[(int)(reference / EntriesPerFrame)].Frame.Address + (reference % EntriesPerFrame * 8);
}
