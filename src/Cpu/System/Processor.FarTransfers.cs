using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <content>Far jumps and calls (SDM 3A "Privilege Levels", "Transferring Program Control Between Code Segments").</content>
public sealed unsafe partial class Processor
{
    /// <summary>Far JMP in protected mode, to a code segment or through a call gate.</summary>
    internal bool TryJumpFar(ushort selector, ulong offset)
    {
        if (!TryReadTransferTarget(selector, out SegmentDescriptor descriptor))
        {
            return false;
        }

        if (descriptor.S)
        {
            return MayTransferTo(selector, in descriptor) && TryCommitCode(selector, in descriptor, State->Cpl, offset);
        }

        if (LeadsToTask(in descriptor))
        {
            return TrySwitchFar(selector, in descriptor, TaskSwitchKind.Jump);
        }

        if (!TryReadCallGate(selector, ref descriptor, out SegmentDescriptor code))
        {
            return false;
        }

        ushort target = descriptor.GateSelector;

        // A jump keeps its privilege level: conforming segments of the same or an inner level, others of the same.
        bool allowed = code.IsConforming ? code.Dpl <= (uint)State->Cpl : code.Dpl == (uint)State->Cpl;
        return (allowed || Fail(Vector.GP, target & 0xFFFCu)) && TryCommitCode(target, in code, State->Cpl, GateTarget(in descriptor));
    }

    /// <summary>Far CALL in protected mode.</summary>
    /// <param name="sizeBytes">Operand size: 2, 4 or 8; a gate has its own.</param>
    internal bool TryCallFar(ushort selector, ulong offset, int sizeBytes)
    {
        if (!TryReadTransferTarget(selector, out SegmentDescriptor descriptor))
        {
            return false;
        }

        if (descriptor.S)
        {
            return MayTransferTo(selector, in descriptor) && TryCallSameLevel(selector, in descriptor, offset, sizeBytes);
        }

        if (LeadsToTask(in descriptor))
        {
            return TrySwitchFar(selector, in descriptor, TaskSwitchKind.Call);
        }

        if (!TryReadCallGate(selector, ref descriptor, out SegmentDescriptor code))
        {
            return false;
        }

        int size = IsLongMode ? 8 : (descriptor.Type & 8) != 0 ? 4 : 2;
        ushort target = descriptor.GateSelector;
        bool goesInward = !code.IsConforming && code.Dpl < (uint)State->Cpl;
        return goesInward
            ? TryCallInner(in descriptor, in code, size)
            : TryCallSameLevel(target, in code, GateTarget(in descriptor), size);
    }

    /// <summary>Loads CS and RIP once all checks but those on the offset have passed: #GP(0) outside the limit or not canonical.</summary>
    internal bool TryCommitCode(ushort selector, in SegmentDescriptor code, int cpl, ulong offset)
    {
        if (!TryCheckCodeOffset(in code, offset) || !TrySetTypeBit(selector, in code, SegmentRegister.AccessedBit))
        {
            return false;
        }

        CommitCode(selector, in code, cpl, offset);
        return true;
    }

    private bool TryCheckCodeOffset(in SegmentDescriptor code, ulong offset)
    {
        bool is64 = IsLongMode && code.L;
        return (is64 ? IsCanonical(offset) : offset <= code.Limit) || Fail(Vector.GP, 0);
    }

    private void CommitCode(ushort selector, in SegmentDescriptor code, int cpl, ulong offset)
    {
        Segment(SegmentIndex.CS) = code.ToRegister((ushort)((selector & ~3) | cpl));
        Segment(SegmentIndex.CS).AccessRights |= SegmentRegister.AccessedBit;
        State->Rip = offset;
    }

    private bool TryReadTransferTarget(ushort selector, out SegmentDescriptor descriptor)
    {
        descriptor = default;
        return IsNull(selector) ? Fail(Vector.GP, 0) : TryReadDescriptor(selector, Vector.GP, 0, out descriptor);
    }

    /// <summary>A direct transfer: same level, or a conforming segment of an inner one; 64-bit code segments have no D.</summary>
    private bool MayTransferTo(ushort selector, in SegmentDescriptor code)
    {
        uint error = selector & 0xFFFCu;
        uint cpl = (uint)State->Cpl;
        bool allowed = code.IsCode && (code.IsConforming ? code.Dpl <= cpl : code.Dpl == cpl && (selector & 3u) <= cpl)
            && !(IsLongMode && code.L && code.Db);
        return allowed ? code.P || Fail(Vector.NP, error) : Fail(Vector.GP, error);
    }

    /// <summary>The call gate that the descriptor is, and its code segment. Task gates and TSSs go another way.</summary>
    private bool TryReadCallGate(ushort selector, ref SegmentDescriptor gate, out SegmentDescriptor code)
    {
        code = default;
        uint error = selector & 0xFFFCu;
        bool isGate = gate.Type == SegmentDescriptor.TypeCallGate || (gate.Type == SegmentDescriptor.TypeCallGate16 && !IsLongMode);
        if (!isGate || gate.Dpl < (uint)State->Cpl || gate.Dpl < (selector & 3u))
        {
            return Fail(Vector.GP, error);
        }

        if (!gate.P)
        {
            return Fail(Vector.NP, error);
        }

        if (IsLongMode && !TryReadSystemDescriptor(selector, Vector.GP, 0, out gate))
        {
            return false;
        }

        ushort target = gate.GateSelector;
        if (IsNull(target))
        {
            return Fail(Vector.GP, 0);
        }

        if (!TryReadDescriptor(target, Vector.GP, 0, out code))
        {
            return false;
        }

        error = target & 0xFFFCu;
        if (!code.IsCode || code.Dpl > (uint)State->Cpl || (IsLongMode && (!code.L || code.Db)))
        {
            return Fail(Vector.GP, error);
        }

        return code.P || Fail(Vector.NP, error);
    }

    /// <summary>A TSS or a task gate, which IA-32e mode does not have.</summary>
    private bool LeadsToTask(in SegmentDescriptor descriptor) => !IsLongMode && descriptor.Type is SegmentDescriptor.TypeTaskGate
        or SegmentDescriptor.TypeTss16Available or SegmentDescriptor.TypeTss16Busy or SegmentDescriptor.TypeTssAvailable or SegmentDescriptor.TypeTssBusy;

    private ulong GateTarget(in SegmentDescriptor gate) =>
        IsLongMode ? gate.GateOffset : (gate.Type & 8) != 0 ? (uint)gate.GateOffset : (ushort)gate.GateOffset;

    private bool TryCallSameLevel(ushort selector, in SegmentDescriptor code, ulong offset, int sizeBytes)
    {
        ulong pointer = StackPointer;
        if (!MayPush(pointer, sizeBytes, 2) || !TryCheckCodeOffset(in code, offset)
            || !TrySetTypeBit(selector, in code, SegmentRegister.AccessedBit)
            || !TryPushAt(ref pointer, sizeBytes, Segment(SegmentIndex.CS).Selector) || !TryPushAt(ref pointer, sizeBytes, NextRip))
        {
            return false;
        }

        StackPointer = pointer;
        CommitCode(selector, in code, State->Cpl, offset);
        return true;
    }

    /// <summary>
    /// A call through a gate to an inner level: its stack from the TSS, the caller's SS:ESP and parameters copied onto it.
    /// </summary>
    private bool TryCallInner(in SegmentDescriptor gate, in SegmentDescriptor code, int sizeBytes)
    {
        int newCpl = (int)code.Dpl;
        SegmentRegister stack = NullSegment((ushort)newCpl, newCpl);
        bool isLong = IsLongMode;
        ulong pointer;
        if (isLong ? !TryReadTssPointer(4u + (8u * (uint)newCpl), 0, out pointer) : !TryReadInnerStack(newCpl, 0, out stack, out pointer))
        {
            return false;
        }

        const int MaxParameters = 31;
        System.Span<ulong> frame = stackalloc ulong[4 + MaxParameters];
        int count = 0;
        frame[count++] = Segment(SegmentIndex.SS).Selector;
        frame[count++] = State->Gpr[RspIndex];
        int parameters = isLong ? 0 : gate.GateParameterCount;
        for (int i = parameters - 1; i >= 0; i--)
        {
            ulong from = StackPointer + (ulong)(i * sizeBytes);
            if (!SegmentInstructions.TryReadSized(this, SegmentIndex.SS, StackBits == 16 ? (ushort)from : (uint)from, sizeBytes, out frame[count++]))
            {
                return false;
            }
        }

        frame[count++] = Segment(SegmentIndex.CS).Selector;
        frame[count++] = NextRip;
        ulong target = GateTarget(in gate);
        if (!TryCheckCodeOffset(in code, target))
        {
            return false;
        }

        bool pushed = isLong
            ? TryPushFlat(ref pointer, frame[..count], newCpl, 0)
            : TryPushFrame(in stack, ref pointer, frame[..count], sizeBytes, newCpl, stack.Selector & 0xFFFCu);
        if (!pushed || !TrySetTypeBit(gate.GateSelector, in code, SegmentRegister.AccessedBit))
        {
            return false;
        }

        CommitCode(gate.GateSelector, in code, newCpl, target);
        Segment(SegmentIndex.SS) = stack;
        State->Gpr[RspIndex] = isLong ? pointer : (uint)pointer;
        return true;
    }

    /// <summary>Pushes 8-byte words by linear address, as 64-bit stacks are: all of them or none.</summary>
    private bool TryPushFlat(ref ulong pointer, System.ReadOnlySpan<ulong> words, int cpl, uint error)
    {
        AccessMode mode = cpl == 3 ? AccessMode.User : AccessMode.Supervisor;
        for (ulong n = 1; n <= (ulong)words.Length; n++)
        {
            ulong next = pointer - (8 * n);
            if (!IsCanonical(next) || !IsCanonical(next + 7))
            {
                return Fail(Vector.SS, error);
            }

            if (!MayWrite(next, 8, mode))
            {
                return false;
            }
        }

        foreach (ulong word in words)
        {
            pointer -= 8;
            if (!TryWriteLinear(new Gva(pointer), mode, word))
            {
                return false;
            }
        }

        return true;
    }
}
