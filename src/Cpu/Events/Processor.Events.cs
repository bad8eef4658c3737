using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <content>What the engine asks of event handling, at instruction boundaries.</content>
public sealed unsafe partial class Processor
{
    /// <summary>Interruptibility: blocking by STI or by MOV SS, each for one instruction.</summary>
    internal const uint InterruptShadow = BlockingBySti | BlockingByMovSs;

    internal const uint BlockingBySti = 1;
    internal const uint BlockingByMovSs = 2;
    internal const uint BlockingByNmi = 8;

    /// <summary>Pending debug exceptions, exit qualification of #DB and DR6: single step.</summary>
    internal const ulong PendingDebugBs = 1UL << 14;

    /// <summary>DR7.GD: a MOV to or from a debug register is #DB.</summary>
    internal const ulong Dr7Gd = 1UL << 13;

    /// <summary>Bits of DR6 that read as one.</summary>
    internal const ulong Dr6Fixed1 = 0xFFFF_0FF0;

    /// <summary>
    /// How many instructions may retire before <see cref="PollEvents"/> has something to do by the passage of time alone (the
    /// VMX-preemption timer, and what the board has). The engine lets no slice be longer.
    /// </summary>
    internal long InstructionsToTimer
    {
        get
        {
            ulong next = Platform.NextEventTime;
            long toBoard = long.MaxValue;
            if (next != ulong.MaxValue)
            {
                ulong now = Platform.Now;
                toBoard = next > now ? (long)ulong.Min(next - now, long.MaxValue) : 0;
            }

            return long.Min(Vmx.InstructionsToTimer, toBoard);
        }
    }

    /// <summary>
    /// At a boundary: wakes a halted processor and delivers what is pending and not blocked, in the order of SDM 3A "Priority Among
    /// Concurrent Events". Branched when something was delivered, VmExit when an exit was taken, else Retired. Called whenever
    /// something may have changed, often in vain.
    /// </summary>
    internal Outcome PollEvents()
    {
        if (Vmx.TryBegin(out Outcome outcome))
        {
            return outcome;
        }

        if (_waitsForStore)
        {
            PollWait();
        }

        if ((_initPending || State->Activity == ActivityState.WaitForSipi) && TryTakeInitOrStartup(out outcome))
        {
            return outcome;
        }

        bool nonRoot = State->Paging.NonRoot;

        if (State->Activity > ActivityState.Hlt && !_nmiPending)
        {
            return Outcome.Retired; // shutdown: only an NMI, INIT or reset ends it
        }

        if (State->PendingDebug != 0 && (State->Interruptibility & BlockingByMovSs) == 0 && TryDeliverPendingDebug(out outcome))
        {
            return outcome;
        }

        if (nonRoot && Vmx.TryExitForTimerOrWindow(_nmiPending, out outcome))
        {
            return outcome;
        }

        // Blocking by STI holds NMIs back too, as the manual lets it: a handler's HLT behind STI is never separated from it.
        if (_nmiPending && (State->Interruptibility & InterruptShadow) == 0 && Vmx.MayTakeNmi())
        {
            _nmiPending = false;
            EventToDeliver nmi = new() { IsValid = true, Vector = (byte)Vector.NMI, Type = EventType.Nmi };
            return Vmx.TryExitForNmi(in nmi, out outcome) ? outcome : DeliverEvent(in nmi);
        }

        if (!Platform.InterruptPending || State->Activity > ActivityState.Hlt)
        {
            return Outcome.Retired;
        }

        if (nonRoot && Vmx.TryExitForInterrupt(out outcome))
        {
            return outcome;
        }

        bool blocked = (State->RflagsSystem & RflagsBits.IF) == 0 || (State->Interruptibility & InterruptShadow) != 0;
        return blocked ? Outcome.Retired : DeliverEvent(EventToDeliver.Interrupt(Platform.AcknowledgeInterrupt()));
    }

    /// <summary>
    /// After an instruction that began with RFLAGS.TF set, or met breakpoints: a #DB trap, held back while MOV SS blocks it.
    /// </summary>
    private Outcome DeliverTrap(ulong trap)
    {
        RefreshMode();
        State->PendingDebug |= trap;
        return (State->Interruptibility & BlockingByMovSs) == 0 && TryDeliverPendingDebug(out Outcome outcome) ? outcome : Outcome.Branched;
    }

    /// <summary>Pending debug exceptions become one #DB (SDM 3C "Pending Debug Exceptions": bits 3:0 and 14 as in DR6).</summary>
    private bool TryDeliverPendingDebug(out Outcome outcome)
    {
        ulong pending = State->PendingDebug;
        State->PendingDebug = 0;
        outcome = Outcome.Retired;

        // Matched but not enabled breakpoints (no bit 12, no BS) cause no exception.
        if ((pending & (PendingDebugBs | PendingDebugBt | PendingDebugEnabled)) == 0)
        {
            return false;
        }

        outcome = DeliverException(EventToDeliver.Exception(new Fault { Vector = Vector.DB, Qualification = pending & (0xF | PendingDebugBs | PendingDebugBt) }));
        return true;
    }
}
