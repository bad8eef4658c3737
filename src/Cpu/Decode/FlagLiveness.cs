using System;

using Iced.Intel;

using IcedFlags = Iced.Intel.RflagsBits;

namespace Xenolith.Cpu;

/// <summary>What must become of the flags that an instruction computes.</summary>
internal enum FlagNeed : byte
{
    /// <summary>Somebody may read them.</summary>
    Wanted,

    /// <summary>Overwritten before anybody can see them.</summary>
    None,

    /// <summary>Overwritten before anybody reads them; but an instruction in between may fault, or be executed the careful way.</summary>
    FaultOnly,
}

/// <summary>Which instructions of a block compute status flags that nobody will read.</summary>
internal static class FlagLiveness
{
    private const IcedFlags All = IcedFlags.OF | IcedFlags.SF | IcedFlags.ZF | IcedFlags.AF | IcedFlags.CF | IcedFlags.PF;

    /// <param name="needs">Set for each instruction.</param>
    /// <returns>True when the block overwrites all flags before it reads one: those that it starts with only a fault can show.</returns>
    public static bool Mark(ReadOnlySpan<Instruction> instructions, Span<FlagNeed> needs)
    {
        IcedFlags visible = All;
        IcedFlags read = All;
        for (int n = instructions.Length - 1; n >= 0; n--)
        {
            ref readonly Instruction i = ref instructions[n];
            IcedFlags written = Overwritten(in i);
            needs[n] = written == IcedFlags.None || (written & visible & read) != 0 ? FlagNeed.Wanted
                : (written & visible) == 0 ? FlagNeed.None
                : written == All && (read & All) == 0 ? FlagNeed.FaultOnly
                : FlagNeed.Wanted;
            visible = IsTransparent(in i) ? (visible & ~written) | (i.RflagsRead & All) : All;

            // A part of the flags is merged into the others, which must be exact then. What runs the careful way is shown exact ones.
            bool isPartial = (i.RflagsModified & All) != 0 && written != All && needs[n] != FlagNeed.None;
            read = i.FlowControl != FlowControl.Next || isPartial ? All : (read & ~written) | (i.RflagsRead & All);
        }

        return read == IcedFlags.None;
    }

    /// <summary>The flags that the operation surely replaces; "undefined" ones only where the operation really writes them.</summary>
    private static IcedFlags Overwritten(in Instruction i) => i.Mnemonic switch
    {
        Mnemonic.Add or Mnemonic.Sub or Mnemonic.Adc or Mnemonic.Sbb or Mnemonic.Cmp or Mnemonic.Neg
            or Mnemonic.And or Mnemonic.Or or Mnemonic.Xor or Mnemonic.Test => All,
        Mnemonic.Inc or Mnemonic.Dec => All & ~IcedFlags.CF,
        Mnemonic.Imul when i.OpCount > 1 => IcedFlags.CF | IcedFlags.OF,
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

        if (i.Mnemonic == Mnemonic.Imul)
        {
            return i.OpCount > 1 && i.Op1Kind == OpKind.Register;
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
