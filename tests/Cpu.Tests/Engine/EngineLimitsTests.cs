using Iced.Intel;

using Xenolith.Mmu;

using Xunit;

using static Iced.Intel.AssemblerRegisters;

namespace Xenolith.Cpu.Tests;

/// <summary>
/// The edges of the engine: a full arena, devices, repeats cut by the budget, flat 32-bit code. They fail when eviction loses a
/// program, when a device is asked twice or at a wrong time, or when a repeat's iterations are miscounted.
/// </summary>
public sealed unsafe class EngineLimitsTests
{
    public static TheoryData<int> Engines => BlockLinkingTests.Engines;

    [Fact]
    public void EvictionForgetsBlocksAndNothingElse()
    {
        using FlatMachine machine = new();

        // A subroutine is rewritten over and over: each version is decoded into new room, until the arena has been emptied.
        Assembler a = new(64);
        Label loop = a.CreateLabel();
        a.Label(ref loop);
        a.inc(__dword_ptr[rdx + 1]);
        a.call(FlatMachine.CodeStart + 0x1000);
        a.dec(ecx);
        a.jne(loop);
        a.hlt();
        machine.Load(a);
        Assembler f = new(64);
        f.mov(eax, 0);
        f.add(rbx, rax);
        f.ret();
        machine.Load(f, FlatMachine.CodeStart + 0x1000);
        const int Rounds = 120_000; // times about 500 bytes is more than the arena holds
        machine.State->Gpr[1] = Rounds;
        machine.State->Gpr[2] = FlatMachine.CodeStart + 0x1000;

        Assert.Equal(StopReason.Halted, machine.Processor.Run(100_000_000));
        Assert.Equal((ulong)Rounds * (Rounds + 1) / 2, machine.State->Gpr[3]);
        Assert.Equal(((ulong)Rounds * 7) + 1, machine.Processor.RetiredInstructions);
    }

    [Theory, MemberData(nameof(Engines))]
    public void DevicesAreAskedOnceAndAtTheRightInstruction(int engine)
    {
        using FlatMachine machine = new();
        BlockLinkingTests.Select(machine, engine);
        Counter counter = new(machine);
        machine.Bus.Attach(new Hpa(0x30_0000), 0x1000, counter);
        Assembler a = new(64);
        a.mov(edi, 0x30_0000);
        a.nop();
        a.mov(eax, __dword_ptr[rdi]);
        a.mov(__dword_ptr[rdi + 8], eax);
        a.add(__dword_ptr[rdi], 5);
        a.nop();
        a.hlt();
        machine.Load(a);

        Assert.Equal(StopReason.Halted, machine.Processor.Run(100));
        Assert.Equal("r0@2 w8=2@3 r0@4 w0=9@4 ", counter.Log);
        Assert.Equal(7UL, machine.Processor.RetiredInstructions);
    }

    [Theory, MemberData(nameof(Engines))]
    public void RepeatsStopBetweenIterations(int engine)
    {
        using FlatMachine machine = new();
        BlockLinkingTests.Select(machine, engine);
        Assembler a = new(64);
        a.rep.movsb();
        a.hlt();
        machine.Load(a);
        machine.State->Gpr[1] = 10_000;
        machine.State->Gpr[6] = FlatMachine.DataStart;
        machine.State->Gpr[7] = FlatMachine.DataStart + 0x10000;
        ulong retired = 0;
        for (int slice = 1; machine.Processor.Run(slice) == StopReason.Budget; slice = (slice * 2) + 1)
        {
            retired += (ulong)slice;
            Assert.Equal(retired, machine.Processor.RetiredInstructions);
            Assert.Equal(10_000 - ulong.Min(retired, 10_000), machine.State->Gpr[1]);
            Assert.Equal(FlatMachine.DataStart + 10_000 - machine.State->Gpr[1], machine.State->Gpr[6]);
        }

        Assert.Equal(10_001UL, machine.Processor.RetiredInstructions);
    }

    [Theory, MemberData(nameof(Engines))]
    public void ARepeatThatFaultsKeepsWhatItHasDone(int engine)
    {
        using FlatMachine machine = new();
        BlockLinkingTests.Select(machine, engine);
        Assembler a = new(64);
        a.rep.stosd();
        a.hlt();
        machine.Load(a);
        machine.Unmap(FlatMachine.DataStart + 0x1000);
        machine.State->Gpr[1] = 2000;
        machine.State->Gpr[7] = FlatMachine.DataStart + 2;

        Assert.Equal(StopReason.Halted, machine.Processor.Run(100_000));
        Assert.Equal(14, machine.HaltedInVector);
        Assert.Equal(FlatMachine.DataStart + 0x1000, machine.State->Cr2);
        Assert.Equal(2000UL - 1023, machine.State->Gpr[1]); // 1023 doublewords fit, the next one crosses
        Assert.Equal(FlatMachine.DataStart + 2 + (1023 * 4), machine.State->Gpr[7]);
        Assert.Equal(1023UL + 1 + 1, machine.Processor.RetiredInstructions); // the iterations, the delivery, the HLT
    }

    [Theory, MemberData(nameof(Engines))]
    public void Flat32BitCodeRuns(int engine)
    {
        using FlatMachine machine = new(32);
        BlockLinkingTests.Select(machine, engine);
        Assembler a = new(32);
        Label loop = a.CreateLabel();
        Label function = a.CreateLabel();
        a.mov(ecx, 500);
        a.Label(ref loop);
        a.push(ecx);
        a.call(function);
        a.pop(ecx);
        a.dec(ecx);
        a.jne(loop);
        a.hlt();
        a.Label(ref function);
        a.mov(edx, __dword_ptr[esp + 4]);
        a.add(eax, edx);
        a.mov(__dword_ptr[(ecx * 4) + (int)FlatMachine.DataStart], eax);
        a.ret();
        machine.Load(a);

        Assert.Equal(StopReason.Halted, machine.Processor.Run(100_000));
        Assert.Equal(125250UL, machine.State->Gpr[0]);
        Assert.Equal(125250U, *(uint*)(machine.Memory.Base + FlatMachine.DataStart + 4));
        Assert.Equal(1UL + (500 * 9) + 1, machine.Processor.RetiredInstructions);
    }

    /// <summary>Answers reads with the retired count, and notes what it was asked.</summary>
    private sealed class Counter(FlatMachine machine) : IMmioDevice
    {
        public string Log { get; private set; } = "";

        public ulong Read(ulong offset, int sizeBytes)
        {
            Log += $"r{offset}@{machine.Processor.RetiredInstructions} ";
            return machine.Processor.RetiredInstructions;
        }

        public void Write(ulong offset, int sizeBytes, ulong value) =>
            Log += $"w{offset}={value}@{machine.Processor.RetiredInstructions} ";
    }
}
