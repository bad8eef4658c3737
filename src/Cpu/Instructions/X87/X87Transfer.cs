using System;

using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>
/// x87 loads, stores, exchanges, conditional moves and constants (SDM 1 "x87 FPU Data Transfer Instructions", "Load Constant
/// Instructions").
/// </summary>
internal static unsafe class X87Transfer
{
    public static void Register(ColdTable table)
    {
        table.Set(Code.Fld_m32fp, &LoadReal);
        table.Set(Code.Fld_m64fp, &LoadReal);
        table.Set(Code.Fld_m80fp, &LoadExtended);
        table.Set(Code.Fld_sti, &LoadRegister);
        table.Set(Mnemonic.Fild, &LoadInteger);
        table.Set(Mnemonic.Fst, &Store);
        table.Set(Mnemonic.Fstp, &Store);
        table.Set(Mnemonic.Fstpnce, &Store);
        table.Set(Mnemonic.Fist, &StoreInteger);
        table.Set(Mnemonic.Fistp, &StoreInteger);
        table.Set(Mnemonic.Fisttp, &StoreInteger);
        table.Set(Mnemonic.Fxch, &Exchange);
        foreach (Mnemonic mnemonic in (ReadOnlySpan<Mnemonic>)
            [Mnemonic.Fcmovb, Mnemonic.Fcmove, Mnemonic.Fcmovbe, Mnemonic.Fcmovu, Mnemonic.Fcmovnb, Mnemonic.Fcmovne, Mnemonic.Fcmovnbe, Mnemonic.Fcmovnu])
        {
            table.Set(mnemonic, &ConditionalMove);
        }

        foreach (Mnemonic mnemonic in (ReadOnlySpan<Mnemonic>)
            [Mnemonic.Fld1, Mnemonic.Fldl2t, Mnemonic.Fldl2e, Mnemonic.Fldpi, Mnemonic.Fldlg2, Mnemonic.Fldln2, Mnemonic.Fldz])
        {
            table.Set(mnemonic, &LoadConstant);
        }
    }

    /// <summary>FLD m32fp, m64fp: #IA for a signalling NaN (made quiet), #D for a denormal.</summary>
    private static Outcome LoadReal(Processor p, in Instruction i)
    {
        MemorySize size = i.MemorySize;
        if (!p.X87Ready() || !X87Operands.TryReadBits(p, in i, size, out ulong bits, out ulong offset))
        {
            return Outcome.Fault;
        }

        p.RecordX87(in i, offset);
        p.ClearC1();
        if (!p.StIsEmpty(7))
        {
            p.Push(default);
            return Outcome.Retired;
        }

        if (X87Operands.TryToRegister(size, bits, out ulong significand, out uint signExponent))
        {
            p.DecrementTop();
            p.SetSt(0, significand, signExponent, 0);
            return Outcome.Retired;
        }

        Unpacked value = X87Operands.Unpack(size, bits);
        FloatEnvironment environment = FloatEnvironment.FromControlWord(p.State->Fcw);
        environment.Raised |= value.Class == FloatClass.SignallingNaN ? MxcsrBits.IE : 0;
        environment.Raised |= value.IsDenormal ? MxcsrBits.DE : 0;
        bool completes = p.CommitX87(in environment);
        if (completes || value.IsDenormal)
        {
            p.Push(ExtendedFormat.Pack(in value)); // a denormal is loaded even when #D is unmasked (so does silicon)
        }

        return Outcome.Retired;
    }

    private static Outcome LoadExtended(Processor p, in Instruction i)
    {
        if (!p.X87Ready() || !X87Operands.TryReadExtended(p, in i, out X87Register value))
        {
            return Outcome.Fault;
        }

        p.RecordX87(in i);
        p.ClearC1();
        p.Push(value);
        return Outcome.Retired;
    }

    private static Outcome LoadInteger(Processor p, in Instruction i)
    {
        if (!p.X87Ready() || !X87Operands.TryReadBits(p, in i, i.MemorySize, out ulong bits, out ulong offset))
        {
            return Outcome.Fault;
        }

        p.RecordX87(in i, offset);
        p.ClearC1();
        if (!p.StIsEmpty(7))
        {
            p.Push(default);
            return Outcome.Retired;
        }

        ulong significand = X87Fast.FromInteger((long)bits, out uint signExponent);
        p.DecrementTop();
        p.SetSt(0, significand, signExponent, 0);
        return Outcome.Retired;
    }

    private static Outcome LoadRegister(Processor p, in Instruction i)
    {
        if (!p.X87Ready())
        {
            return Outcome.Fault;
        }

        p.RecordX87(in i);
        p.ClearC1();
        int source = i.Op0Register - Iced.Intel.Register.ST0;
        if (p.StIsEmpty(source))
        {
            if (p.StackFault(overflow: false))
            {
                p.DecrementTop();
                p.SetSt(0, ExtendedFormat.Indefinite);
            }

            return Outcome.Retired;
        }

        p.Push(p.St(source));
        return Outcome.Retired;
    }

    /// <summary>
    /// The constants as 67-bit values (SDM 2A "FLD1/FLDL2T/FLDL2E/FLDPI/FLDLG2/FLDLN2/FLDZ"): rounded as FCW.RC says, without #P.
    /// </summary>
    private static Outcome LoadConstant(Processor p, in Instruction i)
    {
        if (!p.X87Ready())
        {
            return Outcome.Fault;
        }

        p.RecordX87(in i);
        p.ClearC1();
        RoundingMode mode = FloatEnvironment.FromControlWord(p.State->Fcw).Rounding;
        bool up = mode == RoundingMode.Up;
        bool nearest = mode == RoundingMode.Nearest;
        p.Push(i.Mnemonic switch
        {
            Mnemonic.Fld1 => ExtendedFormat.One,
            Mnemonic.Fldl2t => Constant(0x4000, 0xD49A_784B_CD1B_8AFE, up),
            Mnemonic.Fldl2e => Constant(0x3FFF, 0xB8AA_3B29_5C17_F0BB, nearest || up),
            Mnemonic.Fldpi => Constant(0x4000, 0xC90F_DAA2_2168_C234, nearest || up),
            Mnemonic.Fldlg2 => Constant(0x3FFD, 0x9A20_9A84_FBCF_F798, nearest || up),
            Mnemonic.Fldln2 => Constant(0x3FFE, 0xB172_17F7_D1CF_79AB, nearest || up),
            _ => ExtendedFormat.Zero,
        });
        return Outcome.Retired;
    }

    /// <param name="truncated">The significand rounded up or to nearest differs from the truncated one by its last bit.</param>
    private static X87Register Constant(ushort exponent, ulong truncated, bool roundUp) => new()
    {
        SignExponent = exponent,
        Significand = truncated + (roundUp ? 1UL : 0),
    };

    private static Outcome Store(Processor p, in Instruction i)
    {
        if (!p.X87Ready())
        {
            return Outcome.Fault;
        }

        bool pops = i.Mnemonic != Mnemonic.Fst;
        if (i.Op0Kind == OpKind.Register)
        {
            return StoreRegister(p, in i, i.Op0Register - Iced.Intel.Register.ST0, pops);
        }

        bool empty = p.StIsEmpty(0);
        X87Register register = empty ? ExtendedFormat.Indefinite : p.St(0);
        FloatEnvironment environment = FloatEnvironment.FromControlWord(p.State->Fcw);
        ulong bits = 0;
        if (i.MemorySize != MemorySize.Float80)
        {
            Unpacked value = ExtendedFormat.Unpack(in register);
            FloatFormat format = i.MemorySize == MemorySize.Float32 ? FloatFormat.Single : FloatFormat.Double;
            if (!ExtendedFormat.TryNaN(in value, in value, ref environment, out Unpacked result))
            {
                result = value.Class == FloatClass.Finite
                    ? SoftFloat.Round(value.Sign, value.Exponent, (UInt128)value.Significand << 64, in format, ref environment)
                    : value;
            }

            bits = i.MemorySize == MemorySize.Float32
                ? FloatElement<SingleElement, uint>.Pack(in result)
                : FloatElement<DoubleElement, ulong>.Pack(in result);
        }

        // An unmasked exception other than #P keeps the memory as it is.
        uint unmasked = (empty ? MxcsrBits.IE : environment.Raised) & ~environment.Masked;
        bool stored = (unmasked & ~MxcsrBits.PE) == 0;
        if (!stored)
        {
            if (!TryProbe(p, in i, i.MemorySize.GetSize()))
            {
                return Outcome.Fault;
            }

            // An unmasked #O or #U leaves rounding to the handler.
            environment.Raised &= ~MxcsrBits.PE;
        }
        else
        {
            bool written = i.MemorySize switch
            {
                MemorySize.Float32 => p.TryWriteOperand(in i, 0, (uint)bits),
                MemorySize.Float64 => p.TryWriteOperand(in i, 0, bits),
                _ => X87Operands.TryWriteExtended(p, in i, in register),
            };
            if (!written)
            {
                return Outcome.Fault;
            }
        }

        FinishStore(p, in i, empty, stored, pops, in environment);
        return Outcome.Retired;
    }

    /// <summary>A store that an unmasked exception forbids: its memory is asked for all the same (so does silicon).</summary>
    internal static bool TryProbe(Processor p, in Instruction i, int sizeBytes) =>
        p.TryLinear(Processor.SegmentOf(in i), p.EffectiveAddress(in i), (uint)sizeBytes, Xenolith.Mmu.AccessKind.Write, out ulong linear)
        && p.TryPrepareWrite(linear, p.State->DataAccess, sizeBytes, out _);

    internal static void FinishStore(Processor p, in Instruction i, bool empty, bool stored, bool pops, in FloatEnvironment environment)
    {
        p.RecordX87(in i);
        p.ClearC1();
        if (empty)
        {
            _ = p.StackFault(overflow: false);
        }
        else
        {
            _ = p.CommitX87(in environment);
        }

        if (stored && pops)
        {
            p.Pop();
        }
    }

    private static Outcome StoreRegister(Processor p, in Instruction i, int destination, bool pops)
    {
        p.RecordX87(in i);
        p.ClearC1();
        X87Register value = p.St(0);
        if (p.StIsEmpty(0))
        {
            if (i.Mnemonic == Mnemonic.Fstpnce)
            {
                p.IncrementTop(); // an alias of FSTP, but for this: no stack fault, and nothing is stored
                return Outcome.Retired;
            }

            if (!p.StackFault(overflow: false))
            {
                return Outcome.Retired;
            }

            value = ExtendedFormat.Indefinite;
        }

        p.SetSt(destination, value);
        if (pops)
        {
            p.Pop();
        }

        return Outcome.Retired;
    }

    /// <summary>FIST, FISTP, FISTTP: #IA and the integer indefinite for what does not fit.</summary>
    private static Outcome StoreInteger(Processor p, in Instruction i)
    {
        if (!p.X87Ready())
        {
            return Outcome.Fault;
        }

        bool empty = p.StIsEmpty(0);
        int bits = i.MemorySize switch { MemorySize.Int16 => 16, MemorySize.Int32 => 32, _ => 64 };
        FloatEnvironment environment = FloatEnvironment.FromControlWord(p.State->Fcw);
        RoundingMode mode = i.Mnemonic == Mnemonic.Fisttp ? RoundingMode.Zero : environment.Rounding;
        Unpacked value = empty ? Unpacked.Indefinite : ExtendedFormat.Unpack(in p.St(0));
        long result = SoftFloat.ToInteger(in value, bits, mode, ref environment);
        uint unmasked = environment.Raised & ~environment.Masked;
        bool stored = (unmasked & MxcsrBits.IE) == 0;
        if (!stored)
        {
            if (!TryProbe(p, in i, bits / 8))
            {
                return Outcome.Fault;
            }
        }
        else
        {
            bool written = bits switch
            {
                16 => p.TryWriteOperand(in i, 0, (ushort)result),
                32 => p.TryWriteOperand(in i, 0, (uint)result),
                _ => p.TryWriteOperand(in i, 0, (ulong)result),
            };
            if (!written)
            {
                return Outcome.Fault;
            }
        }

        FinishStore(p, in i, empty, stored, pops: i.Mnemonic != Mnemonic.Fist, in environment);
        return Outcome.Retired;
    }

    private static Outcome Exchange(Processor p, in Instruction i)
    {
        if (!p.X87Ready())
        {
            return Outcome.Fault;
        }

        p.RecordX87(in i);
        p.ClearC1();
        int other = i.Op1Register - Iced.Intel.Register.ST0;
        bool empty = p.StIsEmpty(0) || p.StIsEmpty(other);
        if (empty && !p.StackFault(overflow: false))
        {
            return Outcome.Retired;
        }

        X87Register first = p.StIsEmpty(0) ? ExtendedFormat.Indefinite : p.St(0);
        X87Register second = p.StIsEmpty(other) ? ExtendedFormat.Indefinite : p.St(other);
        p.SetSt(0, second);
        p.SetSt(other, first);
        return Outcome.Retired;
    }

    private static Outcome ConditionalMove(Processor p, in Instruction i)
    {
        if (!p.X87Ready())
        {
            return Outcome.Fault;
        }

        p.RecordX87(in i);
        int source = i.Op1Register - Iced.Intel.Register.ST0;
        if (p.StIsEmpty(0) || p.StIsEmpty(source))
        {
            if (p.StackFault(overflow: false))
            {
                p.SetSt(0, ExtendedFormat.Indefinite);
            }

            return Outcome.Retired;
        }

        CpuState* cpu = p.State;
        bool moves = i.Mnemonic switch
        {
            Mnemonic.Fcmovb => LazyFlags.Carry(cpu),
            Mnemonic.Fcmove => LazyFlags.Zero(cpu),
            Mnemonic.Fcmovbe => LazyFlags.Carry(cpu) || LazyFlags.Zero(cpu),
            Mnemonic.Fcmovu => LazyFlags.Parity(cpu),
            Mnemonic.Fcmovnb => !LazyFlags.Carry(cpu),
            Mnemonic.Fcmovne => !LazyFlags.Zero(cpu),
            Mnemonic.Fcmovnbe => !LazyFlags.Carry(cpu) && !LazyFlags.Zero(cpu),
            _ => !LazyFlags.Parity(cpu),
        };
        if (moves)
        {
            p.SetSt(0, p.St(source));
        }

        return Outcome.Retired;
    }
}
