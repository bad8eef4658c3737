using System;

using Xenolith.Cpu;
using Xenolith.Mmu;
using Xenolith.Xen.Abi;

namespace Xenolith.Xen;

/// <content>The life of domains.</content>
public sealed partial class Hypervisor
{
    /// <summary>
    /// A domain with its first vCPU, its identity (by a VM entry that ends before the first instruction), the segment that holds its
    /// VMIDR slot, and shared_info. It is paused, and its memory will be Xen's own, open to its builder, until it starts.
    /// </summary>
    internal Errno CreateDomain(ushort id, in XenDomctlCreatedomain create, Domain? builder, out Domain? domain)
    {
        domain = null;
        Errno error = Physmap.TryCreate(Memory, Heap, out Physmap? physmap);
        if (error != Errno.None)
        {
            return error;
        }

        Domain made = new(this, id)
        {
            Physmap = physmap!,
            Handle = create.Handle,
            ArchConfig = create.Arch,
            Ssidref = create.Ssidref,
            MaxVcpus = create.MaxVcpus,
        };
        made.Memory = new DomainMemory(Frames, made);
        made.Events = new EventChannels(made, create.MaxEvtchnPort);
        made.Grants = new GrantTable(made, Memory, create.MaxGrantFrames < 0 ? GrantTable.DefaultMaxFrames : (uint)create.MaxGrantFrames);
        error = GiveBirth(made);
        if (error != Errno.None)
        {
            _ = made.Memory.ReleaseAll();
            DestroyVcpus(made);
            made.Physmap.Destroy();
            return error;
        }

        if (builder is not null)
        {
            made.Memory.BeginBuilding(builder.Vmid);
            LastDomId = id;
        }

        made.UpdateState();
        _domains.Add(made);
        domain = made;
        return Errno.None;
    }

    /// <summary>XEN_DOMCTL_max_vcpus: the vCPUs after the first, bound to the identity that the first one got (docs/asmi.md, G7).</summary>
    internal Errno CreateVcpus(Domain domain)
    {
        while (domain.Vcpus.Count < (int)domain.MaxVcpus)
        {
            Errno error = Vcpu.TryCreate(this, domain, domain.Vcpus.Count, out Vcpu? vcpu);
            if (error != Errno.None)
            {
                return error;
            }

            vcpu!.Vmcs[VmcsField.AsmiVmidBinding] = domain.Vmid.Value;
            domain.Vcpus.Add(vcpu);
            Scheduler.Add(vcpu);
        }

        return Errno.None;
    }

    /// <summary>XEN_DOMCTL_unpausedomain; the first one closes the memory to the builder and makes it the domain's.</summary>
    internal Errno Unpause(Domain domain)
    {
        if (domain.IsPrivileged || domain.PauseCount == 0)
        {
            return Errno.EINVAL;
        }

        if (domain.PauseCount == 1 && !domain.HasStarted)
        {
            Errno error = domain.Memory.HandOver();
            if (error != Errno.None)
            {
                return error;
            }

            domain.HasStarted = true;
        }

        domain.PauseCount--;
        domain.UpdateState();
        if (Options.Rogue is { } rogue)
        {
            Rogue.Betrayal.OnStarted(this, rogue);
        }

        return Errno.None;
    }

    /// <summary>SCHEDOP_shutdown and what amounts to it: the domain stops, and Dom0 is told.</summary>
    internal void ShutDown(Domain domain, ShutdownReason reason, Vcpu? vcpu)
    {
        if (domain.ShutdownReason is not null)
        {
            return;
        }

        reason = domain.ShutdownCode ?? reason;
        DomainExitKind kind = reason switch
        {
            ShutdownReason.Poweroff => DomainExitKind.Poweroff,
            ShutdownReason.Reboot or ShutdownReason.SoftReset => DomainExitKind.Reboot,
            ShutdownReason.Suspend => DomainExitKind.Suspend,
            ShutdownReason.Watchdog => DomainExitKind.Watchdog,
            _ => DomainExitKind.GuestCrash,
        };
        End(domain, reason, new DomainExit(kind) { Vcpu = vcpu?.Id ?? 0, Rip = vcpu?.Vmcs[VmcsField.GuestRip] ?? 0 });
    }

    /// <summary>Xen ends the domain: others go on.</summary>
    internal void Crash(Vcpu vcpu, DomainExitKind kind, string detail, IsolationFault? fault = null)
    {
        if (vcpu.Domain.ShutdownReason is null)
        {
            ShutdownReason reason = kind == DomainExitKind.TripleFault ? ShutdownReason.Reboot : ShutdownReason.Crash;
            End(vcpu.Domain, reason, new DomainExit(kind) { Detail = detail, Vcpu = vcpu.Id, Rip = vcpu.Vmcs[VmcsField.GuestRip], Fault = fault });
        }
    }

    /// <summary>A vCPU is down for good or until VCPUOP_up; without any vCPU the domain has powered off.</summary>
    internal void OnVcpuDown(Domain domain, Vcpu last)
    {
        if (!domain.Vcpus.Exists(vcpu => vcpu.IsOnline))
        {
            ShutDown(domain, ShutdownReason.Poweroff, last);
        }
    }

    /// <summary>XEN_DOMCTL_destroydomain: what the domain has goes back; frames that others have mapped follow when they let go.</summary>
    internal Errno DestroyDomain(Domain domain)
    {
        if (domain.Exit.Kind == DomainExitKind.None)
        {
            domain.Exit = new DomainExit(DomainExitKind.Killed);
        }

        domain.Events.CloseAll();
        GrantMappings.UnmapAll(domain);
        foreach (Vcpu vcpu in domain.Vcpus)
        {
            Scheduler.Remove(vcpu);
            Unload(vcpu);
        }

        domain.IsDying = true;
        domain.UpdateState();
        FinishDestroying(domain);
        return Errno.None;
    }

    /// <summary>Memory, then VMCSs (whose VMCLEAR ends the VM; docs/asmi.md, G6), then the physmap.</summary>
    internal void FinishDestroying(Domain domain)
    {
        if (!domain.Memory.ReleaseAll())
        {
            return;
        }

        domain.TotalPages = 0;
        DestroyVcpus(domain);
        domain.Physmap.Destroy();
        Board.Processor.Tlb.Invept(InveptType.SingleContext, domain.Physmap.Eptp);
    }

    internal XenDomctlGetdomaininfo Describe(Domain domain)
    {
        uint flags = XenDomctlGetdomaininfo.HvmGuest | XenDomctlGetdomaininfo.Hap;
        flags |= domain.PauseCount > 0 ? XenDomctlGetdomaininfo.Paused : 0;
        flags |= domain.ShutdownReason is { } reason
            ? XenDomctlGetdomaininfo.Shutdown | ((uint)reason << XenDomctlGetdomaininfo.ShutdownShift)
            : 0;
        ulong cpuTime = 0;
        uint online = 0;
        bool blocked = true;
        foreach (Vcpu vcpu in domain.Vcpus)
        {
            cpuTime += vcpu.CpuTimeNs;
            online += vcpu.IsOnline ? 1u : 0;
            blocked &= !vcpu.IsOnline || vcpu.IsBlocked;
        }

        return new XenDomctlGetdomaininfo
        {
            Domain = domain.Id,
            Flags = flags | (blocked ? XenDomctlGetdomaininfo.Blocked : 0),
            TotPages = domain.TotalPages,
            MaxPages = domain.MaxPages,
            SharedInfoFrame = domain.SharedInfo.Gfn,
            CpuTime = cpuTime,
            NrOnlineVcpus = online,
            MaxVcpuId = (uint)domain.Vcpus.Count - 1,
            Ssidref = domain.Ssidref,
            Handle = domain.Handle,
            GpaddrBits = Physmap.AddressBits,
            ArchConfig = domain.ArchConfig,
        };
    }

    private void End(Domain domain, ShutdownReason reason, DomainExit exit)
    {
        domain.Exit = exit;
        domain.ShutdownReason = reason;
        domain.UpdateState();
        EndSlice();
        Dom0.Domain.Events.RaiseVirq(Virq.DomExc, 0);
    }

    /// <summary>
    /// A new VM under ASMI comes to be by a VMLAUNCH with a zero binding (docs/asmi.md, P7). With a preemption timer of zero it exits
    /// before the guest's first instruction; from then on Xen can get memory for it.
    /// </summary>
    private Errno GiveBirth(Domain domain)
    {
        Errno error = Vcpu.TryCreate(this, domain, 0, out Vcpu? vcpu);
        if (error != Errno.None)
        {
            return error;
        }

        domain.Vcpus.Add(vcpu!);
        Unload();
        Vmcs vmcs = vcpu!.Vmcs;
        ulong pin = vmcs[VmcsField.PinBasedControls];
        vmcs[VmcsField.PinBasedControls] = pin | (ulong)PinControls.ActivateVmxPreemptionTimer;
        vmcs[VmcsField.PreemptionTimerValue] = 0;
        if (!Board.Processor.Vmx.Vmlaunch().IsSuccess)
        {
            return Errno.ENOSPC; // no identity left (docs/asmi.md, G16)
        }

        vcpu.IsLaunched = true;
        StopReason stop = Board.Processor.Run(1);
        ExitReason exit = (ExitReason)(ushort)vmcs[VmcsField.ExitReason];
        if (stop != StopReason.VmExit || exit != ExitReason.PreemptionTimer)
        {
            throw new InvalidOperationException($"the birth of domain {domain.Id} ended in {stop}, {exit}");
        }

        domain.Counters.VmEntries++;
        domain.Counters.CountExit((uint)exit);
        vmcs[VmcsField.PinBasedControls] = pin;
        domain.Vmid = new Vmid((uint)vmcs[VmcsField.AsmiVmidBinding]);
        error = domain.Memory.AcquireFirst();
        Mfn sharedInfo = default;
        if (error == Errno.None)
        {
            error = domain.Memory.TryAllocate(FrameUse.SharedWithXen, 0, out sharedInfo);
        }

        domain.SharedInfo = new SharedInfo(domain, Memory, sharedInfo);
        if (error == Errno.None && !domain.IsPrivileged)
        {
            Scheduler.Add(vcpu);
        }

        return error;
    }

    private static void DestroyVcpus(Domain domain)
    {
        foreach (Vcpu vcpu in domain.Vcpus)
        {
            domain.Hypervisor.Scheduler.Remove(vcpu);
            vcpu.Destroy();
        }

        domain.Vcpus.Clear();
    }
}
