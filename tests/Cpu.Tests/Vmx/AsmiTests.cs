using Iced.Intel;

using Xenolith.Mmu;

using Xunit;

using static Iced.Intel.AssemblerRegisters;
using static Xenolith.Cpu.VmcsField;

namespace Xenolith.Cpu.Tests;

/// <summary>
/// Method: what ASMI changes in VMLAUNCH, VMCLEAR, VM entry and VM exit (docs/asmi.md: P7-P9, G2, G6-G8, G15, G16) is watched at VMIDR
/// and at the
/// VMCS, in both profiles. It fails when an identity is made twice or too late, when VMIDR does not follow a transition, when VMCLEAR ends
/// a VM that its profile keeps (or keeps one that it ends), or when a refused access does not leave the guest with all its facts.
/// </summary>
public sealed unsafe class AsmiTests
{
    [Theory]
    [InlineData("asmi:literal")]
    [InlineData("asmi:hardened")]
    public void FirstLaunchRegistersTheHypervisorAndMakesTheVm(string isolation)
    {
        using VmxMachine m = new(isolation);
        Assert.Equal(Vmid.None, m.State->Paging.Name);
        Assert.False(m.Memory.Control.HasHypervisor);
        m.Guest(a => a.hlt());
        m.SetPin(PinControls.ActivateVmxPreemptionTimer);
        Assert.Equal(ExitReason.PreemptionTimer, m.Enter());
        Vmid vm = new((uint)m[AsmiVmidBinding]);
        Assert.NotEqual(Vmid.None, vm);
        Assert.NotEqual(m.Memory.Control.Hypervisor, vm);
        Assert.Equal(m.Memory.Control.Hypervisor, m.State->Paging.Name); // back in root: the hypervisor's name
        Assert.Equal(m.Memory.Control.Hypervisor, m.Memory.Control.OwnerOf(VmxMachine.VmcsRegion / 4096));

        // A second entry makes no second VM.
        Assert.Equal(ExitReason.PreemptionTimer, m.Enter());
        Assert.Equal(vm.Value, m[AsmiVmidBinding]);
        Assert.False(m.Processor.TryWriteMsr(AsmiMsr.HypervisorSize, 0)); // locked since
    }

    [Fact]
    public void VmidrIsTheVmsWhileItRuns()
    {
        using VmxMachine m = new("asmi");
        m.Guest(a => a.hlt());
        m.GiveGuestMemory();
        Assert.True(m.Vmx.Vmresume().IsSuccess);
        Assert.Equal(m[AsmiVmidBinding], m.State->Paging.Name.Value);
        Assert.Equal(m.Memory.Control.Hypervisor, m.State->Paging.HypervisorName);
        Assert.Equal(StopReason.VmExit, m.Run());
        Assert.Equal(m.Memory.Control.Hypervisor, m.State->Paging.Name);
    }

    [Theory]
    [InlineData("none", ExitReason.Hlt)]
    [InlineData("asmi:literal", ExitReason.IsolationViolation)]
    [InlineData("asmi:hardened", ExitReason.IsolationViolation)]
    public void MemoryOfAnotherIsRefusedWithAllFacts(string isolation, ExitReason expected)
    {
        const ulong Foreign = 0xE0_0000; // nobody's segment, mapped by the hypervisor at GPA 5000H
        using VmxMachine m = new(isolation);
        m.Guest(a =>
        {
            a.mov(eax, __dword_ptr[0x5008]);
            a.hlt();
        });
        m.GiveGuestMemory();
        m.SetEptLeaf(0x5000, Foreign | (6 << 3) | 7);
        m.Write(Foreign + 8, 0x5EC2E7u);
        Assert.Equal(expected, m.Enter());
        if (expected == ExitReason.Hlt)
        {
            Assert.Equal(0x5EC2E7u, m.State->Gpr[0]);
            return;
        }

        Assert.Equal(0u, m.State->Gpr[0]);
        Assert.Equal(0x1000u, m[GuestRip]);
        Assert.Equal(0x181u, m.Qualification & 0x187);
        Assert.Equal(0x5008u, m[GuestPhysicalAddress]);
        Assert.Equal(0x5008u, m[GuestLinearAddress]);
        Assert.Equal(Foreign + 8, m[AsmiViolationHpa]);
        Assert.Equal(Foreign / 4096, m[AsmiViolationSegment]);
        Assert.Equal(0u, m[AsmiViolationOwner]);
        Assert.Equal(m[AsmiVmidBinding], m[AsmiViolationName]);
        Assert.Equal(0u, m[AsmiViolationAccess]); // a read of a datum
    }

    [Fact]
    public void LiteralVmclearEndsTheVm()
    {
        using VmxMachine m = new("asmi:literal");
        m.Guest(a => a.hlt());
        m.GiveGuestMemory();
        Assert.NotEqual(Vmid.None, m.Memory.Control.OwnerOf(VmxMachine.GuestMemory / 4096));
        ulong binding = m[AsmiVmidBinding];
        ClearAndLoad(m);
        Assert.Equal(0u, m[AsmiVmidBinding]);
        Assert.Equal(Vmid.None, m.Memory.Control.OwnerOf(VmxMachine.GuestMemory / 4096));

        m.SetPin(PinControls.ActivateVmxPreemptionTimer);
        Assert.Equal(ExitReason.PreemptionTimer, m.Enter());
        Assert.NotEqual(binding, m[AsmiVmidBinding]); // identities are never used again (G16)
    }

    [Fact]
    public void HardenedVmclearKeepsTheVmUntilItsEndIsAskedFor()
    {
        using VmxMachine m = new("asmi:hardened");
        m.Guest(a => a.hlt());
        m.GiveGuestMemory();
        ulong binding = m[AsmiVmidBinding];
        ClearAndLoad(m);
        Assert.Equal(binding, m[AsmiVmidBinding]);
        Assert.Equal(binding, m.Memory.Control.OwnerOf(VmxMachine.GuestMemory / 4096).Value);
        Assert.Equal(ExitReason.Hlt, m.Enter()); // as after a move to another processor

        m[AsmiDestroyRequested] = 1;
        ClearAndLoad(m);
        Assert.Equal(0u, m[AsmiVmidBinding]);
        Assert.Equal(Vmid.None, m.Memory.Control.OwnerOf(VmxMachine.GuestMemory / 4096));
    }

    [Fact]
    public void HardenedVmEndsWithItsLastVmcs()
    {
        using VmxMachine m = new("asmi:hardened");
        m.Guest(a => a.hlt());
        m.GiveGuestMemory();
        ulong binding = m[AsmiVmidBinding];

        // A second vCPU: the whole VMCS is copied, cleared first, so that it is bound by its own VMLAUNCH.
        Assert.True(m.Vmx.Vmclear(new Hpa(VmxMachine.SecondVmcsRegion)).IsSuccess);
        for (ulong offset = VmcsLayout.FieldsOffset; offset < 4096; offset += 8)
        {
            m.Write(VmxMachine.SecondVmcsRegion + offset, m.Read<ulong>(VmxMachine.VmcsRegion + offset));
        }

        Assert.True(m.Vmx.Vmptrld(new Hpa(VmxMachine.SecondVmcsRegion)).IsSuccess);
        Assert.True(m.Vmx.Vmlaunch().IsSuccess);
        Assert.Equal(StopReason.VmExit, m.Run());
        Assert.Equal(binding, m[AsmiVmidBinding]);

        m[AsmiDestroyRequested] = 1;
        Assert.True(m.Vmx.Vmclear(new Hpa(VmxMachine.SecondVmcsRegion)).IsSuccess);
        Assert.Equal(binding, m.Memory.Control.OwnerOf(VmxMachine.GuestMemory / 4096).Value);
        Assert.True(m.Vmx.Vmptrld(new Hpa(VmxMachine.VmcsRegion)).IsSuccess);
        m[AsmiDestroyRequested] = 1;
        Assert.True(m.Vmx.Vmclear(new Hpa(VmxMachine.VmcsRegion)).IsSuccess);
        Assert.Equal(Vmid.None, m.Memory.Control.OwnerOf(VmxMachine.GuestMemory / 4096));
    }

    [Fact]
    public void ResumeWithoutAnIdentityIsRefused()
    {
        using VmxMachine m = new("asmi");
        m.Guest(a => a.hlt());
        m.GiveGuestMemory();
        m[AsmiVmidBinding] = 0;
        Assert.Equal(VmInstructionError.AsmiIdentityRefused, m.Vmx.Vmresume().Error);
        Assert.Equal(m.Memory.Control.Hypervisor, m.State->Paging.Name);
    }

    [Fact]
    public void UnknownIdentityIsRefused()
    {
        using VmxMachine m = new("asmi");
        m.Guest(a => a.hlt());
        m.GiveGuestMemory();
        m[AsmiVmidBinding] = 77;
        Assert.Equal(VmInstructionError.AsmiIdentityRefused, m.Vmx.Vmresume().Error);
        Assert.Equal(m.Memory.Control.Hypervisor, m.State->Paging.Name);
    }

    [Fact]
    public void VmcsThatChangedHandsIsCurrentNoMore()
    {
        using VmxMachine m = new("asmi");
        m.Guest(a => a.hlt());
        m.GiveGuestMemory();
        Vmid vm = new((uint)m[AsmiVmidBinding]);

        // The hypervisor gives the very segment of its VMCS to the VM: VMREAD must not become a window into it.
        Assert.Equal(IsolationError.None, m.Memory.Control.Transfer(m.Memory.Control.Hypervisor, VmxMachine.VmcsRegion / 4096, vm));
        Assert.True(m.Vmx.TryVmread(GuestRip, out ulong value).IsFailInvalid);
        Assert.Equal(0u, value);
        Assert.True(m.Vmx.TryVmwrite(GuestRip, 0).IsFailInvalid);
        Assert.True(m.Vmx.Vmresume().IsFailInvalid);
        Assert.False(m.Vmx.Vmptrld(new Hpa(VmxMachine.VmcsRegion)).IsSuccess);
    }

    [Fact]
    public void VmcsThatIsLostWhileTheGuestRunsAbortsTheExit()
    {
        using VmxMachine m = new("asmi");
        m.Guest(a => a.hlt());
        m.GiveGuestMemory();
        Vmid vm = new((uint)m[AsmiVmidBinding]);
        Assert.True(m.Vmx.Vmresume().IsSuccess);
        Assert.Equal(IsolationError.None, m.Memory.Control.Transfer(m.Memory.Control.Hypervisor, VmxMachine.VmcsRegion / 4096, vm));
        _ = m.Run();
        Assert.Equal(ActivityState.Shutdown, m.State->Activity);
        Assert.False(m.Vmx.InNonRoot);
        Assert.Equal(m.Memory.Control.Hypervisor, m.State->Paging.Name);
        Assert.True(m.Vmx.TryVmread(GuestRip, out _).IsFailInvalid);
    }

    private static void ClearAndLoad(VmxMachine m)
    {
        Assert.True(m.Vmx.Vmclear(new Hpa(VmxMachine.VmcsRegion)).IsSuccess);
        Assert.True(m.Vmx.Vmptrld(new Hpa(VmxMachine.VmcsRegion)).IsSuccess);
    }
}
