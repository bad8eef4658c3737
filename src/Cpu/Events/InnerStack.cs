using System;

using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <content>Stacks of inner privilege levels, and frames pushed onto them (SDM 3A "Stack Switching").</content>
public sealed unsafe partial class Processor
{
    /// <summary>SS and ESP of a privilege level from the TSS, with all checks on the new stack segment: #TS, #SS.</summary>
    private bool TryReadInnerStack(int newCpl, uint ext, out SegmentRegister stack, out ulong pointer)
    {
        stack = default;
        pointer = 0;
        ref SegmentRegister tss = ref Segment(SegmentIndex.TR);
        bool is32 = (tss.Type & 8) != 0;
        uint offset = is32 ? 4 + (8 * (uint)newCpl) : 2 + (4 * (uint)newCpl);
        uint size = is32 ? 8u : 4u;
        if (offset + size - 1 > tss.Limit)
        {
            return Fail(Vector.TS, (tss.Selector & 0xFFFCu) | ext);
        }

        ulong address = (uint)(tss.Base + offset);
        ushort selector;
        if (is32)
        {
            if (!TryReadLinear(new Gva(address), AccessMode.Supervisor, out uint esp)
                || !TryReadLinear(new Gva((uint)(address + 4)), AccessMode.Supervisor, out selector))
            {
                return false;
            }

            pointer = esp;
        }
        else
        {
            if (!TryReadLinear(new Gva(address), AccessMode.Supervisor, out ushort sp)
                || !TryReadLinear(new Gva((uint)(address + 2)), AccessMode.Supervisor, out selector))
            {
                return false;
            }

            pointer = sp;
        }

        if (IsNull(selector))
        {
            return Fail(Vector.TS, ext);
        }

        if (!TryReadDescriptor(selector, Vector.TS, ext, out SegmentDescriptor descriptor)
            || !MayLoadStack(selector, in descriptor, newCpl, Vector.TS, ext)
            || !TrySetTypeBit(selector, in descriptor, SegmentRegister.AccessedBit))
        {
            return false;
        }

        stack = descriptor.ToRegister(selector);
        stack.AccessRights |= SegmentRegister.AccessedBit;
        return true;
    }

    /// <summary>A stack pointer from a 64-bit TSS: RSP0-2 or an entry of the interrupt stack table.</summary>
    private bool TryReadTssPointer(uint offset, uint ext, out ulong pointer)
    {
        pointer = 0;
        ref SegmentRegister tss = ref Segment(SegmentIndex.TR);
        if (offset + 7 > tss.Limit)
        {
            return Fail(Vector.TS, (tss.Selector & 0xFFFCu) | ext);
        }

        if (!TryReadLinear(new Gva(tss.Base + offset), AccessMode.Supervisor, out pointer))
        {
            return false;
        }

        return IsCanonical(pointer) || Fail(Vector.SS, ext);
    }

    /// <summary>Pushes words, all or none, onto a stack that need not be the current one; #SS(error) outside its limit.</summary>
    /// <param name="pointer">The stack pointer; only its low half or word is used and changed in 32- and 16-bit stacks.</param>
    private bool TryPushFrame(in SegmentRegister stack, ref ulong pointer, ReadOnlySpan<ulong> words, int sizeBytes, int cpl, uint error)
    {
        ulong mask = stack.Db ? uint.MaxValue : ushort.MaxValue;
        AccessMode mode = cpl == 3 ? AccessMode.User : AccessMode.Supervisor;
        for (int n = 1; n <= words.Length; n++)
        {
            ulong next = (pointer - (uint)(n * sizeBytes)) & mask;
            if (!SegmentAllows(in stack, (uint)next, (uint)sizeBytes, AccessKind.Write))
            {
                return Fail(Vector.SS, error);
            }

            if (!MayWrite((uint)(stack.Base + next), sizeBytes, mode))
            {
                return false;
            }
        }

        foreach (ulong word in words)
        {
            ulong next = (pointer - (uint)sizeBytes) & mask;
            Gva gva = new((uint)(stack.Base + next));
            bool written = sizeBytes switch
            {
                2 => TryWriteLinear(gva, mode, (ushort)word),
                4 => TryWriteLinear(gva, mode, (uint)word),
                _ => TryWriteLinear(gva, mode, word),
            };
            if (!written)
            {
                return false;
            }

            pointer = (pointer & ~mask) | next;
        }

        return true;
    }

    private void CommitStack(bool changesStack, in SegmentRegister stack, ulong pointer)
    {
        if (changesStack)
        {
            Segment(SegmentIndex.SS) = stack;
            State->Gpr[RspIndex] = (uint)pointer;
        }
        else
        {
            State->Gpr[RspIndex] = stack.Db ? (uint)pointer : (State->Gpr[RspIndex] & ~0xFFFFUL) | (ushort)pointer;
        }
    }
}
