using System;

using Xenolith.Mmu;

using Xunit;

namespace Xenolith.Cpu.Tests;

/// <summary>
/// Random programs run on the careful engine, the loop engine and the threaded one, whole and in random slices, and must end in the
/// same registers, flags, memory, access counts and instruction counts. They fail when a fast handler differs from the careful form,
/// when a fused pair or an unneeded flag was wrong, or when a slice boundary leaves a trace.
/// </summary>
public sealed unsafe class EngineEquivalenceTests
{
    private const int Programs = 75;

    [Fact]
    public void EnginesAgreeOnRandomPrograms()
    {
        for (int seed = 1; seed <= Programs; seed++)
        {
            string careful = RunWhole(seed, engine: 0);
            Assert.Equal(careful, RunWhole(seed, engine: 1));
            Assert.Equal(careful, RunWhole(seed, engine: 2));
            if (seed % 3 == 0)
            {
                Assert.Equal(careful, RunWhole(seed, engine: 3));
            }
        }
    }

    [Fact]
    public void SlicesLeaveNoTrace()
    {
        for (int seed = 1; seed <= Programs / 3; seed++)
        {
            string whole = RunWhole(seed, engine: 2);
            for (int longest = 1; longest <= 100; longest = (longest * 3) + 1)
            {
                Assert.Equal(whole, RunSliced(seed, longest));
            }
        }
    }

    [Fact]
    public void AFaultLeavesTheStateOfTheInstructionBefore()
    {
        for (int seed = 1; seed <= Programs / 3; seed++)
        {
            // The second data page is missing: accesses that cross into it fault, and with no IDT the processor shuts down.
            string careful = RunWhole(seed, engine: 0, unmap: true);
            Assert.Equal(careful, RunWhole(seed, engine: 1, unmap: true));
            Assert.Equal(careful, RunWhole(seed, engine: 2, unmap: true));
            Assert.Equal(careful, RunWhole(seed, engine: 3, unmap: true));
        }
    }

    /// <summary>The second page of the destination is missing: what is counted up to the fault is the same in any slices.</summary>
    [Theory]
    [InlineData(0xAA)] // REP STOSB
    [InlineData(0xA4)] // REP MOVSB
    public void ARepeatThatFaultsCountsTheSameAccessesInAnySlices(byte opcode)
    {
        ulong accesses = 0;
        foreach (int slice in new[] { 1000, 1, 7, 50 })
        {
            using FlatMachine machine = new();
            machine.Load(FlatMachine.CodeStart, [0xF3, opcode]);
            machine.Unmap(FlatMachine.DataStart + Pages.Size);
            machine.State->Gpr[1] = 200;
            machine.State->Gpr[6] = FlatMachine.DataStart + 0x800;
            machine.State->Gpr[7] = FlatMachine.DataStart + Pages.Size - 100;
            while (machine.Processor.Run(slice) == StopReason.Budget)
            {
            }

            Assert.Equal((14, 100UL), (machine.HaltedInVector, machine.State->Gpr[1]));
            accesses = slice == 1000 ? machine.State->DataAccesses : accesses;
            Assert.Equal(accesses, machine.State->DataAccesses);
        }
    }

    private static string RunWhole(int seed, int engine, bool unmap = false)
    {
        using FlatMachine machine = Prepare(seed, engine, unmap);
        _ = machine.Processor.Run(1_000_000);
        return Describe(machine);
    }

    private static string RunSliced(int seed, int longest)
    {
        using FlatMachine machine = Prepare(seed, engine: 2, unmap: false);
        Random random = new(seed);
        while (machine.Processor.Run(1 + random.Next(longest)) == StopReason.Budget)
        {
        }

        return Describe(machine);
    }

    private static FlatMachine Prepare(int seed, int engine, bool unmap)
    {
        FlatMachine machine = new();
        BlockLinkingTests.Select(machine, engine);
        machine.Load(RandomProgram.Make(seed));
        Random random = new(seed);
        for (ulong n = 0; n < 0x2000; n++)
        {
            machine.Memory.Base[FlatMachine.DataStart + n] = (byte)random.Next();
        }

        if (unmap)
        {
            machine.Unmap(FlatMachine.DataStart + 0x1000);
        }

        return machine;
    }

    private static string Describe(FlatMachine machine)
    {
        CpuState* cpu = machine.State;
        System.Text.StringBuilder text = new();
        for (int n = 0; n < 16; n++)
        {
            _ = text.Append($"{cpu->Gpr[n]:x} ");
        }

        HashCode hash = default;
        hash.AddBytes(new ReadOnlySpan<byte>(machine.Memory.Base + FlatMachine.DataStart, 0x2000));
        hash.AddBytes(new ReadOnlySpan<byte>(machine.Memory.Base + FlatMachine.StackTop - 0x1000, 0x1000));
        return text
            .Append($"rip {cpu->Rip:x} flags {machine.Processor.Rflags:x} memory {hash.ToHashCode():x} ")
            .Append($"cr2 {cpu->Cr2:x} activity {cpu->Activity} retired {machine.Processor.RetiredInstructions} accesses {cpu->DataAccesses}")
            .ToString();
    }
}
