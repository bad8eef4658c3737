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
            Mnemonic.Prefetchwt1, Mnemonic.Prefetchit0, Mnemonic.Prefetchit1, Mnemonic.Cldemote])
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
        bool inside;
        if (i.Op0Register.GetSize() == 2)
        {
            if (!p.TryRead(segment, offset, out uint bounds))
            {
                return Outcome.Fault;
            }

            short index = p.Gpr<short>(i.Op0Register);
            inside = index >= (short)bounds && index <= (short)(bounds >> 16);
        }
        else
        {
            if (!p.TryRead(segment, offset, out ulong bounds))
            {
                return Outcome.Fault;
            }

            int index = p.Gpr<int>(i.Op0Register);
            inside = index >= (int)bounds && index <= (int)(bounds >> 32);
        }

        return inside ? Outcome.Retired : p.Raise(Vector.BR);
    }
}
