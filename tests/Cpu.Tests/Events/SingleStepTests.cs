using Iced.Intel;

using Xunit;

using static Iced.Intel.AssemblerRegisters;

namespace Xenolith.Cpu.Tests;

/// <summary>
/// Method: programs that run with RFLAGS.TF under a #DB handler that writes down RIP and DR6; the traps are compared with SDM 3B
/// "Single-Step Exception Condition" for every kind of instruction that changes TF, delays traps or ends in another way than the next
/// instruction.
/// </summary>
public sealed unsafe class SingleStepTests
{
    [Fact]
    public void PopfThatSetsTfIsNotTrappedAndOneThatClearsItIs()
    {
        using DebugMachine m = new();
        m.RunToHalt(a =>
        {
            a.push(0x102); // 5 bytes
            a.popfq(); // 1
            a.nop(); // 6
            a.push(2); // 7, 2 bytes
            a.popfq(); // 9
            a.nop(); // A
        });
        Assert.Equal("7:4000 9:4000 a:4000", m.Summary);
    }

    [Fact]
    public void IretThatSetsTfTrapsBehindTheNextInstruction()
    {
        using DebugMachine m = new();
        m.RunToHalt(a =>
        {
            Label next = a.CreateLabel();
            a.mov(rcx, rsp);
            a.push(TestMachine.KernelData);
            a.push(rcx);
            a.push(0x102);
            a.push(TestMachine.KernelCode);
            a.lea(rax, __[next]);
            a.push(rax);
            a.iretq();
            a.Label(ref next);
            a.nop();
            a.push(2);
            a.popfq();
        });
        Assert.Equal(3, m.Traps.Count);
        Assert.Equal(m.Traps[0].Offset + 2, m.Traps[1].Offset);
    }

    [Fact]
    public void SoftwareInterruptClearsTfWithoutATrap()
    {
        using DebugMachine m = new();
        m.SetGate(0x40, 0x2_1000);
        m.Program(0x2_1000, 64, a => a.hlt());
        m.Processor.Rflags |= RflagsBits.TF;
        m.RunToHalt(a => a.@int(0x40));
        Assert.Equal("", m.Summary);
    }

    [Fact]
    public void Int1EntersWithoutBitsInDr6()
    {
        using DebugMachine m = new();
        m.RunToHalt(a => a.db(0xF1));
        Assert.Equal("1:0", m.Summary);
    }

    [Fact]
    public void StiDelaysInterruptsAndNotTraps()
    {
        using DebugMachine m = new();
        m.Processor.Rflags |= RflagsBits.TF;
        m.RunToHalt(a =>
        {
            a.sti();
            a.nop();
            a.push(2);
            a.popfq();
        });
        Assert.Equal("1:4000 2:4000 4:4000 5:4000", m.Summary);
    }

    [Fact]
    public void MovSsAndTheNextInstructionTrapOnce()
    {
        using DebugMachine m = new();
        m.State->Gpr[0] = TestMachine.KernelData;
        m.Processor.Rflags |= RflagsBits.TF;
        m.RunToHalt(a =>
        {
            a.mov(ss, eax); // 2 bytes
            a.push(2); // 2
            a.popfq();
        });
        Assert.Equal("4:4000 5:4000", m.Summary);
    }

    [Fact]
    public void EveryIterationTrapsAndAllButTheLastSaveRf()
    {
        using DebugMachine m = new();
        m.State->Gpr[1] = 3;
        m.State->Gpr[7] = DebugMachine.Data;
        m.Processor.Rflags |= RflagsBits.TF;
        m.RunToHalt(a =>
        {
            a.rep.stosb(); // 2 bytes
            a.push(2);
            a.popfq();
        });
        Assert.Equal("0:4000 0:4000 2:4000 4:4000 5:4000", m.Summary);
        Assert.NotEqual(0u, m.Traps[1].Flags & RflagsBits.RF);
        Assert.Equal(0u, m.Traps[2].Flags & RflagsBits.RF);
    }

    [Fact]
    public void HltTrapsAndDoesNotStayHalted()
    {
        using DebugMachine m = new();
        m.Processor.Rflags |= RflagsBits.TF;
        m.RunToHalt(a =>
        {
            a.hlt();
            a.push(2);
            a.popfq();
        });
        Assert.Equal("1:4000 3:4000 4:4000", m.Summary);
    }

    [Fact]
    public void TrapGoesBeforeAnInterrupt()
    {
        // SDM 3A "Priority Among Concurrent Events": traps of the previous instruction, then interrupts.
        using DebugMachine m = new();
        m.SetGate(0x40, 0x2_1000);
        m.Program(0x2_1000, 64, a => a.hlt());
        m.Processor.Rflags |= RflagsBits.TF | RflagsBits.IF;
        m.Program(TestMachine.CodeStart, 64, a =>
        {
            a.nop();
            a.hlt();
        });
        Assert.Equal(StopReason.Budget, m.Run(1));
        m.Platform.Interrupts.Enqueue(0x40);
        m.Processor.RequestBoundary();
        Assert.Equal(StopReason.Halted, m.Run());
        Assert.StartsWith("1:4000", m.Summary);
    }

    [Fact]
    public void SyscallThatMasksTfDoesNotTrap()
    {
        using DebugMachine m = new();
        m.State->Msr.Star = (ulong)TestMachine.KernelCode << 32;
        m.State->Msr.Lstar = 0x2_1000;
        m.State->Msr.Fmask = RflagsBits.TF;
        m.Program(0x2_1000, 64, a => a.hlt());
        m.Processor.Rflags |= RflagsBits.TF;
        m.RunToHalt(a => a.syscall());
        Assert.Equal("", m.Summary);
    }

    [Fact]
    public void SysretThatSetsTfTrapsAtOnce()
    {
        using DebugMachine m = new();
        m.SetDescriptor(TestMachine.UserCode32, TestMachine.Flat(0xA0FB));
        m.State->Msr.Star = 0x18UL << 48; // SS = 20H, 64-bit CS = 28H
        m.State->Gpr[1] = 0x2_1000;
        m.State->Gpr[11] = 0x102;
        m.SetGate(0x40, 0x2_2000, dpl: 3);
        m.Program(0x2_2000, 64, a => a.hlt());
        m.Program(0x2_1000, 64, a => a.@int(0x40));
        m.RunToHalt(a => a.sysretq());
        Assert.Equal($"{0x1_1000:x}:4000", m.Summary);
    }

    [Fact]
    public void SysenterLeavesTfAndTrapsInTheKernel()
    {
        using DebugMachine m = new();
        m.State->Msr.SysenterCs = TestMachine.KernelCode;
        m.State->Msr.SysenterEip = 0x2_1000;
        m.State->Msr.SysenterEsp = TestMachine.StackTop;
        m.Program(0x2_1000, 64, a =>
        {
            a.push(2);
            a.popfq();
            a.hlt();
        });
        m.DropToUser();
        m.Processor.Rflags |= RflagsBits.TF;
        m.RunToHalt(a => a.sysenter());
        Assert.Equal($"{0x1_1000:x}:4000 {0x1_1002:x}:4000 {0x1_1003:x}:4000", m.Summary);
    }

    [Theory]
    [InlineData(false, "6:4000 8:4000 c:4000 d:4000 e:4000 10:4000 11:4000")]
    [InlineData(true, "c:4000")] // SDM 3B "Single-Stepping on Branches": and the #DB clears BTF, but its handler returns to TF
    public void BtfTrapsBehindTakenBranches(bool btf, string expected)
    {
        using DebugMachine m = new();
        m.State->Msr.DebugCtl = btf ? 2u : 0;
        m.Processor.Rflags |= RflagsBits.TF;
        m.RunToHalt(a =>
        {
            Label next = a.CreateLabel();
            a.mov(rcx, rcx); // 0, 3 bytes
            a.test(rsp, rsp); // 3: ZF = 0
            a.je(next); // 6, 2 bytes: not taken
            a.jmp(next); // 8
            a.nop(); // A
            a.nop();
            a.Label(ref next);
            a.nop(); // C
            a.nop();
            a.push(2);
            a.popfq();
        });
        Assert.StartsWith(btf ? expected : "3:4000 " + expected, m.Summary);
    }

    [Fact]
    public void FaultIsDeliveredInsteadOfTheTrap()
    {
        using DebugMachine m = new();
        m.SetGate(6, 0x2_1000);
        m.Program(0x2_1000, 64, a => a.hlt());
        m.Processor.Rflags |= RflagsBits.TF;
        m.Program(TestMachine.CodeStart, 64, a => a.ud2());
        Assert.Equal(StopReason.Halted, m.Run());
        Assert.Equal("", m.Summary);
        Assert.NotEqual(0u, m.Read<uint>(m.State->Gpr[4] + 16) & RflagsBits.RF);
    }

    [Fact]
    public void RfIsClearedByTheInstructionBehindIret()
    {
        using DebugMachine m = new();
        m.SetGate(0x40, 0x2_1000);
        m.Program(0x2_1000, 64, a =>
        {
            a.or(__dword_ptr[rsp + 16], RflagsBits.RF);
            a.iretq();
        });
        m.Program(TestMachine.CodeStart, 64, a =>
        {
            a.@int(0x40);
            a.nop();
            a.hlt();
        });
        Assert.Equal(StopReason.Budget, m.Run(3));
        Assert.NotEqual(0u, m.Processor.Rflags & RflagsBits.RF);
        Assert.Equal(StopReason.Budget, m.Run(1));
        Assert.Equal(0u, m.Processor.Rflags & RflagsBits.RF);
    }
}
