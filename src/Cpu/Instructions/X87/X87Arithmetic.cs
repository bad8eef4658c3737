using System;

using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>
/// x87 basic arithmetic (SDM 1 "Basic Arithmetic Instructions"): addition, subtraction, multiplication and division in every operand
/// form, square root, rounding to integer, sign changes, scaling and taking apart.
/// </summary>
internal static unsafe class X87Arithmetic
{
    private static readonly FloatFormat[] s_precisions =
        [FloatFormat.Extended with { Precision = 24 }, FloatFormat.Extended, FloatFormat.Extended with { Precision = 53 }, FloatFormat.Extended];

    public static void Register(ColdTable table)
    {
        SetBinary<X87Add>(table, Mnemonic.Fadd, Mnemonic.Fiadd, Mnemonic.Faddp);
        SetBinary<X87Subtract>(table, Mnemonic.Fsub, Mnemonic.Fisub, Mnemonic.Fsubp);
        SetBinary<X87SubtractReversed>(table, Mnemonic.Fsubr, Mnemonic.Fisubr, Mnemonic.Fsubrp);
        SetBinary<X87Multiply>(table, Mnemonic.Fmul, Mnemonic.Fimul, Mnemonic.Fmulp);
        SetBinary<X87Divide>(table, Mnemonic.Fdiv, Mnemonic.Fidiv, Mnemonic.Fdivp);
        SetBinary<X87DivideReversed>(table, Mnemonic.Fdivr, Mnemonic.Fidivr, Mnemonic.Fdivrp);
        table.Set(Mnemonic.Fsqrt, &SquareRoot);
        table.Set(Mnemonic.Frndint, &RoundToInteger);
        table.Set(Mnemonic.Fchs, &ChangeSign);
        table.Set(Mnemonic.Fabs, &Absolute);
        table.Set(Mnemonic.Fxtract, &Extract);
        table.Set(Mnemonic.Fscale, &Scale);
    }

    private static void SetBinary<TOp>(ColdTable table, Mnemonic real, Mnemonic integer, Mnemonic popping)
        where TOp : struct, IX87BinaryOp
    {
        table.Set(real, &Binary<TOp>);
        table.Set(integer, &Binary<TOp>);
        table.Set(popping, &BinaryPop<TOp>);
    }

    private static Outcome BinaryPop<TOp>(Processor p, in Instruction i)
        where TOp : struct, IX87BinaryOp
    {
        Outcome outcome = TryBinary<TOp>(p, in i, out bool completes);
        if (completes)
        {
            p.Pop();
        }

        return outcome;
    }

    private static Outcome Binary<TOp>(Processor p, in Instruction i)
        where TOp : struct, IX87BinaryOp => TryBinary<TOp>(p, in i, out _);

    /// <summary>DEST := DEST op SRC, where DEST is ST(0) or the first operand, SRC the second operand or memory.</summary>
    private static Outcome TryBinary<TOp>(Processor p, in Instruction i, out bool completes)
        where TOp : struct, IX87BinaryOp
    {
        completes = false;
        bool memory = i.Op0Kind == OpKind.Memory;
        int destination = memory ? 0 : i.Op0Register - Iced.Intel.Register.ST0;
        int source = memory ? -1 : i.Op1Register - Iced.Intel.Register.ST0;
        MemorySize size = memory ? i.MemorySize : MemorySize.Unknown;
        ulong bits = 0;
        ulong offset = 0;
        if (!p.X87Ready() || (memory && !X87Operands.TryReadBits(p, in i, size, out bits, out offset)))
        {
            return Outcome.Fault;
        }

        X87Operands.Record(p, in i, memory, offset);
        p.ClearC1();
        if (p.StIsEmpty(destination) || (!memory && p.StIsEmpty(source)))
        {
            completes = p.StackFault(overflow: false);
            if (completes)
            {
                p.SetSt(destination, ExtendedFormat.Indefinite);
            }

            return Outcome.Retired;
        }

        ulong significand = memory ? 0 : p.St(source).Significand;
        uint signExponent = memory ? 0U : p.St(source).SignExponent;
        ref X87Register target = ref p.St(destination);
        if ((!memory || X87Operands.TryToRegister(size, bits, out significand, out signExponent))
            && X87Fast.IsNormal(significand, signExponent) && X87Fast.IsNormal(target.Significand, target.SignExponent)
            && TOp.TryFast(target.Significand, target.SignExponent, significand, signExponent, p.State->Fcw, out X87Sum sum))
        {
            p.SetSt(destination, sum.Significand, sum.SignExponent, sum.Status);
            completes = true;
            return Outcome.Retired;
        }

        Unpacked b = memory ? X87Operands.Unpack(size, bits) : ExtendedFormat.Unpack(in p.St(source));
        completes = Careful<TOp>(p, destination, in b);
        return Outcome.Retired;
    }

    /// <summary>Every case there is. False when an unmasked exception forbids the result.</summary>
    private static bool Careful<TOp>(Processor p, int destination, in Unpacked b)
        where TOp : struct, IX87BinaryOp
    {
        Unpacked a = ExtendedFormat.Unpack(in p.St(destination));
        FloatEnvironment environment = FloatEnvironment.FromControlWord(p.State->Fcw);
        if (!ExtendedFormat.TryNaN(in a, in b, ref environment, out Unpacked result))
        {
            result = TOp.Apply(in a, in b, Precision(p.State->Fcw), ref environment);
            bool denormal = a.IsDenormal || b.IsDenormal;
            environment.Raised |= denormal && (environment.Raised & (MxcsrBits.IE | MxcsrBits.ZE)) == 0 ? MxcsrBits.DE : 0;
        }

        bool completes = p.CommitX87(in environment);
        if (completes)
        {
            p.SetSt(destination, ExtendedFormat.Pack(in result));
        }

        return completes;
    }

    /// <summary>The precision that FCW.PC asks for; the range of exponents is always that of the extended format.</summary>
    internal static FloatFormat Precision(ushort fcw) => s_precisions[(fcw >> 8) & 3];

    /// <summary>Starts a one-operand instruction on ST(0). False: it is done already (fault, or stack fault).</summary>
    internal static bool TryBegin(Processor p, in Instruction i, out Outcome outcome)
    {
        outcome = Outcome.Fault;
        if (!p.X87Ready())
        {
            return false;
        }

        outcome = Outcome.Retired;
        p.RecordX87(in i);
        p.ClearC1();
        if (!p.StIsEmpty(0))
        {
            return true;
        }

        if (p.StackFault(overflow: false))
        {
            p.SetSt(0, ExtendedFormat.Indefinite);
        }

        return false;
    }

    private static Outcome SquareRoot(Processor p, in Instruction i)
    {
        if (!TryBegin(p, in i, out Outcome outcome))
        {
            return outcome;
        }

        Unpacked value = ExtendedFormat.Unpack(in p.St(0));
        FloatEnvironment environment = FloatEnvironment.FromControlWord(p.State->Fcw);
        if (!ExtendedFormat.TryNaN(in value, in value, ref environment, out Unpacked result))
        {
            result = SoftFloat.SquareRoot(in value, Precision(p.State->Fcw), ref environment);
            environment.Raised |= value.IsDenormal && (environment.Raised & MxcsrBits.IE) == 0 ? MxcsrBits.DE : 0;
        }

        if (p.CommitX87(in environment))
        {
            p.SetSt(0, ExtendedFormat.Pack(in result));
        }

        return Outcome.Retired;
    }

    private static Outcome RoundToInteger(Processor p, in Instruction i)
    {
        if (!TryBegin(p, in i, out Outcome outcome))
        {
            return outcome;
        }

        Unpacked value = ExtendedFormat.Unpack(in p.St(0));
        FloatEnvironment environment = FloatEnvironment.FromControlWord(p.State->Fcw);
        if (!ExtendedFormat.TryNaN(in value, in value, ref environment, out Unpacked result))
        {
            result = value;
            environment.Raised |= value.IsDenormal ? MxcsrBits.DE : 0;
            if (value.Class == FloatClass.Finite && value.Exponent < 63)
            {
                ulong magnitude = SoftFloat.RoundMagnitude(in value, environment.Rounding, out bool inexact, out bool up);
                environment.Raised |= inexact ? MxcsrBits.PE : 0;
                result = magnitude == 0
                    ? Unpacked.Zero(value.Sign)
                    : SoftFloat.Round(value.Sign, 63, (UInt128)magnitude << 64, FloatFormat.Extended, ref environment);
                environment.RoundedUp = up;
            }
        }

        if (p.CommitX87(in environment))
        {
            p.SetSt(0, ExtendedFormat.Pack(in result));
        }

        return Outcome.Retired;
    }

    private static Outcome ChangeSign(Processor p, in Instruction i)
    {
        if (!TryBegin(p, in i, out Outcome outcome))
        {
            return outcome;
        }

        p.St(0).SignExponent ^= 0x8000;
        return Outcome.Retired;
    }

    private static Outcome Absolute(Processor p, in Instruction i)
    {
        if (!TryBegin(p, in i, out Outcome outcome))
        {
            return outcome;
        }

        p.St(0).SignExponent &= 0x7FFF;
        return Outcome.Retired;
    }

    /// <summary>FXTRACT: the exponent replaces ST(0), then the significand is pushed.</summary>
    private static Outcome Extract(Processor p, in Instruction i)
    {
        if (!p.X87Ready())
        {
            return Outcome.Fault;
        }

        p.RecordX87(in i);
        p.ClearC1();
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

        Unpacked value = ExtendedFormat.Unpack(in p.St(0));
        FloatEnvironment environment = FloatEnvironment.FromControlWord(p.State->Fcw);
        Unpacked exponent;
        Unpacked significand;
        if (ExtendedFormat.TryNaN(in value, in value, ref environment, out Unpacked nan))
        {
            exponent = nan;
            significand = nan;
        }
        else if (value.Class == FloatClass.Zero)
        {
            environment.Raised |= MxcsrBits.ZE;
            exponent = Unpacked.Infinity(sign: true);
            significand = value;
        }
        else if (value.Class == FloatClass.Infinity)
        {
            exponent = Unpacked.Infinity(sign: false);
            significand = value;
        }
        else
        {
            environment.Raised |= value.IsDenormal ? MxcsrBits.DE : 0;
            exponent = X87Operands.FromInteger(value.Exponent);
            significand = value with { Exponent = 0 };
        }

        if (p.CommitX87(in environment))
        {
            p.SetSt(0, ExtendedFormat.Pack(in exponent));
            p.DecrementTop();
            p.SetSt(0, ExtendedFormat.Pack(in significand));
        }

        return Outcome.Retired;
    }

    /// <summary>FSCALE: ST(0) x 2^(ST(1) cut to an integer).</summary>
    private static Outcome Scale(Processor p, in Instruction i)
    {
        if (!p.X87Ready())
        {
            return Outcome.Fault;
        }

        p.RecordX87(in i);
        p.ClearC1();
        if (p.StIsEmpty(0) || p.StIsEmpty(1))
        {
            if (p.StackFault(overflow: false))
            {
                p.SetSt(0, ExtendedFormat.Indefinite);
            }

            return Outcome.Retired;
        }

        Unpacked value = ExtendedFormat.Unpack(in p.St(0));
        Unpacked scale = ExtendedFormat.Unpack(in p.St(1));
        FloatEnvironment environment = FloatEnvironment.FromControlWord(p.State->Fcw);
        if (!ExtendedFormat.TryNaN(in value, in scale, ref environment, out Unpacked result))
        {
            result = ScaleBy(in value, in scale, ref environment);
            bool denormal = value.IsDenormal || scale.IsDenormal;
            environment.Raised |= denormal && (environment.Raised & MxcsrBits.IE) == 0 ? MxcsrBits.DE : 0;
        }

        if (p.CommitX87(in environment))
        {
            p.SetSt(0, ExtendedFormat.Pack(in result));
        }

        return Outcome.Retired;
    }

    private static Unpacked ScaleBy(in Unpacked value, in Unpacked scale, ref FloatEnvironment environment)
    {
        if (scale.Class == FloatClass.Infinity)
        {
            bool undefined = scale.Sign ? value.Class == FloatClass.Infinity : value.Class == FloatClass.Zero;
            if (undefined)
            {
                environment.Raised |= MxcsrBits.IE;
                return Unpacked.Indefinite;
            }

            return scale.Sign ? Unpacked.Zero(value.Sign) : Unpacked.Infinity(value.Sign);
        }

        if (value.Class != FloatClass.Finite)
        {
            return value;
        }

        // Beyond this the result has over- or underflowed in any case.
        const int Far = 0x1_8000;
        int steps = 0;
        if (scale.Class == FloatClass.Finite && scale.Exponent >= 0)
        {
            ulong magnitude = scale.Exponent >= 17 ? Far : scale.Significand >> (63 - scale.Exponent);
            steps = (int)Math.Min(magnitude, Far);
            steps = scale.Sign ? -steps : steps;
        }

        // So far out that not even the adjusted exponent fits: infinity or zero, whatever the rounding (so does silicon).
        int exponent = value.Exponent + steps;
        if (!environment.OverflowMasked && exponent - ExtendedFormat.ExponentAdjustment > FloatFormat.Extended.MaxExponent)
        {
            environment.Raised |= MxcsrBits.OE | MxcsrBits.PE;
            environment.RoundedUp = true;
            return Unpacked.Infinity(value.Sign);
        }

        if (!environment.UnderflowMasked && exponent + ExtendedFormat.ExponentAdjustment < FloatFormat.Extended.MinExponent)
        {
            environment.Raised |= MxcsrBits.UE | MxcsrBits.PE;
            return Unpacked.Zero(value.Sign);
        }

        return SoftFloat.Round(value.Sign, exponent, (UInt128)value.Significand << 64, FloatFormat.Extended, ref environment);
    }
}
