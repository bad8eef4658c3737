using Iced.Intel;

using Xunit;

using static Iced.Intel.AssemblerRegisters;

namespace Xenolith.Cpu.Tests;

/// <summary>
/// Small programs whose final registers and retired counts are known: they fail when blocks are linked to the wrong successor,
/// when fused pairs or flags go wrong, or when a count is off by one.
/// </summary>
public sealed unsafe class BlockLinkingTests
{
    public static TheoryData<int> Engines => new() { 0, 1, 2, 3 };

    internal static void Select(FlatMachine machine, int engine)
    {
        machine.Processor.UseCarefulEngine = engine == 0;
        machine.Processor.UseLoopEngine = engine == 1 || !TailCalls.Work;
        if (engine == 3)
        {
            // Threaded, and everything is hot almost at once: chains, copies of handlers, deferred flags.
            machine.Processor.Hot.Interval = 20;
            machine.Processor.Hot.Enough = 1;
        }
    }

    [Fact]
    public void TheThreadedEngineIsInUse() => Assert.True(TailCalls.Work);

    [Theory, MemberData(nameof(Engines))]
    public void LoopSumsAndCountsExactly(int engine)
    {
        using FlatMachine machine = new();
        Select(machine, engine);
        Assembler a = new(64);
        Label loop = a.CreateLabel();
        a.mov(ecx, 1000);
        a.xor(eax, eax);
        a.Label(ref loop);
        a.add(rax, rcx);
        a.dec(ecx);
        a.jne(loop);
        a.hlt();
        machine.Load(a);

        Assert.Equal(StopReason.Halted, machine.Processor.Run(1_000_000));
        Assert.Equal(500500UL, machine.State->Gpr[0]);
        Assert.Equal(2UL + (3 * 1000) + 1, machine.Processor.RetiredInstructions);
    }

    [Theory, MemberData(nameof(Engines))]
    public void CallsAndReturnsAcrossPages(int engine)
    {
        using FlatMachine machine = new();
        Select(machine, engine);
        Assembler a = new(64);
        Label loop = a.CreateLabel();
        a.mov(ecx, 300);
        a.mov(rdx, FlatMachine.CodeStart + 0x3000);
        a.Label(ref loop);
        a.call(FlatMachine.CodeStart + 0x2000);
        a.call(rdx);
        a.call(__qword_ptr[FlatMachine.DataStart]);
        a.dec(ecx);
        a.jne(loop);
        a.hlt();
        machine.Load(a);
        Assembler f = new(64);
        f.add(rax, 1);
        f.ret();
        machine.Load(f, FlatMachine.CodeStart + 0x2000);
        Assembler g = new(64);
        g.push(rax);
        g.lea(rbx, __[rbx + (rax * 2) + 1]);
        g.pop(rsi);
        g.ret();
        machine.Load(g, FlatMachine.CodeStart + 0x3000);
        *(ulong*)(machine.Memory.Base + FlatMachine.DataStart) = FlatMachine.CodeStart + 0x2000;

        Assert.Equal(StopReason.Halted, machine.Processor.Run(1_000_000));
        Assert.Equal(600UL, machine.State->Gpr[0]);
        Assert.Equal((300UL * 300 * 2) + 300, machine.State->Gpr[3]); // the sum of 2 * (2n - 1) + 1
        Assert.Equal(599UL, machine.State->Gpr[6]);
        Assert.Equal(FlatMachine.StackTop, machine.State->Gpr[4]);
        Assert.Equal(300UL * 9, machine.State->DataAccesses);
        Assert.Equal(2UL + (300 * 13) + 1, machine.Processor.RetiredInstructions);
    }

    [Theory, MemberData(nameof(Engines))]
    public void AnInstructionMayCrossIntoTheNextPage(int engine)
    {
        using FlatMachine machine = new();
        Select(machine, engine);
        Assembler a = new(64);
        Label loop = a.CreateLabel();
        a.mov(ecx, 50);
        a.Label(ref loop);
        a.mov(rax, 0x1122_3344_5566_7788);
        a.add(rbx, rax);
        a.dec(ecx);
        a.jne(loop);
        a.hlt();
        machine.State->Rip = FlatMachine.CodeStart + 0xFF6; // the ten-byte MOV starts five bytes before the page ends
        machine.Load(a, FlatMachine.CodeStart + 0xFF6);

        Assert.Equal(StopReason.Halted, machine.Processor.Run(1_000_000));
        Assert.Equal(unchecked(50 * 0x1122_3344_5566_7788UL), machine.State->Gpr[3]);
        Assert.Equal(1UL + (50 * 4) + 1, machine.Processor.RetiredInstructions);
    }
}
