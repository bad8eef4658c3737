using System;

using Iced.Intel;

using IcedFlags = Iced.Intel.RflagsBits;

namespace Xenolith.Cpu;

/// <summary>
/// Which instructions of a block compute status flags that nobody can see: all of them are overwritten before anything reads them
/// and before anything that may fault, leave the block or be interrupted.
/// </summary>
internal static class FlagLiveness
{
    private const IcedFlags All = IcedFlags.OF | IcedFlags.SF | IcedFlags.ZF | IcedFlags.AF | IcedFlags.CF | IcedFlags.PF;

    /// <param name="dead">Set for each instruction whose flags need not be computed.</param>
    public static void Mark(ReadOnlySpan<Instruction> instructions, Span<bool> dead)
    {
        IcedFlags live = All;
        for (int n = instructions.Length - 1; n >= 0; n--)
        {
            ref readonly Instruction i = ref instructions[n];
            IcedFlags written = Overwritten(in i);
            dead[n] = written != IcedFlags.None && (written & live) == 0;
            live = IsTransparent(in i) ? (live & ~written) | (i.RflagsRead & All) : All;
        }
    }

    /// <summary>The flags that the operation surely replaces; "undefined" ones only where the operation really writes them.</summary>
    private static IcedFlags Overwritten(in Instruction i) => i.Mnemonic switch
    {
        Mnemonic.Add or Mnemonic.Sub or Mnemonic.Adc or Mnemonic.Sbb or Mnemonic.Cmp or Mnemonic.Neg
            or Mnemonic.And or Mnemonic.Or or Mnemonic.Xor or Mnemonic.Test => All,
        Mnemonic.Inc or Mnemonic.Dec => All & ~IcedFlags.CF,
        Mnemonic.Shl or Mnemonic.Sal or Mnemonic.Shr or Mnemonic.Sar when i.Op1Kind != OpKind.Register && (i.Immediate8 & 31) != 0 => All,
        _ => IcedFlags.None,
    };

    /// <summary>Cannot fault and is executed by a fast handler: flags need not be exact when it runs.</summary>
    private static bool IsTransparent(in Instruction i)
    {
        if (i.Mnemonic is Mnemonic.Lea or Mnemonic.Nop)
        {
            return true;
        }

        for (int operand = 0; operand < i.OpCount; operand++)
        {
            if (i.GetOpKind(operand) == OpKind.Memory)
            {
                return false;
            }
        }

        return i.Mnemonic is Mnemonic.Add or Mnemonic.Sub or Mnemonic.Adc or Mnemonic.Sbb or Mnemonic.Cmp or Mnemonic.Neg or Mnemonic.Not
            or Mnemonic.And or Mnemonic.Or or Mnemonic.Xor or Mnemonic.Test or Mnemonic.Inc or Mnemonic.Dec
            or Mnemonic.Shl or Mnemonic.Sal or Mnemonic.Shr or Mnemonic.Sar or Mnemonic.Mov or Mnemonic.Movzx or Mnemonic.Movsx or Mnemonic.Movsxd;
    }
}
