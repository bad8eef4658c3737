using Xenolith.Mmu;
using Xenolith.Xen.Abi;

namespace Xenolith.Xen;

/// <summary>Mapping, unmapping and copying of granted pages, with the isolation unit's consent (docs/asmi.md, G12).</summary>
internal sealed class GrantMappings(Hypervisor hypervisor)
{
    /// <summary>GNTTABOP_map_grant_ref: the unit must let the caller use the granter's segment, otherwise permission is denied.</summary>
    public GrantStatus Map(Domain caller, ref GnttabMapGrantRef arg)
    {
        if ((arg.Flags & GnttabMapGrantRef.HostMap) == 0 || (arg.Flags & (GnttabMapGrantRef.DeviceMap | GnttabMapGrantRef.ContainsPte)) != 0)
        {
            return GrantStatus.GeneralError;
        }

        if ((arg.HostAddr & Pages.OffsetMask) != 0 || arg.HostAddr >> Physmap.AddressBits != 0)
        {
            return GrantStatus.BadVirtAddr;
        }

        if (hypervisor.FindDomain(arg.Dom == DomId.Self ? caller.Id : arg.Dom) is not { } granter)
        {
            return GrantStatus.BadDomain;
        }

        bool isReadOnly = (arg.Flags & GnttabMapGrantRef.ReadOnly) != 0;
        GrantStatus status = granter.Grants.TryResolve(arg.Ref, caller, !isReadOnly, out Mfn frame);
        if (status != GrantStatus.Okay)
        {
            return status;
        }

        if (granter != caller && !TryShare(granter, frame, caller.Vmid))
        {
            return GrantStatus.PermissionDenied;
        }

        return Install(caller, new GrantMapping(granter, arg.Ref, new Gpa(arg.HostAddr).Frame, frame, isReadOnly), out arg.Handle);
    }

    /// <summary>GNTTABOP_unmap_grant_ref.</summary>
    public GrantStatus Unmap(Domain caller, uint handle)
    {
        if (caller.Grants.FindMapping(handle) is not { } mapping)
        {
            return GrantStatus.BadHandle;
        }

        PhysmapEntry entry = caller.Physmap.Find(mapping.Gfn);
        if (entry.Frame == mapping.Frame && entry.Type is PhysmapType.GrantReadOnly or PhysmapType.GrantWritable)
        {
            _ = caller.Physmap.Clear(mapping.Gfn, 0);
        }

        caller.Grants.RemoveMapping(handle);
        mapping.Granter.Grants.MarkUse(mapping.Reference, mapping.IsReadOnly, inUse: false);
        if (mapping.Granter != caller)
        {
            _ = TryShare(mapping.Granter, mapping.Frame, Vmid.None);
            hypervisor.PhysmapChanges.EndForeign(mapping.Frame);
        }

        return GrantStatus.Okay;
    }

    /// <summary>
    /// GNTTABOP_copy: each side's page is touched in the name of the domain that owns it; the grant is that domain's consent.
    /// </summary>
    public GrantStatus Copy(Domain caller, in GnttabCopy arg)
    {
        if (arg.Len > Pages.Size || arg.Source.Offset + arg.Len > (int)Pages.Size || arg.Dest.Offset + arg.Len > (int)Pages.Size)
        {
            return GrantStatus.BadCopyArg;
        }

        GrantStatus status = ResolveSide(caller, in arg.Source, (arg.Flags & GnttabCopy.SourceGref) != 0, wantsWrite: false, out Mfn source, out Vmid reader);
        if (status == GrantStatus.Okay)
        {
            status = ResolveSide(caller, in arg.Dest, (arg.Flags & GnttabCopy.DestGref) != 0, wantsWrite: true, out Mfn dest, out Vmid writer);
            if (status == GrantStatus.Okay)
            {
                System.Span<byte> bytes = stackalloc byte[arg.Len];
                MemoryUnit unit = hypervisor.Board.MemoryUnit;
                status = unit.TryRead(reader, source.Address + arg.Source.Offset, bytes) && unit.TryWrite(writer, dest.Address + arg.Dest.Offset, bytes)
                    ? GrantStatus.Okay
                    : GrantStatus.PermissionDenied;
            }
        }

        return status;
    }

    /// <summary>Ends every mapping that a dying domain has made of others' pages.</summary>
    public void UnmapAll(Domain domain)
    {
        foreach (uint handle in new System.Collections.Generic.List<uint>(domain.Grants.Handles()))
        {
            _ = Unmap(domain, handle);
        }
    }

    private GrantStatus Install(Domain caller, GrantMapping mapping, out uint handle)
    {
        if (!caller.Grants.TryAddMapping(mapping, out handle))
        {
            return GrantStatus.NoSpace;
        }

        _ = hypervisor.PhysmapChanges.Remove(caller, mapping.Gfn);
        PhysmapType type = mapping.IsReadOnly ? PhysmapType.GrantReadOnly : PhysmapType.GrantWritable;
        if (caller.Physmap.Set(mapping.Gfn, mapping.Frame, 0, type) != Errno.None)
        {
            caller.Grants.RemoveMapping(handle);
            return GrantStatus.NoSpace;
        }

        mapping.Granter.Grants.MarkUse(mapping.Reference, mapping.IsReadOnly, inUse: true);
        if (mapping.Granter != caller && hypervisor.Frames.Find(mapping.Frame) is { } segment)
        {
            segment.ForeignMappings++;
        }

        return GrantStatus.Okay;
    }

    private bool TryShare(Domain granter, Mfn frame, Vmid second) =>
        hypervisor.Frames.Find(frame) is { } segment
        && hypervisor.Frames.Control.Share(granter.Vmid, segment.Index, second, SharePurpose.Grant) == IsolationError.None;

    private GrantStatus ResolveSide(Domain caller, in GnttabCopyPtr side, bool isGrant, bool wantsWrite, out Mfn frame, out Vmid owner)
    {
        frame = default;
        owner = default;
        if (hypervisor.FindDomain(side.DomId == DomId.Self ? caller.Id : side.DomId) is not { } domain)
        {
            return GrantStatus.BadDomain;
        }

        owner = domain.Vmid;
        if (isGrant)
        {
            return domain.Grants.TryResolve((uint)side.RefOrGmfn, caller, wantsWrite, out frame);
        }

        if (domain != caller)
        {
            return GrantStatus.PermissionDenied; // a plain frame may be the caller's own only
        }

        PhysmapEntry entry = domain.Physmap.Find(new Gfn(side.RefOrGmfn));
        frame = entry.Frame;
        return entry.Type == PhysmapType.Ram ? GrantStatus.Okay : GrantStatus.BadPage;
    }
}
