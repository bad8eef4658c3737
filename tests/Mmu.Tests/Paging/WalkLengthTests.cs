using Xunit;

namespace Xenolith.Mmu.Tests;

/// <summary>
/// The counting rule. A walk of g guest levels under n EPT levels makes (g + 1)(n + 1) - 1 references to paging structures, and one
/// more judged access for the datum. Each case builds real tables of that shape, with all accessed and dirty bits set, and compares
/// counters, record and steps. A walker that judges a reference twice, or not at all, or reads one too many, fails here.
/// </summary>
public class WalkLengthTests
{
    private const ulong Gva = 0x12_3440_7000;

    [Theory]
    [InlineData(4, 1, 4, 1, 24)] // 4 + 4
    [InlineData(5, 1, 5, 1, 35)] // 5 + 5
    [InlineData(4, 2, 4, 1, 19)] // 3 + 4: a 2-MByte page under 4-KByte EPT pages
    [InlineData(4, 2, 4, 2, 15)] // 3 + 3
    [InlineData(4, 3, 4, 3, 8)] // 2 + 2: 1-GByte pages in both
    [InlineData(5, 1, 4, 1, 29)]
    [InlineData(4, 1, 5, 1, 29)]
    [InlineData(5, 2, 4, 2, 19)]
    public void NestedWalkHasExactlyTheReferencesOfTheRule(int guestLevels, int guestLeaf, int eptLevels, int eptLeaf, int expected)
    {
        using TestMachine machine = TestMachine.WithScript([], recording: true);
        machine.UseLongMode(guestLevels);
        _ = machine.Map(Gva, 0, guestLevels, guestLeaf, TestMachine.All);
        machine.UseIdentityEpt(eptLevels, eptLeaf);

        Assert.Equal(TranslationStatus.Ok, machine.Translate(Gva, AccessKind.Write, AccessMode.User, out _));

        int g = guestLevels - guestLeaf + 1;
        int n = eptLevels - eptLeaf + 1;
        Assert.Equal(((g + 1) * (n + 1)) - 1, expected);
        AssertCounts(machine, expected, g);
    }

    [Theory]
    [InlineData(4)]
    [InlineData(5)]
    public void WithoutEptAWalkHasOneReferencePerLevel(int levels)
    {
        using TestMachine machine = TestMachine.WithScript([], recording: true);
        machine.UseLongMode(levels);
        _ = machine.Map(Gva, 0, levels, 1, TestMachine.All);

        Assert.Equal(TranslationStatus.Ok, machine.Translate(Gva, AccessKind.Read, AccessMode.User, out _));
        AssertCounts(machine, levels, levels);
    }

    [Fact]
    public void PaeWalkAndItsPdpteLoadTogetherMakeNineteen()
    {
        // 3 + 4 levels. PDPTEs live in registers: the walk itself has 2 + 4 levels (14 references), and the MOV to CR3 that loaded
        // them made the other five, one for the 32 bytes of PDPTEs and four for their EPT walk.
        using TestMachine machine = TestMachine.WithScript([], recording: true);
        machine.Context.Cr0 = Cr0.PG | 1;
        machine.Context.Cr4 = Cr4.PAE;
        machine.Context.Cr3 = machine.NewFrame() + 0x20;
        ulong directory = machine.NewFrame();
        machine.Write64(machine.Context.Cr3, directory | TestMachine.P);
        _ = machine.Map(0x7000, 0x3000, 2, 1, TestMachine.All, directory);
        machine.UseIdentityEpt(4, 1);

        Assert.Equal(TranslationStatus.Ok, machine.Unit.LoadPdptes(ref machine.Context, machine.Context.Cr3, out bool reserved, out _));
        Assert.False(reserved);
        Assert.Equal(5UL, machine.Unit.Counters.References);
        Assert.Equal(TranslationStatus.Ok, machine.Translate(0x7123, AccessKind.Read, AccessMode.User, out Translation translation));
        Assert.Equal(0x3123UL, translation.Hpa.Value);
        Assert.Equal(19UL, machine.Unit.Counters.References);
        Assert.Equal(20UL, machine.Unit.Counters.Judged);
    }

    [Fact]
    public void TwoLevelWalkUnderTwoEptLevelsMakesEight()
    {
        // 32-bit paging has two levels; EPT of 1-GByte pages too.
        using TestMachine machine = TestMachine.WithScript([], recording: true);
        machine.Context.Cr0 = Cr0.PG | 1;
        machine.Context.Cr3 = machine.NewFrame();
        ulong table = machine.NewFrame();
        machine.Write32(machine.Context.Cr3 + (4 * 3), (uint)(table | TestMachine.All));
        machine.Write32(table + (4 * 5), (uint)(0x8000 | TestMachine.All));
        machine.UseIdentityEpt(4, 3);

        Assert.Equal(TranslationStatus.Ok, machine.Translate(0x00C0_5678, AccessKind.Read, AccessMode.User, out Translation translation));
        Assert.Equal(0x8678UL, translation.Hpa.Value);
        AssertCounts(machine, 8, 2);
    }

    [Fact]
    public void UpdatesOfAccessedAndDirtyBitsAreJudgedButAreNoReferences()
    {
        using TestMachine machine = TestMachine.WithScript([], recording: true);
        machine.UseLongMode(4);
        ulong[] entries = machine.Map(Gva, 0, 4, 1, TestMachine.P | TestMachine.RW | TestMachine.US);
        foreach (ulong entry in entries)
        {
            machine.Write64(entry, machine.Read64(entry) & ~(TestMachine.A | TestMachine.D));
        }

        Assert.Equal(TranslationStatus.Ok, machine.Translate(Gva, AccessKind.Write, AccessMode.User, out _));
        Assert.Equal(4UL, machine.Unit.Counters.References);
        Assert.Equal(4UL, machine.Unit.Counters.Updates);
        Assert.Equal(9UL, machine.Unit.Counters.Judged);
        Assert.Equal(4, machine.Records[0].Updates);
        Assert.Equal(4, machine.Records[0].References);
        for (int i = 0; i < 4; i++)
        {
            Assert.Equal(i == 3 ? TestMachine.A | TestMachine.D : TestMachine.A, machine.Read64(entries[i]) & (TestMachine.A | TestMachine.D));
        }
    }

    [Fact]
    public void SelfMappedEntryGetsItsBitsAtAllLevelsItServes()
    {
        // One PML4 entry that points to its own table serves as PML4E, PDPTE, PDE and PTE of one address.
        using TestMachine machine = TestMachine.WithScript([], recording: true);
        machine.UseLongMode(4);
        ulong top = machine.Context.Cr3;
        machine.Write64(top + (8 * 5), top | TestMachine.P | TestMachine.RW | TestMachine.US);
        ulong gva = (5UL << 39) | (5UL << 30) | (5UL << 21) | (5UL << 12);

        Assert.Equal(TranslationStatus.Ok, machine.Translate(gva, AccessKind.Write, AccessMode.User, out Translation translation));
        Assert.Equal(top, translation.Hpa.Value);
        Assert.Equal(top | TestMachine.All, machine.Read64(top + (8 * 5)));
    }

    private static void AssertCounts(TestMachine machine, int references, int guestReferences)
    {
        TranslationCounters counters = machine.Unit.Counters;
        Assert.Equal((ulong)references, counters.References);
        Assert.Equal((ulong)guestReferences, counters.GuestReferences);
        Assert.Equal((ulong)references + 1, counters.Judged);
        Assert.Equal((ulong)references + 1, counters.Lookups); // the scripted unit makes one look-up per judgement
        Assert.Equal(0UL, counters.Updates);

        (TranslationStatus status, int recorded, int updates, TranslationStep[] steps, _) = Assert.Single(machine.Records);
        Assert.Equal(TranslationStatus.Ok, status);
        Assert.Equal(references, recorded);
        Assert.Equal(0, updates);
        Assert.Equal(references + 1, steps.Length);
        Assert.Equal(WalkStage.Datum, steps[^1].Stage);
        Assert.All(steps, step => Assert.Equal(step.Stage == WalkStage.Ept ? ScriptedUnit.Hypervisor : ScriptedUnit.Guest, step.Name));
    }
}
