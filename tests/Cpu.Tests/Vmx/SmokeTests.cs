using Iced.Intel;

using Xunit;

using static Iced.Intel.AssemblerRegisters;

namespace Xenolith.Cpu.Tests;

/// <summary>
/// Method: one tiny guest in protected mode without paging, under EPT, is entered as a hypervisor would, and leaves by each of the
/// exits that every hypervisor handles. It fails when entry, execution under EPT, saving or loading of state is wrong anywhere on the way.
/// </summary>
public sealed unsafe class SmokeTests
{
    [Theory]
    [InlineData("none")]
    [InlineData("asmi:literal")]
    [InlineData("asmi:hardened")]
    public void TinyGuestExitsStepByStep(string isolation)
    {
        using VmxMachine m = new(isolation);
        m.Guest(a =>
        {
            a.mov(eax, 0x4000_0000);
            a.cpuid();
            a.mov(ecx, eax);
            a.vmcall();
            a.mov(__dword_ptr[0x20_0000], ecx);
            a.hlt();
        });
        m.GiveGuestMemory();

        Assert.Equal(ExitReason.Cpuid, m.Enter());
        Assert.Equal(0x4000_0000u, m.State->Gpr[0]);
        Assert.Equal(2u, m[VmcsField.ExitInstructionLength]);
        Assert.Equal(VmxMachine.HostEntry, m.State->Rip);
        m.State->Gpr[0] = 0x1234;
        m.SkipInstruction();

        Assert.Equal(ExitReason.Vmcall, m.Enter());
        Assert.Equal(0x1234u, m.State->Gpr[1]);
        Assert.Equal(3u, m[VmcsField.ExitInstructionLength]);
        m.SkipInstruction();

        Assert.Equal(ExitReason.EptViolation, m.Enter());
        Assert.Equal(0x20_0000u, m[VmcsField.GuestPhysicalAddress]);
        Assert.Equal(0x20_0000u, m[VmcsField.GuestLinearAddress]);
        Assert.Equal(0x182u, m.Qualification & 0x1FF); // write; not readable, writable or executable; linear address; final access
        m[VmcsField.GuestRip] += 6;

        Assert.Equal(ExitReason.Hlt, m.Enter());
        Assert.Equal(1u, m[VmcsField.ExitInstructionLength]);
    }
}
