using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>
/// SYSCALL, SYSRET, SYSENTER, SYSEXIT (SDM 3A "Fast System Calls in 64-Bit Mode", "Performing Fast Calls to System Procedures").
/// </summary>
internal static unsafe class FastSystemCalls
{
    private const uint Code64 = 0xA09B;
    private const uint Code32 = 0xC09B;
    private const uint Data = 0xC093;
    private const uint Dpl3 = 0x60;

    /// <summary>What SYSRET takes from R11: every flag but RF, VM and the reserved bits.</summary>
    private const ulong SysretFlags = 0x3C_7FD7;

    public static void Register(ColdTable table)
    {
        table.Set(Mnemonic.Syscall, &Syscall, endsBlock: true);
        table.Set(Mnemonic.Sysret, &Sysret, endsBlock: true);
        table.Set(Mnemonic.Sysretq, &Sysret, endsBlock: true);
        table.Set(Mnemonic.Sysenter, &Sysenter, endsBlock: true);
        table.Set(Mnemonic.Sysexit, &Sysexit, endsBlock: true);
        table.Set(Mnemonic.Sysexitq, &Sysexit, endsBlock: true);
    }

    private static Outcome Syscall(Processor p, in Instruction i)
    {
        if (!p.Is64BitMode || (p.State->Paging.Efer & ControlRegisters.EferSce) == 0)
        {
            return p.Raise(Vector.UD);
        }

        ulong flags = p.Rflags;
        p.State->Gpr[1] = p.NextRip;
        p.State->Gpr[11] = flags & ~(ulong)RflagsBits.RF;
        p.Rflags = flags & ~(p.State->Msr.Fmask | RflagsBits.RF);
        ushort selector = (ushort)((p.State->Msr.Star >> 32) & 0xFFFC);
        SetFlat(p, SegmentIndex.CS, selector, Code64);
        SetFlat(p, SegmentIndex.SS, (ushort)(selector + 8), Data);
        p.State->Rip = p.State->Msr.Lstar;
        return Finish(p);
    }

    /// <summary>
    /// SYSCALL and SYSRET load RFLAGS: a TF that is set afterwards traps at once, one that is clear does not (so does silicon).
    /// </summary>
    private static Outcome Finish(Processor p)
    {
        p.EndStep();
        if ((p.State->RflagsSystem & RflagsBits.TF) != 0)
        {
            p.State->PendingDebug |= Processor.PendingDebugBs;
        }

        return Outcome.Branched;
    }

    private static Outcome Sysret(Processor p, in Instruction i)
    {
        if (!p.Is64BitMode || (p.State->Paging.Efer & ControlRegisters.EferSce) == 0)
        {
            return p.Raise(Vector.UD);
        }

        bool to64 = i.Code == Code.Sysretq;
        ulong target = p.State->Gpr[1];
        if (p.State->Cpl != 0 || (to64 && !p.IsCanonical(target)))
        {
            return p.Raise(Vector.GP, 0);
        }

        ushort selector = (ushort)(p.State->Msr.Star >> 48);
        p.Rflags = (p.State->Gpr[11] & SysretFlags) | RflagsBits.Fixed1;
        SetFlat(p, SegmentIndex.CS, (ushort)((to64 ? selector + 16 : selector) | 3), (to64 ? Code64 : Code32) | Dpl3);
        SetFlat(p, SegmentIndex.SS, (ushort)((selector + 8) | 3), Data | Dpl3);
        p.State->Rip = to64 ? target : (uint)target;
        return Finish(p);
    }

    private static Outcome Sysenter(Processor p, in Instruction i)
    {
        ushort selector = (ushort)(p.State->Msr.SysenterCs & 0xFFFC);
        if (!p.IsProtected || selector == 0)
        {
            return p.Raise(Vector.GP, 0);
        }

        bool to64 = p.IsLongMode;
        p.State->RflagsSystem &= ~(RflagsBits.VM | RflagsBits.IF | RflagsBits.RF);
        SetFlat(p, SegmentIndex.CS, selector, to64 ? Code64 : Code32);
        SetFlat(p, SegmentIndex.SS, (ushort)(selector + 8), Data);
        p.State->Gpr[Processor.RspIndex] = to64 ? p.State->Msr.SysenterEsp : (uint)p.State->Msr.SysenterEsp;
        p.State->Rip = to64 ? p.State->Msr.SysenterEip : (uint)p.State->Msr.SysenterEip;
        return Outcome.Branched;
    }

    private static Outcome Sysexit(Processor p, in Instruction i)
    {
        bool to64 = i.Code == Code.Sysexitq;
        ushort selector = (ushort)(p.State->Msr.SysenterCs & 0xFFFC);
        ulong stack = p.State->Gpr[1];
        ulong target = p.State->Gpr[2];
        bool bad = !p.IsProtected || selector == 0 || p.State->Cpl != 0 || (to64 && (!p.IsCanonical(stack) || !p.IsCanonical(target)));
        if (bad)
        {
            return p.Raise(Vector.GP, 0);
        }

        ushort code = (ushort)((selector + (to64 ? 32 : 16)) | 3);
        SetFlat(p, SegmentIndex.CS, code, (to64 ? Code64 : Code32) | Dpl3);
        SetFlat(p, SegmentIndex.SS, (ushort)(code + 8), Data | Dpl3);
        p.State->Gpr[Processor.RspIndex] = to64 ? stack : (uint)stack;
        p.State->Rip = to64 ? target : (uint)target;
        return Outcome.Branched;
    }

    /// <summary>The fixed descriptors of fast calls: base 0, no limit, accessed.</summary>
    private static void SetFlat(Processor p, SegmentIndex index, ushort selector, uint accessRights) => p.Segment(index) = new SegmentRegister
    {
        Selector = selector,
        Limit = uint.MaxValue,
        AccessRights = accessRights,
    };
}
