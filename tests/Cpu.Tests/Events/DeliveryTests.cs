using Iced.Intel;

using Xunit;

using static Iced.Intel.AssemblerRegisters;

namespace Xenolith.Cpu.Tests;

/// <summary>
/// Method: one event in one mode; its handler is a HLT, so that the machine stops with the frame on the stack, which is compared word by
/// word with the figures of SDM 3A "Interrupt and Exception Handling". It fails when a frame, an error code, a flag, a stack or the
/// privilege level of the handler is wrong.
/// </summary>
public sealed unsafe class DeliveryTests
{
    private const ulong ExtBit = 1;
    private const ulong IdtBit = 2;

    [Fact]
    public void LongModeFaultPushesSixWordsOnAnAlignedStack()
    {
        using TestMachine m = Long(13);
        m.State->Gpr[4] = TestMachine.StackTop - 3;
        m.Program(TestMachine.CodeStart, 64, a =>
        {
            a.mov(ax, 0x48); // beyond the GDT
            a.mov(ds, ax);
        });
        m.Processor.Rflags = RflagsBits.Fixed1 | RflagsBits.CF | RflagsBits.IF;
        Halt(m);
        Assert.Equal((TestMachine.StackTop - 3 & ~0xFUL) - 48, m.State->Gpr[4]);
        Assert.Equal([0x48UL, TestMachine.CodeStart + 4, TestMachine.KernelCode], Frame(m, 3));
        Assert.Equal(RflagsBits.Fixed1 | RflagsBits.CF | RflagsBits.IF | RflagsBits.RF, m.Read<ulong>(m.State->Gpr[4] + 24));
        Assert.Equal(TestMachine.StackTop - 3, m.Read<ulong>(m.State->Gpr[4] + 32));
        Assert.Equal(TestMachine.KernelData, m.Read<ulong>(m.State->Gpr[4] + 40));
        Assert.Equal(RflagsBits.Fixed1 | RflagsBits.CF, m.Processor.Rflags); // an interrupt gate clears IF
    }

    [Fact]
    public void LongModeFromUserSwitchesToTheStackOfTheTss()
    {
        using TestMachine m = Long(13);
        m.DropToUser();
        m.Program(TestMachine.CodeStart, 64, a => a.hlt()); // privileged: #GP(0)
        Halt(m);
        Assert.Equal(TestMachine.KernelStackTop - 48, m.State->Gpr[4]);
        Assert.Equal([0UL, TestMachine.CodeStart, TestMachine.UserCode | 3], Frame(m, 3));
        Assert.Equal(TestMachine.UserData | 3u, m.Read<ulong>(m.State->Gpr[4] + 40));
        Assert.Equal(0, m.State->Cpl);
        Assert.Equal(0, m.State->Segments[(int)SegmentIndex.SS].Selector);
        Assert.True(m.State->Segments[(int)SegmentIndex.SS].Unusable);
    }

    [Fact]
    public void InterruptStackTableReplacesTheStackAtAnyLevel()
    {
        using TestMachine m = Long(13);
        m.SetGate(13, TestMachine.HandlerStart, ist: 1);
        m.Program(TestMachine.CodeStart, 64, a =>
        {
            a.mov(ax, 0x48);
            a.mov(ds, ax);
        });
        Halt(m);
        Assert.Equal(TestMachine.IstStackTop - 48, m.State->Gpr[4]);
        Assert.Equal(TestMachine.KernelData, m.State->Segments[(int)SegmentIndex.SS].Selector); // no change of level: SS stays
    }

    [Fact]
    public void PageFaultSetsCr2AndItsErrorCode()
    {
        using TestMachine m = Long(14);
        m.Program(TestMachine.CodeStart, 64, a => a.mov(__byte_ptr[0x7FFF_F000], al)); // beyond the 1 GiB that is mapped
        m.DropToUser();
        Halt(m);
        Assert.Equal(0x7FFF_F000u, m.State->Cr2);
        Assert.Equal([6UL, TestMachine.CodeStart, TestMachine.UserCode | 3], Frame(m, 3)); // write, user, not present
    }

    [Theory]
    [InlineData(14u, false)]
    [InlineData(15u, true)]
    public void TrapGateLeavesInterruptsEnabled(uint gateType, bool enabled)
    {
        using TestMachine m = Long(0x30);
        m.SetGate(0x30, TestMachine.HandlerStart, type: gateType);
        m.Processor.Rflags = RflagsBits.Fixed1 | RflagsBits.IF | RflagsBits.TF & 0;
        m.Platform.Interrupts.Enqueue(0x30);
        m.Program(TestMachine.CodeStart, 64, a => a.nop());
        Halt(m);
        Assert.Equal(enabled, (m.Processor.Rflags & RflagsBits.IF) != 0);
        Assert.Equal(TestMachine.CodeStart, m.Read<ulong>(m.State->Gpr[4]));
    }

    [Fact]
    public void SoftwareInterruptReturnsBehindItself()
    {
        using TestMachine m = Long(0x80);
        m.SetGate(0x80, TestMachine.HandlerStart, dpl: 3);
        m.DropToUser();
        m.Program(TestMachine.CodeStart, 64, a => a.@int(0x80));
        Halt(m);
        Assert.Equal([TestMachine.CodeStart + 2, TestMachine.UserCode | 3], Frame(m, 2));
    }

    [Fact]
    public void GateOfDpl0RefusesSoftwareFromUserWithoutExt()
    {
        using TestMachine m = Long(13);
        m.SetGate(0x80, TestMachine.HandlerStart, dpl: 0);
        m.DropToUser();
        m.Program(TestMachine.CodeStart, 64, a => a.@int(0x80));
        Halt(m);
        Assert.Equal([(0x80UL * 8) + IdtBit, TestMachine.CodeStart], Frame(m, 2));
    }

    [Fact]
    public void GateOfDpl0IsNoObstacleToHardware()
    {
        using TestMachine m = Long(0x40);
        m.DropToUser();
        m.Processor.Rflags |= RflagsBits.IF;
        m.Platform.Interrupts.Enqueue(0x40);
        m.Program(TestMachine.CodeStart, 64, a => a.nop());
        Halt(m);
        Assert.Equal(TestMachine.CodeStart, m.Read<ulong>(m.State->Gpr[4]));
    }

    [Theory]
    [InlineData(false, 0x40 * 8 + 3, 13)] // no gate type: #GP
    [InlineData(true, 0x40 * 8 + 3, 11)] // not present: #NP
    public void BadGateOfAnInterruptFaultsWithExt(bool hasType, int errorCode, byte vector)
    {
        using TestMachine m = Long(vector);
        m.SetGate(0x40, TestMachine.HandlerStart, type: hasType ? 14u : 0, present: false);
        m.Processor.Rflags |= RflagsBits.IF;
        m.Platform.Interrupts.Enqueue(0x40);
        m.Program(TestMachine.CodeStart, 64, a => a.nop());
        Halt(m);
        Assert.Equal((ulong)errorCode, m.Read<ulong>(m.State->Gpr[4]));
    }

    [Fact]
    public void VectorBeyondTheIdtIsGeneralProtection()
    {
        using TestMachine m = Long(13);
        m.State->Idtr.Limit = (14 * 16) - 1;
        m.Program(TestMachine.CodeStart, 64, a => a.@int(0x80));
        Halt(m);
        Assert.Equal((0x80UL * 8) + IdtBit, m.Read<ulong>(m.State->Gpr[4]));
    }

    [Fact]
    public void GateToACompatibilitySegmentIsGeneralProtection()
    {
        using TestMachine m = Long(13);
        m.SetGate(0x40, TestMachine.HandlerStart, selector: TestMachine.UserCode32);
        m.SetDescriptor(TestMachine.UserCode32, TestMachine.Flat(0xC09B));
        m.Processor.Rflags |= RflagsBits.IF;
        m.Platform.Interrupts.Enqueue(0x40);
        m.Program(TestMachine.CodeStart, 64, a => a.nop());
        Halt(m);
        Assert.Equal(TestMachine.UserCode32 | ExtBit, m.Read<ulong>(m.State->Gpr[4]));
    }

    [Theory]
    [InlineData(0, 13, 8)] // #DE then #GP: double fault
    [InlineData(14, 13, 8)] // #PF then #GP: double fault
    [InlineData(6, 13, 13)] // #UD is benign: the #GP is served
    public void SecondFaultDoublesOrIsServed(byte first, byte second, byte served)
    {
        using TestMachine m = Long(served);
        m.SetGate(first, TestMachine.HandlerStart, selector: 0x48); // beyond the GDT: #GP(0x48 + EXT)
        m.Program(TestMachine.CodeStart, 64, a =>
        {
            switch (first)
            {
                case 0:
                    a.xor(ecx, ecx);
                    a.div(ecx);
                    break;
                case 14:
                    a.mov(al, __byte_ptr[0x7FFF_F000]);
                    break;
                default:
                    a.ud2();
                    break;
            }
        });
        Halt(m);
        Assert.Equal(served == second ? 0x49u : 0, m.Read<ulong>(m.State->Gpr[4]));
    }

    [Fact]
    public void ThirdFaultShutsDown()
    {
        using TestMachine m = new();
        m.EnterLongMode();
        m.Program(TestMachine.CodeStart, 64, a => a.ud2());
        Assert.Equal(StopReason.Shutdown, m.Run());
        Assert.Equal(TestMachine.CodeStart, m.State->Rip);
    }

    [Fact]
    public void ProtectedModeFramesHaveThreeWordsAtTheSameLevelAndFiveFromOutside()
    {
        using TestMachine m = new();
        m.EnterProtectedMode();
        m.SetGate(13, TestMachine.HandlerStart);
        m.Program(TestMachine.HandlerStart, 32, a => a.hlt());
        m.Program(TestMachine.CodeStart, 32, a =>
        {
            a.mov(ax, 0x48);
            a.mov(ds, ax);
        });
        Halt(m);
        Assert.Equal(TestMachine.StackTop - 16, m.State->Gpr[4]);
        Assert.Equal(0x48u, m.Read<uint>(m.State->Gpr[4]));
        Assert.Equal(TestMachine.CodeStart + 4, m.Read<uint>(m.State->Gpr[4] + 4));

        m.EnterProtectedMode();
        m.DropToUser();
        Halt(m);
        Assert.Equal(TestMachine.KernelStackTop - 24, m.State->Gpr[4]);
        Assert.Equal(TestMachine.UserCode | 3u, m.Read<uint>(m.State->Gpr[4] + 8));
        Assert.Equal((uint)TestMachine.StackTop, m.Read<uint>(m.State->Gpr[4] + 16));
        Assert.Equal(TestMachine.UserData | 3u, m.Read<uint>(m.State->Gpr[4] + 20));
        Assert.Equal(TestMachine.KernelData, m.State->Segments[(int)SegmentIndex.SS].Selector);
    }

    [Fact]
    public void RealModePushesThreeWordsAndNoErrorCode()
    {
        using TestMachine m = new();
        m.State->Segments[(int)SegmentIndex.CS].Base = 0;
        m.State->Segments[(int)SegmentIndex.CS].Selector = 0;
        m.State->Rip = 0x7C00;
        m.State->Gpr[4] = 0x7000;
        m.Processor.OnContextReplaced();
        m.Write(0, 0x0100_0004u); // #DE: 0100:0004
        m.Program(0x1004, 16, a => a.hlt());
        m.Program(0x7C00, 16, a =>
        {
            a.sti();
            a.xor(cl, cl);
            a.div(cl);
        });
        Halt(m);
        Assert.Equal(0x6FFAu, m.State->Gpr[4]);
        Assert.Equal(0x7C03, m.Read<ushort>(0x6FFA));
        Assert.Equal(0, m.Read<ushort>(0x6FFC));
        Assert.NotEqual(0, m.Read<ushort>(0x6FFE) & (int)RflagsBits.IF);
        Assert.Equal(0u, m.Processor.Rflags & RflagsBits.IF);
        Assert.Equal(0x1000u, m.State->Segments[(int)SegmentIndex.CS].Base);
    }

    [Fact]
    public void MovSsHoldsInterruptsOffForOneInstruction()
    {
        using TestMachine m = Long(0x40);
        m.Processor.Rflags |= RflagsBits.IF;
        m.Program(TestMachine.CodeStart, 64, a =>
        {
            a.mov(ax, TestMachine.KernelData);
            a.mov(ss, ax);
            a.mov(eax, 1);
            a.mov(eax, 2);
        });
        Assert.Equal(StopReason.Budget, m.Run(2));
        m.Platform.Interrupts.Enqueue(0x40);
        Halt(m);
        Assert.Equal(1u, m.State->Gpr[0]);
    }

    [Fact]
    public void SingleStepTrapsAfterEachInstruction()
    {
        using TestMachine m = Long(1);
        m.Program(TestMachine.CodeStart, 64, a =>
        {
            a.mov(eax, 1);
            a.mov(eax, 2);
        });
        m.Processor.Rflags |= RflagsBits.TF;
        Halt(m);
        Assert.Equal(1u, m.State->Gpr[0]);
        Assert.Equal(TestMachine.CodeStart + 5, m.Read<ulong>(m.State->Gpr[4]));
        Assert.Equal(1UL << 14, m.State->Dr[6] & (1UL << 14));
        Assert.Equal(0u, m.Processor.Rflags & RflagsBits.TF);
    }

    [Fact]
    public void HaltWakesWithTheInterrupt()
    {
        using TestMachine m = Long(0x40);
        m.Processor.Rflags |= RflagsBits.IF;
        m.Program(TestMachine.CodeStart, 64, a => a.hlt());
        Halt(m);
        Assert.Equal(TestMachine.CodeStart + 1, m.State->Rip);
        m.Platform.Interrupts.Enqueue(0x40);
        Halt(m);
        Assert.Equal(TestMachine.HandlerStart + 1, m.State->Rip);
        Assert.Equal(TestMachine.CodeStart + 1, m.Read<ulong>(m.State->Gpr[4]));
    }

    [Fact]
    public void NmiIsNotNestedUntilIret()
    {
        using TestMachine m = Long(2);
        m.Program(TestMachine.HandlerStart, 64, a =>
        {
            a.inc(ebx);
            a.iretq();
        });
        m.Program(TestMachine.CodeStart, 64, a =>
        {
            a.nop();
            a.hlt();
        });
        m.Processor.SignalNmi();
        Assert.Equal(StopReason.Budget, m.Run(1));
        m.Processor.SignalNmi(); // waits for the IRET of the first
        Halt(m);
        Assert.Equal(2u, m.State->Gpr[3]);
        Assert.Equal(TestMachine.StackTop, m.State->Gpr[4]);
        Assert.Equal(0u, m.State->Interruptibility);
    }

    [Fact]
    public void FaultLoopEndsWithTheBudget()
    {
        using TestMachine m = Long(6);
        m.SetGate(6, TestMachine.CodeStart, ist: 1); // its own handler: #UD for ever
        m.Program(TestMachine.CodeStart, 64, a => a.ud2());
        Assert.Equal(StopReason.Budget, m.Run(10_000));
    }

    private static TestMachine Long(byte vector)
    {
        TestMachine m = new();
        m.EnterLongMode();
        m.SetGate(vector, TestMachine.HandlerStart);
        m.Program(TestMachine.HandlerStart, 64, a => a.hlt());
        return m;
    }

    private static void Halt(TestMachine m) => Assert.Equal(StopReason.Halted, m.Run());

    private static ulong[] Frame(TestMachine m, int words)
    {
        ulong[] frame = new ulong[words];
        for (int i = 0; i < words; i++)
        {
            frame[i] = m.Read<ulong>(m.State->Gpr[4] + (8 * (ulong)i));
        }

        return frame;
    }
}
