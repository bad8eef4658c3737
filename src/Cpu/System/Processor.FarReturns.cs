namespace Xenolith.Cpu;

/// <content>Far returns: RETF and IRET (SDM 2 "RET", "IRET"; SDM 3A "Returning from a Called Procedure").</content>
public sealed unsafe partial class Processor
{
    /// <summary>Far return in protected mode, to the same or an outer level.</summary>
    /// <param name="sizeBytes">Operand size.</param>
    /// <param name="release">Bytes of parameters to release from both stacks.</param>
    internal bool TryReturnFar(int sizeBytes, uint release)
    {
        ulong pointer = StackPointer;
        if (!TryPopAt(ref pointer, sizeBytes, out ulong offset) || !TryPopAt(ref pointer, sizeBytes, out ulong selector))
        {
            return false;
        }

        return TryReturnTo((ushort)selector, offset, pointer, sizeBytes, release, alwaysPopsStack: false, out _);
    }

    /// <summary>IRET in protected and IA-32e mode, without a task switch.</summary>
    internal bool TryReturnFromInterrupt(int sizeBytes)
    {
        ulong pointer = StackPointer;
        if (!TryPopAt(ref pointer, sizeBytes, out ulong offset) || !TryPopAt(ref pointer, sizeBytes, out ulong selector)
            || !TryPopAt(ref pointer, sizeBytes, out ulong flags))
        {
            return false;
        }

        int oldCpl = State->Cpl;
        if ((flags & RflagsBits.VM) != 0 && oldCpl == 0 && sizeBytes == 4 && !IsLongMode)
        {
            return TryReturnToVirtual8086(pointer, offset, (ushort)selector, flags);
        }

        if (!TryReturnTo((ushort)selector, offset, pointer, sizeBytes, 0, alwaysPopsStack: Is64BitMode, out _))
        {
            return false;
        }

        LoadReturnedFlags(flags, sizeBytes, oldCpl);
        return true;
    }

    /// <summary>RFLAGS popped by IRET at a privilege level (SDM 2A "IRET"): what that level may not change stays.</summary>
    internal void LoadReturnedFlags(ulong flags, int sizeBytes, int cpl)
    {
        int iopl = (int)(State->RflagsSystem & RflagsBits.IOPL) >> RflagsBits.IoplShift;
        uint mask = RflagsBits.Status | RflagsBits.TF | RflagsBits.DF | RflagsBits.NT;
        if (sizeBytes > 2)
        {
            mask |= RflagsBits.RF | RflagsBits.AC | RflagsBits.ID;
        }

        if (cpl <= iopl)
        {
            mask |= RflagsBits.IF;
        }

        if (cpl == 0)
        {
            mask |= RflagsBits.IOPL | (sizeBytes > 2 ? RflagsBits.VIF | RflagsBits.VIP : 0);
        }

        Rflags = (Rflags & ~(ulong)mask) | (flags & mask);
    }

    /// <summary>CS:RIP and, for an outer level or a 64-bit IRET, SS:RSP. All checks first, then everything changes.</summary>
    private bool TryReturnTo(ushort selector, ulong offset, ulong pointer, int sizeBytes, uint release, bool alwaysPopsStack, out int newCpl)
    {
        newCpl = selector & 3;
        if (!TryReadTransferTarget(selector, out SegmentDescriptor code) || !MayReturnTo(selector, in code))
        {
            return false;
        }

        if (newCpl == State->Cpl && !alwaysPopsStack)
        {
            if (!TryCommitCode(selector, in code, newCpl, offset))
            {
                return false;
            }

            StackPointer = WrapStack(pointer + release);
            return true;
        }

        pointer = WrapStack(pointer + release);
        if (!TryPopAt(ref pointer, sizeBytes, out ulong newPointer) || !TryPopAt(ref pointer, sizeBytes, out ulong stackSelector)
            || !TryReadReturnStack((ushort)stackSelector, newCpl, in code, out SegmentRegister stack)
            || !TryCommitCode(selector, in code, newCpl, offset))
        {
            return false;
        }

        int oldCpl = State->Cpl;
        Segment(SegmentIndex.SS) = stack;
        RefreshMode();
        newPointer += release;
        State->Gpr[RspIndex] = Is64BitMode ? newPointer
            : stack.Db ? (uint)newPointer
            : (State->Gpr[RspIndex] & ~0xFFFFUL) | (ushort)newPointer;
        if (newCpl > oldCpl)
        {
            DropInnerSegments(newCpl);
        }

        return true;
    }

    private bool MayReturnTo(ushort selector, in SegmentDescriptor code)
    {
        uint error = selector & 0xFFFCu;
        uint rpl = selector & 3u;
        bool allowed = code.IsCode && rpl >= (uint)State->Cpl && (code.IsConforming ? code.Dpl <= rpl : code.Dpl == rpl)
            && !(IsLongMode && code.L && code.Db);
        return allowed ? code.P || Fail(Vector.NP, error) : Fail(Vector.GP, error);
    }

    /// <summary>The SS that a return loads; in 64-bit mode it may be null below CPL 3.</summary>
    private bool TryReadReturnStack(ushort selector, int newCpl, in SegmentDescriptor code, out SegmentRegister stack)
    {
        stack = NullSegment(selector, newCpl);
        if (IsNull(selector))
        {
            bool allowed = IsLongMode && code.L && newCpl != 3 && (selector & 3) == newCpl;
            return allowed || Fail(Vector.GP, 0);
        }

        if (!TryReadDescriptor(selector, Vector.GP, 0, out SegmentDescriptor descriptor)
            || !MayLoadStack(selector, in descriptor, newCpl, Vector.GP, 0)
            || !TrySetTypeBit(selector, in descriptor, SegmentRegister.AccessedBit))
        {
            return false;
        }

        stack = descriptor.ToRegister(selector);
        stack.AccessRights |= SegmentRegister.AccessedBit;
        return true;
    }

    /// <summary>ES, FS, GS and DS that the outer level may not use become null (SDM 2B "RET", RETURN-OUTER-PRIVILEGE-LEVEL).</summary>
    private void DropInnerSegments(int newCpl)
    {
        DropIfInner(SegmentIndex.ES, newCpl);
        DropIfInner(SegmentIndex.DS, newCpl);
        DropIfInner(SegmentIndex.FS, newCpl);
        DropIfInner(SegmentIndex.GS, newCpl);
    }

    private void DropIfInner(SegmentIndex index, int newCpl)
    {
        ref SegmentRegister segment = ref Segment(index);
        bool isConformingCode = (segment.AccessRights & (SegmentRegister.CodeBit | SegmentRegister.ExpandDownOrConformingBit))
            == (SegmentRegister.CodeBit | SegmentRegister.ExpandDownOrConformingBit);
        if (!segment.Unusable && !isConformingCode && segment.Dpl < newCpl)
        {
            segment = NullSegment(0, 0);
        }
    }

    private bool TryReturnToVirtual8086(ulong pointer, ulong offset, ushort code, ulong flags)
    {
        System.Span<ulong> words = stackalloc ulong[6]; // ESP, SS, ES, DS, FS, GS
        for (int i = 0; i < words.Length; i++)
        {
            if (!TryPopAt(ref pointer, 4, out words[i]))
            {
                return false;
            }
        }

        Rflags = flags;
        State->RflagsSystem |= RflagsBits.VM;
        LoadRealSegment(SegmentIndex.CS, code);
        LoadRealSegment(SegmentIndex.SS, (ushort)words[1]);
        LoadRealSegment(SegmentIndex.ES, (ushort)words[2]);
        LoadRealSegment(SegmentIndex.DS, (ushort)words[3]);
        LoadRealSegment(SegmentIndex.FS, (ushort)words[4]);
        LoadRealSegment(SegmentIndex.GS, (ushort)words[5]);
        State->Gpr[RspIndex] = (uint)words[0];
        State->Rip = (ushort)offset;
        return true;
    }
}
