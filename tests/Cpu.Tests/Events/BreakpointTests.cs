using Iced.Intel;

using Xunit;

using static Iced.Intel.AssemblerRegisters;

namespace Xenolith.Cpu.Tests;

/// <summary>
/// Method: a program with breakpoints in DR0 to DR3 runs under a #DB handler that writes down RIP, DR6 and RFLAGS; the list is compared
/// with what SDM 3B "Debug Exceptions" demands. It fails when a breakpoint is missed, met too early or twice, or reports wrong bits.
/// </summary>
public sealed unsafe class BreakpointTests
{
    private const int Execute = 0;
    private const int Write = 1;
    private const int Port = 2;
    private const int ReadWrite = 3;
    private const int Two = 1;
    private const int Eight = 2;
    private const int Four = 3;

    [Fact]
    public void InstructionBreakpointIsAFaultBeforeTheInstruction()
    {
        using DebugMachine m = new();
        m.Arm(0, TestMachine.CodeStart + 1, Execute);
        m.RunToHalt(a =>
        {
            a.nop();
            a.inc(ebx);
            a.nop();
        });
        Assert.Equal("1:1", m.Summary);
        Assert.Equal(0u, m.Traps[0].Flags & RflagsBits.RF); // SDM 3B "Instruction-Breakpoint Exception Condition"
        Assert.Equal(1u, m.State->Gpr[3]);
    }

    [Fact]
    public void InstructionBreakpointNeedsItsFirstByte()
    {
        using DebugMachine m = new();
        m.Arm(0, TestMachine.CodeStart + 1, Execute);
        m.RunToHalt(a => a.mov(eax, 5));
        Assert.Equal("", m.Summary);
    }

    [Fact]
    public void RfHoldsOffOneInstructionOnly()
    {
        using DebugMachine m = new();
        m.Arm(0, TestMachine.CodeStart, Execute);
        m.Arm(1, TestMachine.CodeStart + 1, Execute);
        m.Processor.Rflags |= RflagsBits.RF;
        m.RunToHalt(a =>
        {
            a.nop();
            a.nop();
        });
        Assert.Equal("1:2", m.Summary);
    }

    [Fact]
    public void RepeatedInstructionMeetsItsBreakpointOnce()
    {
        using DebugMachine m = new();
        m.Arm(0, TestMachine.CodeStart, Execute);
        m.State->Gpr[1] = 5;
        m.State->Gpr[7] = DebugMachine.Data;
        m.RunToHalt(a => a.rep.stosb());
        Assert.Equal("0:1", m.Summary);
        Assert.Equal(0u, m.State->Gpr[1]);
    }

    [Fact]
    public void DataWriteIsATrapBehindTheInstruction()
    {
        using DebugMachine m = new();
        m.Arm(2, DebugMachine.Data, Write, Four);
        m.RunToHalt(a =>
        {
            a.mov(ecx, __dword_ptr[DebugMachine.Data]); // 7 bytes: a read does not match
            a.mov(__dword_ptr[DebugMachine.Data], ebx); // 7 bytes
            a.nop();
        });
        Assert.Equal("e:4", m.Summary);
    }

    [Fact]
    public void ReadWriteMatchesBoth()
    {
        using DebugMachine m = new();
        m.Arm(3, DebugMachine.Data, ReadWrite, Two);
        m.RunToHalt(a =>
        {
            a.mov(cl, __byte_ptr[DebugMachine.Data + 1]);
            a.mov(__byte_ptr[DebugMachine.Data], cl);
            a.mov(__byte_ptr[DebugMachine.Data + 2], cl);
        });
        Assert.Equal("7:8 e:8", m.Summary);
    }

    [Theory]
    [InlineData(0, 0UL, 0UL, 1, true)]
    [InlineData(0, 0UL, 1UL, 1, false)]
    [InlineData(Four, 0UL, 3UL, 8, true)] // any byte of the access
    [InlineData(Four, 0UL, 4UL, 8, false)]
    [InlineData(Four, 2UL, 0UL, 1, true)] // low bits of the address are ignored: it counts as aligned
    [InlineData(Eight, 0UL, 7UL, 1, true)]
    [InlineData(Eight, 8UL, 1UL, 8, true)]
    [InlineData(Eight, 8UL, 0UL, 8, false)]
    [InlineData(0, 0x1000UL, 0xFFCUL, 8, true)] // in the second page of the access
    public void RangesAreAlignedToTheirLength(int length, ulong breakpoint, ulong access, int size, bool hits)
    {
        using DebugMachine m = new();
        m.Arm(0, DebugMachine.Data + breakpoint, Write, length);
        m.RunToHalt(a =>
        {
            if (size == 1)
            {
                a.mov(__byte_ptr[DebugMachine.Data + access], al);
            }
            else
            {
                a.mov(__qword_ptr[DebugMachine.Data + access], rax);
            }
        });
        Assert.Equal(hits ? 1 : 0, m.Traps.Count);
    }

    [Fact]
    public void SeveralAtOnceAreReportedTogether()
    {
        using DebugMachine m = new();
        m.Arm(0, DebugMachine.Data, Write, Four);
        m.Arm(1, DebugMachine.Data + 4, ReadWrite, Four);
        m.Arm(2, DebugMachine.Data + 8, Write, Four);
        m.Processor.Rflags |= RflagsBits.TF;
        m.RunToHalt(a =>
        {
            a.mov(__qword_ptr[DebugMachine.Data], rcx); // 8 bytes
            a.push(2);
            a.popfq();
        });
        Assert.StartsWith("8:4003", m.Summary);
    }

    [Fact]
    public void StringInstructionTrapsAfterTheIterationWithRf()
    {
        using DebugMachine m = new();
        m.Arm(0, DebugMachine.Data + 2, Write);
        m.State->Gpr[1] = 5;
        m.State->Gpr[7] = DebugMachine.Data;
        m.RunToHalt(a => a.rep.stosb());
        Assert.Equal("0:1", m.Summary);
        Assert.NotEqual(0u, m.Traps[0].Flags & RflagsBits.RF);
        Assert.Equal(0u, m.State->Gpr[1]);
    }

    [Fact]
    public void PortBreakpointNeedsCr4De()
    {
        using DebugMachine m = new();
        m.Arm(0, 0x61, Port);
        m.RunToHalt(a =>
        {
            a.@in(ax, 0x60); // 3 bytes (with a prefix): no CR4.DE yet
            a.mov(rax, cr4); // 3
            a.or(eax, 8); // 3
            a.mov(cr4, rax); // 3
            a.@in(ax, 0x60); // 3: covers 61H
            a.@out(0x62, al);
        });
        Assert.Equal("11:1", m.Summary);
    }

    [Fact]
    public void FaultingInstructionMeetsNoDataBreakpoint()
    {
        using DebugMachine m = new();
        m.SetGate(6, 0x2_1000);
        m.Program(0x2_1000, 64, a => a.hlt());
        m.Arm(0, DebugMachine.Data, ReadWrite);
        m.State->Gpr[6] = DebugMachine.Data;
        m.State->Gpr[7] = 0x7FFF_F000; // beyond what is mapped
        m.SetGate(14, 0x2_1000);
        m.Program(TestMachine.CodeStart, 64, a => a.movsb());
        Assert.Equal(StopReason.Halted, m.Run());
        Assert.Equal("", m.Summary);
    }

    [Fact]
    public void MovSsHoldsBackUntilBehindTheNextInstruction()
    {
        using DebugMachine m = new();
        m.Write(DebugMachine.Data, TestMachine.KernelData);
        m.Arm(0, DebugMachine.Data, ReadWrite, Two);
        m.Arm(1, TestMachine.CodeStart + 7, Execute); // suppressed: right behind MOV SS
        m.RunToHalt(a =>
        {
            a.mov(ss, __word_ptr[DebugMachine.Data]); // 7 bytes
            a.nop();
            a.nop();
        });
        Assert.Equal("8:1", m.Summary);
    }

    [Fact]
    public void HeldBackTrapComesBehindASoftwareInterrupt()
    {
        // The interrupt's handler is entered first, and the trap finds its first instruction.
        using DebugMachine m = new();
        m.SetGate(0x40, 0x2_1000);
        m.Program(0x2_1000, 64, a => a.hlt());
        m.Write(DebugMachine.Data, TestMachine.KernelData);
        m.Arm(0, DebugMachine.Data, ReadWrite, Two);
        m.RunToHalt(a =>
        {
            a.mov(ss, __word_ptr[DebugMachine.Data]);
            a.@int(0x40);
        });
        Assert.Equal($"{0x1_1000:x}:1", m.Summary);
    }

    [Fact]
    public void GeneralDetectFaultsAndClearsItself()
    {
        using DebugMachine m = new();
        m.State->Dr[7] |= 1u << 13;
        m.RunToHalt(a =>
        {
            a.nop();
            a.mov(rax, dr0);
        });
        Assert.Equal("1:2000", m.Summary);
        Assert.NotEqual(0u, m.Traps[0].Flags & RflagsBits.RF);
    }

    [Fact]
    public void HeldBackSingleStepJoinsGeneralDetect()
    {
        using DebugMachine m = new();
        m.State->Dr[7] |= 1u << 13;
        m.State->Gpr[0] = TestMachine.KernelData;
        m.Processor.Rflags |= RflagsBits.TF;
        m.RunToHalt(a =>
        {
            a.mov(ss, eax); // 2 bytes
            a.mov(dr7, rbx); // #DB: BD, and BS of the MOV SS
            a.push(2);
            a.popfq();
        });
        Assert.StartsWith("2:6000", m.Summary);
    }

    [Fact]
    public void BitsOfDr6AreSetAndNotCleared()
    {
        using DebugMachine m = new();
        m.State->Dr[6] = 0xFFFF_0FF0 | (1u << 14) | 2;
        m.Arm(0, TestMachine.CodeStart, Execute);
        m.RunToHalt(a => a.nop());
        Assert.Equal("0:4001", m.Summary); // B0-B3 of this exception, BS as it was
    }

    [Fact]
    public void DisabledBreakpointsAreSilent()
    {
        using DebugMachine m = new();
        m.Arm(0, DebugMachine.Data, Write);
        m.State->Dr[7] &= ~0xFFUL;
        m.RunToHalt(a => a.mov(__byte_ptr[DebugMachine.Data], al));
        Assert.Equal("", m.Summary);
    }

    [Fact]
    public void MovToDr7ArmsTheNextInstruction()
    {
        using DebugMachine m = new();
        m.State->Dr[0] = DebugMachine.Data;
        m.State->Gpr[3] = 0x1_0402; // G0, write, one byte
        m.RunToHalt(a =>
        {
            a.mov(__byte_ptr[DebugMachine.Data], cl); // 7 bytes
            a.mov(dr7, rbx); // 3
            a.mov(__byte_ptr[DebugMachine.Data], cl);
        });
        Assert.Equal("11:1", m.Summary);
    }

    [Fact]
    public void AlignedVectorAndLockedAccessesMatchToo()
    {
        using DebugMachine m = new();
        m.State->Paging.Cr4 |= ControlRegisters.Cr4Osfxsr;
        m.Arm(0, DebugMachine.Data + 12, Write, Four);
        m.Arm(1, DebugMachine.Data + 0x20, ReadWrite, Four);
        m.RunToHalt(a =>
        {
            a.movaps(__xmmword_ptr[DebugMachine.Data], xmm0); // 8 bytes
            a.@lock.xadd(__dword_ptr[DebugMachine.Data + 0x20], eax); // 9 bytes
            a.push(rax);
        });
        Assert.Equal("8:1 11:2", m.Summary);
    }
}
