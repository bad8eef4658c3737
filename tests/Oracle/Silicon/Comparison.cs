using System;
using System.Collections.Generic;
using System.Text;

using Iced.Intel;

namespace Xenolith.Oracle.Silicon;

/// <summary>Compares what silicon left with what the emulated processor left.</summary>
public static unsafe class Comparison
{
    private const ulong StatusFlags = 0x8D5;

    /// <summary>For page faults from here on, Linux always reports P = 1, so as not to show how it maps its own memory.</summary>
    private const ulong EndOfUserSpace = 0x7FFF_FFFF_F000;

    /// <summary>The status flags that the manual leaves undefined after an instruction, as RFLAGS bits.</summary>
    public static ulong UndefinedFlags(in Instruction instruction)
    {
        RflagsBits undefined = instruction.RflagsUndefined;
        ulong mask = 0;
        mask |= (undefined & RflagsBits.CF) != 0 ? 1UL : 0;
        mask |= (undefined & RflagsBits.PF) != 0 ? 4UL : 0;
        mask |= (undefined & RflagsBits.AF) != 0 ? 0x10UL : 0;
        mask |= (undefined & RflagsBits.ZF) != 0 ? 0x40UL : 0;
        mask |= (undefined & RflagsBits.SF) != 0 ? 0x80UL : 0;
        mask |= (undefined & RflagsBits.OF) != 0 ? 0x800UL : 0;
        return mask;
    }

    /// <summary>Every difference, as text; empty when the two agree.</summary>
    /// <param name="maskedFlags">RFLAGS bits that are not compared.</param>
    public static string Differences(in SiliconReply silicon, in SiliconReply emulated, ulong maskedFlags)
    {
        StringBuilder text = new();
        if (silicon.Vector != emulated.Vector)
        {
            text.Append($" end {silicon.Vector:x}/{emulated.Vector:x}");
        }
        else if (silicon.Vector < 0x100)
        {
            bool hasErrorCode = silicon.Vector is 8 or (>= 10 and <= 14) or 17;
            bool hidesPresent = silicon.Vector == 14 && silicon.Cr2 >= EndOfUserSpace;
            uint compared = !hasErrorCode ? 0 : hidesPresent ? ~1u : uint.MaxValue;
            Add(text, "error", silicon.ErrorCode & compared, emulated.ErrorCode & compared);
            Add(text, "cr2", silicon.Vector == 14 ? silicon.Cr2 : 0, silicon.Vector == 14 ? emulated.Cr2 : 0);
        }

        ref readonly MachineState a = ref silicon.State;
        ref readonly MachineState b = ref emulated.State;
        for (int i = 0; i < 16; i++)
        {
            Add(text, CaseText.GprNames[i], a.Gpr[i], b.Gpr[i]);
        }

        Add(text, "rip", a.Rip, b.Rip);
        Add(text, "f", a.Rflags & ~maskedFlags, b.Rflags & ~maskedFlags);
        for (int i = 0; i < 16; i++)
        {
            Add(text, $"x{i}h", a.Xmm(i, 1), b.Xmm(i, 1));
            Add(text, $"x{i}l", a.Xmm(i, 0), b.Xmm(i, 0));
            Add(text, $"y{i}l", a.YmmHigh[2 * i], b.YmmHigh[2 * i]);
            Add(text, $"y{i}h", a.YmmHigh[(2 * i) + 1], b.YmmHigh[(2 * i) + 1]);
        }

        Add(text, "mx", a.Mxcsr, b.Mxcsr);
        Add(text, "fcw", a.Fcw, b.Fcw);
        Add(text, "fsw", a.Fsw, b.Fsw);
        Add(text, "ftw", a.Ftw, b.Ftw);
        for (int i = 0; i < 8; i++)
        {
            Add(text, $"s{i}e", a.StSignExponent(i), b.StSignExponent(i));
            Add(text, $"s{i}m", a.StSignificand(i), b.StSignificand(i));
        }

        for (int i = 0; i < MemoryMap.MaxWindowSize; i++)
        {
            if (silicon.Window[i] != emulated.Window[i])
            {
                text.Append($" m[{i:x2}] {silicon.Window[i]:x2}/{emulated.Window[i]:x2}");
            }
        }

        Add(text, "outside", silicon.WroteOutside, emulated.WroteOutside);
        return text.ToString();
    }

    /// <summary>The status flags that differ.</summary>
    public static ulong FlagDifferences(in SiliconReply silicon, in SiliconReply emulated) =>
        (silicon.State.Rflags ^ emulated.State.Rflags) & StatusFlags;

    /// <summary>Instructions whose results this silicon does not always round correctly.</summary>
    public static bool IsApproximate(in Instruction instruction) => instruction.Mnemonic is Mnemonic.F2xm1 or Mnemonic.Fyl2x or Mnemonic.Fyl2xp1
        or Mnemonic.Fptan or Mnemonic.Fpatan or Mnemonic.Fsin or Mnemonic.Fcos or Mnemonic.Fsincos;

    /// <summary>
    /// Takes over from silicon what may differ after such an instruction: results by one unit in the last place, and C1, which says
    /// which way they were rounded. True if there was any such difference.
    /// </summary>
    public static bool ForgiveLastPlace(in SiliconReply silicon, ref SiliconReply emulated)
    {
        const int C1 = 1 << 9;
        bool forgiven = false;
        for (int i = 0; i < 2; i++)
        {
            Int128 theirs = Ordinal(in silicon.State, i);
            Int128 ours = Ordinal(in emulated.State, i);
            if (Int128.Abs(theirs - ours) == 1)
            {
                emulated.State.SetSt(i, silicon.State.StSignificand(i), silicon.State.StSignExponent(i));
                forgiven = true;
            }
        }

        if ((silicon.State.Fsw ^ emulated.State.Fsw) == C1)
        {
            emulated.State.Fsw ^= C1;
            forgiven = true;
        }

        return forgiven;
    }

    /// <summary>The place of ST(<paramref name="index"/>) among all numbers of the format.</summary>
    private static Int128 Ordinal(in MachineState state, int index)
    {
        Int128 magnitude = ((Int128)(state.StSignExponent(index) & 0x7FFF) << 63) + (Int128)(state.StSignificand(index) & (ulong.MaxValue >> 1));
        return (state.StSignExponent(index) & 0x8000) != 0 ? -magnitude : magnitude;
    }

    private static void Add(StringBuilder text, string name, ulong silicon, ulong emulated)
    {
        if (silicon != emulated)
        {
            text.Append($" {name} {silicon:x}/{emulated:x}");
        }
    }
}

/// <summary>Sums over one group.</summary>
public sealed class ComparisonTable
{
    public int Codes { get; set; }

    public int Missing { get; set; }

    public long Cases { get; set; }

    public long Mismatches { get; set; }

    /// <summary>Transcendental results that differ by one unit in the last place, or in C1 only.</summary>
    public long LastPlace { get; set; }

    /// <summary>Mnemonics with undefined flags that differ, and which flags.</summary>
    public SortedDictionary<string, ulong> UndefinedDifferences { get; } = [];
}
