using System;

using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>x87 comparisons and classification (SDM 1 "Comparison and Classification Instructions").</summary>
internal static unsafe class X87Compare
{
    private const ushort ConditionCodes = Processor.FswC0 | Processor.FswC2 | Processor.FswC3;

    public static void Register(ColdTable table)
    {
        foreach (Mnemonic mnemonic in (ReadOnlySpan<Mnemonic>)
            [Mnemonic.Fcom, Mnemonic.Fcomp, Mnemonic.Fcompp, Mnemonic.Fucom, Mnemonic.Fucomp, Mnemonic.Fucompp,
             Mnemonic.Ficom, Mnemonic.Ficomp, Mnemonic.Fcomi, Mnemonic.Fcomip, Mnemonic.Fucomi, Mnemonic.Fucomip, Mnemonic.Ftst])
        {
            table.Set(mnemonic, &Compare);
        }

        table.Set(Mnemonic.Fxam, &Examine);
    }

    private static Outcome Compare(Processor p, in Instruction i)
    {
        bool memory = i.OpCount > 0 && i.Op0Kind == OpKind.Memory;
        MemorySize size = memory ? i.MemorySize : MemorySize.Unknown;
        ulong bits = 0;
        ulong offset = 0;
        if (!p.X87Ready() || (memory && !X87Operands.TryReadBits(p, in i, size, out bits, out offset)))
        {
            return Outcome.Fault;
        }

        X87Operands.Record(p, in i, memory, offset);
        ushort oldC1 = (ushort)(p.State->Fsw & Processor.FswC1);
        p.ClearC1();
        int source = memory || i.Mnemonic == Mnemonic.Ftst ? 0
            : i.OpCount == 2 ? i.Op1Register - Iced.Intel.Register.ST0
            : 1; // FCOMPP, FUCOMPP
        bool toFlags = i.Mnemonic is Mnemonic.Fcomi or Mnemonic.Fcomip or Mnemonic.Fucomi or Mnemonic.Fucomip;
        if (p.StIsEmpty(0) || p.StIsEmpty(source))
        {
            bool masked = p.StackFault(overflow: false);
            Report(p, FloatOrder.Unordered, toFlags);
            if (masked)
            {
                Pops(p, i.Mnemonic);
            }

            return Outcome.Retired;
        }

        ulong significand = memory ? 0 : p.St(source).Significand;
        uint signExponent = memory ? 0U : p.St(source).SignExponent;
        if ((!memory || X87Operands.TryToRegister(size, bits, out significand, out signExponent)) && i.Mnemonic != Mnemonic.Ftst
            && X87Fast.IsNormal(significand, signExponent) && X87Fast.IsNormal(p.St(0).Significand, p.St(0).SignExponent))
        {
            int compared = X87Fast.Compare(p.St(0).Significand, p.St(0).SignExponent, significand, signExponent);
            p.State->Fsw |= toFlags ? oldC1 : (ushort)0;
            Report(p, compared < 0 ? FloatOrder.Less : compared > 0 ? FloatOrder.Greater : FloatOrder.Equal, toFlags);
            Pops(p, i.Mnemonic);
            return Outcome.Retired;
        }

        Unpacked a = ExtendedFormat.Unpack(in p.St(0));
        Unpacked b = memory ? X87Operands.Unpack(size, bits)
            : i.Mnemonic == Mnemonic.Ftst ? Unpacked.Zero(sign: false)
            : ExtendedFormat.Unpack(in p.St(source));
        bool quiet = i.Mnemonic is Mnemonic.Fucom or Mnemonic.Fucomp or Mnemonic.Fucompp or Mnemonic.Fucomi or Mnemonic.Fucomip;
        FloatEnvironment environment = FloatEnvironment.FromControlWord(p.State->Fcw);
        FloatOrder order = Order(in a, in b, quiet, ref environment);
        bool completes = p.CommitX87(in environment);
        p.State->Fsw |= toFlags ? oldC1 : (ushort)0; // the forms that set RFLAGS leave C1 alone (so does silicon)
        Report(p, order, toFlags); // even when an unmasked exception forbids the pop (so does silicon)
        if (completes)
        {
            Pops(p, i.Mnemonic);
        }

        return Outcome.Retired;
    }

    private static FloatOrder Order(in Unpacked a, in Unpacked b, bool quiet, ref FloatEnvironment environment)
    {
        if (ExtendedFormat.TryNaN(in a, in b, ref environment, out _))
        {
            environment.Raised |= quiet ? 0 : MxcsrBits.IE;
            return FloatOrder.Unordered;
        }

        environment.Raised |= a.IsDenormal || b.IsDenormal ? MxcsrBits.DE : 0;
        int signA = a.Class == FloatClass.Zero ? 0 : a.Sign ? -1 : 1;
        int signB = b.Class == FloatClass.Zero ? 0 : b.Sign ? -1 : 1;
        int order = signA != signB ? signA.CompareTo(signB) : signA * Magnitude(in a, in b);
        return order < 0 ? FloatOrder.Less : order > 0 ? FloatOrder.Greater : FloatOrder.Equal;
    }

    private static int Magnitude(in Unpacked a, in Unpacked b)
    {
        if (a.Class != b.Class)
        {
            return a.Class == FloatClass.Infinity ? 1 : -1; // zeros have been settled by their sign
        }

        return a.Class != FloatClass.Finite ? 0
            : a.Exponent != b.Exponent ? a.Exponent.CompareTo(b.Exponent)
            : a.Significand.CompareTo(b.Significand);
    }

    private static void Report(Processor p, FloatOrder order, bool toFlags)
    {
        if (toFlags)
        {
            LazyFlags.Write(p.State, order switch
            {
                FloatOrder.Less => RflagsBits.CF,
                FloatOrder.Equal => RflagsBits.ZF,
                FloatOrder.Greater => 0,
                _ => RflagsBits.CF | RflagsBits.PF | RflagsBits.ZF,
            });
            return;
        }

        ushort codes = order switch
        {
            FloatOrder.Less => Processor.FswC0,
            FloatOrder.Equal => Processor.FswC3,
            FloatOrder.Greater => 0,
            _ => ConditionCodes,
        };
        p.State->Fsw = (ushort)((p.State->Fsw & ~ConditionCodes) | codes);
    }

    private static void Pops(Processor p, Mnemonic mnemonic)
    {
        switch (mnemonic)
        {
            case Mnemonic.Fcomp or Mnemonic.Fucomp or Mnemonic.Ficomp or Mnemonic.Fcomip or Mnemonic.Fucomip:
                p.Pop();
                break;
            case Mnemonic.Fcompp or Mnemonic.Fucompp:
                p.Pop();
                p.Pop();
                break;
        }
    }

    /// <summary>FXAM: C1 is the sign, C3 C2 C0 the class; an empty register is a class too.</summary>
    private static Outcome Examine(Processor p, in Instruction i)
    {
        if (!p.X87Ready())
        {
            return Outcome.Fault;
        }

        p.RecordX87(in i);
        Unpacked value = ExtendedFormat.Unpack(in p.St(0));
        int codes = p.StIsEmpty(0) ? Processor.FswC3 | Processor.FswC0 : value.Class switch
        {
            FloatClass.Unsupported => 0,
            FloatClass.QuietNaN or FloatClass.SignallingNaN => Processor.FswC0,
            FloatClass.Infinity => Processor.FswC2 | Processor.FswC0,
            FloatClass.Zero => Processor.FswC3,
            _ => value.IsDenormal ? Processor.FswC3 | Processor.FswC2 : Processor.FswC2,
        };
        bool sign = (p.St(0).SignExponent & 0x8000) != 0;
        p.State->Fsw = (ushort)((p.State->Fsw & ~(ConditionCodes | Processor.FswC1)) | codes | (sign ? Processor.FswC1 : 0));
        return Outcome.Retired;
    }
}
