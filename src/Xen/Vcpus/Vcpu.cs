using System;

using Xenolith.Cpu;
using Xenolith.Machine;
using Xenolith.Mmu;
using Xenolith.Xen.Abi;

namespace Xenolith.Xen;

/// <summary>
/// One vCPU: its VMCS, the registers that VMX does not switch, its timers and what it waits for. Parts of this class: running
/// (Vcpu.Run.cs), events (Vcpu.Events.cs).
/// </summary>
internal sealed unsafe partial class Vcpu : IRunnable
{
    private readonly Hypervisor _hypervisor;
    private readonly Hpa _savedRegisters;

    private Vcpu(Hypervisor hypervisor, Domain domain, int id, Mfn vmcs, Mfn savedRegisters)
    {
        _hypervisor = hypervisor;
        _savedRegisters = savedRegisters.Address;
        Domain = domain;
        Id = id;
        Vmcs = new Vmcs(hypervisor.Board.Processor.Vmx, vmcs.Address);
        Caller = new CallerMemory(hypervisor.Board.MemoryUnit);
        Call = new HypercallContext(hypervisor, this);
    }

    public Domain Domain { get; }

    public int Id { get; }

    public Vmcs Vmcs { get; }

    /// <summary>The vCPU's memory, for hypercalls it makes.</summary>
    public CallerMemory Caller { get; }

    /// <summary>The hypercall that the vCPU makes now; used again for each.</summary>
    public HypercallContext Call { get; }

    /// <summary>IA32_TSC_ADJUST as the guest sees it.</summary>
    public ulong TscAdjust { get; set; }

    /// <summary>VMLAUNCH has succeeded once: from then on it is VMRESUME.</summary>
    public bool IsLaunched { get; set; }

    /// <summary>VCPUOP_up, or vCPU 0 with its registers set: it may be scheduled.</summary>
    public bool IsOnline { get; set; }

    /// <summary>Its registers have been set (SETHVMCONTEXT, VCPUOP_initialise).</summary>
    public bool IsInitialised { get; set; }

    /// <summary>Waits for an event (SCHEDOP_block, HLT, SCHEDOP_poll).</summary>
    public bool IsBlocked { get; set; }

    /// <inheritdoc/>
    public bool IsRunnable => IsOnline && !IsBlocked && Domain.MayRun;

    /// <summary>A vCPU with a clear VMCS and registers as after reset.</summary>
    public static Errno TryCreate(Hypervisor hypervisor, Domain domain, int id, out Vcpu? vcpu)
    {
        vcpu = null;
        if (!hypervisor.Heap.TryAllocate(out Mfn region))
        {
            return Errno.ENOMEM;
        }

        if (!hypervisor.Heap.TryAllocate(out Mfn saved))
        {
            hypervisor.Heap.Free(region);
            return Errno.ENOMEM;
        }

        vcpu = new Vcpu(hypervisor, domain, id, region, saved);
        hypervisor.Memory.Write(region.Address, VmcsLayout.RevisionId);
        vcpu.Vmcs.Clear();
        VcpuSetup.Write(vcpu.Vmcs, domain.Physmap.Eptp, hypervisor.NextVpid(), hypervisor.MsrBitmap);
        SavedRegisters registers = SavedRegisters.Reset();
        VcpuState.Store(VcpuState.FlatProtectedMode(), vcpu.Vmcs, ref registers);
        hypervisor.Memory.Write(vcpu._savedRegisters, in registers);
        return Errno.None;
    }

    /// <summary>Ends the vCPU's life: VMCLEAR, and its pages go back to the heap. With the last one of a domain its VM ends (G6).</summary>
    public void Destroy()
    {
        _hypervisor.Unload(this);
        Vmcs[VmcsField.AsmiDestroyRequested] = 1;
        Vmcs.Clear();
        _hypervisor.Heap.Free(Vmcs.Region.Frame);
        _hypervisor.Heap.Free(_savedRegisters.Frame);
    }

    /// <summary>Sets all registers (XEN_DOMCTL_sethvmcontext).</summary>
    public void SetRegisters(in HvmHwCpu cpu)
    {
        _hypervisor.Unload(this);
        SavedRegisters registers = SavedRegisters.Reset();
        VcpuState.Store(in cpu, Vmcs, ref registers);
        _hypervisor.Memory.Write(_savedRegisters, in registers);
        IsInitialised = true;
    }

    public HvmHwCpu GetRegisters()
    {
        _hypervisor.Unload(this);
        SavedRegisters registers = _hypervisor.Memory.Read<SavedRegisters>(_savedRegisters);
        return VcpuState.Load(Vmcs, in registers);
    }

    /// <summary>Puts the saved registers into the processor.</summary>
    public void LoadRegisters()
    {
        SavedRegisters registers = _hypervisor.Memory.Read<SavedRegisters>(_savedRegisters);
        registers.CopyTo(_hypervisor.Board.Processor.State);
    }

    /// <summary>Takes the registers out of the processor.</summary>
    public void SaveRegisters()
    {
        SavedRegisters registers = default;
        registers.CopyFrom(_hypervisor.Board.Processor.State);
        _hypervisor.Memory.Write(_savedRegisters, in registers);
    }

    /// <summary>Describes the vCPU's address space to <see cref="Caller"/>, from the VMCS that the last exit filled.</summary>
    public void DescribeCaller()
    {
        ref PagingContext context = ref Caller.Context;
        PagingContext* current = &_hypervisor.Board.Processor.State->Paging;
        context.Cr0 = Vmcs[VmcsField.GuestCr0];
        context.Cr3 = Vmcs[VmcsField.GuestCr3];
        context.Cr4 = Vmcs[VmcsField.GuestCr4];
        context.Efer = Vmcs[VmcsField.GuestEfer];
        context.Pdptes[0] = Vmcs[VmcsField.GuestPdpte0];
        context.Pdptes[1] = Vmcs[VmcsField.GuestPdpte1];
        context.Pdptes[2] = Vmcs[VmcsField.GuestPdpte2];
        context.Pdptes[3] = Vmcs[VmcsField.GuestPdpte3];
        context.Pkru = current->Pkru;
        context.Eptp = Domain.Physmap.Eptp;
        context.NonRoot = true;
        context.Vpid = (ushort)Vmcs[VmcsField.VirtualProcessorIdentifier];
        context.PhysicalAddressBits = current->PhysicalAddressBits;
        context.Name = Domain.Vmid;
        context.HypervisorName = current->Name;
        bool alignmentCheck = (Vmcs[VmcsField.GuestRflags] & (1 << 18)) != 0;
        Caller.Mode = alignmentCheck ? AccessMode.SupervisorAc : AccessMode.Supervisor;
    }
}
