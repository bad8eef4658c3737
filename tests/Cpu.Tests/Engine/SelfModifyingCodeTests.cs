using System;

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
    /// <summary>Where 16-bit code can run too.</summary>
    private const ulong Low = 0x8000;

    public static TheoryData<int> Engines => BlockLinkingTests.Engines;

    public static TheoryData<int, int> EnginesAndModes
    {
        get
        {
            TheoryData<int, int> all = [];
            foreach (int bits in new[] { 16, 32, 64 })
            {
                for (int engine = 0; engine < 4; engine++)
                {
                    all.Add(engine, bits);
                }
            }

            return all;
        }
    }

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

    /// <summary>
    /// A store behind the end of the slice ends the block that the slice has cut short; then one over the next instruction must be noticed,
    /// although nothing but the short block is left of the page.
    /// </summary>
    [Theory, MemberData(nameof(EnginesAndModes))]
    public void TheRestOfABlockIsDecodedAgainWhereverASliceEnds(int engine, int bits)
    {
        for (int variant = 0; variant < 4; variant++)
        {
            bool isCold = (variant & 1) != 0;
            int store = Increment(bits, isCold, 0).Length;
            byte near = (byte)((2 * store) + 1);
            byte far = (byte)(near + 4);
            byte[] first = Increment(bits, isCold, (variant & 2) != 0 ? near : far);
            byte[] second = Increment(bits, isCold, (variant & 2) != 0 ? far : near);
            byte[] code = [.. first, .. second, 0xB0, 10, 0xB1, 10, 0xB3, 10, 0xF4]; // MOV AL, 10; MOV CL, 10; MOV BL, 10; HLT
            for (int slice = 1; slice < 6; slice++)
            {
                using FlatMachine machine = Prepare(engine, bits, Low, code);
                machine.State->Gpr[2] = Low;
                Assert.Equal(StopReason.Budget, machine.Processor.Run(slice));
                Assert.Equal(StopReason.Halted, machine.Processor.Run(100));
                Assert.Equal((11UL, 10UL, 11UL), (machine.State->Gpr[0], machine.State->Gpr[1], machine.State->Gpr[3]));
                Assert.Equal(6UL, machine.Processor.RetiredInstructions);
            }
        }
    }

    /// <summary>An instruction that lies in two pages is rewritten in the second, by the block in front of it, each time anew.</summary>
    [Theory, MemberData(nameof(EnginesAndModes))]
    public void AnInstructionIsDecodedAgainAfterAStoreToItsSecondPage(int engine, int bits)
    {
        byte[] prefix = bits == 16 ? [0x66] : [];
        for (int variant = 0; variant < 2; variant++)
        {
            // loop: INC byte [EDX]; MOV EAX, 0; ADD EBX, EAX; DEC ECX; JNZ loop; HLT. EDX is at the third byte of the immediate.
            byte[] store = Increment(bits, variant == 1, 0);
            byte[] body = [.. store, .. prefix, 0xB8, 0, 0, 0, 0, .. prefix, 0x01, 0xC3, .. prefix, 0xFF, 0xC9];
            byte[] code = [.. body, 0x75, (byte)-(body.Length + 2), 0xF4];
            ulong target = (ulong)(store.Length + prefix.Length + 3);
            for (int slice = 1; slice < 25; slice++)
            {
                ulong page = Low + 0x1000;
                using FlatMachine machine = Prepare(engine, bits, page - target, code);
                machine.State->Gpr[1] = 5;
                machine.State->Gpr[2] = page;
                Assert.Equal(StopReason.Budget, machine.Processor.Run(slice));
                Assert.Equal(StopReason.Halted, machine.Processor.Run(100));
                Assert.Equal((1UL + 2 + 3 + 4 + 5) << 16, machine.State->Gpr[3]);
                Assert.Equal(26UL, machine.Processor.RetiredInstructions);
            }
        }
    }

    /// <summary>As above, and the second page lies at the start of memory, where it is written by another linear address.</summary>
    [Theory, MemberData(nameof(Engines))]
    public void AnInstructionMayGoOnInTheFirstPageOfMemory(int engine)
    {
        // loop: INC byte [EDX]; MOV EAX, 0; ADD EBX, EAX; DEC ECX; JNZ loop; HLT
        byte[] code = [.. Increment(32, true, 0), 0xB8, 0, 0, 0, 0, 0x01, 0xC3, 0xFF, 0xC9, 0x75, 0xF0, 0xF4];
        const int Second = 8;
        const ulong Page = Low + 0x1000;
        const ulong Directory = 0x50_0000;
        const ulong Table = 0x50_1000;
        using FlatMachine machine = Prepare(engine, 32, Page - Second, code.AsSpan(0, Second));
        machine.Load(0, code.AsSpan(Second));
        *(uint*)(machine.Memory.Base + Directory) = (uint)Table | 7;
        for (uint page = 0; page < 1024; page++)
        {
            ((uint*)(machine.Memory.Base + Table))[page] = page == Page >> 12 ? 7 : (page << 12) | 7;
        }

        machine.State->Paging.Cr3 = Directory;
        machine.State->Paging.Cr0 |= 1UL << 31;
        machine.Processor.RefreshMode();
        machine.Processor.Tlb.OnContextChange();
        machine.State->Gpr[1] = 5;

        Assert.Equal(StopReason.Halted, machine.Processor.Run(100));
        Assert.Equal((1UL + 2 + 3 + 4 + 5) << 16, machine.State->Gpr[3]);
    }

    /// <summary>As on silicon: the instruction in work is the one that was decoded, and no sample of hot code interrupts it.</summary>
    [Theory, MemberData(nameof(EnginesAndModes))]
    public void ARepeatThatOverwritesItselfGoesOnToItsEnd(int engine, int bits)
    {
        const int Nops = 100;
        byte[] code = new byte[Nops + 1];
        code[0] = 0xF3; // REP STOSB
        code[1] = 0xAA;
        code[Nops] = 0xF4;
        using FlatMachine machine = Prepare(engine, bits, Low, code);
        machine.State->Gpr[0] = 0x90;
        machine.State->Gpr[1] = Nops;
        machine.State->Gpr[7] = Low;

        Assert.Equal(StopReason.Halted, machine.Processor.Run(1000));
        Assert.Equal((0UL, Low + Nops), (machine.State->Gpr[1], machine.State->Gpr[7]));
        Assert.Equal((2UL * Nops) - 2 + 1, machine.Processor.RetiredInstructions);
    }

    /// <summary>ADD byte [EDX + displacement], 1; with LOCK it has no fast handler.</summary>
    private static byte[] Increment(int bits, bool isCold, byte displacement)
    {
        byte[] addressSize = bits == 16 ? [0x67] : [];
        byte[] locked = isCold ? [0xF0] : [];
        return [.. addressSize, .. locked, 0x80, 0x42, displacement, 1];
    }

    private static FlatMachine Prepare(int engine, int bits, ulong start, ReadOnlySpan<byte> code)
    {
        FlatMachine machine = new(bits == 64 ? 64 : 32);
        BlockLinkingTests.Select(machine, engine);
        if (bits == 16)
        {
            const uint DefaultSizeBit = 0x4000;
            machine.State->Segments[(int)SegmentIndex.CS].AccessRights &= ~DefaultSizeBit;
            machine.Processor.RefreshMode();
        }

        machine.Load(start, code);
        machine.State->Rip = start;
        return machine;
    }
}
