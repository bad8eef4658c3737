using Iced.Intel;

using Xunit;

using static Iced.Intel.AssemblerRegisters;

namespace Xenolith.Cpu.Tests;

/// <summary>
/// Method: x87 and SSE state is filled by hand, saved by one instruction, its area compared with the layout of SDM 1 "FXSAVE Area",
/// spoilt, and restored by the other. It fails when a field lies elsewhere, when registers are stored by physical number instead of by
/// stack position, or when something does not come back.
/// </summary>
public sealed unsafe class StateSaveTests
{
    private const uint Area = 0xC000;

    [Fact]
    public void FxsaveLaysOutAndFxrstorBringsBack()
    {
        using TestMachine m = Filled();
        m.Program(TestMachine.CodeStart, 64, a =>
        {
            a.fxsave64(__[Area]);
            a.hlt();
        });
        Assert.Equal(StopReason.Halted, m.Run());
        Assert.Equal(0x37F, m.Read<ushort>(Area));
        Assert.Equal(0x2800, m.Read<ushort>(Area + 2)); // TOP = 5
        Assert.Equal(0b1010_0000, m.Read<byte>(Area + 4)); // physical 5 and 7 are in use
        Assert.Equal(0x1234_5678_9ABCUL, m.Read<ulong>(Area + 8));
        Assert.Equal(0x1FA0u, m.Read<uint>(Area + 24));
        Assert.Equal(0xFFFFu, m.Read<uint>(Area + 28));
        Assert.Equal(0x8000_0000_0000_0005UL, m.Read<ulong>(Area + 32)); // ST0 is physical 5
        Assert.Equal(0x3FFF, m.Read<ushort>(Area + 40));
        Assert.Equal(0x8000_0000_0000_0007UL, m.Read<ulong>(Area + 64)); // ST2 is physical 7
        Assert.Equal(0xAAAA_0000_0000_000FUL, m.Read<ulong>(Area + 160 + (15 * 16)));

        m.State->Fsw = 0;
        m.State->Ftw = 0xFFFF;
        m.State->X87 = default;
        m.State->Vector = default;
        m.State->Mxcsr = 0x1F80;
        m.State->Activity = ActivityState.Active;
        m.State->Rip = TestMachine.CodeStart;
        m.Program(TestMachine.CodeStart, 64, a =>
        {
            a.fxrstor64(__[Area]);
            a.hlt();
        });
        Assert.Equal(StopReason.Halted, m.Run());
        Assert.Equal(0x2800, m.State->Fsw);
        Assert.Equal(0x33FF, m.State->Ftw); // valid in 5 and 7, empty elsewhere
        Assert.Equal(0x8000_0000_0000_0005UL, m.State->X87[5].Significand);
        Assert.Equal(0xAAAA_0000_0000_000FUL, m.State->Vector[15].U64[0]);
        Assert.Equal(0x1FA0u, m.State->Mxcsr);
    }

    [Fact]
    public void XrstorInitialisesWhatTheAreaDoesNotHold()
    {
        using TestMachine m = Filled();
        m.State->Paging.Cr4 |= ControlRegisters.Cr4Osxsave | ControlRegisters.Cr4Osfxsr;
        m.State->Xcr0 = 3;
        m.Write(Area + 24, 0x1F80u);
        m.Write(Area + 512, 0UL); // nothing is present
        m.Program(TestMachine.CodeStart, 64, a =>
        {
            a.mov(eax, 3);
            a.xor(edx, edx);
            a.xrstor64(__[Area]);
            a.xsave64(__[Area]);
            a.hlt();
        });
        Assert.Equal(StopReason.Halted, m.Run());
        Assert.Equal(0x37F, m.State->Fcw);
        Assert.Equal(0xFFFF, m.State->Ftw);
        Assert.Equal(0u, m.State->Vector[15].U64[0]);
        Assert.Equal(0u, m.Read<ulong>(Area + 512)); // the save found both in their initial configuration
    }

    [Theory]
    [InlineData(0xC008u, 0u, 3UL, 13)] // not aligned
    [InlineData(Area, 0x1_0000u, 3UL, 13)] // a reserved bit of MXCSR
    [InlineData(Area, 0x1F80u, 7UL, 13)] // a component that XCR0 does not enable
    public void XrstorRefusesBadAreas(uint address, uint mxcsr, ulong present, byte vector)
    {
        using TestMachine m = Filled();
        m.SetGate(vector, TestMachine.HandlerStart);
        m.Program(TestMachine.HandlerStart, 64, a => a.hlt());
        m.State->Paging.Cr4 |= ControlRegisters.Cr4Osxsave;
        m.State->Xcr0 = 3;
        m.Write(Area + 24, mxcsr);
        m.Write(Area + 512, present);
        m.Program(TestMachine.CodeStart, 64, a =>
        {
            a.mov(eax, 3);
            a.xor(edx, edx);
            a.xrstor(__[address]);
        });
        Assert.Equal(StopReason.Halted, m.Run());
        Assert.Equal(TestMachine.HandlerStart + 1, m.State->Rip);
        Assert.Equal(0xAAAA_0000_0000_000FUL, m.State->Vector[15].U64[0]);
    }

    private static TestMachine Filled()
    {
        TestMachine m = new();
        m.EnterLongMode();
        m.State->Fcw = 0x37F;
        m.State->Fsw = 5 << 11;
        m.State->Ftw = 0x33FF; // tags of 5 and 7: valid
        m.State->Fip = 0x1234_5678_9ABC;
        m.State->Mxcsr = 0x1FA0;
        for (int i = 0; i < 8; i++)
        {
            m.State->X87[i] = new X87Register { Significand = (1UL << 63) | (uint)i, SignExponent = 0x3FFF };
        }

        for (int i = 0; i < 16; i++)
        {
            m.State->Vector[i].U64[0] = 0xAAAA_0000_0000_0000 | (uint)i;
        }

        return m;
    }
}
