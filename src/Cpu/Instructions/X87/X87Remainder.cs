using System;

using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>
/// FPREM, FPREM1: partial remainders (SDM 2A "FPREM—Partial Remainder"), and packed decimal loads and stores (SDM 1 "Packed BCD
/// Integers").
/// </summary>
internal static unsafe class X87Remainder
{
    private const ushort ConditionCodes = Processor.FswC0 | Processor.FswC1 | Processor.FswC2 | Processor.FswC3;

    public static void Register(ColdTable table)
    {
        table.Set(Mnemonic.Fprem, &Remainder);
        table.Set(Mnemonic.Fprem1, &Remainder);
        table.Set(Mnemonic.Fbld, &LoadDecimal);
        table.Set(Mnemonic.Fbstp, &StoreDecimal);
    }

    private static Outcome Remainder(Processor p, in Instruction i)
    {
        if (!p.X87Ready())
        {
            return Outcome.Fault;
        }

        p.RecordX87(in i);
        p.State->Fsw &= unchecked((ushort)~(Processor.FswC1 | Processor.FswC2));
        if (p.StIsEmpty(0) || p.StIsEmpty(1))
        {
            if (p.StackFault(overflow: false))
            {
                p.SetSt(0, ExtendedFormat.Indefinite);
            }

            return Outcome.Retired;
        }

        Unpacked a = ExtendedFormat.Unpack(in p.St(0));
        Unpacked b = ExtendedFormat.Unpack(in p.St(1));
        FloatEnvironment environment = FloatEnvironment.FromControlWord(p.State->Fcw);
        uint quotient = 0;
        bool complete = true;
        if (!ExtendedFormat.TryNaN(in a, in b, ref environment, out Unpacked result))
        {
            if (a.Class == FloatClass.Infinity || b.Class == FloatClass.Zero)
            {
                environment.Raised |= MxcsrBits.IE;
                result = Unpacked.Indefinite;
            }
            else
            {
                environment.Raised |= a.IsDenormal || b.IsDenormal ? MxcsrBits.DE : 0;
                result = a.Class == FloatClass.Zero || b.Class == FloatClass.Infinity
                    ? Whole(in a, ref environment)
                    : Reduce(in a, in b, toNearest: i.Mnemonic == Mnemonic.Fprem1, out quotient, out complete, ref environment);
            }
        }

        if (!p.CommitX87(in environment))
        {
            return Outcome.Retired;
        }

        p.SetSt(0, ExtendedFormat.Pack(in result));
        if (result.IsNaN)
        {
            return Outcome.Retired; // C0 and C3 stay
        }

        int codes = !complete ? Processor.FswC2
            : ((quotient & 1) != 0 ? Processor.FswC1 : 0) | ((quotient & 2) != 0 ? Processor.FswC3 : 0) | ((quotient & 4) != 0 ? Processor.FswC0 : 0);
        p.State->Fsw = (ushort)((p.State->Fsw & ~ConditionCodes) | codes);
        return Outcome.Retired;
    }

    /// <summary>The dividend itself; a denormal one underflows where #U is unmasked.</summary>
    private static Unpacked Whole(in Unpacked a, ref FloatEnvironment environment) => a.Class == FloatClass.Zero
        ? a
        : SoftFloat.Round(a.Sign, a.Exponent, (UInt128)a.Significand << 64, FloatFormat.Extended, ref environment);

    /// <summary>
    /// Long division bit by bit. When the exponents differ by 64 or more, only a part is done: the difference goes down by 32 to 63
    /// (which number, each processor chooses).
    /// </summary>
    private static Unpacked Reduce(
        in Unpacked a, in Unpacked b, bool toNearest, out uint quotient, out bool complete, ref FloatEnvironment environment)
    {
        quotient = 0;
        int difference = a.Exponent - b.Exponent;
        complete = difference < 64;
        if (difference < -1 || (difference < 0 && !toNearest))
        {
            return Whole(in a, ref environment);
        }

        int steps = complete ? difference : (difference & 31) | 32;
        UInt128 rest = a.Significand;
        UInt128 divisor = b.Significand;
        ulong bits = 0;
        int exponent = b.Exponent + (complete ? 0 : difference - steps);
        if (difference < 0)
        {
            divisor <<= 1; // one place below: the quotient is 0 or, rounded, 1
            exponent = a.Exponent;
        }
        else
        {
            for (int k = 0; k <= steps; k++)
            {
                rest <<= k == 0 ? 0 : 1;
                bits <<= 1;
                if (rest >= divisor)
                {
                    rest -= divisor;
                    bits |= 1;
                }
            }
        }

        bool sign = a.Sign;
        if (complete && toNearest)
        {
            UInt128 twice = rest << 1;
            if (twice > divisor || (twice == divisor && (bits & 1) != 0))
            {
                rest = divisor - rest;
                sign = !sign;
                bits++;
            }
        }

        quotient = (uint)(bits & 7);
        return rest == 0
            ? Unpacked.Zero(a.Sign)
            : SoftFloat.Round(sign, exponent + 64, rest, FloatFormat.Extended, ref environment);
    }

    private static Outcome LoadDecimal(Processor p, in Instruction i)
    {
        if (!p.X87Ready() || !X87Operands.TryReadExtended(p, in i, out X87Register packed))
        {
            return Outcome.Fault;
        }

        ulong value = 0;
        for (int digit = 17; digit >= 0; digit--)
        {
            ulong source = digit >= 16 ? packed.SignExponent : packed.Significand;
            value = (value * 10) + ((source >> (4 * (digit & 15))) & 0xF);
        }

        Unpacked number = X87Operands.FromInteger((long)value);
        number.Sign = (packed.SignExponent & 0x8000) != 0;
        p.RecordX87(in i);
        p.ClearC1();
        p.Push(ExtendedFormat.Pack(in number));
        return Outcome.Retired;
    }

    private static Outcome StoreDecimal(Processor p, in Instruction i)
    {
        const ulong TooLarge = 1_000_000_000_000_000_000;
        if (!p.X87Ready())
        {
            return Outcome.Fault;
        }

        bool empty = p.StIsEmpty(0);
        FloatEnvironment environment = FloatEnvironment.FromControlWord(p.State->Fcw);
        Unpacked value = empty ? Unpacked.Indefinite : ExtendedFormat.Unpack(in p.St(0));
        long whole = SoftFloat.ToInteger(in value, 64, environment.Rounding, ref environment);
        ulong magnitude = (ulong)Math.Abs(whole == long.MinValue ? long.MaxValue : whole);
        X87Register packed = new() { Significand = 0xC000_0000_0000_0000, SignExponent = 0xFFFF }; // the decimal indefinite
        if (magnitude >= TooLarge)
        {
            environment.Raised = MxcsrBits.IE;
            environment.RoundedUp = false;
        }
        else if ((environment.Raised & MxcsrBits.IE) == 0)
        {
            packed = Digits(magnitude, value.Sign);
        }

        bool stored = (environment.Raised & ~environment.Masked & MxcsrBits.IE) == 0;
        if (stored ? !X87Operands.TryWriteExtended(p, in i, in packed) : !X87Transfer.TryProbe(p, in i, 10))
        {
            return Outcome.Fault;
        }

        X87Transfer.FinishStore(p, in i, empty, stored, pops: true, in environment);
        return Outcome.Retired;
    }

    private static X87Register Digits(ulong magnitude, bool sign)
    {
        ulong low = 0;
        for (int digit = 0; digit < 16; digit++)
        {
            low |= (magnitude % 10) << (4 * digit);
            magnitude /= 10;
        }

        ulong high = (magnitude % 10) | ((magnitude / 10) << 4) | (sign ? 0x8000UL : 0);
        return new X87Register { Significand = low, SignExponent = (ushort)high };
    }
}
