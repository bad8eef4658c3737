using System;

using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>
/// F2XM1, FYL2X, FYL2XP1, FPTAN, FPATAN, FSIN, FCOS, FSINCOS (SDM 1 "Transcendental Instructions"). Results are correctly rounded to 64
/// bits, whatever FCW.PC says; trigonometric arguments are reduced by pi as processors have it, with 66 bits. Where the manual leaves a
/// result undefined (arguments out of range), it is what silicon gives.
/// </summary>
internal static unsafe class X87Transcendental
{
    /// <summary>pi/2 with the 66 bits of SDM 1 "Approximation of Pi", in units of 2^-65.</summary>
    private static readonly UInt128 s_halfPi = new(0x3, 0x243F_6A88_85A3_08D3);

    /// <summary>From here on C2 says that the argument has not been reduced.</summary>
    private const int TrigonometricLimit = 63;

    public static void Register(ColdTable table)
    {
        table.Set(Mnemonic.F2xm1, &Exponential);
        table.Set(Mnemonic.Fyl2x, &Logarithm);
        table.Set(Mnemonic.Fyl2xp1, &Logarithm);
        table.Set(Mnemonic.Fpatan, &Arctangent);
        table.Set(Mnemonic.Fsin, &SineOrCosine);
        table.Set(Mnemonic.Fcos, &SineOrCosine);
        table.Set(Mnemonic.Fptan, &Two);
        table.Set(Mnemonic.Fsincos, &Two);
    }

    private static Outcome Exponential(Processor p, in Instruction i)
    {
        if (!X87Arithmetic.TryBegin(p, in i, out Outcome outcome))
        {
            return outcome;
        }

        Unpacked x = ExtendedFormat.Unpack(in p.St(0));
        FloatEnvironment environment = FloatEnvironment.FromControlWord(p.State->Fcw);
        if (!ExtendedFormat.TryNaN(in x, in x, ref environment, out Unpacked result))
        {
            result = Exponential(in x, ref environment);
            environment.Raised |= x.IsDenormal ? MxcsrBits.DE : 0;
        }

        if (p.CommitX87(in environment))
        {
            p.SetSt(0, ExtendedFormat.Pack(in result));
        }

        return Outcome.Retired;
    }

    private static Unpacked Exponential(in Unpacked x, ref FloatEnvironment environment)
    {
        switch (x.Class)
        {
            case FloatClass.Zero:
                return x;
            case FloatClass.Infinity:
                return x.Sign ? Unpack(-1) : x;
        }

        if (x.Exponent >= 0)
        {
            // 1 gives 1 and -1 gives -1/2; beyond, the result is undefined, and the operand stays.
            environment.Raised |= MxcsrBits.PE;
            bool half = x.Sign && x.Exponent == 0 && x.Significand == 1UL << 63;
            return half ? x with { Exponent = -1 } : x;
        }

        return Round(x.Sign, Transcendental.Exp2Minus1(in x), ref environment);
    }

    /// <summary>FYL2X: y log2 x; FYL2XP1: y log2(x + 1). The result replaces y, and x is popped.</summary>
    private static Outcome Logarithm(Processor p, in Instruction i)
    {
        if (!TryBeginTwo(p, in i, out Outcome outcome, out Unpacked x, out Unpacked y))
        {
            return outcome;
        }

        FloatEnvironment environment = FloatEnvironment.FromControlWord(p.State->Fcw);
        if (!ExtendedFormat.TryNaN(in x, in y, ref environment, out Unpacked result))
        {
            result = i.Mnemonic == Mnemonic.Fyl2x ? Logarithm(in x, in y, ref environment) : LogarithmPlus1(in x, in y, ref environment);
            bool denormal = x.IsDenormal || y.IsDenormal;
            environment.Raised |= denormal && (environment.Raised & (MxcsrBits.IE | MxcsrBits.ZE)) == 0 ? MxcsrBits.DE : 0;
        }

        return FinishTwo(p, in result, in environment);
    }

    private static Unpacked Logarithm(in Unpacked x, in Unpacked y, ref FloatEnvironment environment)
    {
        bool one = x.Class == FloatClass.Finite && x.Exponent == 0 && x.Significand == 1UL << 63 && !x.Sign;
        bool invalid = (x.Sign && x.Class != FloatClass.Zero)
            || (one && y.Class == FloatClass.Infinity)
            || (y.Class == FloatClass.Zero && x.Class is FloatClass.Zero or FloatClass.Infinity);
        if (invalid)
        {
            environment.Raised |= MxcsrBits.IE;
            return Unpacked.Indefinite;
        }

        if (x.Class == FloatClass.Zero)
        {
            environment.Raised |= y.Class == FloatClass.Infinity ? 0 : MxcsrBits.ZE;
            return Unpacked.Infinity(!y.Sign);
        }

        if (x.Class == FloatClass.Infinity)
        {
            return Unpacked.Infinity(y.Sign);
        }

        if (one)
        {
            return Unpacked.Zero(y.Sign);
        }

        bool below1 = x.Exponent < 0;
        return y.Class == FloatClass.Infinity ? Unpacked.Infinity(y.Sign != below1)
            : y.Class == FloatClass.Zero ? Unpacked.Zero(y.Sign != below1)
            : Product(Transcendental.Log2(in x, out bool negative, out bool exact), in y, negative, exact, ref environment);
    }

    private static Unpacked LogarithmPlus1(in Unpacked x, in Unpacked y, ref FloatEnvironment environment)
    {
        bool invalid = x.Class == FloatClass.Infinity
            ? x.Sign || y.Class == FloatClass.Zero
            : x.Class == FloatClass.Zero && y.Class == FloatClass.Infinity;
        if (invalid)
        {
            environment.Raised |= MxcsrBits.IE;
            return Unpacked.Indefinite;
        }

        bool sign = x.Sign != y.Sign;
        if (x.Class == FloatClass.Infinity || y.Class == FloatClass.Infinity)
        {
            return Unpacked.Infinity(sign);
        }

        if (x.Class == FloatClass.Zero || y.Class == FloatClass.Zero)
        {
            return Unpacked.Zero(sign);
        }

        if (x.Sign && x.Exponent >= 0)
        {
            environment.Raised |= MxcsrBits.PE;
            return x; // x <= -1: undefined
        }

        return Product(Transcendental.Log2Of1Plus(in x, out bool negative, out bool exact), in y, negative, exact, ref environment);
    }

    private static Unpacked Product(WideNumber logarithm, in Unpacked y, bool negative, bool exact, ref FloatEnvironment environment)
    {
        WideNumber product = logarithm * WideNumber.Of(in y);
        bool sign = y.Sign != negative;
        return exact ? RoundExact(sign, product, ref environment) : Round(sign, product, ref environment);
    }

    private static Outcome Arctangent(Processor p, in Instruction i)
    {
        if (!TryBeginTwo(p, in i, out Outcome outcome, out Unpacked x, out Unpacked y))
        {
            return outcome;
        }

        FloatEnvironment environment = FloatEnvironment.FromControlWord(p.State->Fcw);
        if (!ExtendedFormat.TryNaN(in x, in y, ref environment, out Unpacked result))
        {
            result = Arctangent(in x, in y, ref environment);
            environment.Raised |= x.IsDenormal || y.IsDenormal ? MxcsrBits.DE : 0;
        }

        return FinishTwo(p, in result, in environment);
    }

    private static Unpacked Arctangent(in Unpacked x, in Unpacked y, ref FloatEnvironment environment)
    {
        if (x.Class == FloatClass.Finite && y.Class == FloatClass.Finite)
        {
            return Round(y.Sign, Transcendental.Atan2(in y, in x), ref environment);
        }

        // SDM 2A "FPATAN—Partial Arctangent", table of results: multiples of pi/4.
        int quarters;
        if (y.Class == FloatClass.Infinity)
        {
            quarters = x.Class != FloatClass.Infinity ? 2 : x.Sign ? 3 : 1;
        }
        else
        {
            bool onAxis = y.Class == FloatClass.Zero || x.Class == FloatClass.Infinity;
            quarters = onAxis ? (x.Sign ? 4 : 0) : 2;
        }

        return quarters == 0 ? Unpacked.Zero(y.Sign) : Round(y.Sign, Transcendental.QuarterPi(quarters), ref environment);
    }

    private static Outcome SineOrCosine(Processor p, in Instruction i)
    {
        if (!p.X87Ready())
        {
            return Outcome.Fault;
        }

        p.State->Fsw &= unchecked((ushort)~Processor.FswC2);
        if (!X87Arithmetic.TryBegin(p, in i, out Outcome outcome))
        {
            return outcome;
        }

        Unpacked x = ExtendedFormat.Unpack(in p.St(0));
        if (IsTooLarge(p, in x))
        {
            return Outcome.Retired;
        }

        FloatEnvironment environment = FloatEnvironment.FromControlWord(p.State->Fcw);
        Unpacked result = i.Mnemonic == Mnemonic.Fsin ? Sine(in x, ref environment) : Cosine(in x, ref environment);
        if (p.CommitX87(in environment))
        {
            p.SetSt(0, ExtendedFormat.Pack(in result));
        }

        return Outcome.Retired;
    }

    /// <summary>FPTAN: the tangent replaces ST(0), then 1 is pushed. FSINCOS: the sine, then the cosine is pushed.</summary>
    private static Outcome Two(Processor p, in Instruction i)
    {
        if (!p.X87Ready())
        {
            return Outcome.Fault;
        }

        p.RecordX87(in i);
        p.State->Fsw &= unchecked((ushort)~(Processor.FswC1 | Processor.FswC2));
        bool empty = p.StIsEmpty(0);
        if (empty || !p.StIsEmpty(7))
        {
            if (p.StackFault(overflow: !empty))
            {
                p.SetSt(0, ExtendedFormat.Indefinite);
                p.DecrementTop();
                p.SetSt(0, ExtendedFormat.Indefinite);
            }

            return Outcome.Retired;
        }

        Unpacked x = ExtendedFormat.Unpack(in p.St(0));
        if (IsTooLarge(p, in x))
        {
            return Outcome.Retired;
        }

        FloatEnvironment environment = FloatEnvironment.FromControlWord(p.State->Fcw);
        Unpacked second;
        Unpacked first;
        if (i.Mnemonic == Mnemonic.Fptan)
        {
            first = Tangent(in x, ref environment);
            second = first.IsNaN ? first : Unpack(1);
        }
        else
        {
            second = Cosine(in x, ref environment);
            first = Sine(in x, ref environment); // last: C1 speaks of it
        }

        if (p.CommitX87(in environment))
        {
            p.SetSt(0, ExtendedFormat.Pack(in first));
            p.DecrementTop();
            p.SetSt(0, ExtendedFormat.Pack(in second));
        }

        return Outcome.Retired;
    }

    private static bool IsTooLarge(Processor p, in Unpacked x)
    {
        bool tooLarge = x.Class == FloatClass.Finite && x.Exponent >= TrigonometricLimit;
        p.State->Fsw |= tooLarge ? Processor.FswC2 : (ushort)0;
        return tooLarge;
    }

    private static Unpacked Sine(in Unpacked x, ref FloatEnvironment environment)
    {
        if (!TryReduce(in x, ref environment, out int quadrant, out bool sign, out WideNumber rest, out Unpacked special))
        {
            return special;
        }

        bool negative = x.Sign != ((quadrant & 2) != 0);
        return (quadrant & 1) == 0
            ? Round(negative != sign, Transcendental.Sin(rest), ref environment)
            : Round(negative, Transcendental.Cos(rest), ref environment);
    }

    private static Unpacked Cosine(in Unpacked x, ref FloatEnvironment environment)
    {
        if (!TryReduce(in x, ref environment, out int quadrant, out bool sign, out WideNumber rest, out Unpacked special))
        {
            return special.Class == FloatClass.Zero ? Unpack(1) : special;
        }

        bool negative = (quadrant & 2) != 0;
        return (quadrant & 1) == 0
            ? Round(negative, Transcendental.Cos(rest), ref environment)
            : Round(negative == sign, Transcendental.Sin(rest), ref environment);
    }

    private static Unpacked Tangent(in Unpacked x, ref FloatEnvironment environment)
    {
        if (!TryReduce(in x, ref environment, out int quadrant, out bool sign, out WideNumber rest, out Unpacked special))
        {
            return special;
        }

        return (quadrant & 1) == 0
            ? Round(x.Sign != sign, Transcendental.Tan(rest), ref environment)
            : Round(x.Sign == sign, Transcendental.Cos(rest) / Transcendental.Sin(rest), ref environment);
    }

    /// <summary>
    /// |x| = quadrant pi/2 +- rest, with rest up to pi/4: exactly, since pi has 66 bits here. False for what is no finite number:
    /// zeros, NaNs and the indefinite for infinities.
    /// </summary>
    private static bool TryReduce(
        in Unpacked x, ref FloatEnvironment environment, out int quadrant, out bool sign, out WideNumber rest, out Unpacked special)
    {
        quadrant = 0;
        sign = false;
        rest = WideNumber.Of(in x);
        if (ExtendedFormat.TryNaN(in x, in x, ref environment, out special))
        {
            return false;
        }

        if (x.Class != FloatClass.Finite)
        {
            environment.Raised |= x.Class == FloatClass.Infinity ? MxcsrBits.IE : 0;
            special = x.Class == FloatClass.Infinity ? Unpacked.Indefinite : x;
            return false;
        }

        environment.Raised |= x.IsDenormal ? MxcsrBits.DE : 0;
        if (x.Exponent < -1)
        {
            return true; // below 1/2
        }

        // In units of 2^-65.
        UInt128 value = (UInt128)x.Significand << (x.Exponent + 2);
        (UInt128 quotient, UInt128 remainder) = UInt128.DivRem(value, s_halfPi);
        sign = remainder > s_halfPi >> 1;
        remainder = sign ? s_halfPi - remainder : remainder;
        quadrant = (int)((quotient + (sign ? UInt128.One : UInt128.Zero)) & 3);
        rest = WideNumber.Normalize(remainder, -65);
        return true;
    }

    /// <summary>Starts an instruction on ST(0) and ST(1). False: it is done already.</summary>
    private static bool TryBeginTwo(Processor p, in Instruction i, out Outcome outcome, out Unpacked first, out Unpacked second)
    {
        outcome = Outcome.Fault;
        first = default;
        second = default;
        if (!p.X87Ready())
        {
            return false;
        }

        outcome = Outcome.Retired;
        p.RecordX87(in i);
        p.ClearC1();
        if (!p.StIsEmpty(0) && !p.StIsEmpty(1))
        {
            first = ExtendedFormat.Unpack(in p.St(0));
            second = ExtendedFormat.Unpack(in p.St(1));
            return true;
        }

        if (p.StackFault(overflow: false))
        {
            p.SetSt(1, ExtendedFormat.Indefinite);
            p.Pop();
        }

        return false;
    }

    private static Outcome FinishTwo(Processor p, in Unpacked result, in FloatEnvironment environment)
    {
        if (p.CommitX87(in environment))
        {
            p.SetSt(1, ExtendedFormat.Pack(in result));
            p.Pop();
        }

        return Outcome.Retired;
    }

    /// <summary>Rounds what is not exact: a lowest bit stands for what was cut off.</summary>
    private static Unpacked Round(bool sign, WideNumber value, ref FloatEnvironment environment) =>
        SoftFloat.Round(sign, value.Exponent, value.Significand | 1, FloatFormat.Extended, ref environment);

    /// <summary>Rounds a logarithm of a power of two. Silicon says #P all the same, and #U where the result is tiny.</summary>
    private static Unpacked RoundExact(bool sign, WideNumber value, ref FloatEnvironment environment)
    {
        environment.Raised |= MxcsrBits.PE | (value.Exponent < FloatFormat.Extended.MinExponent ? MxcsrBits.UE : 0);
        return SoftFloat.Round(sign, value.Exponent, value.Significand, FloatFormat.Extended, ref environment);
    }

    private static Unpacked Unpack(int value) => X87Operands.FromInteger(value);
}
