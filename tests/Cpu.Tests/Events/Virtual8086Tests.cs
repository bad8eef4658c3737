using System;

using Iced.Intel;

using Xunit;

using static Iced.Intel.AssemblerRegisters;

namespace Xenolith.Cpu.Tests;

/// <summary>
/// Method: 16-bit programs in virtual-8086 mode with chosen IOPL and CR4.VME under a monitor whose handlers halt; state, frames and error
/// codes are compared with SDM 3B "8086 Emulation". It fails when an instruction is let through or trapped against its rules.
/// </summary>
public sealed unsafe class Virtual8086Tests
{
    private const ushort CodeSegment = 0x3000;
    private const ushort StackSegment = 0x5000;
    private const ushort StackPointer = 0x800;
    private const ushort BitmapBase = 0x88;
    private const uint Iopl3 = RflagsBits.IOPL;

    [Fact]
    public void IretEntersWithAllSegments()
    {
        using TaskMachine m = new();
        m.WriteBytes(CodeSegment * 16UL, [0xF4]);
        m.Program(TestMachine.CodeStart, 32, a =>
        {
            a.push(0x66); // GS
            a.push(0x55);
            a.push(0x44);
            a.push(0x33); // ES
            a.push(StackSegment);
            a.push(StackPointer);
            a.push(0x2_0002);
            a.push(CodeSegment);
            a.push(0);
            a.iretd();
        });
        Assert.Equal(StopReason.Budget, m.Run(10));
        Assert.Equal(3, m.State->Cpl);
        Assert.Equal(0x330u, m.State->Segments[(int)SegmentIndex.ES].Base);
        Assert.Equal(0x440u, m.State->Segments[(int)SegmentIndex.DS].Base);
        Assert.Equal(0xFFFFu, m.State->Segments[(int)SegmentIndex.GS].Limit);
        Assert.Equal(StackPointer, m.State->Gpr[4]);
        Assert.Equal(StopReason.Halted, m.Run());
        Assert.Equal((13, 0u), m.Fault); // HLT at CPL 3
        Assert.Equal(TestMachine.KernelStackTop - 40, m.State->Gpr[4]); // nine words and the error code
        Assert.Equal(0x66u, m.Read<uint>(TestMachine.KernelStackTop - 4));
    }

    [Theory]
    [InlineData(0xFA)] // CLI
    [InlineData(0xFB)] // STI
    [InlineData(0x9C)] // PUSHF
    [InlineData(0x9D)] // POPF
    [InlineData(0xCF)] // IRET
    [InlineData(0xCD)] // INT n
    public void IoplGuardsSixInstructions(int opcode)
    {
        using TaskMachine m = Enter(0, vme: false, (byte)opcode, 0x40);
        Assert.Equal((13, 0u), m.Fault);
        using TaskMachine open = new();
        Prepare(open, Iopl3, vme: false, (byte)opcode, 0x40);
        Assert.Equal(StopReason.Budget, open.Run(1));
        bool isInt = opcode == 0xCD; // there is no gate 40H: #GP with its number
        Assert.Equal(isInt, !open.Processor.IsVirtual8086);
        Assert.Equal(isInt ? 0x202u : 0, isInt ? open.Read<uint>(open.State->Gpr[4]) : 0);
    }

    [Fact]
    public void Int3IsNotGuarded()
    {
        using TaskMachine m = new();
        m.SetGate(3, TestMachine.HandlerStart + 48, dpl: 3);
        Enter(m, 0, vme: false, 0xCC);
        Assert.Equal(3, m.Vector);
    }

    [Theory]
    [InlineData(0u, 0x3202)] // IOPL is shown as 3, VIF as IF
    [InlineData(Iopl3, 0x3002)]
    public void InterruptIsRedirectedToTheTask(uint iopl, int pushed)
    {
        using TaskMachine m = new();
        OpenBitmap(m, redirected: true);
        m.Write(0x40 * 4UL, 0x7000u << 16 | 0x0010u);
        m.WriteBytes(0x7_0010, [0xF4]);
        Enter(m, iopl | RflagsBits.VIF, vme: true, 0xCD, 0x40);
        Assert.Equal((13, 0u), m.Fault); // the HLT
        Assert.Equal(0x7000u, m.Read<uint>(m.State->Gpr[4] + 8));
        ulong frame = (StackSegment * 16UL) + StackPointer - 6;
        Assert.Equal(2, m.Read<ushort>(frame));
        Assert.Equal(CodeSegment, m.Read<ushort>(frame + 2));
        Assert.Equal(pushed, m.Read<ushort>(frame + 4));
        uint flags = m.Read<uint>(m.State->Gpr[4] + 12);
        Assert.Equal(iopl == 0 ? 0u : RflagsBits.VIF, flags & RflagsBits.VIF);
    }

    [Fact]
    public void InterruptWithItsBitSetGoesToTheMonitor()
    {
        using TaskMachine m = new();
        OpenBitmap(m, redirected: false);
        Enter(m, 0, vme: true, 0xCD, 0x40);
        Assert.Equal((13, 0u), m.Fault);
        using TaskMachine open = new();
        OpenBitmap(open, redirected: false);
        open.SetGate(0x40, TestMachine.HandlerStart, dpl: 3);
        Enter(open, Iopl3, vme: true, 0xCD, 0x40);
        Assert.Equal(TestMachine.HandlerStart + 1, open.State->Rip);
    }

    [Theory]
    [InlineData(0xFB, 0u, true, -1)] // STI sets VIF
    [InlineData(0xFA, RflagsBits.VIF, false, -1)] // CLI clears it
    [InlineData(0xFB, RflagsBits.VIP, false, 13)] // STI with an interrupt pending
    [InlineData(0xFA, RflagsBits.VIP, false, -1)]
    public void CliAndStiChangeVif(int opcode, uint flags, bool expected, int vector)
    {
        using TaskMachine m = Enter(flags, vme: true, (byte)opcode, 0xF4);
        Assert.Equal((13, 0u), m.Fault); // of itself, or of the HLT
        Assert.Equal(vector == 13 ? 0u : 1, m.Read<uint>(m.State->Gpr[4] + 4));
        Assert.Equal(expected ? RflagsBits.VIF : 0, m.Read<uint>(m.State->Gpr[4] + 12) & RflagsBits.VIF);
    }

    [Theory]
    [InlineData(0x0200, 0u, true, false)] // IF in the image goes to VIF
    [InlineData(0x0000, RflagsBits.VIF, false, false)]
    [InlineData(0x0200, RflagsBits.VIP, false, true)]
    [InlineData(0x0100, 0u, false, true)] // TF
    public void PopfAndIretChangeVif(int image, uint flags, bool expected, bool faults)
    {
        using TaskMachine popf = new();
        popf.Write((StackSegment * 16UL) + StackPointer, (ushort)image);
        Enter(popf, flags, vme: true, 0x9D, 0xF4);
        Check(popf, 1);
        using TaskMachine iret = new();
        iret.Write((StackSegment * 16UL) + StackPointer, (ushort)1);
        iret.Write((StackSegment * 16UL) + StackPointer + 2, CodeSegment);
        iret.Write((StackSegment * 16UL) + StackPointer + 4, (ushort)image);
        Enter(iret, flags, vme: true, 0xCF, 0xF4);
        Check(iret, 1);

        void Check(TaskMachine m, uint next)
        {
            Assert.Equal((13, 0u), m.Fault);
            Assert.Equal(faults ? 0 : next, m.Read<uint>(m.State->Gpr[4] + 4));
            uint after = m.Read<uint>(m.State->Gpr[4] + 12);
            Assert.Equal(faults ? flags & RflagsBits.VIF : expected ? RflagsBits.VIF : 0, after & RflagsBits.VIF);
            Assert.Equal(0u, after & (RflagsBits.IF | RflagsBits.IOPL));
        }
    }

    [Theory]
    [InlineData(0x66, true)] // PUSHFD, POPFD and IRETD have no virtual form
    [InlineData(0x90, false)]
    public void PushfWithVmeShowsVifForWordsOnly(int prefix, bool faults)
    {
        using TaskMachine m = Enter(RflagsBits.VIF, vme: true, (byte)prefix, 0x9C, 0xF4);
        Assert.Equal(faults ? 0 : 2u, m.Read<uint>(m.State->Gpr[4] + 4));
        if (!faults)
        {
            Assert.Equal(0x3202, m.Read<ushort>((StackSegment * 16UL) + StackPointer - 2));
        }
    }

    [Theory]
    [InlineData(0x60, 1, false)]
    [InlineData(0x61, 1, true)]
    [InlineData(0x60, 2, true)] // the second byte's bit is set
    public void PortsAskTheBitmapWhateverIopl(int port, int size, bool faults)
    {
        using TaskMachine m = new();
        OpenBitmap(m, redirected: false);
        m.Write(TestMachine.Tss + BitmapBase + (0x60 / 8), (ushort)0b10);
        m.State->Gpr[2] = (uint)port;
        Enter(m, Iopl3, vme: false, size == 1 ? (byte)0xEC : (byte)0xED, 0xF4);
        Assert.Equal((13, 0u), m.Fault);
        Assert.Equal(faults ? 0 : 1u, m.Read<uint>(m.State->Gpr[4] + 4));
    }

    [Theory]
    [InlineData(false, 0xFA, 13)] // CLI at CPL 3 and IOPL 0
    [InlineData(true, 0xFA, -1)]
    [InlineData(true, 0xFB, -1)]
    public void PviGivesProtectedModeVirtualInterrupts(bool pvi, int opcode, int vector)
    {
        using TaskMachine m = new();
        m.State->Paging.Cr4 = pvi ? ControlRegisters.Cr4Pvi : 0;
        m.DropToUser();
        m.WriteBytes(TestMachine.CodeStart, [(byte)opcode, 0xF4]);
        _ = m.Run();
        Assert.Equal((13, 0u), m.Fault);
        Assert.Equal(TestMachine.CodeStart + (vector == 13 ? 0 : 1u), m.Read<uint>(m.State->Gpr[4] + 4));
        Assert.Equal(opcode == 0xFB ? RflagsBits.VIF : 0, m.Read<uint>(m.State->Gpr[4] + 12) & RflagsBits.VIF);
    }

    [Fact]
    public void DescriptorInstructionsDoNotExist()
    {
        byte[][] undefined = [[0x0F, 0x00, 0xC0], [0x0F, 0x00, 0xD0], [0x0F, 0x02, 0xC0], [0x0F, 0x03, 0xC0], [0x63, 0xC0], [0x0F, 0x00, 0xE0]];
        foreach (byte[] code in undefined)
        {
            using TaskMachine m = Enter(Iopl3, vme: false, code);
            Assert.Equal(6, m.Vector);
        }
    }

    private static void OpenBitmap(TaskMachine m, bool redirected)
    {
        m.State->Segments[(int)SegmentIndex.TR].Limit = 0x2088;
        m.Write(TestMachine.Tss + 0x66, BitmapBase);
        for (ulong i = 0; i < 32; i++)
        {
            m.Write(TestMachine.Tss + BitmapBase - 32 + i, (byte)(redirected ? 0 : 0xFF));
        }
    }

    private static TaskMachine Enter(uint flags, bool vme, params byte[] code)
    {
        TaskMachine m = new();
        Enter(m, flags, vme, code);
        return m;
    }

    /// <summary>Runs code at offset 0 of its segment until a handler of the monitor halts.</summary>
    private static void Enter(TaskMachine m, uint flags, bool vme, params byte[] code)
    {
        Prepare(m, flags, vme, code);
        Assert.Equal(StopReason.Halted, m.Run());
    }

    private static void Prepare(TaskMachine m, uint flags, bool vme, params byte[] code)
    {
        m.WriteBytes(CodeSegment * 16UL, code);
        m.State->Paging.Cr4 = vme ? ControlRegisters.Cr4Vme : 0;
        m.Processor.Rflags = RflagsBits.Fixed1 | RflagsBits.VM | flags;
        for (SegmentIndex index = SegmentIndex.ES; index <= SegmentIndex.GS; index++)
        {
            m.Processor.LoadRealSegment(index, index == SegmentIndex.CS ? CodeSegment : StackSegment);
        }

        m.State->Rip = 0;
        m.State->Gpr[4] = StackPointer;
        m.Processor.OnContextReplaced();
    }
}
