using System;
using System.Collections.Generic;

using Xunit;

namespace Xenolith.Mmu.Tests;

/// <summary>
/// What the TLB keeps and what makes it forget. Each test maps a page, lets the TLB learn it, then changes the table entry behind its
/// back: as long as the TLB still answers with the old frame it has kept the translation, and an invalidation that should reach it
/// must bring the new frame to light; one that should not must leave the old one. A rule that drops too little or too much fails.
/// The random test does the same with many pages, spaces and operations, and compares with a fresh walk.
/// </summary>
public sealed unsafe class TlbTests : IDisposable
{
    private const ulong Page = 0x40_0000_7000;
    private const ulong Large = 0x40_0020_0000;
    private const ulong OldFrame = 0x8_0000;
    private const ulong NewFrame = 0x9_0000;

    private readonly TestMachine _machine = TestMachine.With("none", memorySize: 64 << 20);
    private readonly Tlb _tlb;
    private ulong _entry;

    public TlbTests()
    {
        for (int i = 0; i < 256; i++)
        {
            _ = _machine.NewFrame(); // tables lie above the frames that the tests map
        }

        _machine.UseLongMode(4);
        _machine.Context.Cr4 |= Cr4.PGE | Cr4.PCIDE;
        _tlb = new Tlb(_machine.Unit);
    }

    public void Dispose()
    {
        _tlb.Dispose();
        _machine.Dispose();
    }

    [Fact]
    public void SecondAccessNeedsNoWalkAndTheFastTableHasTheTags()
    {
        Learn(TestMachine.All);
        ulong walks = _machine.Unit.Counters.Walks;
        Assert.Equal(OldFrame, Frame());
        Assert.Equal(walks, _machine.Unit.Counters.Walks);
        Assert.Equal(1UL, _tlb.Counters.DataMisses);

        FastTlbEntry entry = _tlb.Table(AccessMode.Supervisor)[(Page >> 12) & 0xFFFF];
        Assert.Equal(Page, entry.ReadTag);
        Assert.Equal(Page, entry.WriteTag);
        Assert.Equal((ulong)(_machine.Host.Base + OldFrame), entry.ReadTag + (ulong)entry.Addend);
    }

    [Fact]
    public void WriteTagComesOnlyWithTheDirtyBit()
    {
        Learn(TestMachine.All & ~TestMachine.D);
        Assert.False(FastAllows(AccessKind.Write));
        Assert.True(FastAllows(AccessKind.Read));
        Assert.Equal(OldFrame, Frame(AccessKind.Write));
        Assert.True(FastAllows(AccessKind.Write));
        Assert.NotEqual(0UL, _machine.Read64(_entry) & TestMachine.D);
        Assert.Equal(2UL, _tlb.Counters.DataMisses);
    }

    [Fact]
    public void PageThatHoldsCodeLosesItsWriteTagAndGetsNone()
    {
        Learn(TestMachine.All);
        Mfn frame = new(OldFrame >> 12);
        _machine.Bus.MarkCode(frame);
        _tlb.DropWriteTags(frame);
        Assert.False(FastAllows(AccessKind.Write));
        Assert.True(FastAllows(AccessKind.Read));
        Assert.Equal(OldFrame, Frame(AccessKind.Write));
        Assert.False(FastAllows(AccessKind.Write));
        _machine.Bus.NoteWrite(new Hpa(OldFrame), 1);
        Assert.Equal(OldFrame, Frame(AccessKind.Write));
        Assert.True(FastAllows(AccessKind.Write));
    }

    [Fact]
    public void RightsAreAskedAnewWhenControlRegistersOrKeysChange()
    {
        // A user page with key 3, known to the TLB; SMAP and the key must stop the next access without any invalidation.
        Learn(TestMachine.All | (3UL << 59));
        _machine.Context.Cr4 |= Cr4.SMAP;
        _tlb.OnContextChange();
        Assert.Equal(TranslationStatus.PageFault, Status(AccessKind.Read, AccessMode.Supervisor));
        Assert.Equal(TranslationStatus.Ok, Status(AccessKind.Read, AccessMode.SupervisorAc));
        _machine.Context.Cr4 |= Cr4.PKE;
        _machine.Context.Pkru = 2U << 6; // WD of key 3
        _tlb.OnContextChange();
        Assert.Equal(TranslationStatus.Ok, Status(AccessKind.Read, AccessMode.User));
        Assert.Equal(TranslationStatus.PageFault, Status(AccessKind.Write, AccessMode.User));
    }

    [Fact]
    public void InvlpgForgetsThePageEvenWhenGlobal()
    {
        Learn(TestMachine.All | TestMachine.G);
        MoveBehindItsBack();
        Assert.Equal(OldFrame, Frame());
        _tlb.Invlpg(ref _machine.Context, new Gva(Page + 0x1000));
        Assert.Equal(OldFrame, Frame());
        _tlb.Invlpg(ref _machine.Context, new Gva(Page + 0x123));
        Assert.Equal(NewFrame, Frame());
    }

    [Fact]
    public void InvlpgForgetsAllPiecesOfALargePage()
    {
        _entry = _machine.Map(Large, 0x20_0000, 4, 2, TestMachine.All)[^1];
        Assert.Equal(0x20_0000UL, FrameAt(Large));
        Assert.Equal(0x20_5000UL, FrameAt(Large + 0x5000));
        _machine.Write64(_entry, 0x40_0000 | TestMachine.All | TestMachine.PS);
        Assert.Equal(0x20_5000UL, FrameAt(Large + 0x5000));
        _tlb.Invlpg(ref _machine.Context, new Gva(Large + 0x1F_F000));
        Assert.Equal(0x40_0000UL, FrameAt(Large));
        Assert.Equal(0x40_5000UL, FrameAt(Large + 0x5000));
    }

    [Theory]
    [InlineData(false, false, true)] // MOV to CR3 forgets the new PCID's pages,
    [InlineData(false, true, false)] // but keeps the globals,
    [InlineData(true, false, false)] // and everything with bit 63 set
    public void Cr3LoadForgetsOnePcid(bool keepBit, bool global, bool forgotten)
    {
        Learn(TestMachine.All | (global ? TestMachine.G : 0));
        MoveBehindItsBack();
        _tlb.OnCr3Load(ref _machine.Context, _machine.Context.Cr3 | (keepBit ? Cr3.KeepTranslations : 0));
        Assert.Equal(forgotten ? NewFrame : OldFrame, Frame());
    }

    [Fact]
    public void PcidsHaveTranslationsOfTheirOwnButShareGlobals()
    {
        Learn(TestMachine.All);
        MoveBehindItsBack();
        SwitchPcid(5);
        Assert.Equal(NewFrame, Frame());
        SwitchPcid(0);
        Assert.Equal(OldFrame, Frame());

        _ = _machine.Map(Page + 0x1000, OldFrame, 4, 1, TestMachine.All | TestMachine.G);
        Assert.Equal(OldFrame, FrameAt(Page + 0x1000));
        _ = _machine.Map(Page + 0x1000, NewFrame, 4, 1, TestMachine.All | TestMachine.G);
        SwitchPcid(5);
        Assert.Equal(OldFrame, FrameAt(Page + 0x1000));
    }

    [Theory]
    [InlineData(InvpcidType.IndividualAddress, 0, false, true)]
    [InlineData(InvpcidType.IndividualAddress, 1, false, false)]
    [InlineData(InvpcidType.IndividualAddress, 0, true, false)]
    [InlineData(InvpcidType.SingleContext, 0, false, true)]
    [InlineData(InvpcidType.SingleContext, 1, false, false)]
    [InlineData(InvpcidType.SingleContext, 0, true, false)]
    [InlineData(InvpcidType.AllContextsWithGlobals, 7, true, true)]
    [InlineData(InvpcidType.AllContexts, 7, true, false)]
    [InlineData(InvpcidType.AllContexts, 7, false, true)]
    public void InvpcidTypes(InvpcidType type, int pcid, bool global, bool forgotten)
    {
        Learn(TestMachine.All | (global ? TestMachine.G : 0));
        MoveBehindItsBack();
        _tlb.Invpcid(ref _machine.Context, type, (ushort)pcid, new Gva(Page));
        Assert.Equal(forgotten ? NewFrame : OldFrame, Frame());
    }

    [Theory]
    [InlineData(Cr4.PGE, 0UL, true)]
    [InlineData(0UL, Cr4.SMEP, true)]
    [InlineData(Cr4.SMEP, 0UL, false)]
    [InlineData(Cr4.PCIDE, 0UL, true)]
    [InlineData(0UL, Cr4.PKE, false)]
    public void Cr4ChangesThatForgetEverything(ulong cleared, ulong set, bool forgotten)
    {
        _machine.Context.Cr4 |= cleared;
        Learn(TestMachine.All | TestMachine.G);
        MoveBehindItsBack();
        ulong old = _machine.Context.Cr4;
        _machine.Context.Cr4 = (old & ~cleared) | set;
        _tlb.OnCr4Change(ref _machine.Context, old);
        Assert.Equal(forgotten ? NewFrame : OldFrame, Frame());
    }

    [Fact]
    public void SwitchingPagingOffAndOnForgetsEverything()
    {
        Learn(TestMachine.All | TestMachine.G);
        MoveBehindItsBack();
        ulong on = _machine.Context.Cr0;
        _machine.Context.Cr0 &= ~Cr0.PG;
        _tlb.OnCr0Change(ref _machine.Context, on);
        Assert.Equal(TranslationStatus.Ok, Status(AccessKind.Read, AccessMode.Supervisor));
        _machine.Context.Cr0 = on;
        _tlb.OnCr0Change(ref _machine.Context, on & ~Cr0.PG);
        Assert.Equal(NewFrame, Frame());
    }

    [Theory]
    [InlineData(InvvpidType.IndividualAddress, 3, true, true)]
    [InlineData(InvvpidType.IndividualAddress, 4, false, false)]
    [InlineData(InvvpidType.SingleContext, 3, true, true)]
    [InlineData(InvvpidType.SingleContext, 4, true, false)]
    [InlineData(InvvpidType.SingleContextRetainingGlobals, 3, true, false)]
    [InlineData(InvvpidType.SingleContextRetainingGlobals, 3, false, true)]
    [InlineData(InvvpidType.AllContexts, 9, true, true)]
    public void InvvpidTypes(InvvpidType type, int vpid, bool global, bool forgotten)
    {
        _machine.Context.Vpid = 3;
        Learn(TestMachine.All | (global ? TestMachine.G : 0));
        MoveBehindItsBack();
        _tlb.Invvpid(type, (ushort)vpid, new Gva(Page));
        Assert.Equal(forgotten ? NewFrame : OldFrame, Frame());
    }

    [Fact]
    public void VmTransitionForgetsVpidZeroAndNothingElse()
    {
        Learn(TestMachine.All | TestMachine.G);
        MoveBehindItsBack();
        _tlb.OnVmTransition(vpidEnabled: true);
        _tlb.Refresh(ref _machine.Context);
        Assert.Equal(OldFrame, Frame());
        _machine.Context.Vpid = 3;
        Assert.Equal(NewFrame, Frame());
        _machine.Write64(_entry, OldFrame | TestMachine.All);
        _tlb.OnVmTransition(vpidEnabled: false);
        Assert.Equal(NewFrame, Frame());
        _machine.Context.Vpid = 0;
        _tlb.OnContextChange();
        _machine.Write64(_entry, (NewFrame + 0x1000) | TestMachine.All);
        Assert.Equal(NewFrame + 0x1000, Frame());
    }

    [Fact]
    public void InveptForgetsWhatWasMadeWithThatHierarchy()
    {
        _machine.UseIdentityEpt(4, 1);
        ulong first = _machine.Context.Eptp;
        Learn(TestMachine.All);
        _ = _machine.MapEpt(OldFrame, NewFrame, 1, TestMachine.EptRwx);
        Assert.Equal(OldFrame, Frame());
        _tlb.Invept(InveptType.SingleContext, first + 0x1000);
        Assert.Equal(OldFrame, Frame());
        _tlb.Invept(InveptType.SingleContext, first);
        Assert.Equal(NewFrame, Frame());
        _ = _machine.MapEpt(OldFrame, OldFrame, 1, TestMachine.EptRwx);
        _tlb.Invept(InveptType.AllContexts, 0);
        Assert.Equal(OldFrame, Frame());
    }

    [Fact]
    public void AnotherNameInVmidrSharesNothing()
    {
        Learn(TestMachine.All | TestMachine.G);
        MoveBehindItsBack();
        _machine.Context.Name = new Vmid(77);
        _tlb.Refresh(ref _machine.Context);
        Assert.Equal(NewFrame, Frame());
    }

    [Fact]
    public void ChangeOfOwnerIsAShootdown()
    {
        using TestMachine machine = TestMachine.With("asmi");
        IsolationControl control = machine.Unit.Control;
        _ = control.RegisterHypervisor(0, 16, out Vmid hypervisor);
        machine.Context.HypervisorName = hypervisor;
        _ = control.CreateVm(out Vmid vm);
        _ = control.AllocateSegment(vm, out _);
        _ = control.AllocateSegment(vm, out ulong segment);
        machine.Context.Name = vm;
        using Tlb tlb = new(machine.Unit);
        Assert.True(tlb.TryFill(ref machine.Context, new Gva(segment << 12), AccessKind.Read, AccessMode.Supervisor, out _, out _));
        Assert.Equal(IsolationError.None, control.Release(vm, segment));
        tlb.Refresh(ref machine.Context);
        Assert.Equal(FastTlbEntry.NoTag, tlb.Table(AccessMode.Supervisor)[segment].ReadTag);
        Assert.False(tlb.TryFill(ref machine.Context, new Gva(segment << 12), AccessKind.Read, AccessMode.Supervisor, out _, out TranslationStatus status));
        Assert.Equal(TranslationStatus.IsolationViolation, status);
        Assert.Equal(1UL, tlb.Counters.Shootdowns);
    }

    [Fact]
    public void FullFastTableIsUndoneCompletely()
    {
        // More fills than slots, refills and drops in between: the log must know each filled slot, and no slot twice.
        _machine.Context.Cr0 &= ~Cr0.PG;
        for (int round = 0; round < 3; round++)
        {
            for (ulong page = 0; page < 12_000; page++)
            {
                ulong gva = page * 7 % 16_000 << 12;
                _ = _tlb.TryFill(ref _machine.Context, new Gva(gva), AccessKind.Read, AccessMode.Supervisor, out _, out _);
                if (page % 5 == 0)
                {
                    _tlb.Invlpg(ref _machine.Context, new Gva(gva));
                }
            }

            _tlb.OnContextChange();
            ReadOnlySpan<ulong> all = new(_tlb.Table(AccessMode.Supervisor), 65536 * 4);
            for (int i = 0; i < all.Length; i += 4)
            {
                Assert.Equal(FastTlbEntry.NoTag, all[i] & all[i + 1] & all[i + 2]);
            }
        }
    }

    [Fact]
    public void SlotThatWasDroppedIsNotLoggedAgain()
    {
        // The log has room for each slot once: a slot logged twice would in the end be written past it.
        using FastTable table = new();
        for (int i = 0; i < 1000; i++)
        {
            table.Take(new Gva(Page)).ReadTag = Page;
            table.Take(new Gva(Page + 0x1000)).WriteTag = Page + 0x1000;
            table.Drop(new Gva(Page));
            table.DropWriteTags((byte*)(Page + 0x1000) + table.Take(new Gva(Page + 0x1000)).Addend);
        }

        Assert.Equal(2, table.FilledCount);
        table.Undo();
        Assert.Equal(0, table.FilledCount);
        Assert.Equal(FastTlbEntry.NoTag, table.Entries[(Page >> 12) & 0xFFFF].ReadTag);
    }

    [Fact]
    public void RandomOperationsNeverLeaveAStaleTranslation()
    {
        Random random = new(20);
        List<(ulong Gva, ulong Entry, bool Global)> pages = [];
        for (ulong i = 0; i < 64; i++)
        {
            ulong gva = Page + (i * 0x1000 * (i % 3 == 0 ? 1024UL : 1));
            bool global = i % 4 == 0;
            pages.Add((gva, _machine.Map(gva, i << 12, 4, 1, TestMachine.All | (global ? TestMachine.G : 0))[^1], global));
        }

        for (int i = 0; i < 60_000; i++)
        {
            (ulong gva, ulong entry, bool global) = pages[random.Next(pages.Count)];
            if (random.Next(40) == 0)
            {
                _machine.Write64(entry, ((ulong)random.Next(256) << 12) | (_machine.Read64(entry) & 0xFFF));
                Invalidate(random, gva, global);
            }

            AccessKind kind = (AccessKind)random.Next(3);
            bool hit = _tlb.TryFill(ref _machine.Context, new Gva(gva), kind, AccessMode.User, out Translation cached, out _);
            Assert.Equal(TranslationStatus.Ok, _machine.Translate(gva, kind, AccessMode.User, out Translation fresh));
            Assert.True(hit);
            Assert.Equal(fresh.Hpa, cached.Hpa);
            Assert.Equal(fresh.Gpa, cached.Gpa);
            FastTlbEntry fast = _tlb.Table(AccessMode.User)[(gva >> 12) & 0xFFFF];
            if (fast.ReadTag == gva)
            {
                Assert.Equal((ulong)(_machine.Host.Base + fresh.Hpa.Value), gva + (ulong)fast.Addend);
            }
        }

        Assert.True(_tlb.Counters.SecondLevelHits > 10_000);
    }

    /// <summary>One of the ways to make the TLB forget a page that has just been changed.</summary>
    private void Invalidate(Random random, ulong gva, bool global)
    {
        switch (random.Next(global ? 3 : 5))
        {
            case 0:
                _tlb.Invlpg(ref _machine.Context, new Gva(gva));
                break;
            case 1:
                _tlb.Invpcid(ref _machine.Context, InvpcidType.AllContextsWithGlobals, 0, default);
                break;
            case 2:
                _tlb.Invvpid(InvvpidType.SingleContext, 0, default);
                break;
            case 3:
                _tlb.OnCr3Load(ref _machine.Context, _machine.Context.Cr3);
                break;
            default:
                _tlb.Invpcid(ref _machine.Context, InvpcidType.IndividualAddress, 0, new Gva(gva));
                break;
        }
    }

    private void Learn(ulong flags)
    {
        _entry = _machine.Map(Page, OldFrame, 4, 1, flags)[^1];
        Assert.Equal(OldFrame, Frame());
    }

    private void MoveBehindItsBack() => _machine.Write64(_entry, NewFrame | (_machine.Read64(_entry) & ~0x000F_FFFF_FFFF_F000UL));

    private void SwitchPcid(ulong pcid)
    {
        _machine.Context.Cr3 = (_machine.Context.Cr3 & ~0xFFFUL) | pcid;
        _tlb.OnCr3Load(ref _machine.Context, _machine.Context.Cr3 | Cr3.KeepTranslations);
    }

    private ulong Frame(AccessKind kind = AccessKind.Read) => FrameAt(Page, kind);

    private ulong FrameAt(ulong gva, AccessKind kind = AccessKind.Read)
    {
        Assert.True(_tlb.TryFill(ref _machine.Context, new Gva(gva), kind, AccessMode.Supervisor, out Translation translation, out _));
        return translation.Hpa.Value & ~0xFFFUL;
    }

    private TranslationStatus Status(AccessKind kind, AccessMode mode)
    {
        ulong gva = (_machine.Context.Cr0 & Cr0.PG) != 0 ? Page : 0x1000;
        _ = _tlb.TryFill(ref _machine.Context, new Gva(gva), kind, mode, out _, out TranslationStatus status);
        return status;
    }

    private bool FastAllows(AccessKind kind)
    {
        FastTlbEntry entry = _tlb.Table(AccessMode.Supervisor)[(Page >> 12) & 0xFFFF];
        return (kind == AccessKind.Write ? entry.WriteTag : entry.ReadTag) == Page;
    }
}
