using System;

using Xunit;

namespace Xenolith.Mmu.Tests;

/// <summary>
/// The walker against a second implementation written from the manual (tests/Oracle/Paging), on real tables in emulated memory. The
/// rights tests go through every combination of the bits that decide about access; the single-bit tests set each bit of each entry;
/// the random tests mix everything, EPT and isolation verdicts too. Status, error code, exit qualification, addresses, counts and
/// written accessed and dirty bits must all be equal. Any rule that one of the two has and the other has not fails here.
/// </summary>
public class WalkOracleTests
{
    private const ulong Gva = 0x1234_5678;

    /// <summary>A paging mode with tables for one page, and the addresses of the entries on the way to it, top first.</summary>
    private sealed record Scene(TestMachine Machine, ulong[] Entries, int EntrySize, ulong Gva)
    {
        public ulong Read(int index) => EntrySize == 4 ? Machine.Read32(Entries[index]) : Machine.Read64(Entries[index]);

        public void Write(int index, ulong value)
        {
            if (EntrySize == 4)
            {
                Machine.Write32(Entries[index], (uint)value);
            }
            else
            {
                Machine.Write64(Entries[index], value);
            }
        }
    }

    [Theory]
    [InlineData("32-bit", 1)]
    [InlineData("32-bit", 2)]
    [InlineData("PAE", 1)]
    [InlineData("PAE", 2)]
    [InlineData("4-level", 1)]
    [InlineData("4-level", 2)]
    [InlineData("4-level", 3)]
    [InlineData("5-level", 1)]
    public void EveryCombinationOfRightsIsJudgedAsTheManualSays(string mode, int leafLevel)
    {
        byte[] denied = [];
        Scene scene = Build(mode, leafLevel, denied);
        using TestMachine machine = scene.Machine;
        OracleComparison comparison = new(machine, denied);
        int leaf = scene.Entries.Length - 1;
        ulong leafBase = scene.Read(leaf) & ~(TestMachine.RW | TestMachine.US | TestMachine.A | TestMachine.D);
        ulong upperBase = scene.Read(0) & ~(TestMachine.RW | TestMachine.US | TestMachine.A);
        bool isWide = scene.EntrySize == 8;
        bool hasKeys = mode is "4-level" or "5-level";
        bool hasUpper = leaf > 0;

        // Leaf: RW, US, A, D, XD. Upper: RW, US, A, XD. Control: WP, SMEP, SMAP, NXE. Keys: off, and PKU+PKS with AD, WD.
        for (int bits = 0; bits < 1 << 13; bits++)
        {
            if ((!isWide && (bits & 0x110) != 0) || (!hasUpper && (bits & 0x1E0) != 0))
            {
                continue;
            }

            scene.Write(leaf, leafBase | Bits(bits, 0));
            if (hasUpper)
            {
                scene.Write(0, upperBase | Bits((bits >> 5) & 7, 0, hasDirty: false) | ((bits & 0x100) != 0 ? TestMachine.XD : 0));
            }

            SetControl(machine, bits >> 9);
            for (int key = 0; key < (hasKeys ? 5 : 1); key++)
            {
                SetKeys(machine, key);
                CompareAll(comparison, scene.Gva);
            }
        }

        Assert.True(comparison.Endings[0] > 100 && comparison.Endings[1] > 100, "both endings must occur");
    }

    [Theory]
    [InlineData("32-bit", 1)]
    [InlineData("32-bit", 2)]
    [InlineData("PAE", 1)]
    [InlineData("PAE", 2)]
    [InlineData("4-level", 1)]
    [InlineData("4-level", 2)]
    [InlineData("4-level", 3)]
    [InlineData("5-level", 1)]
    [InlineData("5-level", 2)]
    public void EverySingleBitOfEveryEntryMeansWhatTheManualSays(string mode, int leafLevel)
    {
        byte[] denied = [];
        Scene scene = Build(mode, leafLevel, denied);
        using TestMachine machine = scene.Machine;
        OracleComparison comparison = new(machine, denied);
        for (int index = 0; index < scene.Entries.Length; index++)
        {
            ulong value = scene.Read(index);
            for (int bit = 0; bit < 8 * scene.EntrySize; bit++)
            {
                scene.Write(index, value ^ (1UL << bit));
                foreach (byte addressBits in (byte[])[36, 39, 40, 46, 52])
                {
                    machine.Context.PhysicalAddressBits = addressBits;
                    for (int control = 0; control < 32; control++)
                    {
                        SetControl(machine, control);
                        machine.Context.Cr4 = (machine.Context.Cr4 & ~Cr4.PSE) | ((control & 16) != 0 ? Cr4.PSE : 0);
                        CompareAll(comparison, scene.Gva);
                    }
                }
            }

            scene.Write(index, value);
        }

        Assert.True(comparison.Endings[0] > 100 && comparison.Endings[1] > 100, "both endings must occur");
    }

    [Theory]
    [InlineData("none", 1)]
    [InlineData("32-bit", 1)]
    [InlineData("32-bit", 2)]
    [InlineData("PAE", 1)]
    [InlineData("4-level", 1)]
    [InlineData("4-level", 2)]
    [InlineData("5-level", 1)]
    public void RandomEntriesUnderEptAndIsolationEndAlike(string mode, int leafLevel)
    {
        byte[] denied = new byte[256];
        for (int round = 0; round < 400; round++)
        {
            Random random = new((round * 7919) + mode.Length + leafLevel);
            Array.Clear(denied);
            Scene scene = Build(mode, leafLevel, denied);
            using TestMachine machine = scene.Machine;
            OracleComparison comparison = new(machine, denied);
            ulong[] eptEntries = AddEpt(scene, random);
            for (int i = 0; i < 60; i++)
            {
                Disturb(scene, eptEntries, denied, random);
                CompareAll(comparison, scene.Gva);
            }
        }
    }

    [Fact]
    public void RandomCasesReachEveryEnding()
    {
        byte[] denied = new byte[256];
        int[] endings = new int[5];
        for (int round = 0; round < 40; round++)
        {
            Random random = new(round);
            Array.Clear(denied);
            Scene scene = Build("4-level", 1, denied);
            using TestMachine machine = scene.Machine;
            OracleComparison comparison = new(machine, denied);
            ulong[] eptEntries = AddEpt(scene, random);
            for (int i = 0; i < 30; i++)
            {
                Disturb(scene, eptEntries, denied, random);
                CompareAll(comparison, scene.Gva);
            }

            for (int i = 0; i < endings.Length; i++)
            {
                endings[i] += comparison.Endings[i];
            }
        }

        Assert.All(endings, count => Assert.True(count > 50));
    }

    private static ulong Bits(int bits, int shift, bool hasDirty = true)
    {
        bits >>= shift;
        ulong value = ((bits & 1) != 0 ? TestMachine.RW : 0) | ((bits & 2) != 0 ? TestMachine.US : 0) | ((bits & 4) != 0 ? TestMachine.A : 0);
        return hasDirty ? value | ((bits & 8) != 0 ? TestMachine.D : 0) | ((bits & 16) != 0 ? TestMachine.XD : 0) : value;
    }

    private static void SetControl(TestMachine machine, int bits)
    {
        ref PagingContext context = ref machine.Context;
        context.Cr0 = (context.Cr0 & ~Cr0.WP) | ((bits & 1) != 0 ? Cr0.WP : 0);
        context.Cr4 = (context.Cr4 & ~(Cr4.SMEP | Cr4.SMAP)) | ((bits & 2) != 0 ? Cr4.SMEP : 0) | ((bits & 4) != 0 ? Cr4.SMAP : 0);
        context.Efer = (context.Efer & ~Efer.NXE) | ((bits & 8) != 0 ? Efer.NXE : 0);
    }

    /// <summary>0: keys off; 1-4: on, with AD and WD of key 0 from two bits, for users and, inverted, for supervisors.</summary>
    private static void SetKeys(TestMachine machine, int key)
    {
        machine.Context.Cr4 &= ~(Cr4.PKE | Cr4.PKS);
        machine.Context.Cr4 |= key == 0 ? 0 : Cr4.PKE | Cr4.PKS;
        machine.Context.Pkru = (uint)(key - 1) & 3;
        machine.Context.Pkrs = ~(uint)(key - 1) & 3;
    }

    private static void CompareAll(OracleComparison comparison, ulong gva)
    {
        for (int kind = 0; kind < 3; kind++)
        {
            for (int mode = 0; mode < 3; mode++)
            {
                comparison.Compare(gva, (AccessKind)kind, (AccessMode)mode);
            }
        }
    }

    private static Scene Build(string mode, int leafLevel, byte[] denied)
    {
        TestMachine machine = TestMachine.WithScript(denied);
        ref PagingContext context = ref machine.Context;
        context.Cr0 = Cr0.PG | 1;
        switch (mode)
        {
            case "none":
                context.Cr0 = 1;
                return new Scene(machine, [], 8, 0x2_3456);
            case "32-bit":
                context.Cr3 = machine.NewFrame();
                context.Cr4 = Cr4.PSE;
                ulong pde = context.Cr3 + ((Gva >> 22) * 4);
                if (leafLevel == 2)
                {
                    machine.Write32(pde, (uint)(TestMachine.All | TestMachine.PS));
                    return new Scene(machine, [pde], 4, Gva);
                }

                ulong table = machine.NewFrame();
                machine.Write32(pde, (uint)(table | TestMachine.All));
                machine.Write32(table + (((Gva >> 12) & 1023) * 4), (uint)(0x4000 | TestMachine.All));
                return new Scene(machine, [pde, table + (((Gva >> 12) & 1023) * 4)], 4, Gva);
            case "PAE":
                context.Cr4 = Cr4.PAE;
                SetPdpte(machine, machine.NewFrame() | TestMachine.P);
                return new Scene(machine, machine.Map(Gva, PageAt(leafLevel), 2, leafLevel, TestMachine.All, Pdpte(machine) & ~0xFFFUL), 8, Gva);
            default:
                int levels = mode == "5-level" ? 5 : 4;
                machine.UseLongMode(levels);
                return new Scene(machine, machine.Map(Gva, PageAt(leafLevel), levels, leafLevel, TestMachine.All), 8, Gva);
        }
    }

    private static ulong PageAt(int leafLevel) => leafLevel == 1 ? 0x4000UL : 0;

    private static unsafe void SetPdpte(TestMachine machine, ulong value) => machine.Context.Pdptes[0] = value;

    private static unsafe ulong Pdpte(TestMachine machine) => machine.Context.Pdptes[0];

    /// <summary>
    /// Mostly puts EPT below: 4 or 5 levels, pages of 4 KiB or 2 MiB. Gives the addresses of all leaf entries and of the tables' own.
    /// </summary>
    private static ulong[] AddEpt(Scene scene, Random random)
    {
        if (random.Next(8) == 0)
        {
            return [];
        }

        TestMachine machine = scene.Machine;
        int levels = random.Next(2) == 0 ? 4 : 5;
        int leaf = random.Next(4) == 0 ? 2 : 1;
        machine.UseIdentityEpt(levels, leaf, random.Next(2) == 0 ? Eptp.AccessedDirty : 0);
        machine.Context.EptModeBasedExecute = random.Next(2) == 0;
        System.Collections.Generic.List<ulong> entries = [];
        ulong table = machine.Context.Eptp & 0x000F_FFFF_FFFF_F000;
        for (int level = levels; level >= leaf; level--)
        {
            for (ulong i = 0; i < 512; i++)
            {
                if (machine.Read64(table + (i * 8)) != 0)
                {
                    entries.Add(table + (i * 8));
                }
            }

            table = machine.Read64(table) & 0x000F_FFFF_FFFF_F000;
        }

        foreach (ulong entry in entries)
        {
            machine.Write64(entry, machine.Read64(entry) | 0x400); // user-mode execute, for mode-based control
        }

        return [.. entries];
    }

    /// <summary>Changes a few bits of what the walk meets: likely ones often, any bit now and then.</summary>
    private static void Disturb(Scene scene, ulong[] eptEntries, byte[] denied, Random random)
    {
        TestMachine machine = scene.Machine;
        ReadOnlySpan<int> likely = [0, 1, 2, 5, 6, 7, 8, 59, 60, 63];
        ReadOnlySpan<int> eptLikely = [0, 1, 2, 3, 7, 8, 9, 10];
        if (scene.Entries.Length != 0)
        {
            int index = random.Next(scene.Entries.Length);
            int bit = random.Next(6) == 0 ? random.Next(64) : likely[random.Next(likely.Length)];
            scene.Write(index, scene.Read(index) ^ (1UL << (bit % (8 * scene.EntrySize))));
            if ((scene.Read(index) & 1) == 0 && random.Next(3) != 0)
            {
                scene.Write(index, scene.Read(index) | 1);
            }
        }

        if (eptEntries.Length != 0)
        {
            ulong entry = eptEntries[random.Next(eptEntries.Length)];
            int bit = random.Next(10) == 0 ? random.Next(64) : eptLikely[random.Next(eptLikely.Length)];
            machine.Write64(entry, machine.Read64(entry) ^ (1UL << bit));
        }

        denied[random.Next(64)] = random.Next(3) == 0 ? (byte)(1 << random.Next(8)) : (byte)0;
        SetControl(machine, random.Next(16));
        SetKeys(machine, random.Next(5));
        machine.Context.Pkru |= (uint)random.Next() << 2;
        machine.Context.PhysicalAddressBits = (byte)(random.Next(4) == 0 ? random.Next(36, 53) : 40);
    }
}
