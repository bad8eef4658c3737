using System;

using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <content>Delivery through the interrupt vector table and the IDT, by mode.</content>
public sealed unsafe partial class Processor
{
    private const uint IdtBit = 2;

    /// <summary>
    /// Real-address mode (SDM 3B "Interrupt and Exception Handling" of the 8086): far pointers of 4 bytes, no error codes.
    /// </summary>
    private bool TryDeliverReal(in EventToDeliver current, ulong returnRip)
    {
        uint offset = current.Vector * 4u;
        if (offset + 3 > State->Idtr.Limit)
        {
            return Fail(Vector.GP, 0);
        }

        if (!TryReadLinear(new Gva((uint)(State->Idtr.Base + offset)), AccessMode.Supervisor, out uint pointer))
        {
            return false;
        }

        ulong stack = StackPointer;
        if (!MayPush(stack, 2, 3) || !TryPushAt(ref stack, 2, (ushort)Rflags) || !TryPushAt(ref stack, 2, Segment(SegmentIndex.CS).Selector)
            || !TryPushAt(ref stack, 2, (ushort)returnRip))
        {
            return false;
        }

        StackPointer = stack;
        State->RflagsSystem &= ~(RflagsBits.IF | RflagsBits.TF | RflagsBits.AC | RflagsBits.RF);
        LoadRealSegment(SegmentIndex.CS, (ushort)(pointer >> 16));
        State->Rip = (ushort)pointer;
        return true;
    }

    /// <summary>Protected mode, from virtual-8086 mode too (SDM 3A "Exception or Interrupt Handling in Protected Mode").</summary>
    private bool TryDeliverProtected(in EventToDeliver current, ulong returnRip)
    {
        if (!TryReadGate(in current, 8, out SegmentDescriptor gate))
        {
            return false;
        }

        if (gate.Type == SegmentDescriptor.TypeTaskGate)
        {
            return TrySwitchForEvent(in current, in gate, returnRip);
        }

        bool is32 = (gate.Type & 8) != 0;
        if (!TryReadHandlerCode(in current, in gate, out SegmentDescriptor code, out int newCpl))
        {
            return false;
        }

        bool fromVirtual8086 = IsVirtual8086;
        bool changesStack = newCpl != State->Cpl;
        SegmentRegister stack = Segment(SegmentIndex.SS);
        ulong pointer = State->Gpr[RspIndex];
        if (changesStack && !TryReadInnerStack(newCpl, current.Ext, out stack, out pointer))
        {
            return false;
        }

        Span<ulong> frame = stackalloc ulong[10];
        int count = FillFrame(frame, in current, returnRip, fromVirtual8086, changesStack);
        ulong target = is32 ? gate.GateOffset & uint.MaxValue : gate.Low & 0xFFFF;
        if (target > code.Limit)
        {
            return Fail(Vector.GP, current.Ext);
        }

        uint stackError = changesStack ? (stack.Selector & 0xFFFCu) | current.Ext : current.Ext;
        if (!TrySetTypeBit(gate.GateSelector, in code, SegmentRegister.AccessedBit)
            || !TryPushFrame(in stack, ref pointer, frame[..count], is32 ? 4 : 2, newCpl, stackError))
        {
            return false;
        }

        if (fromVirtual8086)
        {
            for (SegmentIndex index = SegmentIndex.DS; index <= SegmentIndex.GS; index++)
            {
                Segment(index) = NullSegment(0, 0);
            }

            Segment(SegmentIndex.ES) = NullSegment(0, 0);
        }

        EnterHandler(in gate, in code, newCpl, target);
        CommitStack(changesStack, in stack, pointer);
        return true;
    }

    /// <summary>What is pushed outside IA-32e mode, in the order of pushing; returns how much.</summary>
    private int FillFrame(Span<ulong> frame, in EventToDeliver current, ulong returnRip, bool fromVirtual8086, bool changesStack)
    {
        int count = 0;
        if (fromVirtual8086)
        {
            frame[count++] = Segment(SegmentIndex.GS).Selector;
            frame[count++] = Segment(SegmentIndex.FS).Selector;
            frame[count++] = Segment(SegmentIndex.DS).Selector;
            frame[count++] = Segment(SegmentIndex.ES).Selector;
        }

        if (changesStack)
        {
            frame[count++] = Segment(SegmentIndex.SS).Selector;
            frame[count++] = State->Gpr[RspIndex];
        }

        frame[count++] = PushedFlags(in current);
        frame[count++] = Segment(SegmentIndex.CS).Selector;
        frame[count++] = returnRip;
        if (current.HasErrorCode)
        {
            frame[count++] = current.ErrorCode;
        }

        return count;
    }

    /// <summary>
    /// IA-32e mode (SDM 3A "Exception and Interrupt Handling in 64-bit Mode"): 16-byte gates, aligned stack, five words always.
    /// </summary>
    private bool TryDeliverLong(in EventToDeliver current, ulong returnRip)
    {
        if (!TryReadGate(in current, 16, out SegmentDescriptor gate)
            || !TryReadHandlerCode(in current, in gate, out SegmentDescriptor code, out int newCpl))
        {
            return false;
        }

        if (!code.L || code.Db)
        {
            return Fail(Vector.GP, (gate.GateSelector & 0xFFFCu) | current.Ext);
        }

        int oldCpl = State->Cpl;
        ulong pointer = State->Gpr[RspIndex];
        if (gate.GateIst != 0 && !TryReadTssPointer(28u + (8u * (uint)gate.GateIst), current.Ext, out pointer))
        {
            return false;
        }

        if (gate.GateIst == 0 && newCpl != oldCpl && !TryReadTssPointer(4u + (8u * (uint)newCpl), current.Ext, out pointer))
        {
            return false;
        }

        if (!IsCanonical(gate.GateOffset))
        {
            return Fail(Vector.GP, current.Ext);
        }

        pointer &= ~0xFUL;
        ReadOnlySpan<ulong> frame =
        [
            Segment(SegmentIndex.SS).Selector,
            State->Gpr[RspIndex],
            PushedFlags(in current),
            Segment(SegmentIndex.CS).Selector,
            returnRip,
            current.ErrorCode,
        ];
        if (!TrySetTypeBit(gate.GateSelector, in code, SegmentRegister.AccessedBit)
            || !TryPushFlat(ref pointer, current.HasErrorCode ? frame : frame[..5], newCpl, current.Ext))
        {
            return false;
        }

        EnterHandler(in gate, in code, newCpl, gate.GateOffset);
        if (newCpl != oldCpl)
        {
            Segment(SegmentIndex.SS) = NullSegment((ushort)newCpl, newCpl);
        }

        State->Gpr[RspIndex] = pointer;
        return true;
    }

    /// <summary>The gate of a vector, with the checks on it: #GP or #NP(vector * 8 + IDT + EXT).</summary>
    private bool TryReadGate(in EventToDeliver current, uint gateSize, out SegmentDescriptor gate)
    {
        gate = default;
        uint error = (current.Vector * 8u) | IdtBit | current.Ext;
        uint offset = current.Vector * gateSize;
        if (offset + gateSize - 1 > State->Idtr.Limit)
        {
            return Fail(Vector.GP, error);
        }

        ulong high = 0;
        ulong address = State->Idtr.Base + offset;
        if (!TryReadLinear(new Gva(address), AccessMode.Supervisor, out ulong low)
            || (gateSize == 16 && !TryReadLinear(new Gva(address + 8), AccessMode.Supervisor, out high)))
        {
            return false;
        }

        gate = new SegmentDescriptor(low, high & uint.MaxValue);
        bool isGate = !gate.S && (gate.Type is SegmentDescriptor.TypeInterruptGate or SegmentDescriptor.TypeTrapGate
            || (gateSize == 8 && gate.Type is SegmentDescriptor.TypeInterruptGate16 or SegmentDescriptor.TypeTrapGate16 or SegmentDescriptor.TypeTaskGate));
        if (!isGate || (current.ChecksGateDpl && gate.Dpl < (uint)State->Cpl))
        {
            return Fail(Vector.GP, error);
        }

        return gate.P || Fail(Vector.NP, error);
    }

    /// <summary>The handler's code segment and privilege level.</summary>
    private bool TryReadHandlerCode(in EventToDeliver current, in SegmentDescriptor gate, out SegmentDescriptor code, out int newCpl)
    {
        newCpl = State->Cpl;
        code = default;
        ushort selector = gate.GateSelector;
        uint error = (selector & 0xFFFCu) | current.Ext;
        if (IsNull(selector))
        {
            return Fail(Vector.GP, current.Ext);
        }

        if (!TryReadDescriptor(selector, Vector.GP, current.Ext, out code))
        {
            return false;
        }

        if (!code.IsCode || code.Dpl > (uint)State->Cpl)
        {
            return Fail(Vector.GP, error);
        }

        if (!code.P)
        {
            return Fail(Vector.NP, error);
        }

        if (!code.IsConforming)
        {
            newCpl = (int)code.Dpl;
        }

        // Virtual-8086 mode is left for privilege level 0 only.
        return !IsVirtual8086 || newCpl == 0 || Fail(Vector.GP, error);
    }

    private void EnterHandler(in SegmentDescriptor gate, in SegmentDescriptor code, int newCpl, ulong target)
    {
        bool isInterruptGate = (gate.Type & 1) == 0;
        State->RflagsSystem &= ~(RflagsBits.TF | RflagsBits.NT | RflagsBits.VM | RflagsBits.RF | (isInterruptGate ? RflagsBits.IF : 0));
        Segment(SegmentIndex.CS) = code.ToRegister((ushort)((gate.GateSelector & ~3) | newCpl));
        Segment(SegmentIndex.CS).AccessRights |= SegmentRegister.AccessedBit;
        State->Rip = target;
    }
}
