using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

using Xenolith.Xen.Abi;

namespace Xenolith.Xen;

/// <summary>One command of domctl, on a copy of its structure.</summary>
internal unsafe delegate Errno DomctlHandler(HypercallContext call, Domain target, ref XenDomctl arg);

/// <summary>domctl: the life of domains (xen/include/public/domctl.h). For the privileged only.</summary>
internal static class DomctlOps
{
    private const uint MaxVcpusPerDomain = 128;
    private const ushort FirstUserDomId = 1;

    public static unsafe HypercallEntry[] Rows { get; } =
    [
        HypercallEntry.Serve(HypercallNumber.Domctl, null, "domctl", &Shells.Struct<Dispatch, XenDomctl>, "Dom0; each command has its own row"),
    ];

    /// <summary>The commands: served, or refused with an errno.</summary>
    public static (DomctlCommand Command, string Name, Errno Refusal, DomctlHandler? Handler)[] Commands { get; } =
    [
        (DomctlCommand.CreateDomain, "XEN_DOMCTL_createdomain", Errno.None, Create),
        (DomctlCommand.DestroyDomain, "XEN_DOMCTL_destroydomain", Errno.None, Destroy),
        (DomctlCommand.PauseDomain, "XEN_DOMCTL_pausedomain", Errno.None, Pause),
        (DomctlCommand.UnpauseDomain, "XEN_DOMCTL_unpausedomain", Errno.None, Unpause),
        (DomctlCommand.GetDomainInfo, "XEN_DOMCTL_getdomaininfo", Errno.None, GetInfo),
        (DomctlCommand.ShadowOp, "XEN_DOMCTL_shadow_op", Errno.EOPNOTSUPP, null),
        (DomctlCommand.MaxMem, "XEN_DOMCTL_max_mem", Errno.None, MaxMem),
        (DomctlCommand.SetVcpuContext, "XEN_DOMCTL_setvcpucontext", Errno.EOPNOTSUPP, null),
        (DomctlCommand.GetVcpuContext, "XEN_DOMCTL_getvcpucontext", Errno.EOPNOTSUPP, null),
        (DomctlCommand.GetVcpuInfo, "XEN_DOMCTL_getvcpuinfo", Errno.None, GetVcpuInfo),
        (DomctlCommand.MaxVcpus, "XEN_DOMCTL_max_vcpus", Errno.None, MaxVcpus),
        (DomctlCommand.SetDomainHandle, "XEN_DOMCTL_setdomainhandle", Errno.None, SetHandle),
        (DomctlCommand.SetTimeOffset, "XEN_DOMCTL_settimeoffset", Errno.EOPNOTSUPP, null),
        (DomctlCommand.ResumeDomain, "XEN_DOMCTL_resumedomain", Errno.None, Resume),
        (DomctlCommand.SendTrigger, "XEN_DOMCTL_sendtrigger", Errno.EOPNOTSUPP, null),
        (DomctlCommand.GetHvmContext, "XEN_DOMCTL_gethvmcontext", Errno.None, GetHvmContext),
        (DomctlCommand.SetHvmContext, "XEN_DOMCTL_sethvmcontext", Errno.None, SetHvmContext),
        (DomctlCommand.SetAddressSize, "XEN_DOMCTL_set_address_size", Errno.EOPNOTSUPP, null),
        (DomctlCommand.GetAddressSize, "XEN_DOMCTL_get_address_size", Errno.EOPNOTSUPP, null),
        (DomctlCommand.GetHvmContextPartial, "XEN_DOMCTL_gethvmcontext_partial", Errno.None, GetHvmContextPartial),
        (DomctlCommand.SetVirqHandler, "XEN_DOMCTL_set_virq_handler", Errno.EOPNOTSUPP, null),
    ];

    private readonly struct Dispatch : IHypercall<XenDomctl>
    {
        public static bool WritesBack => true;

        /// <summary>The checks in Xen's order: version, domain, privilege, command.</summary>
        public static long Execute(HypercallContext call, ref XenDomctl arg)
        {
            if (arg.InterfaceVersion != XenDomctl.CurrentInterfaceVersion)
            {
                return Errno.EACCES.Negated();
            }

            Domain? target = null;
            if (arg.Cmd is not (DomctlCommand.CreateDomain or DomctlCommand.GetDomainInfo))
            {
                target = call.Hypervisor.FindDomain(arg.Domain);
                if (target is null)
                {
                    return Errno.ESRCH.Negated();
                }
            }

            if (!call.IsPrivileged)
            {
                return Errno.EPERM.Negated();
            }

            foreach ((DomctlCommand command, _, Errno refusal, DomctlHandler? handler) in Commands)
            {
                if (command == arg.Cmd)
                {
                    return (handler is null ? refusal : handler(call, target ?? call.Caller, ref arg)).Negated();
                }
            }

            return Errno.ENOSYS.Negated();
        }
    }

    private static Errno Create(HypercallContext call, Domain target, ref XenDomctl arg)
    {
        ref XenDomctlCreatedomain create = ref arg.Argument<XenDomctlCreatedomain>();
        const uint Needed = XenDomctlCreatedomain.CdfHvm | XenDomctlCreatedomain.CdfHap;
        if ((create.Flags & Needed) != Needed || create.Flags >= XenDomctlCreatedomain.CdfMax << 1
            || (create.Flags & ~Needed) != 0 || create.VmtraceSize != 0 || create.CpupoolId != 0
            || create.MaxVcpus is 0 or > MaxVcpusPerDomain || (create.GrantOpts & 0xF) > 2
            || (create.Arch.EmulationFlags & ~XenArchDomainconfig.EmuLapic) != 0)
        {
            return Errno.EINVAL;
        }

        Errno error = TryChooseId(call.Hypervisor, arg.Domain, out ushort id);
        if (error != Errno.None)
        {
            return error;
        }

        error = call.Hypervisor.CreateDomain(id, in create, call.Caller, out _);
        arg.Domain = id;
        return error;
    }

    /// <summary>Zero asks for the next free number; numbers are not used again before they wrap.</summary>
    private static Errno TryChooseId(Hypervisor hypervisor, ushort wanted, out ushort id)
    {
        id = wanted;
        if (wanted is >= FirstUserDomId and < DomId.FirstReserved)
        {
            return hypervisor.FindDomain(wanted) is null ? Errno.None : Errno.EEXIST;
        }

        const int Numbers = DomId.FirstReserved - FirstUserDomId;
        for (int tried = 0; tried < Numbers; tried++)
        {
            id = (ushort)(FirstUserDomId + ((hypervisor.LastDomId + tried) % Numbers));
            if (hypervisor.FindDomain(id) is null)
            {
                return Errno.None;
            }
        }

        return Errno.ENOMEM;
    }

    private static Errno Destroy(HypercallContext call, Domain target, ref XenDomctl arg) =>
        target.IsPrivileged ? Errno.EINVAL : call.Hypervisor.DestroyDomain(target);

    private static Errno Pause(HypercallContext call, Domain target, ref XenDomctl arg)
    {
        if (target.IsPrivileged)
        {
            return Errno.EINVAL;
        }

        target.PauseCount++;
        target.UpdateState();
        return Errno.None;
    }

    private static Errno Unpause(HypercallContext call, Domain target, ref XenDomctl arg) => call.Hypervisor.Unpause(target);

    private static Errno Resume(HypercallContext call, Domain target, ref XenDomctl arg)
    {
        if (target.ShutdownReason != ShutdownReason.Suspend)
        {
            return Errno.EINVAL;
        }

        target.ShutdownReason = null;
        target.Exit = new DomainExit(DomainExitKind.None);
        target.UpdateState();
        return Errno.None;
    }

    /// <summary>Describes the domain, or the first one with a higher number.</summary>
    private static Errno GetInfo(HypercallContext call, Domain target, ref XenDomctl arg)
    {
        Domain? found = null;
        foreach (Domain domain in call.Hypervisor.Domains)
        {
            if (!domain.IsDying && domain.Id >= arg.Domain && (found is null || domain.Id < found.Id))
            {
                found = domain;
            }
        }

        if (found is null)
        {
            return Errno.ESRCH;
        }

        arg.Domain = found.Id;
        arg.Argument<XenDomctlGetdomaininfo>() = call.Hypervisor.Describe(found);
        return Errno.None;
    }

    private static Errno MaxMem(HypercallContext call, Domain target, ref XenDomctl arg)
    {
        target.MaxPages = arg.Argument<XenDomctlMaxMem>().MaxMemkb >> (Mmu.Pages.Shift - 10);
        return Errno.None;
    }

    private static Errno MaxVcpus(HypercallContext call, Domain target, ref XenDomctl arg)
    {
        uint max = arg.Argument<XenDomctlMaxVcpus>().Max;
        return target.IsPrivileged || max != target.MaxVcpus ? Errno.EINVAL : call.Hypervisor.CreateVcpus(target);
    }

    private static Errno SetHandle(HypercallContext call, Domain target, ref XenDomctl arg)
    {
        target.Handle = arg.Argument<XenDomctlSetdomainhandle>().Handle;
        return Errno.None;
    }

    private static Errno GetVcpuInfo(HypercallContext call, Domain target, ref XenDomctl arg)
    {
        ref XenDomctlGetvcpuinfo info = ref arg.Argument<XenDomctlGetvcpuinfo>();
        if (target.FindVcpu(info.Vcpu) is not { } vcpu)
        {
            return Errno.ESRCH;
        }

        info.Online = vcpu.IsOnline ? (byte)1 : (byte)0;
        info.Blocked = vcpu.IsBlocked ? (byte)1 : (byte)0;
        info.Running = 0;
        info.CpuTime = vcpu.CpuTimeNs;
        info.Cpu = 0;
        return Errno.None;
    }

    private static unsafe Errno SetHvmContext(HypercallContext call, Domain target, ref XenDomctl arg)
    {
        const uint MaxBytes = 1 << 20;
        XenDomctlHvmcontext context = arg.Argument<XenDomctlHvmcontext>();
        if (target == call.Caller || context.Size > MaxBytes)
        {
            return Errno.EINVAL;
        }

        byte[] records = new byte[context.Size];
        return call.TryReadBytes(context.Buffer, records) ? HvmContext.Load(target, records) : Errno.EFAULT;
    }

    private static Errno GetHvmContext(HypercallContext call, Domain target, ref XenDomctl arg)
    {
        ref XenDomctlHvmcontext context = ref arg.Argument<XenDomctlHvmcontext>();
        byte[] records = HvmContext.Save(target);
        uint capacity = context.Size;
        context.Size = (uint)records.Length;
        if (context.Buffer == 0)
        {
            return Errno.None;
        }

        return capacity < records.Length ? Errno.ENOSPC
            : call.TryWriteBytes(context.Buffer, records) ? Errno.None
            : Errno.EFAULT;
    }

    private static Errno GetHvmContextPartial(HypercallContext call, Domain target, ref XenDomctl arg)
    {
        ref XenDomctlHvmcontextPartial partial = ref arg.Argument<XenDomctlHvmcontextPartial>();
        if (partial.Type != (uint)HvmSaveType.Cpu || target.FindVcpu(partial.Instance) is not { IsInitialised: true } vcpu)
        {
            return Errno.ENOENT;
        }

        HvmHwCpu cpu = vcpu.GetRegisters();
        Span<byte> bytes = MemoryMarshal.AsBytes(new Span<HvmHwCpu>(ref cpu));
        partial.Bufsz = (ulong)Unsafe.SizeOf<HvmHwCpu>();
        return call.TryWriteBytes(partial.Buffer, bytes) ? Errno.None : Errno.EFAULT;
    }
}
