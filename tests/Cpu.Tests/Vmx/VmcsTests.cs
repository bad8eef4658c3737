using System;
using System.Collections.Generic;

using Xenolith.Mmu;

using Xunit;

namespace Xenolith.Cpu.Tests;

/// <summary>
/// Method: the VMX instructions on a VMCS region, each success and each error of SDM 3C "VMX Instructions" by itself. It fails when two
/// fields share bytes, a field is lost or cut wrongly, an error number is another than the manual's, or VMCLEAR leaves a VMCS current.
/// </summary>
public sealed class VmcsTests
{
    [Fact]
    public void EveryFieldHasASlotOfItsOwnInsideTheRegion()
    {
        HashSet<int> used = [];
        foreach (VmcsField field in Enum.GetValues<VmcsField>())
        {
            int offset = VmcsLayout.Offset(field);
            Assert.InRange(offset, VmcsLayout.FieldsOffset, VmcsLayout.RegionSize - 8);
            Assert.True(used.Add(offset), field.ToString());
        }
    }

    [Fact]
    public void EveryExistingWritableFieldKeepsWhatItsWidthHolds()
    {
        using VmxMachine m = new();
        foreach (VmcsField field in Enum.GetValues<VmcsField>())
        {
            uint encoding = (uint)field;
            if (!VmcsLayout.Exists(encoding))
            {
                Assert.Equal(VmxResult.FailValid(VmInstructionError.UnsupportedVmcsComponent), m.Vmx.TryVmread(field, out _));
                Assert.Equal(VmxResult.FailValid(VmInstructionError.UnsupportedVmcsComponent), m.Vmx.TryVmwrite(field, 0));
            }
            else if (((encoding >> 10) & 3) == 1)
            {
                Assert.Equal(VmxResult.FailValid(VmInstructionError.VmwriteReadOnlyComponent), m.Vmx.TryVmwrite(field, 0));
                Assert.True(m.Vmx.TryVmread(field, out _).IsSuccess);
            }
            else
            {
                ulong expected = ((encoding >> 13) & 3) switch { 0 => 0xDDEFUL, 2 => 0x89AB_DDEF, _ => 0x0123_4567_89AB_DDEF };
                m[field] = 0x0123_4567_89AB_DDEF;
                Assert.Equal(expected, m[field]);
            }
        }
    }

    [Fact]
    public void HighAccessReachesTheUpperHalfOf64BitFieldsOnly()
    {
        using VmxMachine m = new();
        m[VmcsField.TscOffset] = 0x1111_2222_3333_4444;
        Assert.True(m.Vmx.TryVmread(VmcsField.TscOffset + 1, out ulong high).IsSuccess);
        Assert.Equal(0x1111_2222u, high);
        Assert.True(m.Vmx.TryVmwrite(VmcsField.TscOffset + 1, 0x5555_6666).IsSuccess);
        Assert.Equal(0x5555_6666_3333_4444u, m[VmcsField.TscOffset]);
        Assert.Equal(VmInstructionError.UnsupportedVmcsComponent, m.Vmx.TryVmread(VmcsField.GuestCr0 + 1, out _).Error);
    }

    [Fact]
    public void VmclearErrors()
    {
        using VmxMachine m = new();
        Assert.Equal(VmInstructionError.VmclearInvalidAddress, m.Vmx.Vmclear(new Hpa(0x1001)).Error);
        Assert.Equal(VmInstructionError.VmclearInvalidAddress, m.Vmx.Vmclear(new Hpa(1UL << 46)).Error);
        Assert.Equal(VmInstructionError.VmclearVmxonPointer, m.Vmx.Vmclear(new Hpa(VmxMachine.VmxonRegion)).Error);
        Assert.True(m.Vmx.Vmclear(new Hpa(VmxMachine.VmcsRegion)).IsSuccess);
        Assert.Equal(VmxUnit.NoVmcs, m.Vmx.Vmptrst().Value);
        Assert.True(m.Vmx.Vmclear(new Hpa(0x1001)).IsFailInvalid); // no VMCS to hold the number
        Assert.True(m.Vmx.TryVmread(VmcsField.GuestRip, out _).IsFailInvalid);
    }

    [Fact]
    public void VmptrldErrors()
    {
        using VmxMachine m = new();
        Assert.Equal(VmInstructionError.VmptrldInvalidAddress, m.Vmx.Vmptrld(new Hpa(0x10)).Error);
        Assert.Equal(VmInstructionError.VmptrldVmxonPointer, m.Vmx.Vmptrld(new Hpa(VmxMachine.VmxonRegion)).Error);
        Assert.Equal(VmInstructionError.VmptrldIncorrectRevisionIdentifier, m.Vmx.Vmptrld(new Hpa(VmxMachine.MsrArea)).Error);
        Assert.Equal(VmInstructionError.VmptrldIncorrectRevisionIdentifier, m.Vmx.Vmptrld(new Hpa(TestMachine.MemorySize)).Error);
        Assert.Equal(VmxMachine.VmcsRegion, m.Vmx.Vmptrst().Value);
        Assert.True(m.Vmx.Vmptrld(new Hpa(VmxMachine.SecondVmcsRegion)).IsSuccess);
        Assert.Equal(VmxMachine.SecondVmcsRegion, m.Vmx.Vmptrst().Value);
    }

    [Fact]
    public void LaunchStateDecidesBetweenVmlaunchAndVmresume()
    {
        using VmxMachine m = new();
        m.Guest(a => a.hlt());
        Assert.Equal(VmInstructionError.VmresumeNonLaunchedVmcs, m.Vmx.Vmresume().Error);
        Assert.Equal(ExitReason.Hlt, m.Enter());
        Assert.Equal(VmInstructionError.VmlaunchNonClearVmcs, m.Vmx.Vmlaunch().Error);
        Assert.True(m.Vmx.Vmclear(new Hpa(VmxMachine.VmcsRegion)).IsSuccess);
        Assert.True(m.Vmx.Vmptrld(new Hpa(VmxMachine.VmcsRegion)).IsSuccess);
        Assert.Equal(0x1000u, m[VmcsField.GuestRip]); // VMCLEAR keeps the fields
        Assert.Equal(ExitReason.Hlt, m.Enter());
    }

    [Fact]
    public unsafe void MovSsBlocksEntry()
    {
        using VmxMachine m = new();
        m.State->Interruptibility = 2;
        Assert.Equal(VmInstructionError.EntryBlockedByMovSs, m.Vmx.Vmlaunch().Error);
    }

    [Fact]
    public void VmxonTwiceAndOff()
    {
        using VmxMachine m = new();
        Assert.Equal(VmInstructionError.VmxonInRootOperation, m.Vmx.Vmxon(new Hpa(VmxMachine.VmxonRegion)).Error);
        Assert.True(m.Vmx.Vmxoff().IsSuccess);
        Assert.False(m.Vmx.InOperation);
        Assert.True(m.Vmx.Vmxon(new Hpa(VmxMachine.MsrArea)).IsFailInvalid); // no revision identifier there
        Assert.True(m.Vmx.Vmxon(new Hpa(VmxMachine.VmxonRegion)).IsSuccess);
        Assert.Equal(VmxUnit.NoVmcs, m.Vmx.Vmptrst().Value);
    }

    [Fact]
    public void CapabilityMsrsSayWhatTheChecksAccept()
    {
        using VmxMachine m = new();
        Assert.True(m.Processor.TryReadMsr(0x480, out ulong basic));
        Assert.Equal(VmcsLayout.RevisionId, (uint)basic & 0x7FFF_FFFF);
        Assert.Equal(4096u, (basic >> 32) & 0x1FFF);

        // Each control bit is accepted by an entry check exactly when the (true) capability MSR allows it to be 1 and to be 0.
        foreach ((uint msr, Func<uint, bool> allows) in new (uint, Func<uint, bool>)[]
        {
            (0x48D, VmxCapabilities.AllowsPin), (0x48E, VmxCapabilities.AllowsPrimary), (0x48F, VmxCapabilities.AllowsExit), (0x490, VmxCapabilities.AllowsEntry),
        })
        {
            Assert.True(m.Processor.TryReadMsr(msr, out ulong value));
            uint mustBe1 = (uint)value;
            uint mayBe1 = (uint)(value >> 32);
            for (int bit = 0; bit < 32; bit++)
            {
                uint mask = 1u << bit;
                Assert.Equal((mayBe1 & mask) != 0, allows(mustBe1 | mask));
                Assert.Equal((mustBe1 & mask) == 0, allows(mayBe1 & ~mask));
            }
        }
    }
}
