using System;
using System.Numerics;

using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>Binary arithmetic, logical, shift, bit and byte instructions (SDM 1 "General-Purpose Instructions").</summary>
internal static unsafe class BinaryArithmetic
{
    public static void Register(ColdTable table)
    {
        table.Set(Mnemonic.Add, &OperandShells.Binary<Add>);
        table.Set(Mnemonic.Adc, &OperandShells.Binary<Adc>);
        table.Set(Mnemonic.Sub, &OperandShells.Binary<Sub>);
        table.Set(Mnemonic.Sbb, &OperandShells.Binary<Sbb>);
        table.Set(Mnemonic.Cmp, &OperandShells.Binary<Cmp>);
        table.Set(Mnemonic.And, &OperandShells.Binary<And>);
        table.Set(Mnemonic.Or, &OperandShells.Binary<Or>);
        table.Set(Mnemonic.Xor, &OperandShells.Binary<Xor>);
        table.Set(Mnemonic.Test, &OperandShells.Binary<Test>);
        table.Set(Mnemonic.Inc, &OperandShells.Unary<Inc>);
        table.Set(Mnemonic.Dec, &OperandShells.Unary<Dec>);
        table.Set(Mnemonic.Neg, &OperandShells.Unary<Neg>);
        table.Set(Mnemonic.Not, &OperandShells.Unary<Not>);
        table.Set(Mnemonic.Shl, &OperandShells.Shift<Shl>);
        table.Set(Mnemonic.Sal, &OperandShells.Shift<Shl>);
        table.Set(Mnemonic.Shr, &OperandShells.Shift<Shr>);
        table.Set(Mnemonic.Sar, &OperandShells.Shift<Sar>);
        table.Set(Mnemonic.Rol, &OperandShells.Shift<Rol>);
        table.Set(Mnemonic.Ror, &OperandShells.Shift<Ror>);
        table.Set(Mnemonic.Rcl, &OperandShells.Shift<Rcl>);
        table.Set(Mnemonic.Rcr, &OperandShells.Shift<Rcr>);
        table.Set(Mnemonic.Shld, &ShiftDouble);
        table.Set(Mnemonic.Shrd, &ShiftDouble);
        table.Set(Mnemonic.Bt, &OperandShells.Bit<Bt>);
        table.Set(Mnemonic.Bts, &OperandShells.Bit<Bts>);
        table.Set(Mnemonic.Btr, &OperandShells.Bit<Btr>);
        table.Set(Mnemonic.Btc, &OperandShells.Bit<Btc>);
        table.Set(Mnemonic.Bsf, &OperandShells.Move<Bsf>);
        table.Set(Mnemonic.Bsr, &OperandShells.Move<Bsr>);
        table.Set(Mnemonic.Tzcnt, &OperandShells.Move<Tzcnt>);
        table.Set(Mnemonic.Lzcnt, &OperandShells.Move<Lzcnt>);
        table.Set(Mnemonic.Popcnt, &OperandShells.Move<Popcnt>);
        table.Set(Mnemonic.Mul, &Mul);
        table.Set(Mnemonic.Imul, &Imul);
        table.Set(Mnemonic.Div, &Div);
        table.Set(Mnemonic.Idiv, &Idiv);
        table.Set(Mnemonic.Adcx, &AddCarryX);
        table.Set(Mnemonic.Adox, &AddCarryX);
        table.Set(Mnemonic.Setb, &SetByte);
        foreach (Mnemonic set in (ReadOnlySpan<Mnemonic>)[
            Mnemonic.Seto, Mnemonic.Setno, Mnemonic.Setae, Mnemonic.Sete, Mnemonic.Setne, Mnemonic.Setbe, Mnemonic.Seta,
            Mnemonic.Sets, Mnemonic.Setns, Mnemonic.Setp, Mnemonic.Setnp, Mnemonic.Setl, Mnemonic.Setge, Mnemonic.Setle, Mnemonic.Setg])
        {
            table.Set(set, &SetByte);
        }
    }

    /// <summary>SETcc (SDM 2B "SETcc—Set Byte on Condition").</summary>
    private static Outcome SetByte(Processor p, in Instruction i)
    {
        byte value = Conditions.Holds(p.State, i.ConditionCode) ? (byte)1 : (byte)0;
        return p.TryWriteOperand(in i, 0, value) ? Outcome.Retired : Outcome.Fault;
    }

    private static Outcome ShiftDouble(Processor p, in Instruction i) => OperandShells.SizeOf(in i, 0) switch
    {
        2 => ShiftDouble<ushort>(p, in i),
        4 => ShiftDouble<uint>(p, in i),
        _ => ShiftDouble<ulong>(p, in i),
    };

    private static Outcome ShiftDouble<T>(Processor p, in Instruction i)
        where T : unmanaged, IBinaryInteger<T>
    {
        _ = p.TryReadOperand(in i, 2, out byte count);
        if (!p.TryReadForUpdate(in i, 0, out T value, out Processor.WriteTarget target))
        {
            return Outcome.Fault;
        }

        int masked = count & (sizeof(T) == 8 ? 63 : 31);
        T source = p.Gpr<T>(i.Op1Register);
        T result = masked == 0 ? value
            : i.Mnemonic == Mnemonic.Shld ? DoubleShift.Left(p.State, value, source, masked)
            : DoubleShift.Right(p.State, value, source, masked);
        p.WriteBack(in i, 0, in target, result);
        return Outcome.Retired;
    }

    /// <summary>MUL: SF, ZF, AF and PF stay (undefined in the manual; as AMD Zen).</summary>
    private static Outcome Mul(Processor p, in Instruction i)
    {
        CpuState* cpu = p.State;
        ulong low;
        ulong high;
        switch (OperandShells.SizeOf(in i, 0))
        {
            case 1:
                if (!p.TryReadOperand(in i, 0, out byte b))
                {
                    return Outcome.Fault;
                }

                low = (uint)(byte)cpu->Gpr[0] * b;
                high = low >> 8;
                p.SetGpr(Iced.Intel.Register.AX, (ushort)low);
                break;
            case 2:
                if (!p.TryReadOperand(in i, 0, out ushort w))
                {
                    return Outcome.Fault;
                }

                low = (uint)(ushort)cpu->Gpr[0] * w;
                high = low >> 16;
                p.SetGpr(Iced.Intel.Register.AX, (ushort)low);
                p.SetGpr(Iced.Intel.Register.DX, (ushort)high);
                break;
            case 4:
                if (!p.TryReadOperand(in i, 0, out uint d))
                {
                    return Outcome.Fault;
                }

                low = (ulong)(uint)cpu->Gpr[0] * d;
                high = low >> 32;
                cpu->Gpr[0] = (uint)low;
                cpu->Gpr[2] = high;
                break;
            default:
                if (!p.TryReadOperand(in i, 0, out ulong q))
                {
                    return Outcome.Fault;
                }

                high = Math.BigMul(cpu->Gpr[0], q, out low);
                cpu->Gpr[0] = low;
                cpu->Gpr[2] = high;
                break;
        }

        LazyFlags.SetCarryOverflow(cpu, high != 0, high != 0);
        return Outcome.Retired;
    }

    /// <summary>IMUL in its three forms: CF = OF = the product does not fit; SF, ZF, AF and PF stay (as AMD Zen).</summary>
    private static Outcome Imul(Processor p, in Instruction i) => OperandShells.SizeOf(in i, 0) switch
    {
        1 => Imul<byte, sbyte>(p, in i),
        2 => Imul<ushort, short>(p, in i),
        4 => Imul<uint, int>(p, in i),
        _ => Imul<ulong, long>(p, in i),
    };

    private static Outcome Imul<T, TSigned>(Processor p, in Instruction i)
        where T : unmanaged, IBinaryInteger<T>
        where TSigned : unmanaged, IBinaryInteger<TSigned>
    {
        int bits = sizeof(T) * 8;
        TSigned a;
        TSigned b;
        if (i.OpCount == 1)
        {
            ulong accumulator = p.State->Gpr[0];
            a = *(TSigned*)&accumulator;
            if (!p.TryReadOperand(in i, 0, out b))
            {
                return Outcome.Fault;
            }
        }
        else
        {
            int last = i.OpCount - 1;
            if (!p.TryReadOperand(in i, last - 1, out a) || !p.TryReadOperand(in i, last, out b))
            {
                return Outcome.Fault;
            }
        }

        Int128 product = (Int128)long.CreateTruncating(a) * long.CreateTruncating(b);
        TSigned low = TSigned.CreateTruncating(product);
        bool overflow = (Int128)long.CreateTruncating(low) != product;
        T unsignedLow = T.CreateTruncating((ulong)(UInt128)product);
        T high = T.CreateTruncating((ulong)((UInt128)product >> bits));
        if (i.OpCount > 1)
        {
            p.SetGpr(i.Op0Register, unsignedLow);
        }
        else if (bits == 8)
        {
            p.SetGpr(Iced.Intel.Register.AX, (ushort)(short)product);
        }
        else
        {
            Processor.SetGprAt(p.State, 0, unsignedLow);
            Processor.SetGprAt(p.State, 2, high);
        }

        LazyFlags.SetCarryOverflow(p.State, overflow, overflow);
        return Outcome.Retired;
    }

    private static Outcome Div(Processor p, in Instruction i) => OperandShells.SizeOf(in i, 0) switch
    {
        1 => Div<byte>(p, in i),
        2 => Div<ushort>(p, in i),
        4 => Div<uint>(p, in i),
        _ => Div<ulong>(p, in i),
    };

    private static Outcome Div<T>(Processor p, in Instruction i)
        where T : unmanaged, IBinaryInteger<T>
    {
        if (!p.TryReadOperand(in i, 0, out T operand))
        {
            return Outcome.Fault;
        }

        int bits = sizeof(T) * 8;
        UInt128 dividend = Dividend(p.State, bits);
        ulong divisor = ulong.CreateTruncating(operand);
        if (divisor == 0 || dividend >> bits >= divisor)
        {
            return p.Raise(Vector.DE);
        }

        // UInt128 division is slow, and most dividends are short.
        (UInt128 quotient, UInt128 remainder) = dividend >> 64 == 0
            ? ((UInt128)((ulong)dividend / divisor), (UInt128)((ulong)dividend % divisor))
            : UInt128.DivRem(dividend, divisor);
        SetQuotient(p, T.CreateTruncating((ulong)quotient), T.CreateTruncating((ulong)remainder));
        return Outcome.Retired;
    }

    private static Outcome Idiv(Processor p, in Instruction i) => OperandShells.SizeOf(in i, 0) switch
    {
        1 => Idiv<byte, sbyte>(p, in i),
        2 => Idiv<ushort, short>(p, in i),
        4 => Idiv<uint, int>(p, in i),
        _ => Idiv<ulong, long>(p, in i),
    };

    private static Outcome Idiv<T, TSigned>(Processor p, in Instruction i)
        where T : unmanaged, IBinaryInteger<T>
        where TSigned : unmanaged, IBinaryInteger<TSigned>
    {
        if (!p.TryReadOperand(in i, 0, out TSigned operand))
        {
            return Outcome.Fault;
        }

        int bits = sizeof(T) * 8;
        int spare = 128 - (2 * bits);
        Int128 dividend = (Int128)(Dividend(p.State, bits) << spare) >> spare;
        long divisor = long.CreateTruncating(operand);
        if (divisor == 0 || (dividend == Int128.MinValue && divisor == -1))
        {
            return p.Raise(Vector.DE);
        }

        Int128 quotient = dividend / divisor;
        Int128 remainder = dividend - (quotient * divisor);
        if ((Int128)long.CreateTruncating(TSigned.CreateTruncating(quotient)) != quotient)
        {
            return p.Raise(Vector.DE);
        }

        SetQuotient(p, T.CreateTruncating((ulong)(UInt128)quotient), T.CreateTruncating((ulong)(UInt128)remainder));
        return Outcome.Retired;
    }

    private static UInt128 Dividend(CpuState* cpu, int bits) => bits switch
    {
        8 => (ushort)cpu->Gpr[0],
        16 => ((uint)(ushort)cpu->Gpr[2] << 16) | (ushort)cpu->Gpr[0],
        32 => ((ulong)(uint)cpu->Gpr[2] << 32) | (uint)cpu->Gpr[0],
        _ => new UInt128(cpu->Gpr[2], cpu->Gpr[0]),
    };

    /// <summary>Division sets AF and clears PF, ZF and SF; CF and OF stay (all undefined in the manual; as AMD Zen).</summary>
    private static void SetQuotient<T>(Processor p, T quotient, T remainder)
        where T : unmanaged, IBinaryInteger<T>
    {
        if (sizeof(T) == 1)
        {
            p.SetGpr(Iced.Intel.Register.AL, quotient);
            p.SetGpr(Iced.Intel.Register.AH, remainder);
        }
        else
        {
            Processor.SetGprAt(p.State, 0, quotient);
            Processor.SetGprAt(p.State, 2, remainder);
        }

        LazyFlags.Write(p.State, (LazyFlags.Read(p.State) & (RflagsBits.CF | RflagsBits.OF)) | RflagsBits.AF);
    }

    /// <summary>
    /// ADCX and ADOX: a carry chain in CF or OF alone (SDM 2A "ADCX—Unsigned Integer Addition of Two Operands With Carry Flag").
    /// </summary>
    private static Outcome AddCarryX(Processor p, in Instruction i) =>
        i.Op0Register.GetSize() == 4 ? AddCarryX<uint>(p, in i) : AddCarryX<ulong>(p, in i);

    private static Outcome AddCarryX<T>(Processor p, in Instruction i)
        where T : unmanaged, IBinaryInteger<T>
    {
        if (!p.TryReadOperand(in i, 1, out T b))
        {
            return Outcome.Fault;
        }

        CpuState* cpu = p.State;
        bool usesCarry = i.Mnemonic == Mnemonic.Adcx;
        bool carryIn = usesCarry ? LazyFlags.Carry(cpu) : LazyFlags.Overflow(cpu);
        UInt128 sum = (UInt128)ulong.CreateTruncating(p.Gpr<T>(i.Op0Register)) + ulong.CreateTruncating(b) + (carryIn ? 1U : 0U);
        bool carryOut = sum >> (sizeof(T) * 8) != 0;
        p.SetGpr(i.Op0Register, T.CreateTruncating((ulong)sum));
        LazyFlags.SetCarryOverflow(cpu, usesCarry ? carryOut : LazyFlags.Carry(cpu), usesCarry ? LazyFlags.Overflow(cpu) : carryOut);
        return Outcome.Retired;
    }
}
