using System.Collections.Generic;
using System.Linq;

using Xunit;

namespace Xenolith.Machine.Tests;

// Method: a local APIC alone, driven through its page and its MSRs by the rules of the manual. An interrupt out of the order of
// priorities, an EOI that ends the wrong one, a reserved bit that is accepted, or a message at the wrong destination makes it fail.
public sealed class LocalApicTests
{
    private const uint Tpr = 0x80;
    private const uint Ppr = 0xA0;
    private const uint Eoi = 0xB0;
    private const uint Ldr = 0xD0;
    private const uint Dfr = 0xE0;
    private const uint Svr = 0xF0;
    private const uint Isr = 0x100;
    private const uint Tmr = 0x180;
    private const uint Irr = 0x200;
    private const uint Esr = 0x280;
    private const uint Icr = 0x300;
    private const uint IcrHigh = 0x310;
    private const uint LvtLint0 = 0x350;
    private const uint LvtError = 0x370;
    private const uint SelfFixed = 1 << 18;
    private const uint MsrBase = 0x1B;

    private readonly TestClock _clock = new();
    private readonly TestApicOwner _apic;

    public LocalApicTests()
    {
        _apic = new TestApicOwner(_clock);
        _apic[Svr] = 0x1FF;
    }

    [Fact]
    public void ResetState()
    {
        TestApicOwner fresh = new(_clock, 3);
        Assert.Equal((3u << 24, 0x0105_0014u, 0xFFu, 0xFFFF_FFFFu), (fresh[0x20], fresh[0x30], fresh[Svr], fresh[Dfr]));
        Assert.Equal(0xFEE0_0800UL, fresh.Msr(MsrBase));
        Assert.Equal(0xFEE0_0900UL, _apic.Msr(MsrBase)); // the bootstrap processor
        for (uint lvt = 0x320; lvt <= LvtError; lvt += 0x10)
        {
            Assert.Equal(0x1_0000u, fresh[lvt]);
            fresh[lvt] = 0x40;
            Assert.Equal(0x1_0040u, fresh[lvt]); // masked while software has it disabled
        }
    }

    [Fact]
    public void PrioritiesNestAndEoiEndsTheHighest()
    {
        _apic[Icr] = SelfFixed | 0x45;
        Assert.Equal(0x45, _apic.Take());
        _apic[Icr] = SelfFixed | 0x4F; // the same class waits
        _apic[Icr] = SelfFixed | 0x61;
        Assert.Equal((0x61, 0x60u), (_apic.Take(), _apic[Ppr]));
        Assert.Equal(-2, _apic.Take());
        Assert.Equal((1u << 5, 1u << 1), (_apic[Isr + 0x20], _apic[Isr + 0x30]));
        Assert.Equal(1u << 15, _apic[Irr + 0x20]);
        _apic[Eoi] = 0;
        Assert.Equal((-2, 0x40u), (_apic.Take(), _apic[Ppr]));
        _apic[Eoi] = 0;
        Assert.Equal(0x4F, _apic.Take());
    }

    [Fact]
    public void TaskPriorityHoldsBack()
    {
        _apic[Tpr] = 0x53;
        _apic[Icr] = SelfFixed | 0x5F;
        Assert.Equal((-2, 0x53u, 5UL), (_apic.Take(), _apic[Ppr], _apic.Apic.TaskPriorityClass));
        _apic.Apic.TaskPriorityClass = 4;
        Assert.Equal((0x40u, 0x5F), (_apic[Tpr], _apic.Take()));
        Assert.Equal(0x50u, _apic[Ppr]);
    }

    [Fact]
    public void ASecondRequestOfOneVectorWaitsBehindTheFirst()
    {
        _apic[Icr] = SelfFixed | 0x30;
        _ = _apic.Take();
        _apic[Icr] = SelfFixed | 0x30;
        _apic[Icr] = SelfFixed | 0x30; // a third is lost
        Assert.Equal(-2, _apic.Take());
        _apic[Eoi] = 0;
        Assert.Equal(0x30, _apic.Take());
        _apic[Eoi] = 0;
        Assert.Equal(-2, _apic.Take());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void LevelInterruptsTellTheIoApics(bool suppress)
    {
        _apic[Svr] = suppress ? 0x11FFu : 0x1FF;
        ApicMessage message = new(0x77, ApicDelivery.Fixed, 0, IsLevel: true);
        Assert.True(_apic.Bus.Deliver(in message));
        Assert.Equal((0x77, 1u << 0x17), (_apic.Take(), _apic[Tmr + 0x30]));
        _apic[Eoi] = 0;
        Assert.Equal(suppress ? [] : ["eoi 77"], _apic.Log);
        _apic[Icr] = SelfFixed | 0x77; // an edge clears the trigger mode again
        Assert.Equal((0x77, 0u), (_apic.Take(), _apic[Tmr + 0x30]));
        _apic[Eoi] = 0;
        Assert.Equal(suppress ? 0 : 1, _apic.Log.Count);
    }

    [Fact]
    public void IllegalVectorsAreErrors()
    {
        _apic[LvtError] = 0xFE;
        _apic[Icr] = SelfFixed | 0x0F;
        Assert.Equal((0u, 0xFE), (_apic[Esr], _apic.Take()));
        _apic[Eoi] = 0;
        _apic[Esr] = 0;
        Assert.Equal(1u << 5, _apic[Esr]); // what was found since the write before
        ApicMessage message = new(0x08, ApicDelivery.Fixed, 0);
        _ = _apic.Bus.Deliver(in message);
        _ = _apic[0x40]; // no register there
        _apic[Esr] = 0;
        Assert.Equal((1u << 6) | (1u << 7), _apic[Esr]);
        _apic[Esr] = 0;
        Assert.Equal(0u, _apic[Esr]);
    }

    [Fact]
    public void SoftwareDisabledItTakesSignalsOnly()
    {
        _apic[Icr] = SelfFixed | 0x40;
        _apic[LvtLint0] = 0x30;
        _apic[Svr] = 0xFF;
        Assert.Equal(0x1_0030u, _apic[LvtLint0]);
        _apic[Icr] = SelfFixed | 0x50;
        foreach (ApicDelivery delivery in (ApicDelivery[])[ApicDelivery.Nmi, ApicDelivery.Init, ApicDelivery.Startup])
        {
            ApicMessage message = new(0x12, delivery, 0);
            _ = _apic.Bus.Deliver(in message);
        }

        Assert.Equal(["nmi", "init", "startup 12"], _apic.Log);
        Assert.Equal(0x40, _apic.Take()); // what was held stays
        Assert.Equal(-2, _apic.Take());
    }

    [Fact]
    public void Lint0IsThe8259OrALevelOrAnNmi()
    {
        _apic[LvtLint0] = 0x700; // ExtINT
        _apic.Apic.SetLint(0, true);
        Assert.Equal(-1, _apic.Take());
        _apic.Apic.SetLint(0, false);
        Assert.Equal(-2, _apic.Take());
        _apic[LvtLint0] = 0x400;
        _apic.Apic.SetLint(0, true);
        _apic.Apic.SetLint(0, true);
        Assert.Equal(["nmi"], _apic.Log);
        _apic.Apic.SetLint(0, false);
        _apic[LvtLint0] = 0x8044; // level
        _apic.Apic.SetLint(0, true);
        Assert.Equal((0xC044u, 0x44), (_apic[LvtLint0], _apic.Take()));
        Assert.Equal(-2, _apic.Take());
        _apic[Eoi] = 0;
        Assert.Equal(0x44, _apic.Take()); // still there
        _apic.Apic.SetLint(0, false);
        _apic[Eoi] = 0;
        Assert.Equal((0x8044u, -2), (_apic[LvtLint0], _apic.Take()));
    }

    [Theory]
    [InlineData(0xC00UL, true)] // xAPIC to x2APIC
    [InlineData(0x800UL, true)]
    [InlineData(0x000UL, true)]
    [InlineData(0x400UL, false)] // extended but not enabled
    [InlineData(0x801UL, false)]
    [InlineData(0xA00UL, false)]
    [InlineData(0x4000_0000_0800UL, false)] // beyond the physical address width
    public void TransitionsFromXapic(ulong mode, bool allowed)
    {
        Assert.Equal(allowed, _apic.Apic.TryWriteMsr(MsrBase, 0xFEE0_0000 | mode));
        Assert.Equal(allowed ? 0xFEE0_0000 | mode : 0xFEE0_0900, _apic.Apic.Base);
    }

    [Fact]
    public void TransitionsFromX2ApicAndDisabled()
    {
        Assert.True(_apic.Apic.TryWriteMsr(MsrBase, 0xFEE0_0D00));
        Assert.False(_apic.Apic.TryWriteMsr(MsrBase, 0xFEE0_0900)); // back to xAPIC only by way of disabled
        Assert.Equal(uint.MaxValue, _apic[0x30]);
        Assert.True(_apic.Apic.TryWriteMsr(MsrBase, 0xFEE0_0100));
        Assert.Equal((uint.MaxValue, (ulong?)null), (_apic[0x30], _apic.Msr(0x803)));
        Assert.False(_apic.Apic.TryWriteMsr(MsrBase, 0xFEE0_0D00));
        Assert.True(_apic.Apic.TryWriteMsr(MsrBase, 0xFEE0_0900));
        Assert.Equal(0xFFu, _apic[Svr]); // it comes back as from power-up
    }

    [Fact]
    public void X2ApicRegisters()
    {
        TestApicOwner x2 = new(_clock, 0x25);
        Assert.True(x2.Apic.TryWriteMsr(MsrBase, 0xFEE0_0C00));
        Assert.Equal((0x25UL, (2UL << 16) | (1 << 5)), (x2.Msr(0x802), x2.Msr(0x80D)));
        uint[] readable =
        [
            0x802, 0x803, 0x808, 0x80A, 0x80D, 0x80F, .. Enumerable.Range(0x810, 24).Select(n => (uint)n), 0x828, 0x830,
            .. Enumerable.Range(0x832, 8).Select(n => (uint)n), 0x83E,
        ];
        for (uint msr = 0x800; msr < 0x900; msr++)
        {
            Assert.True(readable.Contains(msr) == x2.Msr(msr).HasValue, $"read {msr:x}");
        }

        uint[] writable = [0x808, 0x80B, 0x80F, 0x828, 0x830, 0x832, 0x833, 0x834, 0x835, 0x836, 0x837, 0x838, 0x83E, 0x83F];
        for (uint msr = 0x800; msr < 0x900; msr++)
        {
            ulong value = msr is 0x83F or 0x830 ? 0x40UL : 0;
            Assert.True(writable.Contains(msr) == x2.Apic.TryWriteMsr(msr, value), $"write {msr:x}");
        }
    }

    [Theory]
    [InlineData(0x808u, 0x100UL)]
    [InlineData(0x80Bu, 1UL)]
    [InlineData(0x80Fu, 0x200UL)]
    [InlineData(0x828u, 1UL)]
    [InlineData(0x830u, 0x2000UL)]
    [InlineData(0x830u, 0x1_0000UL)]
    [InlineData(0x830u, 0x10_0000UL)]
    [InlineData(0x832u, 0x100UL)]
    [InlineData(0x835u, 0x2_0000UL)]
    [InlineData(0x837u, 0x100UL)]
    [InlineData(0x838u, 0x1_0000_0000UL)]
    [InlineData(0x83Eu, 4UL)]
    [InlineData(0x83Fu, 0x100UL)]
    public void ReservedBitsOfX2ApicRegistersFault(uint msr, ulong value)
    {
        Assert.True(_apic.Apic.TryWriteMsr(MsrBase, 0xFEE0_0D00));
        Assert.False(_apic.Apic.TryWriteMsr(msr, value));
    }

    [Fact]
    public void SelfIpi()
    {
        Assert.True(_apic.Apic.TryWriteMsr(MsrBase, 0xFEE0_0D00));
        Assert.True(_apic.Apic.TryWriteMsr(0x83F, 0x41));
        Assert.True(_apic.Apic.TryWriteMsr(0x83F, 0x51));
        Assert.Equal((0x51, -2), (_apic.Take(), _apic.Take()));
        Assert.True(_apic.Apic.TryWriteMsr(0x80B, 0));
        Assert.Equal(0x41, _apic.Take());
        Assert.True(_apic.Apic.TryWriteMsr(0x83F, 5));
        Assert.True(_apic.Apic.TryWriteMsr(0x828, 0));
        Assert.Equal(1UL << 5, _apic.Msr(0x828));
    }

    public static TheoryData<uint, uint, bool, string> Destinations => new()
    {
        { 0, 2, false, "2" }, // physical
        { 0, 9, false, "" },
        { 0, 0xFF, false, "0123" },
        { 0x800, 0x06, true, "12" }, // logical, flat: LDRs 1, 2, 4, 8
        { 0x800, 0xF0, true, "" },
        { 0x800, 0xFF, true, "0123" },
        { 0x4_0000, 0, false, "0" }, // shorthands
        { 0x8_0000, 0, false, "0123" },
        { 0xC_0000, 0, false, "123" },
    };

    [Theory]
    [MemberData(nameof(Destinations))]
    public void XapicDestinations(uint icr, uint destination, bool isLogical, string expected)
    {
        List<TestApicOwner> apics = Four();
        foreach (TestApicOwner apic in apics)
        {
            apic[Ldr] = 1u << (24 + (int)apic.Apic.Id);
        }

        Assert.Equal(isLogical, (icr & 0x800) != 0);
        apics[0][IcrHigh] = destination << 24;
        apics[0][Icr] = icr | 0x40;
        Assert.Equal(expected, WhoGot(apics, 0x40));
    }

    [Theory]
    [InlineData(0x11u, "0")]
    [InlineData(0x23u, "23")]
    [InlineData(0x31u, "")]
    [InlineData(0xFFu, "0123")]
    public void ClusterDestinations(uint destination, string expected)
    {
        List<TestApicOwner> apics = Four();
        uint[] logical = [0x11, 0x12, 0x21, 0x22];
        foreach (TestApicOwner apic in apics)
        {
            apic[Dfr] = 0x0FFF_FFFF;
            apic[Ldr] = logical[apic.Apic.Id] << 24;
        }

        apics[0][IcrHigh] = destination << 24;
        apics[0][Icr] = 0x840;
        Assert.Equal(expected, WhoGot(apics, 0x40));
    }

    [Theory]
    [InlineData(0UL, 2u, "2")]
    [InlineData(0UL, 0xFFu, "")] // eight ones are nobody special here
    [InlineData(0UL, 0xFFFF_FFFFu, "0123")]
    [InlineData(0x800UL, 0x0000_000Au, "13")]
    [InlineData(0x800UL, 0x0001_000Au, "")]
    [InlineData(0x800UL, 0xFFFF_FFFFu, "0123")]
    public void X2ApicDestinations(ulong icr, uint destination, string expected)
    {
        List<TestApicOwner> apics = Four();
        apics.ForEach(apic => Assert.True(apic.Apic.TryWriteMsr(MsrBase, apic.Apic.Base | 0x400)));
        Assert.True(apics[0].Apic.TryWriteMsr(0x830, icr | 0x40 | ((ulong)destination << 32)));
        Assert.Equal(icr | 0x40 | ((ulong)destination << 32), apics[0].Msr(0x830));
        Assert.Equal(expected, WhoGot(apics, 0x40));
    }

    [Fact]
    public void LowestPriorityGoesToTheIdlest()
    {
        List<TestApicOwner> apics = Four();
        apics[0][Tpr] = 0x20;
        apics[1][Tpr] = 0x10;
        apics[2][Tpr] = 0x10;
        apics[3][Tpr] = 0x30;
        ApicMessage message = new(0x91, ApicDelivery.LowestPriority, 0xFF);
        Assert.True(apics[0].Bus.Deliver(in message));
        Assert.Equal("1", WhoGot(apics, 0x91));
        Assert.True(apics[0].Bus.Deliver(in message));
        Assert.Equal("2", WhoGot(apics, 0x91)); // the first has one in service, or it is the other's turn
    }

    [Fact]
    public void SignalsGoAsTheyAre()
    {
        List<TestApicOwner> apics = Four();
        apics[0][IcrHigh] = 1 << 24;
        apics[0][Icr] = 0x4500; // INIT, assert
        apics[0][Icr] = 0x8500; // INIT, level de-assert: nothing
        apics[0][Icr] = 0x4608; // startup
        apics[0][Icr] = 0x4400; // NMI
        Assert.Equal(["init", "startup 08", "nmi"], apics[1].Log);
        Assert.Empty(apics[2].Log);
    }

    [Fact]
    public void InitKeepsIdAndBase()
    {
        _apic[0x20] = 7u << 24;
        _apic[Tpr] = 0x20;
        _apic[Icr] = SelfFixed | 0x40;
        _apic.Apic.Init();
        Assert.Equal((7u, 0u, 0xFFu, 0u), (_apic.Apic.Id, _apic[Tpr], _apic[Svr], _apic[Irr + 0x20]));
        Assert.Equal(0xFEE0_0900UL, _apic.Apic.Base);
    }

    private List<TestApicOwner> Four()
    {
        ApicBus bus = new();
        List<TestApicOwner> apics = [.. Enumerable.Range(0, 4).Select(n => new TestApicOwner(_clock, (uint)n, bus))];
        apics.ForEach(apic => apic[Svr] = 0x1FF);
        return apics;
    }

    private static string WhoGot(List<TestApicOwner> apics, int vector) =>
        string.Concat(apics.Where(apic => apic.Take() == vector).Select(apic => apic.Apic.InitialId));
}
