using Iced.Intel;

using Xunit;

using static Iced.Intel.AssemblerRegisters;
using static Xenolith.Cpu.VmcsField;

namespace Xenolith.Cpu.Tests;

/// <summary>
/// Method: the VMX instructions are executed as code, in root operation of a machine without a hosted hypervisor, and RFLAGS, registers and
/// the VMCS are compared with SDM 3C "VMX Instructions". It fails when the instructions and the microcode under them do not fit together.
/// </summary>
public sealed unsafe class VmxInstructionTests
{
    private const uint Pointers = 0xC000;
    private const ulong HostCode = 0x1_8000;

    [Fact]
    public void HypervisorInMachineCodeStartsAGuestAndGetsItsExit()
    {
        using VmxMachine m = Bare();
        m[HostRip] = HostCode;
        m.Guest(a => a.cpuid());
        Assert.True(m.Vmx.Vmxoff().IsSuccess);
        m.Program(TestMachine.CodeStart, 64, a =>
        {
            a.vmxon(__[Pointers]);
            a.vmptrld(__[Pointers + 8]);
            a.vmlaunch();
            a.ud2();
        });
        m.Program(HostCode, 64, a =>
        {
            a.mov(ecx, (uint)VmcsField.ExitReason);
            a.vmread(rbx, rcx);
            a.vmptrst(__[Pointers + 16]);
            a.hlt();
        });
        Assert.Equal(StopReason.Halted, m.Run());
        Assert.Equal((ulong)Xenolith.Cpu.ExitReason.Cpuid, m.State->Gpr[3]);
        Assert.Equal(VmxMachine.VmcsRegion, m.Read<ulong>(Pointers + 16));
    }

    [Fact]
    public void FailuresShowInRflags()
    {
        using VmxMachine m = Bare();
        m.Program(TestMachine.CodeStart, 64, a =>
        {
            a.vmresume(); // a clear VMCS: VMfailValid, ZF
            a.setz(bl);
            a.mov(ecx, (uint)VmcsField.VmInstructionError);
            a.vmread(rsi, rcx);
            a.mov(ecx, 0x7FFE);
            a.vmwrite(rcx, rax); // no such field: ZF
            a.setz(bh);
            a.vmclear(__[Pointers + 8]); // now there is no current VMCS
            a.vmread(rdx, rcx); // VMfailInvalid: CF
            a.setc(dl);
            a.hlt();
        });
        Assert.Equal(StopReason.Halted, m.Run());
        Assert.Equal(0x101u, m.State->Gpr[3] & 0xFFFF);
        Assert.Equal((ulong)Xenolith.Cpu.VmInstructionError.VmresumeNonLaunchedVmcs, m.State->Gpr[6]);
        Assert.Equal(1u, m.State->Gpr[2] & 0xFF);
    }

    [Fact]
    public void FailedEntryContinuesAtTheHost()
    {
        using VmxMachine m = Bare();
        m[HostRip] = HostCode;
        m[GuestRflags] = 0; // bit 1 must be 1
        m.Program(TestMachine.CodeStart, 64, a => a.vmlaunch());
        m.Program(HostCode, 64, a => a.hlt());
        Assert.Equal(StopReason.Halted, m.Run());
        Assert.Equal(HostCode + 1, m.State->Rip);
        Assert.Equal(0x8000_0021u, m[VmcsField.ExitReason]);
    }

    [Theory]
    [InlineData(true, 3, 13)] // CPL 3 in root operation: #GP(0)
    [InlineData(false, 0, 6)] // outside VMX operation: #UD
    public void PrivilegeAndOperationAreChecked(bool inOperation, int cpl, byte vector)
    {
        using VmxMachine m = Bare();
        m.SetGate(vector, TestMachine.HandlerStart);
        m.Program(TestMachine.HandlerStart, 64, a => a.hlt());
        m.Program(TestMachine.CodeStart, 64, a => a.vmptrld(__[Pointers + 8]));
        if (!inOperation)
        {
            Assert.True(m.Vmx.Vmxoff().IsSuccess);
        }

        if (cpl == 3)
        {
            m.DropToUser();
        }

        Assert.Equal(StopReason.Halted, m.Run());
        Assert.Equal(TestMachine.HandlerStart + 1, m.State->Rip);
    }

    [Theory]
    [InlineData(1UL, VmxMachine.EptRoot | 0x1E, true)] // single context
    [InlineData(1UL, 0UL, false)] // no valid EPTP
    [InlineData(2UL, 0UL, true)] // all contexts
    [InlineData(3UL, 0UL, false)] // no such type
    public void InveptChecksItsOperands(ulong type, ulong eptp, bool succeeds)
    {
        using VmxMachine m = Bare();
        m.Write(Pointers + 32, eptp);
        m.Program(TestMachine.CodeStart, 64, a =>
        {
            a.mov(rax, type);
            a.invept(rax, __[Pointers + 32]);
            a.setz(bl);
            a.hlt();
        });
        Assert.Equal(StopReason.Halted, m.Run());
        Assert.Equal(succeeds ? 0u : 1, m.State->Gpr[3] & 0xFF);
    }

    [Theory]
    [InlineData(0UL, 5UL, true)]
    [InlineData(0UL, 0UL, false)] // VPID 0
    [InlineData(1UL, 0x1_0005UL, false)] // reserved bits
    [InlineData(2UL, 0UL, true)]
    [InlineData(4UL, 5UL, false)] // no such type
    public void InvvpidChecksItsOperands(ulong type, ulong vpid, bool succeeds)
    {
        using VmxMachine m = Bare();
        m.Write(Pointers + 32, vpid);
        m.Program(TestMachine.CodeStart, 64, a =>
        {
            a.mov(rax, type);
            a.invvpid(rax, __[Pointers + 32]);
            a.setz(bl);
            a.hlt();
        });
        Assert.Equal(StopReason.Halted, m.Run());
        Assert.Equal(succeeds ? 0u : 1, m.State->Gpr[3] & 0xFF);
    }

    /// <summary>In VMX root operation, executing 64-bit code of its own, with the pointers to the regions in memory.</summary>
    private static VmxMachine Bare()
    {
        VmxMachine m = new();
        m.Processor.HostedHypervisor = false;
        m.EnterLongMode();
        m.State->Paging.Cr4 |= ControlRegisters.Cr4Vmxe;
        m.Processor.OnContextReplaced();
        m[HostCr0] = m.State->Paging.Cr0;
        m[HostCr4] = m.State->Paging.Cr4;
        m[HostEfer] = m.State->Paging.Efer;
        m.Write(Pointers, VmxMachine.VmxonRegion);
        m.Write(Pointers + 8, VmxMachine.VmcsRegion);
        return m;
    }
}
