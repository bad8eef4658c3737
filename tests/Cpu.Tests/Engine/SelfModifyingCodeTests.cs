using Iced.Intel;

using Xunit;

using static Iced.Intel.AssemblerRegisters;

namespace Xenolith.Cpu.Tests;

/// <summary>
/// Code that is changed while it is decoded: by itself ahead in the same block, in another block that is linked, and from outside.
/// They fail when an old byte is executed once more.
/// </summary>
public sealed unsafe class SelfModifyingCodeTests
{
    public static TheoryData<int> Engines => BlockLinkingTests.Engines;

    [Theory, MemberData(nameof(Engines))]
    public void TheNextInstructionOfTheSameBlockIsSeen(int engine)
    {
        using FlatMachine machine = new();
        BlockLinkingTests.Select(machine, engine);
        Assembler a = new(64);
        Label patched = a.CreateLabel();
        a.lea(rdx, __[patched]);
        a.mov(__byte_ptr[rdx + 1], 42); // the immediate of the MOV behind
        a.Label(ref patched);
        a.mov(eax, 1);
        a.hlt();
        machine.Load(a);

        Assert.Equal(StopReason.Halted, machine.Processor.Run(100));
        Assert.Equal(42UL, machine.State->Gpr[0]);
        Assert.Equal(4UL, machine.Processor.RetiredInstructions);
    }

    [Theory, MemberData(nameof(Engines))]
    public void ALoopThatRewritesItsBodySeesEveryVersion(int engine)
    {
        using FlatMachine machine = new();
        BlockLinkingTests.Select(machine, engine);
        Assembler a = new(64);
        Label loop = a.CreateLabel();
        Label body = a.CreateLabel();
        Label patched = a.CreateLabel();
        a.mov(ecx, 100);
        a.lea(rdx, __[patched]);
        a.Label(ref loop);
        a.mov(__byte_ptr[rdx + 1], cl);
        a.jmp(body);
        a.int3();
        a.Label(ref body);
        a.nop();
        a.Label(ref patched);
        a.mov(eax, 1);
        a.add(rbx, rax);
        a.dec(ecx);
        a.jne(loop);
        a.hlt();
        machine.Load(a);

        Assert.Equal(StopReason.Halted, machine.Processor.Run(10_000));
        Assert.Equal(5050UL, machine.State->Gpr[3]);
        Assert.Equal(2UL + (100 * 7) + 1, machine.Processor.RetiredInstructions);
    }

    [Theory, MemberData(nameof(Engines))]
    public void WritesFromOutsideAreSeen(int engine)
    {
        using FlatMachine machine = new();
        BlockLinkingTests.Select(machine, engine);
        Assembler a = new(64);
        Label loop = a.CreateLabel();
        a.Label(ref loop);
        a.inc(eax);
        a.jmp(loop);
        machine.Load(a);
        Assert.Equal(StopReason.Budget, machine.Processor.Run(1001));
        Assert.Equal(501UL, machine.State->Gpr[0]);

        machine.Load(FlatMachine.CodeStart, [0xFF, 0xC3]); // INC EBX
        Assert.Equal(StopReason.Budget, machine.Processor.Run(1001));
        Assert.Equal(501UL, machine.State->Gpr[0]);
        Assert.Equal(500UL, machine.State->Gpr[3]);
    }

    [Theory, MemberData(nameof(Engines))]
    public void DataInACodePageIsWrittenWithoutHarm(int engine)
    {
        using FlatMachine machine = new();
        BlockLinkingTests.Select(machine, engine);
        Assembler a = new(64);
        Label loop = a.CreateLabel();
        a.mov(ecx, 200);
        a.mov(rdx, FlatMachine.CodeStart + 0x800);
        a.Label(ref loop);
        a.add(__qword_ptr[rdx], rcx);
        a.dec(ecx);
        a.jne(loop);
        a.hlt();
        machine.Load(a);

        Assert.Equal(StopReason.Halted, machine.Processor.Run(10_000));
        Assert.Equal(20100UL, *(ulong*)(machine.Memory.Base + FlatMachine.CodeStart + 0x800));
        Assert.Equal(2UL + (200 * 3) + 1, machine.Processor.RetiredInstructions);
    }

    [Theory, MemberData(nameof(Engines))]
    public void RepeatedStoresOverTheirOwnSuccessorTakeEffect(int engine)
    {
        using FlatMachine machine = new();
        BlockLinkingTests.Select(machine, engine);
        Assembler a = new(64);
        Label target = a.CreateLabel();
        a.lea(rdi, __[target]);
        a.mov(ecx, 16);
        a.mov(al, 0x90);
        a.rep.stosb();
        a.Label(ref target);
        for (int n = 0; n < 16; n++)
        {
            a.int3();
        }

        a.hlt();
        machine.Load(a);

        Assert.Equal(StopReason.Halted, machine.Processor.Run(10_000));
        Assert.Equal(3UL + 16 + 16 + 1, machine.Processor.RetiredInstructions);
    }
}
