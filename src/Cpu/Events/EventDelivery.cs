using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <content>From an event to its handler, or to a VM exit, a double fault, a shutdown (SDM 3A "Interrupt and Exception
/// Handling").</content>
public sealed unsafe partial class Processor
{
    /// <summary>The event that is being delivered; a VM exit meanwhile reports it as IDT-vectoring information.</summary>
    internal EventToDeliver Delivering;

    /// <summary>The IRET that runs has ended blocking by NMI: an exit that it causes reports so.</summary>
    internal bool IretUnblockedNmi;

    /// <summary>INT n and its kin clear TF before the trap of a single step could come: there is none.</summary>
    private bool _stepEnded;

    /// <summary>
    /// Delivers <see cref="PendingFault"/> (RIP is at the faulting instruction), or takes the VM exit that it causes.
    /// Branched when the handler is about to run, VmExit when an exit was taken; a triple fault leaves Activity = Shutdown.
    /// </summary>
    internal Outcome DeliverFault()
    {
        if (State->PendingDebug != 0)
        {
            // Held back by MOV SS: joins a #DB, and is lost with any other fault.
            PendingFault.Qualification |= PendingFault.Vector == Vector.DB ? State->PendingDebug & (0xF | PendingDebugBs) : 0;
            State->PendingDebug = 0;
        }

        State->Budget--; // a delivery takes the time of an instruction: a guest that does nothing but fault cannot stop the clock
        Outcome outcome = IsBelowPaging(in PendingFault)
            ? Vmx.ExitForTranslation(PendingFault.Cause, in FailedTranslation)
            : DeliverException(EventToDeliver.Exception(in PendingFault));
        IretUnblockedNmi = false;
        return outcome;
    }

    /// <summary>An exception that may be intercepted; nothing is being delivered yet.</summary>
    internal Outcome DeliverException(in EventToDeliver exception) =>
        Vmx.TryExitForException(in exception, out Outcome outcome) ? outcome : DeliverEvent(in exception);

    /// <summary>
    /// Delivers an event that nobody intercepts. Faults on the way are handled one after the other or become a double fault, then a
    /// triple fault (SDM 3A "Interrupt 8 - Double Fault Exception (#DF)").
    /// </summary>
    internal Outcome DeliverEvent(in EventToDeliver first)
    {
        EventToDeliver current = first;
        while (true)
        {
            Delivering = current;
            if (TryDeliver(in current))
            {
                Delivering = default;
                return EndTransfer(true);
            }

            if (IsBelowPaging(in PendingFault))
            {
                return Vmx.ExitForTranslation(PendingFault.Cause, in FailedTranslation);
            }

            EventToDeliver second = EventToDeliver.Exception(in PendingFault);
            if (IsDoubleFault(in current) && (IsContributory(in second) || IsPageFault(in second)))
            {
                return ShutDown();
            }

            // The second fault is intercepted as what it is, before it makes a double fault.
            if (Vmx.TryExitForException(in second, out Outcome outcome))
            {
                return outcome;
            }

            bool doubles = (IsContributory(in current) && IsContributory(in second))
                || (IsPageFault(in current) && (IsContributory(in second) || IsPageFault(in second)));
            if (!doubles)
            {
                current = second;
                continue;
            }

            current = EventToDeliver.Exception(new Fault { Vector = Vector.DF, HasErrorCode = true });
            Delivering = default; // an exit of the #DF itself is not "during delivery"
            if (Vmx.TryExitForException(in current, out outcome))
            {
                return outcome;
            }
        }
    }

    /// <summary>
    /// One attempt; false with <see cref="PendingFault"/> set, and nothing changed unless a task switch was past its point of no return.
    /// </summary>
    private bool TryDeliver(in EventToDeliver current)
    {
        bool stepping = (State->RflagsSystem & RflagsBits.TF) != 0;
        if (current.Type == EventType.HardwareException && !current.IsInjected)
        {
            NoteException(in current);
        }

        ulong returnRip = current.IsSoftware ? CutRip(State->Rip + current.InstructionLength) : State->Rip;
        bool done = !IsProtected ? TryDeliverReal(in current, returnRip)
            : IsLongMode ? TryDeliverLong(in current, returnRip)
            : TryDeliverProtected(in current, returnRip);
        if (!done || _transferExited)
        {
            return done;
        }

        _stepEnded = stepping && current.IsSoftware;
        State->Activity = ActivityState.Active;
        State->Interruptibility &= ~InterruptShadow;
        if (current.Type == EventType.Nmi)
        {
            State->Interruptibility |= BlockingByNmi;
        }

        RefreshMode();
        return true;
    }

    /// <summary>What an exception leaves in registers besides the stack frame: CR2, DR6, DR7.GD, DEBUGCTL.</summary>
    private void NoteException(in EventToDeliver exception)
    {
        if (exception.Vector == (byte)Vector.PF)
        {
            State->Cr2 = exception.Qualification;
        }
        else if (exception.Vector == (byte)Vector.DB)
        {
            State->Dr[6] = (State->Dr[6] & ~0xFUL) | Dr6Fixed1 | exception.Qualification;
            State->Dr[7] &= ~Dr7Gd;
            State->Msr.DebugCtl &= ~(DebugCtlBtf | 1); // and LBR
        }
    }

    /// <summary>
    /// RFLAGS as a handler's frame shows it: faults set RF, so that a breakpoint does not fault again; otherwise RF is as it was, that is
    /// set between iterations of a repeated string instruction (SDM 3B "Instruction-Breakpoint Exception Condition").
    /// </summary>
    private ulong PushedFlags(in EventToDeliver current)
    {
        const ulong Bd = 1UL << 13;

        // Of the causes of #DB only "general detect" is a fault that sets RF: instruction breakpoints leave that to their handler.
        bool isFault = current.Type == EventType.HardwareException && current.Vector != (byte)Vector.DF
            && (current.Vector != (byte)Vector.DB || (current.Qualification & Bd) != 0);
        return Rflags | (isFault ? RflagsBits.RF : 0u);
    }

    private Outcome ShutDown()
    {
        Delivering = default;
        if (State->Paging.NonRoot)
        {
            return Vmx.Exit(ExitReason.TripleFault);
        }

        State->Activity = ActivityState.Shutdown;
        return Outcome.Branched;
    }

    /// <summary>EPT and, in non-root operation, isolation: the fault is the hypervisor's business.</summary>
    private bool IsBelowPaging(in Fault fault) => State->Paging.NonRoot
        && fault.Cause is TranslationStatus.EptViolation or TranslationStatus.EptMisconfiguration or TranslationStatus.IsolationViolation;

    private static bool IsDoubleFault(in EventToDeliver e) => e.Type == EventType.HardwareException && e.Vector == (byte)Vector.DF;

    private static bool IsPageFault(in EventToDeliver e) => e.Type == EventType.HardwareException && e.Vector == (byte)Vector.PF;

    private static bool IsContributory(in EventToDeliver e) =>
        e.Type == EventType.HardwareException && (Vector)e.Vector is Vector.DE or (>= Vector.TS and <= Vector.GP) or Vector.CP;
}
