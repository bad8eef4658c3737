using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>Far JMP, CALL, RET, IRET and the software interrupts (SDM 1 "Control Transfer Instructions").</summary>
internal static unsafe class FarTransferInstructions
{
    public static void Register(ColdTable table)
    {
        table.Set(Code.Jmp_ptr1616, &JmpFar, endsBlock: true);
        table.Set(Code.Jmp_ptr1632, &JmpFar, endsBlock: true);
        table.Set(Code.Jmp_m1616, &JmpFar, endsBlock: true);
        table.Set(Code.Jmp_m1632, &JmpFar, endsBlock: true);
        table.Set(Code.Jmp_m1664, &JmpFar, endsBlock: true);
        table.Set(Code.Call_ptr1616, &CallFar, endsBlock: true);
        table.Set(Code.Call_ptr1632, &CallFar, endsBlock: true);
        table.Set(Code.Call_m1616, &CallFar, endsBlock: true);
        table.Set(Code.Call_m1632, &CallFar, endsBlock: true);
        table.Set(Code.Call_m1664, &CallFar, endsBlock: true);
        table.Set(Mnemonic.Retf, &ReturnFar, endsBlock: true);
        table.Set(Mnemonic.Iret, &Iret, endsBlock: true);
        table.Set(Mnemonic.Iretd, &Iret, endsBlock: true);
        table.Set(Mnemonic.Iretq, &Iret, endsBlock: true);
        table.Set(Mnemonic.Int, &Int, endsBlock: true);
        table.Set(Mnemonic.Int3, &Int3, endsBlock: true);
        table.Set(Mnemonic.Into, &Into, endsBlock: true);
        table.Set(Mnemonic.Int1, &Int1, endsBlock: true);
    }

    private static Outcome JmpFar(Processor p, in Instruction i)
    {
        if (!TryReadFarPointer(p, in i, out ushort selector, out ulong offset))
        {
            return Outcome.Fault;
        }

        if (!p.IsRealOrVirtual8086)
        {
            return p.EndTransfer(p.TryJumpFar(selector, offset));
        }

        return GoReal(p, selector, offset);
    }

    private static Outcome CallFar(Processor p, in Instruction i)
    {
        if (!TryReadFarPointer(p, in i, out ushort selector, out ulong offset))
        {
            return Outcome.Fault;
        }

        int size = OperandSize(in i);
        if (!p.IsRealOrVirtual8086)
        {
            return p.EndTransfer(p.TryCallFar(selector, offset, size));
        }

        if (offset > p.Segment(SegmentIndex.CS).Limit)
        {
            return p.Raise(Vector.GP, 0);
        }

        ulong pointer = p.StackPointer;
        if (!p.MayPush(pointer, size, 2) || !p.TryPushAt(ref pointer, size, p.Segment(SegmentIndex.CS).Selector) || !p.TryPushAt(ref pointer, size, p.NextRip))
        {
            return Outcome.Fault;
        }

        p.StackPointer = pointer;
        return GoReal(p, selector, offset);
    }

    private static Outcome ReturnFar(Processor p, in Instruction i)
    {
        int size = i.Code switch { Code.Retfw or Code.Retfw_imm16 => 2, Code.Retfd or Code.Retfd_imm16 => 4, _ => 8 };
        uint release = i.OpCount == 0 ? 0u : i.Immediate16;
        if (!p.IsRealOrVirtual8086)
        {
            return p.TryReturnFar(size, release) ? Outcome.Branched : Outcome.Fault;
        }

        ulong pointer = p.StackPointer;
        if (!p.TryPopAt(ref pointer, size, out ulong offset) || !p.TryPopAt(ref pointer, size, out ulong selector))
        {
            return Outcome.Fault;
        }

        if (offset > p.Segment(SegmentIndex.CS).Limit)
        {
            return p.Raise(Vector.GP, 0);
        }

        p.StackPointer = p.WrapStack(pointer + release);
        return GoReal(p, (ushort)selector, offset);
    }

    private static Outcome Iret(Processor p, in Instruction i)
    {
        int size = i.Mnemonic switch { Mnemonic.Iret => 2, Mnemonic.Iretd => 4, _ => 8 };
        p.IretUnblockedNmi = p.Vmx.IretUnblocksNmi && (p.State->Interruptibility & Processor.BlockingByNmi) != 0;
        if (p.Vmx.IretUnblocksNmi)
        {
            p.State->Interruptibility &= ~Processor.BlockingByNmi; // even when the IRET itself faults
        }

        bool done = p.IsRealOrVirtual8086 ? TryIretReal(p, size) : TryIretProtected(p, size);
        if (done)
        {
            p.IretUnblockedNmi = false;
        }

        return p.EndTransfer(done);
    }

    private static bool TryIretProtected(Processor p, int size)
    {
        // NT: a return from a nested task. IA-32e mode has none.
        if ((p.State->RflagsSystem & RflagsBits.NT) != 0)
        {
            return p.IsLongMode ? p.Fail(Vector.GP, 0) : p.TryReturnToTask();
        }

        return p.TryReturnFromInterrupt(size);
    }

    private static bool TryIretReal(Processor p, int size)
    {
        bool isGuarded = p.IsVirtual8086 && p.Iopl < 3;
        if (isGuarded && (size != 2 || !p.HasVme))
        {
            return p.Fail(Vector.GP, 0);
        }

        ulong pointer = p.StackPointer;
        if (!p.TryPopAt(ref pointer, size, out ulong offset) || !p.TryPopAt(ref pointer, size, out ulong selector)
            || !p.TryPopAt(ref pointer, size, out ulong flags))
        {
            return false;
        }

        if (offset > p.Segment(SegmentIndex.CS).Limit)
        {
            return p.Fail(Vector.GP, 0);
        }

        if (isGuarded)
        {
            // Virtual-8086 mode extensions: the image of IF goes to VIF.
            bool enables = (flags & RflagsBits.IF) != 0;
            uint old = p.State->RflagsSystem;
            if ((flags & RflagsBits.TF) != 0 || (enables && (old & RflagsBits.VIP) != 0))
            {
                return p.Fail(Vector.GP, 0);
            }

            p.State->RflagsSystem = (old & ~RflagsBits.VIF) | (enables ? RflagsBits.VIF : 0);
        }

        p.StackPointer = pointer;
        p.LoadReturnedFlags(flags, size, p.State->Cpl);
        p.LoadRealSegment(SegmentIndex.CS, (ushort)selector);
        p.State->Rip = offset;
        return true;
    }

    private static Outcome Int(Processor p, in Instruction i)
    {
        if (p.IsVirtual8086)
        {
            if (!p.TryRedirectInterrupt(i.Immediate8, out bool redirected))
            {
                return Outcome.Fault;
            }

            if (redirected)
            {
                return Outcome.Branched;
            }

            if (p.Iopl < 3)
            {
                return p.Raise(Vector.GP, 0);
            }
        }

        return p.DeliverEvent(EventToDeliver.Software(EventType.SoftwareInterrupt, i.Immediate8, (uint)i.Length));
    }

    private static Outcome Int3(Processor p, in Instruction i) =>
        p.DeliverException(EventToDeliver.Software(EventType.SoftwareException, (byte)Vector.BP, (uint)i.Length));

    private static Outcome Into(Processor p, in Instruction i) => (p.Rflags & RflagsBits.OF) == 0
        ? Outcome.Retired
        : p.DeliverException(EventToDeliver.Software(EventType.SoftwareException, (byte)Vector.OF, (uint)i.Length));

    private static Outcome Int1(Processor p, in Instruction i) =>
        p.DeliverException(EventToDeliver.Software(EventType.PrivilegedSoftwareException, (byte)Vector.DB, (uint)i.Length));

    private static Outcome GoReal(Processor p, ushort selector, ulong offset)
    {
        if (offset > p.Segment(SegmentIndex.CS).Limit)
        {
            return p.Raise(Vector.GP, 0);
        }

        p.LoadRealSegment(SegmentIndex.CS, selector);
        p.State->Rip = offset;
        return Outcome.Branched;
    }

    private static int OperandSize(in Instruction i) => i.Code switch
    {
        Code.Jmp_ptr1616 or Code.Jmp_m1616 or Code.Call_ptr1616 or Code.Call_m1616 => 2,
        Code.Jmp_m1664 or Code.Call_m1664 => 8,
        _ => 4,
    };

    private static bool TryReadFarPointer(Processor p, in Instruction i, out ushort selector, out ulong offset)
    {
        if (i.Op0Kind is OpKind.FarBranch16 or OpKind.FarBranch32)
        {
            selector = i.FarBranchSelector;
            offset = i.Op0Kind == OpKind.FarBranch16 ? i.FarBranch16 : i.FarBranch32;
            return true;
        }

        int size = OperandSize(in i);
        ulong address = p.EffectiveAddress(in i);
        SegmentIndex segment = Processor.SegmentOf(in i);
        selector = 0;
        return SegmentInstructions.TryReadSized(p, segment, address, size, out offset) && p.TryRead(segment, address + (uint)size, out selector);
    }
}
