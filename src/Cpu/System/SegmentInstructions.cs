using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>
/// Loads of segment registers, their bases, and questions about selectors (SDM 1 "Segment Register Instructions"; SDM 2 MOV, POP, LDS,
/// LAR, LSL, VERR, VERW, ARPL, SWAPGS, RDFSBASE).
/// </summary>
internal static unsafe class SegmentInstructions
{
    public static void Register(ColdTable table)
    {
        table.Set(Code.Mov_Sreg_rm16, &MovToSegment, endsBlock: true);
        table.Set(Code.Mov_Sreg_r32m16, &MovToSegment, endsBlock: true);
        table.Set(Code.Mov_Sreg_r64m16, &MovToSegment, endsBlock: true);
        foreach (Code code in ColdTable.CodesOf(Mnemonic.Pop))
        {
            if (code is not (Code.Pop_r16 or Code.Pop_r32 or Code.Pop_r64 or Code.Pop_rm16 or Code.Pop_rm32 or Code.Pop_rm64 or Code.Popw_CS))
            {
                table.Set(code, &PopSegment, endsBlock: true);
            }
        }

        table.Set(Mnemonic.Les, &LoadFarPointer, endsBlock: true);
        table.Set(Mnemonic.Lds, &LoadFarPointer, endsBlock: true);
        table.Set(Mnemonic.Lss, &LoadFarPointer, endsBlock: true);
        table.Set(Mnemonic.Lfs, &LoadFarPointer, endsBlock: true);
        table.Set(Mnemonic.Lgs, &LoadFarPointer, endsBlock: true);
        table.Set(Mnemonic.Lar, &Lar);
        table.Set(Mnemonic.Lsl, &Lsl);
        table.Set(Mnemonic.Verr, &Verr);
        table.Set(Mnemonic.Verw, &Verw);
        table.Set(Mnemonic.Arpl, &Arpl);
        table.Set(Mnemonic.Swapgs, &Swapgs, endsBlock: true);
        table.Set(Mnemonic.Rdfsbase, &ReadBase);
        table.Set(Mnemonic.Rdgsbase, &ReadBase);
        table.Set(Mnemonic.Wrfsbase, &WriteBase, endsBlock: true);
        table.Set(Mnemonic.Wrgsbase, &WriteBase, endsBlock: true);
    }

    private static Outcome MovToSegment(Processor p, in Instruction i)
    {
        SegmentIndex index = Processor.ToSegment(i.Op0Register);
        if (index == SegmentIndex.CS)
        {
            return p.Raise(Vector.UD);
        }

        if (!p.TryReadOperand(in i, 1, out ushort selector) || !p.TryLoadSegment(index, selector))
        {
            return Outcome.Fault;
        }

        BlockAfterStackLoad(p, index);
        return p.Branch(true);
    }

    private static Outcome PopSegment(Processor p, in Instruction i)
    {
        SegmentIndex index = Processor.ToSegment(i.Op0Register);
        ulong pointer = p.StackPointer;
        if (!p.TryPopAt(ref pointer, i.StackPointerIncrement, out ulong value) || !p.TryLoadSegment(index, (ushort)value))
        {
            return Outcome.Fault;
        }

        p.StackPointer = pointer;
        BlockAfterStackLoad(p, index);
        return p.Branch(true);
    }

    /// <summary>
    /// MOV SS and POP SS block interrupts for one instruction (SDM 3A "Masking Exceptions and Interrupts When Switching Stacks").
    /// </summary>
    private static void BlockAfterStackLoad(Processor p, SegmentIndex index)
    {
        if (index == SegmentIndex.SS)
        {
            p.State->Interruptibility = (p.State->Interruptibility & ~Processor.BlockingBySti) | Processor.BlockingByMovSs;
        }
    }

    private static Outcome LoadFarPointer(Processor p, in Instruction i)
    {
        SegmentIndex index = i.Mnemonic switch
        {
            Mnemonic.Les => SegmentIndex.ES,
            Mnemonic.Lds => SegmentIndex.DS,
            Mnemonic.Lss => SegmentIndex.SS,
            Mnemonic.Lfs => SegmentIndex.FS,
            _ => SegmentIndex.GS,
        };
        int size = i.Op0Register.GetSize();
        ulong address = p.EffectiveAddress(in i);
        SegmentIndex from = Processor.SegmentOf(in i);
        if (!TryReadSized(p, from, address, size, out ulong offset) || !p.TryRead(from, address + (uint)size, out ushort selector)
            || !p.TryLoadSegment(index, selector))
        {
            return Outcome.Fault;
        }

        p.SetGprSized(i.Op0Register, offset);
        return p.Branch(true);
    }

    private static Outcome Lar(Processor p, in Instruction i)
    {
        if (!TryQuery(p, in i, 1, out SegmentDescriptor descriptor, out bool visible, out Outcome outcome))
        {
            return outcome;
        }

        bool valid = descriptor.S || descriptor.Type is SegmentDescriptor.TypeLdt or SegmentDescriptor.TypeTssAvailable or SegmentDescriptor.TypeTssBusy
            or SegmentDescriptor.TypeCallGate
            || (!p.IsLongMode && descriptor.Type is SegmentDescriptor.TypeTss16Available or SegmentDescriptor.TypeTss16Busy
                or SegmentDescriptor.TypeCallGate16 or SegmentDescriptor.TypeTaskGate);
        return Answer(p, in i, visible && valid, (uint)(descriptor.Low >> 32) & 0x00FF_FF00);
    }

    private static Outcome Lsl(Processor p, in Instruction i)
    {
        if (!TryQuery(p, in i, 1, out SegmentDescriptor descriptor, out bool visible, out Outcome outcome))
        {
            return outcome;
        }

        bool valid = descriptor.S || descriptor.Type is SegmentDescriptor.TypeLdt or SegmentDescriptor.TypeTssAvailable or SegmentDescriptor.TypeTssBusy
            || (!p.IsLongMode && descriptor.Type is SegmentDescriptor.TypeTss16Available or SegmentDescriptor.TypeTss16Busy);
        return Answer(p, in i, visible && valid, descriptor.Limit);
    }

    private static Outcome Verr(Processor p, in Instruction i) =>
        TryQuery(p, in i, 0, out SegmentDescriptor descriptor, out bool visible, out Outcome outcome)
            ? SetZero(p, visible && descriptor.IsReadable)
            : outcome;

    private static Outcome Verw(Processor p, in Instruction i) =>
        TryQuery(p, in i, 0, out SegmentDescriptor descriptor, out bool visible, out Outcome outcome)
            ? SetZero(p, visible && descriptor.IsWritableData)
            : outcome;

    /// <summary>The descriptor of the operand's selector, and whether the current privilege and the RPL may see it.</summary>
    private static bool TryQuery(Processor p, in Instruction i, int operand, out SegmentDescriptor descriptor, out bool visible, out Outcome outcome)
    {
        descriptor = default;
        visible = false;
        outcome = Outcome.Fault;
        if (p.IsRealOrVirtual8086)
        {
            outcome = p.Raise(Vector.UD);
            return false;
        }

        if (!p.TryReadOperand(in i, operand, out ushort selector))
        {
            return false;
        }

        bool found = p.TryFindDescriptor(selector, out descriptor, out bool faulted);
        bool isConforming = descriptor.IsCode && descriptor.IsConforming;
        visible = found && (isConforming || ((uint)p.State->Cpl <= descriptor.Dpl && (selector & 3u) <= descriptor.Dpl));
        return !faulted;
    }

    private static Outcome Answer(Processor p, in Instruction i, bool valid, uint value)
    {
        if (valid)
        {
            p.SetGprSized(i.Op0Register, value);
        }

        return SetZero(p, valid);
    }

    private static Outcome SetZero(Processor p, bool set)
    {
        p.Rflags = (p.Rflags & ~(ulong)RflagsBits.ZF) | (set ? RflagsBits.ZF : 0u);
        return Outcome.Retired;
    }

    private static Outcome Arpl(Processor p, in Instruction i)
    {
        if (p.IsRealOrVirtual8086)
        {
            return p.Raise(Vector.UD);
        }

        if (!p.TryReadOperand(in i, 0, out ushort destination))
        {
            return Outcome.Fault;
        }

        // The write, and its permission, only when there is something to write (so does silicon).
        ushort source = p.Gpr<ushort>(i.Op1Register);
        bool raises = (destination & 3) < (source & 3);
        if (raises && !p.TryWriteOperand(in i, 0, (ushort)((destination & ~3) | (source & 3))))
        {
            return Outcome.Fault;
        }

        return SetZero(p, raises);
    }

    private static Outcome Swapgs(Processor p, in Instruction i)
    {
        if (!p.RequireSupervisor())
        {
            return Outcome.Fault;
        }

        ref SegmentRegister gs = ref p.Segment(SegmentIndex.GS);
        (gs.Base, p.State->Msr.KernelGsBase) = (p.State->Msr.KernelGsBase, gs.Base);
        return p.Branch(true);
    }

    private static Outcome ReadBase(Processor p, in Instruction i)
    {
        if ((p.State->Paging.Cr4 & ControlRegisters.Cr4Fsgsbase) == 0)
        {
            return p.Raise(Vector.UD);
        }

        p.SetGprSized(i.Op0Register, p.Segment(i.Mnemonic == Mnemonic.Rdfsbase ? SegmentIndex.FS : SegmentIndex.GS).Base);
        return Outcome.Retired;
    }

    private static Outcome WriteBase(Processor p, in Instruction i)
    {
        if ((p.State->Paging.Cr4 & ControlRegisters.Cr4Fsgsbase) == 0)
        {
            return p.Raise(Vector.UD);
        }

        ulong value = i.Op0Register.GetSize() == 4 ? p.Gpr<uint>(i.Op0Register) : p.Gpr<ulong>(i.Op0Register);
        if (!p.IsCanonical(value))
        {
            return p.Raise(Vector.GP, 0);
        }

        p.Segment(i.Mnemonic == Mnemonic.Wrfsbase ? SegmentIndex.FS : SegmentIndex.GS).Base = value;
        return p.Branch(true);
    }

    internal static bool TryReadSized(Processor p, SegmentIndex segment, ulong offset, int sizeBytes, out ulong value)
    {
        bool done;
        switch (sizeBytes)
        {
            case 1:
                done = p.TryRead(segment, offset, out byte single);
                value = single;
                return done;
            case 2:
                done = p.TryRead(segment, offset, out ushort word);
                value = word;
                return done;
            case 4:
                done = p.TryRead(segment, offset, out uint doubleword);
                value = doubleword;
                return done;
            default:
                return p.TryRead(segment, offset, out value);
        }
    }
}
