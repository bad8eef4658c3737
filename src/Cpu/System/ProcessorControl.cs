using Iced.Intel;

using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <summary>
/// Instructions that control the processor or ask it about itself (SDM 2 "System Instructions"): HLT, CLI, STI, CPUID, time, MSRs,
/// caches and TLB, random numbers, MONITOR, PAUSE.
/// </summary>
internal static unsafe class ProcessorControl
{
    public static void Register(ColdTable table)
    {
        table.Set(Mnemonic.Hlt, &Hlt, endsBlock: true);
        table.Set(Mnemonic.Cli, &Cli, endsBlock: true);
        table.Set(Mnemonic.Sti, &Sti, endsBlock: true);
        table.Set(Mnemonic.Cpuid, &Cpuid, endsBlock: true);
        table.Set(Mnemonic.Rdtsc, &Rdtsc, endsBlock: true);
        table.Set(Mnemonic.Rdtscp, &Rdtscp, endsBlock: true);
        table.Set(Mnemonic.Rdpid, &Rdpid);
        table.Set(Mnemonic.Rdpmc, &Rdpmc, endsBlock: true);
        table.Set(Mnemonic.Rdmsr, &Rdmsr, endsBlock: true);
        table.Set(Mnemonic.Wrmsr, &Wrmsr, endsBlock: true);
        table.Set(Mnemonic.Invd, &Invd, endsBlock: true);
        table.Set(Mnemonic.Wbinvd, &Wbinvd, endsBlock: true);
        table.Set(Mnemonic.Wbnoinvd, &Wbinvd, endsBlock: true);
        table.Set(Mnemonic.Stac, &Stac, endsBlock: true);
        table.Set(Mnemonic.Clac, &Clac, endsBlock: true);
        table.Set(Mnemonic.Invlpg, &Invlpg, endsBlock: true);
        table.Set(Mnemonic.Invpcid, &Invpcid, endsBlock: true);
        table.Set(Mnemonic.Clflush, &CacheLine);
        table.Set(Mnemonic.Clflushopt, &CacheLine);
        table.Set(Mnemonic.Clwb, &CacheLine);
        table.Set(Mnemonic.Rdrand, &Rdrand, endsBlock: true);
        table.Set(Mnemonic.Rdseed, &Rdseed, endsBlock: true);
        table.Set(Mnemonic.Monitor, &Monitor, endsBlock: true);
        table.Set(Mnemonic.Mwait, &Mwait, endsBlock: true);
        table.Set(Mnemonic.Pause, &Pause, endsBlock: true);
        table.Set(Mnemonic.Rdpkru, &Rdpkru);
        table.Set(Mnemonic.Wrpkru, &Wrpkru, endsBlock: true);
    }

    private static Outcome Hlt(Processor p, in Instruction i)
    {
        if (!p.RequireSupervisor())
        {
            return Outcome.Fault;
        }

        if (p.Vmx.TryExit(PrimaryControls.HltExiting, ExitReason.Hlt, in i, out Outcome outcome))
        {
            return outcome;
        }

        p.State->Activity = ActivityState.Hlt;
        return p.Branch(true);
    }

    /// <summary>CLI (SDM 2A "CLI"): IOPL decides; with virtual interrupts (VME, PVI) it clears VIF where it may not clear IF.</summary>
    private static Outcome Cli(Processor p, in Instruction i)
    {
        if (!MayChangeIf(p))
        {
            if (!p.HasVirtualInterrupts)
            {
                return p.Raise(Vector.GP, 0);
            }

            p.State->RflagsSystem &= ~RflagsBits.VIF;
            return p.Branch(true);
        }

        p.State->RflagsSystem &= ~RflagsBits.IF;
        return p.Branch(true);
    }

    /// <summary>STI: interrupts stay blocked for one more instruction when IF was 0.</summary>
    private static Outcome Sti(Processor p, in Instruction i)
    {
        if (!MayChangeIf(p))
        {
            if (!p.HasVirtualInterrupts || (p.State->RflagsSystem & RflagsBits.VIP) != 0)
            {
                return p.Raise(Vector.GP, 0);
            }

            p.State->RflagsSystem |= RflagsBits.VIF;
            return p.Branch(true);
        }

        if ((p.State->RflagsSystem & RflagsBits.IF) == 0)
        {
            p.State->RflagsSystem |= RflagsBits.IF;
            p.State->Interruptibility |= Processor.BlockingBySti;
        }

        return p.Branch(true);
    }

    /// <summary>STAC and CLAC (SDM 2B, 2A): AC lets CPL 0 reach user pages under SMAP. #UD elsewhere.</summary>
    private static Outcome Stac(Processor p, in Instruction i)
    {
        if (p.State->Cpl != 0)
        {
            return p.Raise(Vector.UD);
        }

        p.State->RflagsSystem |= RflagsBits.AC;
        return p.Branch(true);
    }

    private static Outcome Clac(Processor p, in Instruction i)
    {
        if (p.State->Cpl != 0)
        {
            return p.Raise(Vector.UD);
        }

        p.State->RflagsSystem &= ~RflagsBits.AC;
        return p.Branch(true);
    }

    private static Outcome Cpuid(Processor p, in Instruction i)
    {
        if (p.State->Paging.NonRoot)
        {
            return p.Vmx.Exit(ExitReason.Cpuid, 0, (uint)i.Length);
        }

        uint number = (uint)p.State->Gpr[0];
        uint subleaf = (uint)p.State->Gpr[1];
        CpuidLeaf leaf = p.Platform.AnswerCpuid(number, subleaf, CpuidModel.Query(number, subleaf, p.State));
        p.State->Gpr[0] = leaf.Eax;
        p.State->Gpr[3] = leaf.Ebx;
        p.State->Gpr[1] = leaf.Ecx;
        p.State->Gpr[2] = leaf.Edx;
        return Outcome.Retired;
    }

    private static Outcome Rdtsc(Processor p, in Instruction i)
    {
        if (!MayReadTime(p))
        {
            return Outcome.Fault;
        }

        if (p.Vmx.TryExit(PrimaryControls.RdtscExiting, ExitReason.Rdtsc, in i, out Outcome outcome))
        {
            return outcome;
        }

        p.SetEdxEax(p.TimeStamp);
        return Outcome.Retired;
    }

    private static Outcome Rdtscp(Processor p, in Instruction i)
    {
        if (!p.Vmx.Enables(SecondaryControls.EnableRdtscp))
        {
            return p.Raise(Vector.UD);
        }

        if (!MayReadTime(p))
        {
            return Outcome.Fault;
        }

        if (p.Vmx.TryExit(PrimaryControls.RdtscExiting, ExitReason.Rdtscp, in i, out Outcome outcome))
        {
            return outcome;
        }

        p.SetEdxEax(p.TimeStamp);
        p.State->Gpr[1] = (uint)p.State->Msr.TscAux;
        return Outcome.Retired;
    }

    private static Outcome Rdpid(Processor p, in Instruction i)
    {
        if (!p.Vmx.Enables(SecondaryControls.EnableRdtscp))
        {
            return p.Raise(Vector.UD);
        }

        p.SetGpr(i.Op0Register.GetFullRegister(), (ulong)(uint)p.State->Msr.TscAux);
        return Outcome.Retired;
    }

    /// <summary>There are no performance counters: every number is #GP(0).</summary>
    private static Outcome Rdpmc(Processor p, in Instruction i)
    {
        if (p.State->Cpl != 0 && (p.State->Paging.Cr4 & ControlRegisters.Cr4Pce) == 0)
        {
            return p.Raise(Vector.GP, 0);
        }

        return p.Vmx.TryExit(PrimaryControls.RdpmcExiting, ExitReason.Rdpmc, in i, out Outcome outcome) ? outcome : p.Raise(Vector.GP, 0);
    }

    private static Outcome Rdmsr(Processor p, in Instruction i)
    {
        if (!p.RequireSupervisor())
        {
            return Outcome.Fault;
        }

        uint msr = (uint)p.State->Gpr[1];
        if (p.State->Paging.NonRoot && p.Vmx.TryExitForMsr(msr, isWrite: false, in i, out Outcome outcome))
        {
            return outcome;
        }

        if (!p.TryReadMsr(msr, out ulong value))
        {
            return p.Raise(Vector.GP, 0);
        }

        p.SetEdxEax(value);
        return Outcome.Retired;
    }

    private static Outcome Wrmsr(Processor p, in Instruction i)
    {
        if (!p.RequireSupervisor())
        {
            return Outcome.Fault;
        }

        uint msr = (uint)p.State->Gpr[1];
        if (p.State->Paging.NonRoot && p.Vmx.TryExitForMsr(msr, isWrite: true, in i, out Outcome outcome))
        {
            return outcome;
        }

        return p.TryWriteMsr(msr, p.EdxEax) ? p.Branch(true) : p.Raise(Vector.GP, 0);
    }

    /// <summary>There is no cache to lose: INVD and WBINVD are the same.</summary>
    private static Outcome Invd(Processor p, in Instruction i)
    {
        if (!p.RequireSupervisor())
        {
            return Outcome.Fault;
        }

        return p.State->Paging.NonRoot ? p.Vmx.Exit(ExitReason.Invd, 0, (uint)i.Length) : Outcome.Retired;
    }

    private static Outcome Wbinvd(Processor p, in Instruction i)
    {
        if (!p.RequireSupervisor())
        {
            return Outcome.Fault;
        }

        return p.Vmx.TryExit(SecondaryControls.WbinvdExiting, ExitReason.WbinvdOrWbnoinvd, in i, out Outcome outcome) ? outcome : Outcome.Retired;
    }

    /// <summary>INVLPG forms a linear address without any check of the segment; in 64-bit mode a non-canonical one does nothing.</summary>
    private static Outcome Invlpg(Processor p, in Instruction i)
    {
        if (!p.RequireSupervisor())
        {
            return Outcome.Fault;
        }

        ulong offset = p.EffectiveAddress(in i);
        SegmentIndex segment = Processor.SegmentOf(in i);
        ulong linear = p.Is64BitMode
            ? (segment >= SegmentIndex.FS ? p.Segment(segment).Base : 0) + offset
            : (uint)(p.Segment(segment).Base + offset);
        if (p.Vmx.TryExit(PrimaryControls.InvlpgExiting, ExitReason.Invlpg, in i, out Outcome outcome, linear))
        {
            return outcome;
        }

        p.Tlb.Invlpg(ref p.State->Paging, new Gva(linear));
        return p.Branch(true);
    }

    /// <summary>INVPCID (SDM 2A "INVPCID"): the descriptor holds the PCID in bits 11:0 and a linear address in its second half.</summary>
    private static Outcome Invpcid(Processor p, in Instruction i)
    {
        if (!p.Vmx.Enables(SecondaryControls.EnableInvpcid))
        {
            return p.Raise(Vector.UD);
        }

        if (!p.RequireSupervisor())
        {
            return Outcome.Fault;
        }

        if (p.State->Paging.NonRoot && p.Vmx.HasPrimary(PrimaryControls.InvlpgExiting))
        {
            return p.Vmx.Exit(ExitReason.Invpcid, i.MemoryDisplacement64, (uint)i.Length, InstructionInformation.Of(in i));
        }

        ulong type = p.Is64BitMode ? p.Gpr<ulong>(i.Op0Register) : p.Gpr<uint>(i.Op0Register);
        ulong offset = p.EffectiveAddress(in i);
        if (!p.TryRead(Processor.SegmentOf(in i), offset, out ulong low) || !p.TryRead(Processor.SegmentOf(in i), offset + 8, out ulong address))
        {
            return Outcome.Fault;
        }

        bool withoutPcids = (p.State->Paging.Cr4 & ControlRegisters.Cr4Pcide) == 0;
        bool bad = type > 3 || low >> 12 != 0 || (type <= 1 && withoutPcids && low != 0) || (type == 0 && !p.IsCanonical(address));
        if (bad)
        {
            return p.Raise(Vector.GP, 0);
        }

        p.Tlb.Invpcid(ref p.State->Paging, (InvpcidType)type, (ushort)low, new Gva(address));
        return p.Branch(true);
    }

    /// <summary>CLFLUSH and its kin are loads of one byte to permission checks, and nothing else without caches.</summary>
    private static Outcome CacheLine(Processor p, in Instruction i) =>
        p.TryRead(Processor.SegmentOf(in i), p.EffectiveAddress(in i), out byte _) ? Outcome.Retired : Outcome.Fault;

    private static Outcome Rdrand(Processor p, in Instruction i) =>
        p.Vmx.TryExit(SecondaryControls.RdrandExiting, ExitReason.Rdrand, in i, out Outcome outcome, 0, InstructionInformation.OfRandom(in i))
            ? outcome
            : Random(p, in i);

    private static Outcome Rdseed(Processor p, in Instruction i) =>
        p.Vmx.TryExit(SecondaryControls.RdseedExiting, ExitReason.Rdseed, in i, out Outcome outcome, 0, InstructionInformation.OfRandom(in i))
            ? outcome
            : Random(p, in i);

    /// <summary>A number of the processor's seeded sequence, with CF = 1 and the other status flags 0.</summary>
    private static Outcome Random(Processor p, in Instruction i)
    {
        ulong number = p.NextRandom();
        switch (i.Op0Register.GetSize())
        {
            case 2:
                p.SetGpr(i.Op0Register, (ushort)number);
                break;
            case 4:
                p.SetGpr(i.Op0Register, (uint)number);
                break;
            default:
                p.SetGpr(i.Op0Register, number);
                break;
        }

        p.Rflags = (p.Rflags & ~(ulong)RflagsBits.Status) | RflagsBits.CF;
        return Outcome.Retired;
    }

    /// <summary>MONITOR (SDM 2B): reads a byte at DS:rAX (the segment can be overridden) and watches its line.</summary>
    private static Outcome Monitor(Processor p, in Instruction i)
    {
        if (!MayMonitor(p))
        {
            return p.Raise(Vector.UD);
        }

        if (p.Vmx.TryExit(PrimaryControls.MonitorExiting, ExitReason.Monitor, in i, out Outcome outcome))
        {
            return outcome;
        }

        if ((uint)p.State->Gpr[1] != 0)
        {
            return p.Raise(Vector.GP, 0);
        }

        ulong mask = i.Code switch { Code.Monitorw => ushort.MaxValue, Code.Monitord => uint.MaxValue, _ => ulong.MaxValue };
        Register register = i.SegmentPrefix == Iced.Intel.Register.None ? Iced.Intel.Register.DS : i.SegmentPrefix;
        if (!p.TryLinear(Processor.ToSegment(register), p.State->Gpr[0] & mask, 1, AccessKind.Read, out ulong linear)
            || !p.TryReadLinear(new Gva(linear), p.State->DataAccess, out byte _))
        {
            return Outcome.Fault;
        }

        p.ArmMonitor(linear);
        return Outcome.Retired;
    }

    /// <summary>MWAIT (SDM 2B): ECX bit 0 lets masked interrupts end it; EAX is a hint for which there is nothing to do.</summary>
    private static Outcome Mwait(Processor p, in Instruction i)
    {
        if (!MayMonitor(p))
        {
            return p.Raise(Vector.UD);
        }

        if (p.Vmx.TryExit(PrimaryControls.MwaitExiting, ExitReason.Mwait, in i, out Outcome outcome, p.IsMonitorArmed ? 1u : 0))
        {
            return outcome;
        }

        uint extensions = (uint)p.State->Gpr[1];
        if (extensions > 1)
        {
            return p.Raise(Vector.GP, 0);
        }

        p.WaitForStore(extensions == 1);
        return p.Branch(true);
    }

    /// <summary>At CPL 0 only, and while IA32_MISC_ENABLE offers it.</summary>
    private static bool MayMonitor(Processor p) =>
        p.State->Cpl == 0 && (p.State->Msr.MiscEnable & ModelSpecificRegisters.MiscEnableMonitor) != 0;

    private static Outcome Pause(Processor p, in Instruction i)
    {
        if (p.Vmx.TryExit(PrimaryControls.PauseExiting, ExitReason.Pause, in i, out Outcome outcome))
        {
            return outcome;
        }

        p.Platform.OnPause();
        return Outcome.Retired;
    }

    private static Outcome Rdpkru(Processor p, in Instruction i)
    {
        if ((p.State->Paging.Cr4 & ControlRegisters.Cr4Pke) == 0)
        {
            return p.Raise(Vector.UD);
        }

        if ((uint)p.State->Gpr[1] != 0)
        {
            return p.Raise(Vector.GP, 0);
        }

        p.SetEdxEax(p.State->Paging.Pkru);
        return Outcome.Retired;
    }

    private static Outcome Wrpkru(Processor p, in Instruction i)
    {
        if ((p.State->Paging.Cr4 & ControlRegisters.Cr4Pke) == 0)
        {
            return p.Raise(Vector.UD);
        }

        if ((uint)p.State->Gpr[1] != 0 || (uint)p.State->Gpr[2] != 0)
        {
            return p.Raise(Vector.GP, 0);
        }

        p.State->Paging.Pkru = (uint)p.State->Gpr[0];
        p.OnPagingChanged();
        return p.Branch(true);
    }

    private static bool MayChangeIf(Processor p) => !p.IsProtected || p.State->Cpl <= p.Iopl;

    private static bool MayReadTime(Processor p) =>
        p.State->Cpl == 0 || (p.State->Paging.Cr4 & ControlRegisters.Cr4Tsd) == 0 || p.Fail(Vector.GP, 0);
}
