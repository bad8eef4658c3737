using Iced.Intel;

namespace Xenolith.Cpu;

/// <content>The run loop.</content>
public sealed unsafe partial class Processor
{
    private long _sliceInstructions;
    private bool _stopRequested;

    /// <summary>Instructions retired since reset, exact whenever managed code runs.</summary>
    public ulong RetiredInstructions => State->Retired + (ulong)(_sliceInstructions - State->Budget);

    /// <summary>
    /// How many of <see cref="RetiredInstructions"/> were iterations of repeated string instructions beyond the one that ends each of them:
    /// without these it is the count of instructions as software sees them.
    /// </summary>
    public ulong ExtraIterations { get; internal set; }

    /// <summary>Somebody wants events to be looked for at the next instruction boundary.</summary>
    internal bool IsBoundaryRequested { get; private set; }

    /// <summary>Makes the engine come to its next instruction boundary and look for events.</summary>
    public void RequestBoundary() => IsBoundaryRequested = true;

    /// <summary>Makes <see cref="Run"/> return <see cref="StopReason.Requested"/> at the next instruction boundary.</summary>
    public void RequestStop() => _stopRequested = true;

    /// <summary>Runs until the budget is used up or something else stops the processor.</summary>
    /// <param name="instructions">How many instructions may retire. An iteration of a repeated string instruction counts as one.</param>
    public StopReason Run(long instructions)
    {
        CpuState* cpu = State;
        _stopRequested = false;
        _sliceInstructions = instructions;
        cpu->Budget = instructions;
        Tlb.Refresh(ref cpu->Paging); // others may have run since: another context, or a shootdown by the isolation unit
        StopReason reason = RunSlice();
        cpu->Retired += (ulong)(_sliceInstructions - cpu->Budget);
        _sliceInstructions = 0;
        cpu->Budget = 0;
        return reason;
    }

    /// <summary>A board whose interrupt line is never released must not hold the run loop for ever.</summary>
    private const int MaxEventsAtOnce = 64;

    private StopReason RunSlice()
    {
        CpuState* cpu = State;
        while (true)
        {
            IsBoundaryRequested = false;
            Platform.CatchUp();
            Outcome polled = PollEvents();
            for (int more = MaxEventsAtOnce; polled == Outcome.Branched && more > 0; more--)
            {
                polled = PollEvents(); // a handler that is entered with interrupts enabled may be interrupted before its first instruction
            }

            if (polled == Outcome.VmExit && HostedHypervisor)
            {
                return StopReason.VmExit;
            }

            if (_stopRequested)
            {
                return StopReason.Requested;
            }

            if (cpu->Activity != ActivityState.Active)
            {
                return cpu->Activity == ActivityState.Shutdown ? StopReason.Shutdown : StopReason.Halted;
            }

            if (cpu->Budget <= 0)
            {
                return StopReason.Budget;
            }

            RefreshMode();

            // What is due by time alone limits how far the engine may run.
            long limit = long.Max(1, long.Min(cpu->Budget, InstructionsToTimer));
            long held = cpu->Budget - limit;
            cpu->Budget = limit;
            _sliceInstructions -= held;
            Outcome outcome = NeedsStepping ? Step() : RunBlocks();
            cpu->Budget += held;
            _sliceInstructions += held;
            if (outcome == Outcome.VmExit && HostedHypervisor)
            {
                return StopReason.VmExit;
            }
        }
    }

    /// <summary>Single step, armed breakpoints, or RF or an interrupt shadow, which end after one instruction.</summary>
    private bool NeedsStepping => UseCarefulEngine || (State->RflagsSystem & (RflagsBits.TF | RflagsBits.RF)) != 0
        || (State->Interruptibility & InterruptShadow) != 0 || BreakpointsAreArmed;

    /// <summary>One instruction, or one iteration of a repeated one, and what follows from it.</summary>
    private Outcome Step()
    {
        CpuState* cpu = State;
        uint shadow = cpu->Interruptibility & InterruptShadow;
        uint begun = cpu->RflagsSystem;
        if (MeetsInstructionBreakpoint())
        {
            return DeliverFault();
        }

        _met = 0;
        _stepEnded = false;
        cpu->RflagsSystem &= ~RflagsBits.RF; // every instruction clears it, but those that load it
        Outcome outcome = TryDecodeAt(cpu->Rip, out Instruction instruction) ? Execute(in instruction) : Outcome.Fault;
        switch (outcome)
        {
            case Outcome.Retired:
                cpu->Rip = NextRip;
                break;
            case Outcome.Branched:
                break;
            case Outcome.Repeat:
                cpu->RflagsSystem |= RflagsBits.RF;
                break;
            case Outcome.Fault:
                cpu->RflagsSystem |= begun & RflagsBits.RF;
                RefreshMode();
                return DeliverFault();
            default:
                return outcome;
        }

        cpu->Budget--;
        cpu->Interruptibility &= ~shadow; // a shadow covers one instruction; one that this instruction made stays
        ulong trap = _met;
        if ((begun & RflagsBits.TF) != 0 && !_stepEnded && StepTraps(in instruction, outcome))
        {
            trap |= PendingDebugBs;
        }

        return trap != 0 ? DeliverTrap(trap) : outcome;
    }

    private Outcome Execute(in Instruction instruction)
    {
        NextRip = CutRip(instruction.NextIP);
        delegate*<Processor, in Instruction, Outcome> method = ColdTable.Instance.Find(instruction.Code, State->Mode);
        return method == null ? Raise(Vector.UD) : method(this, in instruction);
    }

    /// <summary>EIP has 32 bits in 16-bit code too: what runs on beyond FFFFH meets the limit of CS.</summary>
    private ulong CutRip(ulong rip) => CodeBits == 64 ? rip : (uint)rip;
}
