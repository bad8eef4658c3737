namespace Xenolith.Cpu;

/// <content>Events in VMX non-root operation (SDM 3C "VMX Non-Root Operation", "Other Causes of VM Exits").</content>
public sealed unsafe partial class VmxUnit
{
    /// <summary>How many instructions may retire before the VMX-preemption timer expires.</summary>
    internal long InstructionsToTimer => !InNonRoot || _preemptionDeadline == ulong.MaxValue ? long.MaxValue : PreemptionTimerLeft;

    /// <summary>The value that the timer would show: it counts down with the clock and stays at zero.</summary>
    private uint PreemptionTimerLeft
    {
        get
        {
            ulong now = _processor.Platform.Now;
            return now >= _preemptionDeadline ? 0 : (uint)((_preemptionDeadline - now) >> VmxCapabilities.PreemptionTimerShift);
        }
    }

    /// <summary>Before anything else at a boundary: reports the exit of a failed entry, or injects the event of a new one.</summary>
    internal bool TryBegin(out Outcome outcome)
    {
        if (_exitToReport)
        {
            _exitToReport = false;
            outcome = Outcome.VmExit;
            return true;
        }

        if (_injection == 0)
        {
            outcome = Outcome.Retired;
            return false;
        }

        outcome = Inject(_injection);
        return true;
    }

    /// <summary>Exits for an exception that the exception bitmap selects (for #PF: with mask and match).</summary>
    internal bool TryExitForException(in EventToDeliver exception, out Outcome outcome)
    {
        outcome = Outcome.Retired;
        if (!InNonRoot || exception.Type is not (EventType.HardwareException or EventType.SoftwareException or EventType.PrivilegedSoftwareException))
        {
            return false;
        }

        bool selected = (_exceptionBitmap & (1u << exception.Vector)) != 0;
        if (exception.Vector == (byte)Vector.PF)
        {
            bool matches = (exception.ErrorCode & Read32(VmcsField.PageFaultErrorCodeMask)) == Read32(VmcsField.PageFaultErrorCodeMatch);
            selected = selected == matches;
        }

        if (!selected)
        {
            return false;
        }

        outcome = ExitForEvent(ExitReason.ExceptionOrNmi, in exception, exception.Qualification);
        return true;
    }

    /// <summary>The VMX-preemption timer, then the windows for NMIs and interrupts, each when it is open.</summary>
    internal bool TryExitForTimerOrWindow(bool nmiPending, out Outcome outcome)
    {
        outcome = Outcome.Retired;
        if (_preemptionDeadline != ulong.MaxValue && PreemptionTimerLeft == 0)
        {
            outcome = Exit(ExitReason.PreemptionTimer);
            return true;
        }

        if ((_primary & (PrimaryControls.NmiWindowExiting | PrimaryControls.InterruptWindowExiting)) == 0)
        {
            return false;
        }

        uint blocking = State->Interruptibility;
        if (_primary.HasFlag(PrimaryControls.NmiWindowExiting) && (blocking & (BlockingByNmi | BlockingByMovSs | BlockingBySti)) == 0)
        {
            outcome = Exit(ExitReason.NmiWindow);
            return true;
        }

        // An NMI that can be taken goes before the interrupt window.
        bool open = (State->RflagsSystem & RflagsBits.IF) != 0 && (blocking & (BlockingBySti | BlockingByMovSs)) == 0;
        if (!_primary.HasFlag(PrimaryControls.InterruptWindowExiting) || !open || (nmiPending && MayTakeNmi()))
        {
            return false;
        }

        outcome = Exit(ExitReason.InterruptWindow);
        return true;
    }

    /// <summary>With virtual NMIs the blocking bit is the guest's own, and physical NMIs always exit.</summary>
    internal bool MayTakeNmi() => (InNonRoot && _pin.HasFlag(PinControls.VirtualNmis)) || (State->Interruptibility & BlockingByNmi) == 0;

    internal bool TryExitForNmi(in EventToDeliver nmi, out Outcome outcome)
    {
        bool exits = InNonRoot && _pin.HasFlag(PinControls.NmiExiting);
        outcome = exits ? ExitForEvent(ExitReason.ExceptionOrNmi, in nmi, 0) : Outcome.Retired;
        if (exits)
        {
            State->Interruptibility |= BlockingByNmi; // the host handles this one: further NMIs wait for its IRET or for VM entry
        }

        return exits;
    }

    /// <summary>
    /// An external interrupt: RFLAGS.IF does not matter while the control is 1. With acknowledge, the exit takes its vector.
    /// </summary>
    internal bool TryExitForInterrupt(out Outcome outcome)
    {
        outcome = Outcome.Retired;
        if (!_pin.HasFlag(PinControls.ExternalInterruptExiting))
        {
            return false;
        }

        if (((ExitControls)Read32(VmcsField.VmExitControls)).HasFlag(ExitControls.AcknowledgeInterruptOnExit))
        {
            EventToDeliver interrupt = EventToDeliver.Interrupt(_processor.Platform.AcknowledgeInterrupt());
            outcome = ExitForEvent(ExitReason.ExternalInterrupt, in interrupt, 0);
        }
        else
        {
            outcome = Exit(ExitReason.ExternalInterrupt);
        }

        return true;
    }

    /// <summary>
    /// SDM 3C "Event Injection": delivered through the guest's IDT as if it had happened there; the event itself never exits.
    /// </summary>
    private Outcome Inject(uint information)
    {
        _injection = 0;
        EventToDeliver injected = new()
        {
            IsValid = true,
            Vector = (byte)information,
            Type = (EventType)((information >> 8) & 7),
            HasErrorCode = (information & (1 << 11)) != 0,
            ErrorCode = Read32(VmcsField.EntryExceptionErrorCode),
        };
        if (injected.IsSoftware)
        {
            injected.InstructionLength = Read32(VmcsField.EntryInstructionLength);
        }

        // CR2, DR6 and DEBUGCTL are not changed by injection: the hypervisor has prepared them.
        injected.IsInjected = true;
        return _processor.DeliverEvent(in injected);
    }
}
