using Xenolith.Cpu;

namespace Xenolith.Xen.Exits;

/// <summary>What Xen does about one exit reason.</summary>
internal interface IExitHandler
{
    static abstract void Handle(in ExitContext exit);
}

/// <summary>Exit reason to handler: a flat table (SDM 3D Appendix C).</summary>
internal static unsafe class ExitTable
{
    private const int Count = (int)ExitReason.IsolationViolation + 1;

    private static readonly delegate*<in ExitContext, void>[] s_handlers = Build();

    public static void Dispatch(Hypervisor hypervisor, Vcpu vcpu)
    {
        ExitContext exit = new(hypervisor, vcpu);
        uint reason = (ushort)exit.Vmcs[VmcsField.ExitReason];
        exit.Domain.Counters.CountExit(reason);
        if (reason < Count)
        {
            s_handlers[reason](in exit);
        }
        else
        {
            Unexpected.Handle(in exit);
        }
    }

    private static delegate*<in ExitContext, void>[] Build()
    {
        delegate*<in ExitContext, void>[] table = new delegate*<in ExitContext, void>[Count];
        for (int i = 0; i < Count; i++)
        {
            table[i] = &Unexpected.Handle;
        }

        foreach (ExitReason reason in new[]
        {
            ExitReason.Getsec, ExitReason.Vmclear, ExitReason.Vmlaunch, ExitReason.Vmptrld, ExitReason.Vmptrst, ExitReason.Vmread,
            ExitReason.Vmresume, ExitReason.Vmwrite, ExitReason.Vmxoff, ExitReason.Vmxon, ExitReason.Invept, ExitReason.Invvpid,
            ExitReason.Vmfunc, ExitReason.Rsm,
        })
        {
            table[(int)reason] = &NotOffered.Handle;
        }

        table[(int)ExitReason.ExternalInterrupt] = &TimeSlice.Handle;
        table[(int)ExitReason.InterruptWindow] = &InterruptWindow.Handle;
        table[(int)ExitReason.TripleFault] = &TripleFault.Handle;
        table[(int)ExitReason.Cpuid] = &Cpuid.Handle;
        table[(int)ExitReason.Hlt] = &Hlt.Handle;
        table[(int)ExitReason.Invd] = &Skip.Handle;
        table[(int)ExitReason.WbinvdOrWbnoinvd] = &Skip.Handle;
        table[(int)ExitReason.Vmcall] = &Vmcall.Handle;
        table[(int)ExitReason.ControlRegisterAccess] = &ControlRegisterAccess.Handle;
        table[(int)ExitReason.IoInstruction] = &IoInstruction.Handle;
        table[(int)ExitReason.Rdmsr] = &Rdmsr.Handle;
        table[(int)ExitReason.Wrmsr] = &Wrmsr.Handle;
        table[(int)ExitReason.Xsetbv] = &Xsetbv.Handle;
        table[(int)ExitReason.EptViolation] = &EptViolation.Handle;
        table[(int)ExitReason.IsolationViolation] = &IsolationViolation.Handle;
        table[(int)ExitReason.EntryFailureGuestState] = &InvalidState.Handle;
        return table;
    }
}

/// <summary>Exits that this Xen asked for no reason to happen, or cannot emulate: the domain ends.</summary>
internal readonly struct Unexpected : IExitHandler
{
    public static void Handle(in ExitContext exit)
    {
        ExitReason reason = (ExitReason)(ushort)exit.Vmcs[VmcsField.ExitReason];
        exit.Crash(DomainExitKind.Unemulated, $"VM exit {reason} with qualification 0x{exit.Qualification:x}");
    }
}

/// <summary>Instructions of features that guests do not have: #UD, as on a processor without them.</summary>
internal readonly struct NotOffered : IExitHandler
{
    public static void Handle(in ExitContext exit) => exit.Vcpu.InjectException(Vector.UD);
}

/// <summary>Instructions that have nothing to do here (caches).</summary>
internal readonly struct Skip : IExitHandler
{
    public static void Handle(in ExitContext exit) => exit.SkipInstruction();
}

/// <summary>The board's timer: the slice is over.</summary>
internal readonly struct TimeSlice : IExitHandler
{
    public static void Handle(in ExitContext exit) => exit.Hypervisor.EndSlice();
}

/// <summary>The guest can take an interrupt now; the next entry injects it.</summary>
internal readonly struct InterruptWindow : IExitHandler
{
    public static void Handle(in ExitContext exit)
    {
    }
}

internal readonly struct TripleFault : IExitHandler
{
    public static void Handle(in ExitContext exit) => exit.Crash(DomainExitKind.TripleFault, string.Empty);
}

/// <summary>Exit 33: the guest's state is one that no processor can be in (SDM 3C "Checks on the Guest State Area").</summary>
internal readonly struct InvalidState : IExitHandler
{
    public static void Handle(in ExitContext exit) => exit.Crash(DomainExitKind.InvalidGuestState, "VM entry refused the guest's state");
}

/// <summary>HLT: waits for an event. With interrupts off nothing can end the wait, so the vCPU is down, as Xen takes it.</summary>
internal readonly struct Hlt : IExitHandler
{
    private const ulong RflagsIf = 1 << 9;

    public static void Handle(in ExitContext exit)
    {
        exit.SkipInstruction();
        if ((exit.Vmcs[VmcsField.GuestRflags] & RflagsIf) != 0)
        {
            exit.Vcpu.Block();
            return;
        }

        exit.Vcpu.IsOnline = false;
        exit.Hypervisor.OnVcpuDown(exit.Domain, exit.Vcpu);
    }
}
