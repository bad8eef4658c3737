using Iced.Intel;

using Xunit;

using static Iced.Intel.AssemblerRegisters;
using static Xenolith.Cpu.VmcsField;

namespace Xenolith.Cpu.Tests;

/// <summary>
/// Method: an event is injected into a guest whose handler ends in VMCALL, and the handler's stack frame is read. It fails when the event
/// does not arrive before the first instruction, arrives twice, or leaves another frame than SDM 3C "Event Injection" says.
/// </summary>
public sealed unsafe class InjectionTests
{
    private const uint Valid = 1u << 31;
    private const ulong Handler = 0x3_0000;

    [Theory]
    [InlineData(Valid | 0x55, 0x55, false, 0x1000)] // external interrupt
    [InlineData(Valid | (2 << 8) | 2, 2, false, 0x1000)] // NMI
    [InlineData(Valid | (3 << 8) | (1 << 11) | 13, 13, true, 0x1000)] // #GP(0x1234)
    [InlineData(Valid | (4 << 8) | 0x80, 0x80, false, 0x1002)] // INT 0x80, two bytes long
    public void ArrivesThroughTheGuestsIdt(uint information, byte vector, bool hasErrorCode, ulong returnAddress)
    {
        using VmxMachine m = Prepare(vector);
        m[EntryInterruptionInformation] = information;
        m[EntryExceptionErrorCode] = 0x1234;
        m[EntryInstructionLength] = 2;
        Assert.Equal(ExitReason.Vmcall, m.Enter());
        Assert.Equal(Handler, m[GuestRip]);
        Assert.Equal(0u, m[GuestRflags] & RflagsBits.IF);
        ulong frame = VmxMachine.GuestMemory + m[GuestRsp];
        if (hasErrorCode)
        {
            Assert.Equal(0x1234u, m.Read<uint>(frame));
            frame += 4;
        }

        Assert.Equal(returnAddress, m.Read<uint>(frame));
        Assert.Equal(TestMachine.KernelCode, m.Read<uint>(frame + 4));
        Assert.Equal(0u, m[EntryInterruptionInformation] & Valid); // an exit clears it
        Assert.Equal(vector == 2 ? 8u : 0, m[GuestInterruptibilityState]);
    }

    [Fact]
    public void WakesAHaltedGuest()
    {
        using VmxMachine m = Prepare(0x55);
        m[GuestActivityState] = 1;
        m[EntryInterruptionInformation] = Valid | 0x55;
        Assert.Equal(ExitReason.Vmcall, m.Enter());
        Assert.Equal(0u, m[GuestActivityState]);
    }

    [Fact]
    public void ItsNestedFaultIsInterceptedWithTheEventAsVectoring()
    {
        using VmxMachine m = Prepare(0x55);
        m.Write(VmxMachine.GuestMemory + TestMachine.Idt + (0x55 * 8), 0UL); // no gate: #GP(0x55 * 8 + 2 + EXT)
        m[VmcsField.ExceptionBitmap] = 1 << 13;
        m[EntryInterruptionInformation] = Valid | 0x55;
        Assert.Equal(ExitReason.ExceptionOrNmi, m.Enter());
        Assert.Equal(Valid | (3 << 8) | (1 << 11) | 13, m[ExitInterruptionInformation]);
        Assert.Equal((0x55u * 8) + 3, m[ExitInterruptionErrorCode]);
        Assert.Equal(Valid | 0x55u, m[IdtVectoringInformation]);
    }

    [Fact]
    public void PageFaultLeavesCr2ToTheHypervisor()
    {
        using VmxMachine m = Prepare(14);
        m.State->Cr2 = 0xCAFE;
        m[EntryInterruptionInformation] = Valid | (3 << 8) | (1 << 11) | 14;
        Assert.Equal(ExitReason.Vmcall, m.Enter());
        Assert.Equal(0xCAFEu, m.State->Cr2);
    }

    [Fact]
    public void RealModeGuestTakesItThroughTheVectorTable()
    {
        using VmxMachine m = Prepare(0x21);
        m[GuestCr0] = ControlRegisters.Cr0Ne | ControlRegisters.Cr0Et;
        for (uint i = 0; i < 6; i++)
        {
            m[GuestEsLimit + (2 * i)] = 0xFFFF;
            m[GuestEsAccessRights + (2 * i)] = i == 1 ? 0x9Bu : 0x93;
        }

        m[GuestIdtrBase] = 0;
        m[GuestIdtrLimit] = 0x3FF;
        m[GuestRsp] = 0x8000;
        m.Write(VmxMachine.GuestMemory + (0x21 * 4), 0x0200_0010u); // 0200:0010
        m.Program(VmxMachine.GuestMemory + 0x2010, 16, a => a.vmcall());
        m[EntryInterruptionInformation] = Valid | 0x21;
        Assert.Equal(ExitReason.Vmcall, m.Enter());
        Assert.Equal(0x200u, m[GuestCsSelector]);
        Assert.Equal(0x2000u, m[GuestCsBase]);
        Assert.Equal(0x10u, m[GuestRip]);
        Assert.Equal(0x7FFAu, m[GuestRsp]);
        Assert.Equal(0x1000, m.Read<ushort>(VmxMachine.GuestMemory + 0x7FFA));
        Assert.Equal(TestMachine.KernelCode, m.Read<ushort>(VmxMachine.GuestMemory + 0x7FFC));
    }

    private static VmxMachine Prepare(byte vector)
    {
        VmxMachine m = new();
        m.Guest(a => a.ud2());
        m.Program(VmxMachine.GuestMemory + Handler, 32, a => a.vmcall(), rip: Handler);
        ulong gate = (Handler & 0xFFFF) | ((ulong)TestMachine.KernelCode << 16) | (0x8EUL << 40) | (Handler >> 16 << 48);
        m.Write(VmxMachine.GuestMemory + TestMachine.Idt + (vector * 8UL), gate);
        m.Write(VmxMachine.GuestMemory + TestMachine.Gdt + TestMachine.KernelCode, TestMachine.Flat(0xC09B));
        m.Write(VmxMachine.GuestMemory + TestMachine.Gdt + TestMachine.KernelData, TestMachine.Flat(0xC093));
        m[GuestRflags] |= RflagsBits.IF;
        return m;
    }
}
