using System;

using Xunit;

namespace Xenolith.Mmu.Tests;

/// <summary>
/// The rules of ASMI one by one, as docs/asmi.md numbers them (P1-P11, G1-G17), on the control side of the unit and on real accesses.
/// Where the profiles differ the same experiment runs under both: a hole must be open under literal and shut under hardened, so a
/// unit that mixes them up fails either way.
/// </summary>
public sealed class ProMemRuleTests : IDisposable
{
    private const ulong MemorySize = 1 << 20;

    private TestMachine _machine = TestMachine.With("asmi", MemorySize);
    private Vmid _xen;
    private Vmid _a;
    private Vmid _b;

    private IsolationControl Control => _machine.Unit.Control;

    public void Dispose() => _machine.Dispose();

    [Theory]
    [InlineData(4096UL, 255UL)] // 256 segments, one of them lost to the table's 2 KiB
    [InlineData(16384UL, 63UL)]
    [InlineData(0x4_0000UL, 3UL)]
    public void P1_P2_TsegIsTheMemoryCutIntoSegmentsBelowTheTable(ulong segmentSize, ulong tseg)
    {
        using TestMachine machine = TestMachine.With("asmi", MemorySize, segmentSize);
        Assert.Equal(tseg, machine.Unit.Control.SegmentCount);
    }

    [Theory]
    [InlineData(0UL)]
    [InlineData(2048UL)]
    [InlineData(12288UL)]
    [InlineData(1UL << 30)]
    public void P2_SegmentSizesThatCannotBeAreRefused(ulong segmentSize) =>
        Assert.ThrowsAny<ArgumentException>(() => TestMachine.With("asmi", MemorySize, segmentSize));

    [Fact]
    public void P3_P11_OnlyTheOwnerReachesASegmentWhoeverElseAsks()
    {
        Launch("asmi");
        ulong ofA = Allocate(_a);
        Assert.True(Reads(_a, ofA));
        Assert.False(Reads(_b, ofA));
        Assert.False(Reads(_xen, ofA));
        Assert.False(Reads(Vmid.None, ofA));
        Assert.True(Reads(_xen, 3));
        Assert.False(Reads(_a, 3));
        Assert.False(Reads(_a, Control.SegmentCount - 1)); // free: nobody's
    }

    [Theory]
    [InlineData(AccessOrigin.Datum)]
    [InlineData(AccessOrigin.GuestPaging)]
    [InlineData(AccessOrigin.EptPaging)]
    [InlineData(AccessOrigin.VmxStructure)]
    [InlineData(AccessOrigin.Hypervisor)]
    [InlineData(AccessOrigin.Dma)]
    public void P4_G13_NobodyReachesTheTableAndDevicesAreJudgedLikeAllOthers(AccessOrigin origin)
    {
        Launch("asmi");
        _ = Allocate(_a);
        ulong ofA = Allocate(_a);
        Hpa table = new(MemorySize - 4096);
        foreach (Vmid name in (Vmid[])[Vmid.None, _xen, _a, Vmid.Unit])
        {
            Assert.False(_machine.Unit.TryRead(name, table, new byte[8], origin));
            Assert.False(_machine.Unit.TryWrite(name, table, new byte[8], origin));
        }

        Assert.True(_machine.Unit.TryRead(_a, new Hpa(ofA << 12), new byte[8], origin));
        Assert.False(_machine.Unit.TryRead(_b, new Hpa(ofA << 12), new byte[8], origin));
        Assert.Equal(_a.Value, (uint)_machine.Read64(table.Value + (ofA * 8)) & 0x7FFF_FFFF); // it does lie there
    }

    [Fact]
    public void P4_G8_BeforeRegistrationEverythingButTheTableIsReachable()
    {
        Assert.True(Reads(Vmid.None, 0));
        Assert.True(Reads(Vmid.None, 200));
        Assert.Equal(0UL, Control.Tot);
        Assert.Equal(0UL, Control.SegMax);
        Assert.Equal(IsolationError.NoSuchObject, Control.CreateVm(out _));
        Assert.Equal(IsolationError.NoSuchObject, Control.RegisterHypervisor(250, 10, out _));
        Assert.Equal(IsolationError.None, Control.RegisterHypervisor(2, 10, out _xen));
        Assert.False(Reads(_xen, 1));
        Assert.True(Reads(_xen, 3));
        Assert.True(Reads(_xen, 11));
        Assert.False(Reads(_xen, 12));
        Assert.Equal(IsolationError.NotSupported, Control.RegisterHypervisor(20, 1, out _)); // one hypervisor per boot
    }

    [Fact]
    public void P6_P7_P8_SegMaxIsTsegByTotAtEveryBirthAndDeath()
    {
        Launch("asmi");
        Assert.Equal(3UL, Control.Tot);
        Assert.Equal(255UL / 3, Control.SegMax);
        _ = Control.CreateVm(out Vmid c);
        Assert.Equal(255UL / 4, Control.SegMax);
        Assert.Equal(IsolationError.None, Control.DestroyVm(c));
        Assert.Equal(255UL / 3, Control.SegMax);
        Assert.Equal(IsolationError.NoSuchObject, Control.DestroyVm(c));
        Assert.Equal(IsolationError.NoSuchObject, Control.DestroyVm(_xen));
    }

    [Fact]
    public void P8_SegmentsOfTheDeadReturnAndSharesEnd()
    {
        Launch("asmi");
        ulong ofA = Allocate(_a);
        ulong ofXen = Allocate(_xen);
        Assert.Equal(IsolationError.None, Control.Share(_xen, ofXen, _a, SharePurpose.Building));
        Assert.Equal(IsolationError.None, Control.DestroyVm(_a));
        Assert.Equal(Vmid.None, Control.OwnerOf(ofA));
        Assert.Equal(Vmid.None, Control.SecondOf(ofXen));
        Assert.Equal(ofA, Allocate(_b));
    }

    [Theory]
    [InlineData("asmi:literal")]
    [InlineData("asmi:hardened")]
    public void P5_P9_TransitionsSwitchVmidrAndTouchTwoSlotsEach(string isolation)
    {
        Launch(isolation);
        _ = Allocate(_a);
        Vmid vmidr = _xen;
        Assert.Equal(IsolationError.None, Control.OnVmEntry(_a, ref vmidr));
        Assert.Equal(_a, vmidr);
        Control.OnVmExit(_a, ref vmidr);
        Assert.Equal(_xen, vmidr);
        Assert.Equal(4UL, Control.SlotAccesses);
        Assert.Equal(2UL, Control.Transitions);
        Assert.Equal(IsolationError.NoSuchObject, Control.OnVmEntry(new Vmid(99), ref vmidr));
        Assert.Equal(_xen, vmidr);
    }

    [Fact]
    public void P9_LiteralKeepsVmidrAtTheInitialAddressOfTheFirstSegment()
    {
        Launch("asmi:literal");
        ulong first = Allocate(_a);
        _ = Allocate(_a);
        Assert.Equal(_a.Value, _machine.Read64(first << 12));
        Vmid vmidr = _xen;
        _ = Control.OnVmEntry(_a, ref vmidr);
        Assert.Equal(_xen.Value, _machine.Read64(0)); // the hypervisor's slot: its declared range begins at 0
        _machine.Write64(first << 12, 0);
        Control.OnVmExit(_a, ref vmidr);
        Assert.Equal(_a.Value, _machine.Read64(first << 12));
    }

    [Theory]
    [InlineData("asmi:literal", true)]
    [InlineData("asmi:hardened", false)]
    public void G1_ForgedSlotMakesTheGuestSomebodyElse(string isolation, bool open)
    {
        // The VM has a device that writes the victim's ID over the slot between exit and entry: DMA in the VM's own name, so allowed.
        Launch(isolation);
        ulong first = Allocate(_a);
        _ = Allocate(_b);
        ulong ofB = Allocate(_b);
        Vmid vmidr = _xen;
        _ = Control.OnVmEntry(_a, ref vmidr);
        Control.OnVmExit(_a, ref vmidr);
        bool written = _machine.Unit.TryWrite(_a, new Hpa(first << 12), BitConverter.GetBytes((ulong)_b.Value), AccessOrigin.Dma);
        Assert.Equal(open, written);
        _ = Control.OnVmEntry(_a, ref vmidr);
        Assert.Equal(open ? _b : _a, vmidr);
        Assert.Equal(open, Reads(vmidr, ofB));
    }

    [Fact]
    public void G1_HardenedRefusesTheSlotAndOnlyTheSlotAndKeepsItsPageOutOfTlbs()
    {
        Launch("asmi");
        ulong first = Allocate(_a);
        Hpa start = new(first << 12);
        for (ulong offset = 0; offset < 16; offset++)
        {
            Verdict verdict = _machine.Unit.Judge(new PhysicalAccess(start + offset, AccessKind.Read, AccessOrigin.Datum, _a));
            Assert.Equal(offset >= 8, verdict.IsAllowed);
            Assert.False(verdict.HoldsForPage);
        }

        Assert.False(_machine.Unit.TryRead(_xen, new Hpa(0), new byte[8])); // the hypervisor's own slot too

        _machine.Context.Name = _a;
        using Tlb tlb = new(_machine.Unit);
        Assert.True(tlb.TryFill(ref _machine.Context, new Gva(start.Value + 64), AccessKind.Read, AccessMode.Supervisor, out _, out _));
        Assert.False(tlb.TryFill(ref _machine.Context, new Gva(start.Value), AccessKind.Read, AccessMode.Supervisor, out _, out _));
    }

    [Fact]
    public void G1_FirstSegmentStaysWithItsOwnerUntilTheOthersHaveGone()
    {
        Launch("asmi");
        ulong first = Allocate(_a);
        ulong other = Allocate(_a);
        Assert.Equal(IsolationError.SlotInUse, Control.Release(_a, first));
        Assert.Equal(IsolationError.SlotInUse, Control.Transfer(_a, first, _b));
        Assert.Equal(IsolationError.None, Control.Release(_a, other));
        Assert.Equal(IsolationError.None, Control.Release(_a, first));
    }

    [Fact]
    public void G1_LiteralMovesTheSlotAndOverwritesWhatWasThere()
    {
        Launch("asmi:literal");
        ulong first = Allocate(_a);
        ulong other = Allocate(_a);
        _machine.Write64(other << 12, 0x1234);
        Assert.Equal(IsolationError.None, Control.Release(_a, first));
        Assert.Equal(_a.Value, _machine.Read64(other << 12));
    }

    [Fact]
    public void G3_FreeMemoryIsForWhoeverAsksEvenBeyondItsShare()
    {
        Launch("asmi");
        ulong share = Control.SegMax;
        for (ulong i = 0; i < share + 20; i++)
        {
            _ = Allocate(_a);
        }

        Assert.True(((ProMemControl)Control).SegmentsOf(_a) > share);
        Assert.Equal(0UL, Control.SwapRequests);
    }

    [Theory]
    [InlineData("asmi:literal")]
    [InlineData("asmi:hardened")]
    public void G4_P10_MemoryFullWhenNobodyAnswersAndASegmentWhenSomebodyDoes(string isolation)
    {
        // Hardened shall take a segment by force, sealed into secondary memory: not built yet, so both profiles end alike.
        Launch(isolation);
        Fill(_a);
        Assert.Equal(IsolationError.MemoryFull, Control.AllocateSegment(_b, out _));
        Assert.Equal(1UL, Control.SwapRequests);

        Responder responder = new(Control);
        Control.SwapResponder = responder;
        ulong segment = Allocate(_b);
        Assert.Equal(_a, responder.Asked);
        Assert.Equal(_b, Control.OwnerOf(segment));

        responder.Lies = true;
        Assert.Equal(IsolationError.MemoryFull, Control.AllocateSegment(_b, out _));
    }

    [Fact]
    public void P10_TheVmFurthestAboveItsShareIsAskedAndNeverTheAskerOrTheHypervisor()
    {
        Launch("asmi");
        _ = Control.CreateVm(out Vmid c);
        for (int i = 0; i < 70; i++)
        {
            _ = Allocate(_b); // MSEG is 63
        }

        Fill(_a);
        Responder responder = new(Control);
        Control.SwapResponder = responder;
        _ = Allocate(c);
        Assert.Equal(_a, responder.Asked);
        responder.Asked = default;
        Assert.Equal(IsolationError.MemoryFull, Control.AllocateSegment(_a, out _)); // it is itself the furthest above
        Assert.Equal(Vmid.None, responder.Asked);
    }

    [Theory]
    [InlineData("asmi:literal", true)]
    [InlineData("asmi:hardened", false)]
    public void G5_RemainsOfTheFormerOwner(string isolation, bool open)
    {
        Launch(isolation);
        _ = Allocate(_a);
        _ = Allocate(_b);
        ulong segment = Allocate(_a);
        _machine.Write64((segment << 12) + 512, 0x5EC2E7);
        Assert.Equal(IsolationError.None, Control.Release(_a, segment));
        Assert.Equal(segment, Allocate(_b));
        byte[] found = new byte[8];
        Assert.True(_machine.Unit.TryRead(_b, new Hpa((segment << 12) + 512), found));
        Assert.Equal(open ? 0x5EC2E7UL : 0UL, BitConverter.ToUInt64(found));
    }

    [Theory]
    [InlineData("asmi:literal", true)]
    [InlineData("asmi:hardened", false)]
    public void G6_VmclearWithoutRequestEndsTheVmOnlyUnderTheLiteralProfile(string isolation, bool ends)
    {
        Launch(isolation);
        Control.OnVmcsBound(_a);
        Control.OnVmcsBound(_a); // G7: two vCPUs, two VMCSs, one identity
        Assert.Equal(ends, Control.OnVmcsCleared(_a, destroyRequested: false));
        Assert.Equal(ends ? 2UL : 3UL, Control.Tot);
        if (!ends)
        {
            Assert.True(Control.OnVmcsCleared(_a, destroyRequested: true));
            Assert.Equal(3UL, Control.Tot); // one VMCS is still bound
            Assert.True(Control.OnVmcsCleared(_a, destroyRequested: true));
            Assert.Equal(2UL, Control.Tot);
        }
    }

    [Fact]
    public void G12_TransferNeedsTheOwnerAndALivingReceiverAndKeepsTheContent()
    {
        Launch("asmi");
        _ = Allocate(_a);
        _ = Allocate(_b);
        ulong segment = Allocate(_xen);
        _machine.Write64(segment << 12, 42);
        Assert.Equal(IsolationError.NotOwner, Control.Transfer(_a, segment, _a));
        Assert.Equal(IsolationError.NotOwner, Control.Transfer(_b, segment, _b));
        Assert.Equal(IsolationError.NoSuchObject, Control.Transfer(_xen, segment, new Vmid(99)));
        Assert.Equal(IsolationError.NoSuchObject, Control.Transfer(_xen, ulong.MaxValue, _b));
        Assert.Equal(IsolationError.NoSuchObject, Control.Release(_a, Control.SegmentCount));
        Assert.Equal(IsolationError.None, Control.Transfer(_xen, segment, _b));
        Assert.False(Reads(_xen, segment));
        Assert.True(Reads(_b, segment));
        Assert.Equal(42UL, _machine.Read64(segment << 12));
    }

    [Theory]
    [InlineData("asmi:literal", true)]
    [InlineData("asmi:hardened", false)]
    [InlineData("asmi:hardened+shared", false)]
    public void G18_WhatTheHypervisorSaysInAVmsNameIsNoConsent(string isolation, bool believed)
    {
        Launch(isolation);
        _ = Allocate(_a);
        ulong segment = Allocate(_a);
        Assert.Equal(believed ? IsolationError.None : IsolationError.NoConsent, Control.Transfer(_a, segment, _xen));
        Assert.Equal(believed, Reads(_xen, segment));
        Assert.NotEqual(IsolationError.None, Control.Share(_a, segment, _xen, SharePurpose.AbiPage));
        Assert.NotEqual(IsolationError.None, Control.Share(_a, segment, _xen, SharePurpose.Building));
        Assert.Equal(believed, Reads(_xen, segment));
    }

    [Fact]
    public void G18_WhatTheHypervisorTakesInAVmsNameIsScrubbedFirst()
    {
        Launch("asmi");
        _ = Allocate(_a);
        ulong segment = Allocate(_a);
        _machine.Write64(segment << 12, 42);
        Assert.Equal(IsolationError.None, Control.Release(_a, segment));
        Assert.Equal(segment, Allocate(_xen));
        Assert.Equal(0UL, _machine.Read64(segment << 12));
    }

    [Theory]
    [InlineData("asmi:literal", false, false)]
    [InlineData("asmi:hardened", true, false)]
    [InlineData("asmi:hardened+shared", true, true)]
    public void G12_G17_WhatMayBeShared(string isolation, bool abi, bool grant)
    {
        Launch(isolation);
        ulong segment = Allocate(_xen);
        Assert.Equal(abi ? IsolationError.None : IsolationError.NotSupported, Control.Share(_xen, segment, _a, SharePurpose.AbiPage));
        Assert.Equal(abi, Reads(_a, segment));
        Assert.Equal(grant ? IsolationError.None : IsolationError.NotSupported, Control.Share(_xen, segment, _b, SharePurpose.Grant));
        Assert.Equal(grant, Reads(_b, segment));
        Assert.True(Reads(_xen, segment));
    }

    [Fact]
    public void G17_OnlyTheOwnerSharesATransferKeepsTheSecondAndThereIsABound()
    {
        Launch("asmi");
        _ = Allocate(_a);
        _ = Allocate(_b);
        ulong segment = Allocate(_xen);
        Assert.Equal(IsolationError.NotOwner, Control.Share(_a, segment, _a, SharePurpose.AbiPage));
        Assert.Equal(IsolationError.NoSuchObject, Control.Share(_xen, segment, new Vmid(99), SharePurpose.AbiPage));
        Assert.Equal(IsolationError.None, Control.Share(_xen, segment, _a, SharePurpose.AbiPage));
        Assert.Equal(IsolationError.None, Control.Transfer(_xen, segment, _b));
        Assert.True(Reads(_a, segment));
        Assert.True(Reads(_b, segment));
        Assert.Equal(IsolationError.None, Control.Share(_b, segment, Vmid.None, SharePurpose.AbiPage));
        Assert.False(Reads(_a, segment));

        IsolationError last = IsolationError.None;
        int received = 0;
        for (; received < 200 && last == IsolationError.None; received++)
        {
            ulong next = Allocate(_xen);
            Assert.Equal(IsolationError.None, Control.Share(_xen, next, _xen, SharePurpose.AbiPage));
            last = Control.Transfer(_xen, next, _b);
        }

        Assert.Equal(ProMemControl.SharedSegmentLimit + 1, received);
        Assert.Equal(IsolationError.NotSupported, last);
    }

    [Fact]
    public void G14_WhateverTakesASegmentAwayRaisesTheGeneration()
    {
        Launch("asmi");
        _ = Allocate(_a);
        _ = Allocate(_b);
        ulong segment = Allocate(_xen);
        AssertRises(() => Control.Transfer(_xen, segment, _b));
        AssertRises(() => Control.Release(_b, segment));
        ulong shared = Allocate(_xen);
        _ = Control.Share(_xen, shared, _b, SharePurpose.AbiPage);
        AssertRises(() => Control.Share(_xen, shared, _a, SharePurpose.AbiPage));
        AssertRises(() => Control.Share(_xen, shared, Vmid.None, SharePurpose.AbiPage));
        AssertRises(() => Control.DestroyVm(_a));
    }

    [Fact]
    public void G16_IdentitiesAreNeverUsedAgainAndRunOutCleanly()
    {
        Launch("asmi");
        _ = Control.DestroyVm(_b);
        Assert.Equal(IsolationError.None, Control.CreateVm(out Vmid next));
        Assert.True(next.Value > _b.Value);
        Control.IdentityLimit = next.Value + 1;
        Assert.Equal(IsolationError.None, Control.CreateVm(out _));
        Assert.Equal(IsolationError.IdentitiesExhausted, Control.CreateVm(out Vmid none));
        Assert.Equal(Vmid.None, none);
    }

    [Fact]
    public void DeviceRegistersHaveNoOwner()
    {
        Launch("asmi");
        _machine.Bus.Attach(new Hpa(0x2_0000), 4096, new NullDevice());
        Assert.True(_machine.Unit.Judge(new PhysicalAccess(new Hpa(0x2_0000), AccessKind.Read, AccessOrigin.Datum, _a)).IsAllowed);
        Assert.True(_machine.Unit.Judge(new PhysicalAccess(new Hpa(0xFEE0_0000), AccessKind.Write, AccessOrigin.Datum, _a)).IsAllowed);
    }

    [Fact]
    public void CacheOptionCountsOnlyTheLookupsThatReachTheTable()
    {
        Launch("asmi:hardened+cache");
        _ = Allocate(_a);
        ulong segment = Allocate(_a);
        TranslationCounters before = _machine.Unit.Counters;
        Assert.True(Reads(_a, segment));
        Assert.True(Reads(_a, segment));
        Assert.True(Reads(_a, segment));
        Assert.Equal(3UL, _machine.Unit.Counters.Judged - before.Judged);
        Assert.Equal(1UL, _machine.Unit.Counters.Lookups - before.Lookups);
        _ = Control.Release(_a, segment);
        Assert.False(Reads(_a, segment)); // its entry has changed: the cache must not know it
        Assert.Equal(2UL, _machine.Unit.Counters.Lookups - before.Lookups);
    }

    private void Launch(string isolation)
    {
        _machine.Dispose();
        _machine = TestMachine.With(isolation, MemorySize);
        Assert.Equal(IsolationError.None, Control.RegisterHypervisor(0, 16, out _xen));
        Assert.Equal(IsolationError.None, Control.CreateVm(out _a));
        Assert.Equal(IsolationError.None, Control.CreateVm(out _b));
        Assert.True(_a != _b && _a != _xen && _b != _xen);
    }

    private ulong Allocate(Vmid asker)
    {
        Assert.Equal(IsolationError.None, Control.AllocateSegment(asker, out ulong segment));
        return segment;
    }

    private void Fill(Vmid asker)
    {
        while (Control.AllocateSegment(asker, out _) == IsolationError.None)
        {
        }
    }

    /// <summary>Judged away from the slot.</summary>
    private bool Reads(Vmid name, ulong segment) =>
        _machine.Unit.Judge(new PhysicalAccess(new Hpa((segment << 12) + 64), AccessKind.Read, AccessOrigin.Datum, name)).IsAllowed;

    private void AssertRises(Func<IsolationError> action)
    {
        ulong before = Control.Generation;
        Assert.Equal(IsolationError.None, action());
        Assert.True(Control.Generation > before);
    }

    /// <summary>Gives the victim's highest segment back, or says so without doing it.</summary>
    private sealed class Responder(IsolationControl control) : ISwapResponder
    {
        public Vmid Asked { get; set; }

        public bool Lies { get; set; }

        public bool FreeOneSegment(Vmid victim)
        {
            Asked = victim;
            for (ulong segment = control.SegmentCount; segment-- > 0 && !Lies;)
            {
                if (control.OwnerOf(segment) == victim)
                {
                    return control.Release(victim, segment) == IsolationError.None;
                }
            }

            return Lies;
        }
    }

    private sealed class NullDevice : IMmioDevice
    {
        public ulong Read(ulong offset, int sizeBytes) => 0;

        public void Write(ulong offset, int sizeBytes, ulong value)
        {
        }
    }
}
