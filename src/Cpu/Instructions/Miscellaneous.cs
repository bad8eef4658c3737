using System;

using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>Miscellaneous instructions: no-operations, hints, undefined opcodes, BOUND (SDM 1 "Miscellaneous Instructions").</summary>
internal static unsafe class Miscellaneous
{
    public static void Register(ColdTable table)
    {
        foreach (Mnemonic nothing in (ReadOnlySpan<Mnemonic>)[
            Mnemonic.Nop, Mnemonic.Endbr32, Mnemonic.Endbr64, Mnemonic.Reservednop,
            Mnemonic.Prefetchnta, Mnemonic.Prefetcht0, Mnemonic.Prefetcht1, Mnemonic.Prefetcht2, Mnemonic.Prefetchw, Mnemonic.Prefetch,
            Mnemonic.Prefetchwt1, Mnemonic.Prefetchit0, Mnemonic.Prefetchit1, Mnemonic.Cldemote,

            // Opcodes that were no-operations before CET and MPX gave them a meaning, and are without them.
            Mnemonic.Rdsspd, Mnemonic.Rdsspq, Mnemonic.Bndmk, Mnemonic.Bndcl, Mnemonic.Bndcu, Mnemonic.Bndcn, Mnemonic.Bndmov, Mnemonic.Bndldx,
            Mnemonic.Bndstx])
        {
            table.Set(nothing, &Nop);
        }

        table.Set(Mnemonic.Ud0, &Undefined);
        table.Set(Mnemonic.Ud1, &Undefined);
        table.Set(Mnemonic.Ud2, &Undefined);
        table.Set(Mnemonic.Bound, &Bound);
    }

    private static Outcome Nop(Processor p, in Instruction i) => Outcome.Retired;

    private static Outcome Undefined(Processor p, in Instruction i) => p.Raise(Vector.UD);

    /// <summary>SDM 2A "BOUND—Check Array Index Against Bounds".</summary>
    private static Outcome Bound(Processor p, in Instruction i)
    {
        SegmentIndex segment = Processor.SegmentOf(in i);
        ulong offset = p.EffectiveAddress(in i);
        long index;
        long lower;
        long upper;
        if (i.Op0Register.GetSize() == 2)
        {
            // Two operands, not one of twice the size: alignment is that of each.
            if (!p.TryRead(segment, offset, out short low) || !p.TryRead(segment, NextOffset(in i, offset, 2), out short high))
            {
                return Outcome.Fault;
            }

            (index, lower, upper) = (p.Gpr<short>(i.Op0Register), low, high);
        }
        else
        {
            if (!p.TryRead(segment, offset, out int low) || !p.TryRead(segment, NextOffset(in i, offset, 4), out int high))
            {
                return Outcome.Fault;
            }

            (index, lower, upper) = (p.Gpr<int>(i.Op0Register), low, high);
        }

        bool inside = index >= lower && index <= upper;
        return inside ? Outcome.Retired : p.Raise(Vector.BR);
    }

    /// <summary>An offset further on, cut to the address size.</summary>
    private static ulong NextOffset(in Instruction i, ulong offset, uint bytes) =>
        Processor.AddressBits(in i) == 16 ? (ushort)(offset + bytes) : (uint)(offset + bytes);
}
