using System;

using Xenolith.Mmu;
using Xenolith.Xen.Abi;
using Xenolith.Xen.Tests.Support;

using Xunit;

namespace Xenolith.Xen.Tests.Memory;

// Method: one domain grants a page to another, which maps, copies and unmaps it, and tries everything that the grant does not say. What
// the unit must forbid (a mapping across VMs without the extension for it) has to end in permission_denied and in no mapping at all.
public class GrantTests
{
    private const uint Reference = 9;

    [Theory]
    [InlineData("none", GrantStatus.Okay)]
    [InlineData("asmi", GrantStatus.PermissionDenied)]
    [InlineData("asmi:hardened+shared", GrantStatus.Okay)]
    public void MappingIsUpToTheUnit(string isolation, GrantStatus expected)
    {
        using TestMachine machine = new(isolation);
        (Domain granter, Domain grantee) = Pair(machine, GrantEntryV1.PermitAccess);
        GnttabMapGrantRef map = Map(machine, grantee, granter, GnttabMapGrantRef.HostMap);
        Assert.Equal(expected, map.Status);
        PhysmapEntry entry = grantee.Physmap.Find(new Gfn(0x100));
        Assert.Equal(expected == GrantStatus.Okay, entry.IsMapped);
        if (expected != GrantStatus.Okay)
        {
            return;
        }

        Vcpu vcpu = grantee.Vcpus[0];
        vcpu.DescribeCaller();
        Span<byte> seen = stackalloc byte[6];
        Assert.True(vcpu.Caller.TryRead(0x10_0000, seen));
        Assert.True(seen.SequenceEqual("shared"u8));
        GnttabUnmapGrantRef unmap = new() { Handle = map.Handle };
        Assert.Equal(0, machine.CallAs(grantee, HypercallNumber.GrantTableOp, (uint)GnttabOp.UnmapGrantRef, ref unmap, 1));
        Assert.Equal(GrantStatus.Okay, unmap.Status);
        Assert.False(grantee.Physmap.Find(new Gfn(0x100)).IsMapped);
        Assert.Equal(0, machine.CallAs(grantee, HypercallNumber.GrantTableOp, (uint)GnttabOp.UnmapGrantRef, ref unmap, 1));
        Assert.Equal(GrantStatus.BadHandle, unmap.Status);
    }

    [Fact]
    public void ReadOnlyGrantsStayReadOnly()
    {
        using TestMachine machine = new();
        (Domain granter, Domain grantee) = Pair(machine, GrantEntryV1.PermitAccess | GrantEntryV1.ReadOnly);
        Assert.Equal(GrantStatus.BadGntref, Map(machine, grantee, granter, GnttabMapGrantRef.HostMap).Status);
        Assert.Equal(GrantStatus.Okay, Map(machine, grantee, granter, GnttabMapGrantRef.HostMap | GnttabMapGrantRef.ReadOnly).Status);
        Vcpu vcpu = grantee.Vcpus[0];
        vcpu.DescribeCaller();
        Assert.False(vcpu.Caller.TryWrite(0x10_0000, "x"u8));
    }

    [Fact]
    public void WildGrantsHaveTheirStatus()
    {
        using TestMachine machine = new();
        (Domain granter, Domain grantee) = Pair(machine, GrantEntryV1.PermitAccess);
        Assert.Equal(GrantStatus.BadGntref, Map(machine, granter, granter, GnttabMapGrantRef.HostMap).Status); // not granted to itself
        Assert.Equal(GrantStatus.GeneralError, Map(machine, grantee, granter, 0).Status);
        Assert.Equal(GrantStatus.BadGntref, Map(machine, grantee, granter, GnttabMapGrantRef.HostMap, reference: 0xFFFF_FFFF).Status);
        Assert.Equal(GrantStatus.BadVirtAddr, Map(machine, grantee, granter, GnttabMapGrantRef.HostMap, address: 0x10_0001).Status);
        GnttabMapGrantRef nobody = new() { HostAddr = 0x10_0000, Flags = GnttabMapGrantRef.HostMap, Ref = Reference, Dom = 300 };
        Assert.Equal(0, machine.CallAs(grantee, HypercallNumber.GrantTableOp, (uint)GnttabOp.MapGrantRef, ref nobody, 1));
        Assert.Equal(GrantStatus.BadDomain, nobody.Status);
    }

    [Theory]
    [InlineData("none")]
    [InlineData("asmi")]
    public void CopyNeedsTheGrantAndNothingElse(string isolation)
    {
        using TestMachine machine = new(isolation);
        (Domain granter, Domain grantee) = Pair(machine, GrantEntryV1.PermitAccess);
        GnttabCopy copy = new()
        {
            Source = new() { RefOrGmfn = Reference, DomId = granter.Id },
            Dest = new() { RefOrGmfn = 8, DomId = DomId.Self, Offset = 16 },
            Len = 6,
            Flags = GnttabCopy.SourceGref,
        };
        Assert.Equal(0, machine.CallAs(grantee, HypercallNumber.GrantTableOp, (uint)GnttabOp.Copy, ref copy, 1));
        Assert.Equal(GrantStatus.Okay, copy.Status);
        Span<byte> seen = stackalloc byte[6];
        Assert.True(grantee.Vcpus[0].Caller.TryRead(0x8010, seen));
        Assert.True(seen.SequenceEqual("shared"u8));
        copy.Flags = 0; // a plain frame of another domain's
        Assert.Equal(0, machine.CallAs(grantee, HypercallNumber.GrantTableOp, (uint)GnttabOp.Copy, ref copy, 1));
        Assert.Equal(GrantStatus.PermissionDenied, copy.Status);
        copy.Len = 4090;
        copy.Flags = GnttabCopy.SourceGref;
        Assert.Equal(0, machine.CallAs(grantee, HypercallNumber.GrantTableOp, (uint)GnttabOp.Copy, ref copy, 1));
        Assert.Equal(GrantStatus.BadCopyArg, copy.Status);
    }

    private static (Domain Granter, Domain Grantee) Pair(TestMachine machine, int flags)
    {
        Domain granter = machine.CreateDomain(16);
        machine.WriteForeign(granter, 0x7000, "shared"u8);
        Domain grantee = machine.CreateDomain(16);
        machine.Unpause(granter);
        machine.Unpause(grantee);
        Assert.Equal(Errno.None, granter.Grants.MapFrame(machine.Xen.PhysmapChanges, 0, new Gfn(0x80)));
        Vcpu vcpu = granter.Vcpus[0];
        vcpu.DescribeCaller();
        Assert.True(vcpu.Caller.TryWrite(0x8_0000 + (Reference * 8), new GrantEntryV1 { Flags = (ushort)flags, DomId = grantee.Id, Frame = 7 }));
        return (granter, grantee);
    }

    private static GnttabMapGrantRef Map(
        TestMachine machine, Domain grantee, Domain granter, uint flags, uint reference = Reference, ulong address = 0x10_0000)
    {
        GnttabMapGrantRef map = new() { HostAddr = address, Flags = flags, Ref = reference, Dom = granter.Id };
        Assert.Equal(0, machine.CallAs(grantee, HypercallNumber.GrantTableOp, (uint)GnttabOp.MapGrantRef, ref map, 1));
        return map;
    }
}
