namespace Xenolith.Cpu;

/// <content>Small things that system instructions share: privilege, register pairs, the end of an instruction.</content>
public sealed unsafe partial class Processor
{
    /// <summary>
    /// Linear address of the last memory operand that a system instruction has formed; exit information for LMSW and string I/O.
    /// </summary>
    internal ulong LastOperandLinear { get; set; }

    /// <summary>EDX:EAX.</summary>
    internal ulong EdxEax => (uint)State->Gpr[0] | (State->Gpr[2] << 32);

    internal void SetEdxEax(ulong value)
    {
        State->Gpr[0] = (uint)value;
        State->Gpr[2] = value >> 32;
    }

    /// <summary>#GP(0) unless CPL is 0.</summary>
    internal bool RequireSupervisor() => State->Cpl == 0 || Fail(Vector.GP, 0);

    /// <summary>SGDT, SIDT, SLDT, SMSW, STR: #GP(0) outside CPL 0 under CR4.UMIP.</summary>
    internal bool RequireNoUmip() => State->Cpl == 0 || (State->Paging.Cr4 & ControlRegisters.Cr4Umip) == 0 || Fail(Vector.GP, 0);

    /// <summary>Ends an instruction that changed what the engine depends on; or ends it with the fault that was raised.</summary>
    internal Outcome Branch(bool done)
    {
        if (!done)
        {
            return Outcome.Fault;
        }

        State->Rip = NextRip;
        return Outcome.Branched;
    }
}
