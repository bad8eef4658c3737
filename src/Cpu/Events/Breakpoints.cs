using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <content>
/// Breakpoints of DR0 to DR3 (SDM 3B "Debug Registers"). While one is enabled, instructions run one at a time, the careful way: nobody
/// else pays for them.
/// </content>
public sealed unsafe partial class Processor
{
    /// <summary>L0 to G3 of DR7: some breakpoint is enabled.</summary>
    private const ulong Dr7Enables = 0xFF;

    /// <summary>Pending debug exceptions: at least one of the matched breakpoints is enabled.</summary>
    private const ulong PendingDebugEnabled = 1UL << 12;

    // R/W fields of DR7 (SDM 3B "Debug Control Register (DR7)").
    private const uint BreakOnExecution = 0;
    private const uint BreakOnWrite = 1;
    private const uint BreakOnPort = 2;
    private const uint BreakOnReadOrWrite = 3;

    /// <summary>IA32_DEBUGCTL.BTF: TF traps after taken branches only.</summary>
    private const ulong DebugCtlBtf = 1 << 1;

    /// <summary>Breakpoints that the running instruction has met, as pending debug exceptions; they count when it retires.</summary>
    private ulong _met;

    /// <summary>True while repeated instructions must come back after each iteration: a trap may follow.</summary>
    internal bool StopsAfterIteration => (State->RflagsSystem & RflagsBits.TF) != 0 || BreakpointsAreArmed;

    private bool BreakpointsAreArmed => (State->Dr[7] & Dr7Enables) != 0;

    /// <summary>The running instruction has decided itself about the trap of a single step.</summary>
    internal void EndStep() => _stepEnded = true;

    /// <summary>An access to a port has been made: breakpoints on ports exist under CR4.DE.</summary>
    internal void NotePortAccess(ushort port, int sizeBytes)
    {
        if (BreakpointsAreArmed && (State->Paging.Cr4 & ControlRegisters.Cr4De) != 0)
        {
            _met |= Match(port, (uint)sizeBytes, 1u << (int)BreakOnPort);
        }
    }

    /// <summary>An access to data has been made or prepared.</summary>
    private void NoteDataAccess(ulong linear, int sizeBytes, AccessKind kind)
    {
        // What delivery pushes belongs to no instruction.
        if (BreakpointsAreArmed && !Delivering.IsValid)
        {
            uint kinds = kind == AccessKind.Write ? (1u << (int)BreakOnWrite) | (1u << (int)BreakOnReadOrWrite) : 1u << (int)BreakOnReadOrWrite;
            _met |= Match(linear, (uint)sizeBytes, kinds);
        }
    }

    /// <summary>
    /// SDM 3B "Instruction-Breakpoint Exception Condition": a fault before the instruction, unless RF is set or MOV SS has just been
    /// executed.
    /// </summary>
    private bool MeetsInstructionBreakpoint()
    {
        bool looks = BreakpointsAreArmed && (State->RflagsSystem & RflagsBits.RF) == 0 && (State->Interruptibility & BlockingByMovSs) == 0;
        ulong met = looks ? Match(LinearOf(State->Rip), 1, 1u << (int)BreakOnExecution) : 0;
        if (met == 0)
        {
            return false;
        }

        _ = Raise(Vector.DB);
        PendingFault.Qualification = met & 0xF;
        return true;
    }

    /// <summary>The enabled breakpoints of some kinds that touch a range; lengths are 1, 2, 4 or 8, naturally aligned.</summary>
    private ulong Match(ulong start, uint sizeBytes, uint kinds)
    {
        ulong met = 0;
        for (int number = 0; number < 4; number++)
        {
            ulong control = State->Dr[7];
            uint field = (uint)(control >> (16 + (4 * number))) & 0xF;
            bool isEnabled = ((control >> (2 * number)) & 3) != 0;
            if (!isEnabled || (kinds & (1u << (int)(field & 3))) == 0)
            {
                continue;
            }

            uint length = (field >> 2) switch { 0 => 1u, 1 => 2u, 2 => 8u, _ => 4u };
            ulong first = State->Dr[number] & ~(ulong)(length - 1);

            // Distances, so that a range may wrap around the end of the address space.
            if (start - first < length || first - start < sizeBytes)
            {
                met |= (1UL << number) | PendingDebugEnabled;
            }
        }

        return met;
    }

    /// <summary>Does TF trap behind this instruction? With IA32_DEBUGCTL.BTF only behind a taken branch.</summary>
    private bool StepTraps(in Iced.Intel.Instruction instruction, Outcome outcome) =>
        (State->Msr.DebugCtl & DebugCtlBtf) == 0
        || (outcome == Outcome.Branched && instruction.FlowControl != Iced.Intel.FlowControl.Next);
}
