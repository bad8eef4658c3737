using Iced.Intel;

using Xunit;

using static Iced.Intel.AssemblerRegisters;

namespace Xenolith.Cpu.Tests;

/// <summary>
/// Method: what user mode on silicon cannot show of AVX and XSAVE: which of CR4.OSXSAVE, XCR0, CR0.TS and CR0.EM make a VEX instruction
/// #UD or #NM, which values XCR0 takes, and where PKRU lies in both forms of an area. It fails when a check is missing or in the wrong
/// order, when XSETBV takes a value that the manual forbids, or when a component is written or read elsewhere.
/// </summary>
public sealed unsafe class ExtendedStateTests
{
    private const uint Area = 0xC000;
    private const ulong Marker = 0x1234_5678_9ABC_DEF0;

    [Theory]
    [InlineData(true, 7UL, 0UL, 0)]
    [InlineData(true, 7UL, 1UL << 2, 0)] // CR0.EM means nothing to VEX
    [InlineData(true, 7UL, 1UL << 3, 7)] // CR0.TS
    [InlineData(true, 3UL, 0UL, 6)]
    [InlineData(true, 3UL, 1UL << 3, 6)] // #UD comes first
    [InlineData(false, 7UL, 0UL, 6)]
    public void VexNeedsWhatTheManualSays(bool osxsave, ulong xcr0, ulong cr0, byte vector)
    {
        using TestMachine m = Machine(xcr0);
        m.State->Paging.Cr4 &= osxsave ? ulong.MaxValue : ~ControlRegisters.Cr4Osxsave;
        m.State->Paging.Cr0 |= cr0;
        if (vector != 0)
        {
            m.SetGate(vector, TestMachine.HandlerStart);
        }

        m.Program(TestMachine.HandlerStart, 64, a => a.hlt());
        m.State->Vector[1].U64[3] = Marker;
        m.Program(TestMachine.CodeStart, 64, a =>
        {
            a.vmovaps(ymm2, ymm1);
            a.hlt();
        });
        Assert.Equal(StopReason.Halted, m.Run());
        Assert.Equal(vector == 0 ? Marker : 0, m.State->Vector[2].U64[3]);
        Assert.Equal(vector != 0, m.State->Rip == TestMachine.HandlerStart + 1);
    }

    [Theory]
    [InlineData(1UL, true)]
    [InlineData(3UL, true)]
    [InlineData(7UL, true)]
    [InlineData(0x207UL, true)]
    [InlineData(0UL, false)]
    [InlineData(2UL, false)]
    [InlineData(5UL, false)] // AVX without SSE
    [InlineData(0xFUL, false)]
    [InlineData(0xE7UL, false)] // AVX-512
    public void XsetbvTakesWhatCpuidOffers(ulong value, bool taken)
    {
        using TestMachine m = Machine(1);
        m.SetGate(13, TestMachine.HandlerStart);
        m.Program(TestMachine.HandlerStart, 64, a => a.hlt());
        m.State->Gpr[0] = value;
        m.State->Gpr[1] = 0;
        m.State->Gpr[2] = 0;
        m.Program(TestMachine.CodeStart, 64, a =>
        {
            a.xsetbv();
            a.hlt();
        });
        Assert.Equal(StopReason.Halted, m.Run());
        Assert.Equal(taken ? value : 1, m.State->Xcr0);
        Assert.Equal(taken ? XsaveArea.SizeOf(value) : XsaveArea.SizeOf(1), CpuidModel.Query(0xD, 0, m.State).Ebx);
    }

    [Theory]
    [InlineData(false, 576u, 2688u)]
    [InlineData(true, 576u, 832u)]
    public void PkruAndAvxLieWhereCpuidSays(bool compacted, uint avxAt, uint pkruAt)
    {
        using TestMachine m = Machine(0x207);
        m.State->Vector[15].U64[2] = Marker;
        m.State->Paging.Pkru = 0xA5A5_0000;
        m.Program(TestMachine.CodeStart, 64, a =>
        {
            a.mov(eax, 0x204);
            a.xor(edx, edx);
            if (compacted)
            {
                a.xsavec64(__[Area]);
            }
            else
            {
                a.xsave64(__[Area]);
            }

            a.vpxor(xmm15, xmm15, xmm15);
            a.xrstor64(__[Area]);
            a.hlt();
        });
        Assert.Equal(StopReason.Halted, m.Run());
        Assert.Equal(Marker, m.Read<ulong>(Area + avxAt + (15 * 16)));
        Assert.Equal(0xA5A5_0000u, m.Read<uint>(Area + pkruAt));
        Assert.Equal(0x204UL, m.Read<ulong>(Area + 512));
        Assert.Equal(compacted ? 0x8000_0000_0000_0204 : 0, m.Read<ulong>(Area + 520));
        Assert.Equal(Marker, m.State->Vector[15].U64[2]);
        Assert.Equal(0xA5A5_0000u, m.State->Paging.Pkru);
        Assert.Equal(pkruAt + 8, compacted ? CpuidModel.Query(0xD, 1, m.State).Ebx : CpuidModel.Query(0xD, 0, m.State).Ebx);
    }

    private static TestMachine Machine(ulong xcr0)
    {
        TestMachine m = new();
        m.EnterLongMode();
        m.State->Paging.Cr4 |= ControlRegisters.Cr4Osxsave | ControlRegisters.Cr4Osfxsr;
        m.State->Xcr0 = xcr0;
        return m;
    }
}
