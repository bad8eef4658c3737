using Iced.Intel;

using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <summary>LGDT, LIDT, SGDT, SIDT, LLDT, LTR, SLDT, STR (SDM 2 "System Instructions"; SDM 3A "Memory-Management Registers").</summary>
internal static unsafe class TableInstructions
{
    // Instruction identity in bits 29:28 of the VM-exit instruction information (SDM 3C, tables for exits 46 and 47).
    private const uint First = 0;
    private const uint Second = 1;
    private const uint Third = 2;
    private const uint Fourth = 3;

    public static void Register(ColdTable table)
    {
        table.Set(Mnemonic.Sgdt, &StoreTable);
        table.Set(Mnemonic.Sidt, &StoreTable);
        table.Set(Mnemonic.Lgdt, &LoadTable, endsBlock: true);
        table.Set(Mnemonic.Lidt, &LoadTable, endsBlock: true);
        table.Set(Mnemonic.Sldt, &StoreSelector);
        table.Set(Mnemonic.Str, &StoreSelector);
        table.Set(Mnemonic.Lldt, &Lldt, endsBlock: true);
        table.Set(Mnemonic.Ltr, &Ltr, endsBlock: true);
    }

    private static Outcome StoreTable(Processor p, in Instruction i)
    {
        bool isIdt = i.Mnemonic == Mnemonic.Sidt;
        if (!p.RequireNoUmip())
        {
            return Outcome.Fault;
        }

        if (TryExit(p, in i, ExitReason.GdtrOrIdtrAccess, isIdt ? Second : First, out Outcome outcome))
        {
            return outcome;
        }

        TableRegister table = isIdt ? p.State->Idtr : p.State->Gdtr;
        ulong offset = p.EffectiveAddress(in i);
        SegmentIndex segment = Processor.SegmentOf(in i);

        // One write: both parts, or neither.
        byte* bytes = stackalloc byte[10];
        *(ushort*)bytes = table.Limit;
        *(ulong*)(bytes + 2) = table.Base;
        int size = p.Is64BitMode ? 10 : 6;
        bool done = p.TryLinear(segment, offset, (uint)size, AccessKind.Write, out ulong linear)
            && p.TryWriteBytes(linear, p.State->DataAccess, bytes, size);
        return done ? Outcome.Retired : Outcome.Fault;
    }

    private static Outcome LoadTable(Processor p, in Instruction i)
    {
        bool isIdt = i.Mnemonic == Mnemonic.Lidt;
        if (!p.RequireSupervisor())
        {
            return Outcome.Fault;
        }

        if (TryExit(p, in i, ExitReason.GdtrOrIdtrAccess, isIdt ? Fourth : Third, out Outcome outcome))
        {
            return outcome;
        }

        ulong offset = p.EffectiveAddress(in i);
        SegmentIndex segment = Processor.SegmentOf(in i);
        if (!p.TryRead(segment, offset, out ushort limit)
            || !SegmentInstructions.TryReadSized(p, segment, offset + 2, p.Is64BitMode ? 8 : 4, out ulong tableBase))
        {
            return Outcome.Fault;
        }

        if (i.Code is Code.Lgdt_m1632_16 or Code.Lidt_m1632_16)
        {
            tableBase &= 0xFF_FFFF; // 16-bit operand size: the base has 24 bits
        }

        if (p.Is64BitMode && !p.IsCanonical(tableBase))
        {
            return p.Raise(Vector.GP, 0);
        }

        TableRegister table = new() { Base = tableBase, Limit = limit };
        if (isIdt)
        {
            p.State->Idtr = table;
        }
        else
        {
            p.State->Gdtr = table;
        }

        return p.Branch(true);
    }

    private static Outcome StoreSelector(Processor p, in Instruction i)
    {
        if (p.IsRealOrVirtual8086)
        {
            return p.Raise(Vector.UD);
        }

        bool isTask = i.Mnemonic == Mnemonic.Str;
        if (!p.RequireNoUmip())
        {
            return Outcome.Fault;
        }

        if (TryExit(p, in i, ExitReason.LdtrOrTrAccess, isTask ? Second : First, out Outcome outcome))
        {
            return outcome;
        }

        ushort selector = p.Segment(isTask ? SegmentIndex.TR : SegmentIndex.LDTR).Selector;
        if (i.Op0Kind == OpKind.Memory)
        {
            return p.TryWriteOperand(in i, 0, selector) ? Outcome.Retired : Outcome.Fault;
        }

        p.SetGprSized(i.Op0Register, selector);
        return Outcome.Retired;
    }

    private static Outcome Lldt(Processor p, in Instruction i)
    {
        if (!TryReadSelector(p, in i, Third, out ushort selector, out Outcome outcome))
        {
            return outcome;
        }

        if (Processor.IsNull(selector))
        {
            p.Segment(SegmentIndex.LDTR) = Processor.NullSegment(selector, 0);
            return p.Branch(true);
        }

        if (!TryReadTableDescriptor(p, selector, out SegmentDescriptor descriptor))
        {
            return Outcome.Fault;
        }

        uint error = selector & 0xFFFCu;
        if (descriptor.S || descriptor.Type != SegmentDescriptor.TypeLdt || !p.IsCanonical(descriptor.Base))
        {
            return p.Raise(Vector.GP, error);
        }

        if (!descriptor.P)
        {
            return p.Raise(Vector.NP, error);
        }

        p.Segment(SegmentIndex.LDTR) = descriptor.ToRegister(selector);
        return p.Branch(true);
    }

    private static Outcome Ltr(Processor p, in Instruction i)
    {
        const uint Busy = 2;
        if (!TryReadSelector(p, in i, Fourth, out ushort selector, out Outcome outcome))
        {
            return outcome;
        }

        if (Processor.IsNull(selector))
        {
            return p.Raise(Vector.GP, 0);
        }

        if (!TryReadTableDescriptor(p, selector, out SegmentDescriptor descriptor))
        {
            return Outcome.Fault;
        }

        uint error = selector & 0xFFFCu;
        bool isAvailable = descriptor.Type == SegmentDescriptor.TypeTssAvailable
            || (descriptor.Type == SegmentDescriptor.TypeTss16Available && !p.IsLongMode);
        if (descriptor.S || !isAvailable || !p.IsCanonical(descriptor.Base))
        {
            return p.Raise(Vector.GP, error);
        }

        if (!descriptor.P)
        {
            return p.Raise(Vector.NP, error);
        }

        if (!p.TrySetTypeBit(selector, in descriptor, Busy))
        {
            return Outcome.Fault;
        }

        p.Segment(SegmentIndex.TR) = descriptor.ToRegister(selector);
        p.Segment(SegmentIndex.TR).AccessRights |= Busy;
        return p.Branch(true);
    }

    /// <summary>What LLDT and LTR have in common: protected mode, CPL 0, the exit, the operand, no LDT selector.</summary>
    private static bool TryReadSelector(Processor p, in Instruction i, uint identity, out ushort selector, out Outcome outcome)
    {
        selector = 0;
        outcome = Outcome.Fault;
        if (p.IsRealOrVirtual8086)
        {
            outcome = p.Raise(Vector.UD);
            return false;
        }

        if (!p.RequireSupervisor() || TryExit(p, in i, ExitReason.LdtrOrTrAccess, identity, out outcome))
        {
            return false;
        }

        outcome = Outcome.Fault;
        return p.TryReadOperand(in i, 0, out selector);
    }

    private static bool TryReadTableDescriptor(Processor p, ushort selector, out SegmentDescriptor descriptor)
    {
        descriptor = default;
        return (selector & 4) != 0
            ? p.Fail(Vector.GP, selector & 0xFFFCu)
            : p.TryReadSystemDescriptor(selector, Vector.GP, 0, out descriptor);
    }

    private static bool TryExit(Processor p, in Instruction i, ExitReason reason, uint identity, out Outcome outcome)
    {
        outcome = Outcome.Fault;
        if (!p.State->Paging.NonRoot)
        {
            return false;
        }

        bool hasMemory = i.Op0Kind == OpKind.Memory;
        ulong displacement = hasMemory ? (i.IsIPRelativeMemoryOperand ? i.IPRelativeMemoryAddress : i.MemoryDisplacement64) : 0;
        uint information = (InstructionInformation.Of(in i) & 0x0FFF_FFFF) | (identity << 28);
        return p.Vmx.TryExit(SecondaryControls.DescriptorTableExiting, reason, in i, out outcome, displacement, information);
    }
}
