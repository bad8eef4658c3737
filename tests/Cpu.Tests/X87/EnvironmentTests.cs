using Iced.Intel;

using Xunit;

using static Iced.Intel.AssemblerRegisters;

namespace Xenolith.Cpu.Tests.X87;

/// <summary>
/// Method: what user mode of a 64-bit system does not show of the x87 environment: its formats in real mode (SDM 1 "Real Mode x87 FPU State
/// Image in Memory"), pending exceptions with and without CR0.NE, and what FXRSTOR makes of reserved bits. It fails when a linear address
/// is split wrongly, when a pending exception is lost, or when the error summary does not follow masks and flags.
/// </summary>
public sealed unsafe class EnvironmentTests
{
    private const uint Area = 0xC000;

    [Fact]
    public void RealModeStoresLinearAddresses()
    {
        using TestMachine m = new();
        foreach ((SegmentIndex segment, ushort selector) in new[] { (SegmentIndex.CS, (ushort)0x1000), (SegmentIndex.DS, (ushort)0x4321) })
        {
            ref SegmentRegister register = ref m.State->Segments[(int)segment];
            register.Selector = selector;
            register.Base = (ulong)selector << 4;
        }

        m.Processor.RefreshMode();
        m.State->Rip = 2;
        m.State->Gpr[3] = 0x1234;
        byte[] code =
        [
            0xD9, 0x07, // fld dword [bx]
            0xD9, 0x36, 0x00, 0x01, // fnstenv [0100h], 14 bytes
            0x66, 0xD9, 0x36, 0x00, 0x02, // fnstenv [0200h], 28 bytes
            0x66, 0xD9, 0x26, 0x00, 0x02, // fldenv [0200h], 28 bytes
            0x66, 0xD9, 0x36, 0x00, 0x03, // fnstenv [0300h], 28 bytes
            0xF4,
        ];
        m.WriteBytes(0x1_0002, code);
        Assert.Equal(StopReason.Halted, m.Run());

        const uint Data = 0x4_3210;
        Assert.Equal(0x0002, m.Read<ushort>(Data + 0x106)); // FIP 15:0 of linear 10002H
        Assert.Equal(0x1107, m.Read<ushort>(Data + 0x108)); // FIP 19:16 and the opcode
        Assert.Equal(0x4444, m.Read<ushort>(Data + 0x10A)); // FDP 15:0 of linear 44444H
        Assert.Equal(0x4000, m.Read<ushort>(Data + 0x10C));
        foreach (uint offset in new uint[] { 0x200, 0x300 })
        {
            Assert.Equal(0xFFFF_0002, m.Read<uint>(Data + offset + 12));
            Assert.Equal(0x0000_1107u, m.Read<uint>(Data + offset + 16));
            Assert.Equal(0xFFFF_4444, m.Read<uint>(Data + offset + 20));
            Assert.Equal(0x0000_4000u, m.Read<uint>(Data + offset + 24));
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void PendingExceptionsAreFaultsOnlyWithNumericError(bool numericError)
    {
        using TestMachine m = new();
        m.EnterLongMode();
        m.State->Paging.Cr0 = numericError ? m.State->Paging.Cr0 | ControlRegisters.Cr0Ne : m.State->Paging.Cr0 & ~ControlRegisters.Cr0Ne;
        m.Processor.RefreshMode();
        m.SetGate((byte)Vector.MF, TestMachine.HandlerStart);
        m.Program(TestMachine.HandlerStart, 64, a => a.hlt());
        m.Write<ushort>(Area, 0x37B); // #Z unmasked
        m.Program(TestMachine.CodeStart, 64, a =>
        {
            a.fninit();
            a.fldcw(__word_ptr[Area]);
            a.fld1();
            a.fldz();
            a.fdivp(st1, st0);
            a.wait();
            a.hlt();
        });
        Assert.Equal(StopReason.Halted, m.Run());
        Assert.Equal(numericError, m.State->Rip == TestMachine.HandlerStart + 1);
        Assert.Equal(numericError ? 0 : 1, m.Platform.FpuErrors);
        Assert.Equal(0xB084, m.State->Fsw); // B, ES and ZE; the two operands are still there
    }

    [Theory]
    [InlineData(0xFFFF, 0x00FF, 0x1F7F, 0x007F)] // all masked: no summary, whatever the image says
    [InlineData(0xE000, 0x0004, 0x0040, 0x8084)] // reserved bits of the control word are not kept; ZE is unmasked
    public void FxrstorFindsTheErrorSummaryAnew(int controlWord, int statusWord, int expectedControl, int expectedStatus)
    {
        using TestMachine m = new();
        m.EnterLongMode();
        m.Write(Area, (ushort)controlWord);
        m.Write(Area + 2, (ushort)statusWord);
        m.Write(Area + 24, 0x1F80u);
        m.Program(TestMachine.CodeStart, 64, a =>
        {
            a.fxrstor64(__[Area]);
            a.hlt();
        });
        Assert.Equal(StopReason.Halted, m.Run());
        Assert.Equal(expectedControl, m.State->Fcw);
        Assert.Equal(expectedStatus, m.State->Fsw);
    }
}
