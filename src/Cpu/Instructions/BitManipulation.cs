using System.Numerics;
using System.Runtime.Intrinsics.X86;

using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>BMI1, BMI2 and CRC32 (SDM 1 "BMI1 and BMI2 Instructions", SDM 2A "CRC32—Accumulate CRC32 Value").</summary>
internal static unsafe class BitManipulation
{
    public static void Register(ColdTable table)
    {
        table.Set(Mnemonic.Andn, &ThreeOperands);
        table.Set(Code.VEX_Bextr_r32_rm32_r32, &SecondByControl); // not the form of XOP, which has an immediate
        table.Set(Code.VEX_Bextr_r64_rm64_r64, &SecondByControl);
        table.Set(Mnemonic.Bzhi, &SecondByControl);
        table.Set(Mnemonic.Shlx, &SecondByControl);
        table.Set(Mnemonic.Shrx, &SecondByControl);
        table.Set(Mnemonic.Sarx, &SecondByControl);
        table.Set(Mnemonic.Rorx, &SecondByControl);
        table.Set(Mnemonic.Pdep, &ThreeOperands);
        table.Set(Mnemonic.Pext, &ThreeOperands);
        table.Set(Mnemonic.Mulx, &Mulx);
        table.Set(Mnemonic.Blsi, &LowestBit);
        table.Set(Mnemonic.Blsr, &LowestBit);
        table.Set(Mnemonic.Blsmsk, &LowestBit);
        table.Set(Mnemonic.Crc32, &Crc32);
    }

    private static Outcome ThreeOperands(Processor p, in Instruction i) =>
        i.Op0Register.GetSize() == 4 ? ThreeOperands<uint>(p, in i) : ThreeOperands<ulong>(p, in i);

    /// <summary>DEST := SRC1 op r/m, in operand order.</summary>
    private static Outcome ThreeOperands<T>(Processor p, in Instruction i)
        where T : unmanaged, IBinaryInteger<T>
    {
        if (!p.TryReadOperand(in i, 2, out T second))
        {
            return Outcome.Fault;
        }

        T first = p.Gpr<T>(i.Op1Register);
        T result;
        switch (i.Mnemonic)
        {
            case Mnemonic.Andn:
                result = ~first & second;
                LazyFlags.SetLogic(p.State, result);
                break;
            case Mnemonic.Pdep:
                result = T.CreateTruncating(Deposit(ulong.CreateTruncating(first), ulong.CreateTruncating(second)));
                break;
            default:
                result = T.CreateTruncating(Extract(ulong.CreateTruncating(first), ulong.CreateTruncating(second)));
                break;
        }

        p.SetGpr(i.Op0Register, result);
        return Outcome.Retired;
    }

    private static Outcome SecondByControl(Processor p, in Instruction i) =>
        i.Op0Register.GetSize() == 4 ? SecondByControl<uint, int>(p, in i) : SecondByControl<ulong, long>(p, in i);

    /// <summary>DEST := r/m shaped by the last operand, a register or, for RORX, an immediate.</summary>
    private static Outcome SecondByControl<T, TSigned>(Processor p, in Instruction i)
        where T : unmanaged, IBinaryInteger<T>
        where TSigned : unmanaged, IBinaryInteger<TSigned>
    {
        if (!p.TryReadOperand(in i, 1, out T source) || !p.TryReadOperand(in i, 2, out T control))
        {
            return Outcome.Fault;
        }

        int bits = sizeof(T) * 8;
        int low = (int)(ulong.CreateTruncating(control) & 0xFF);
        T result;
        switch (i.Mnemonic)
        {
            case Mnemonic.Shlx:
                result = source << (low & (bits - 1));
                break;
            case Mnemonic.Shrx:
                result = source >> (low & (bits - 1));
                break;
            case Mnemonic.Sarx:
                result = T.CreateTruncating(*(TSigned*)&source >> (low & (bits - 1)));
                break;
            case Mnemonic.Rorx:
                result = T.RotateRight(source, low & (bits - 1));
                break;
            case Mnemonic.Bzhi:
                result = low >= bits ? source : source & ((T.One << low) - T.One);
                LazyFlags.Set(p.State, result, carry: low >= bits, overflow: false, adjust: false);
                break;
            default:
                result = Bextr(p.State, source, low, (int)(ulong.CreateTruncating(control) >> 8) & 0xFF);
                break;
        }

        p.SetGpr(i.Op0Register, result);
        return Outcome.Retired;
    }

    /// <summary>SF is cleared, PF follows the result and AF is set (undefined in the manual; as AMD Zen).</summary>
    private static T Bextr<T>(CpuState* cpu, T source, int start, int length)
        where T : unmanaged, IBinaryInteger<T>
    {
        int bits = sizeof(T) * 8;
        T shifted = start >= bits ? T.Zero : source >> start;
        T result = length >= bits ? shifted : shifted & ((T.One << length) - T.One);
        LazyFlags.Set(cpu, result, carry: false, overflow: false, adjust: true);
        LazyFlags.Write(cpu, LazyFlags.Read(cpu) & ~RflagsBits.SF);
        return result;
    }

    private static Outcome Mulx(Processor p, in Instruction i)
    {
        // The low half is written first: with equal destinations the high half stays (SDM 2B "MULX—Unsigned Multiply Without Affecting
        // Flags").
        if (i.Op0Register.GetSize() == 4)
        {
            if (!p.TryReadOperand(in i, 2, out uint narrow))
            {
                return Outcome.Fault;
            }

            ulong product = (ulong)narrow * (uint)p.State->Gpr[2];
            p.SetGpr(i.Op1Register, (uint)product);
            p.SetGpr(i.Op0Register, (uint)(product >> 32));
            return Outcome.Retired;
        }

        if (!p.TryReadOperand(in i, 2, out ulong wide))
        {
            return Outcome.Fault;
        }

        ulong high = System.Math.BigMul(wide, p.State->Gpr[2], out ulong low);
        p.SetGpr(i.Op1Register, low);
        p.SetGpr(i.Op0Register, high);
        return Outcome.Retired;
    }

    private static Outcome LowestBit(Processor p, in Instruction i) =>
        i.Op0Register.GetSize() == 4 ? LowestBit<uint>(p, in i) : LowestBit<ulong>(p, in i);

    private static Outcome LowestBit<T>(Processor p, in Instruction i)
        where T : unmanaged, IBinaryInteger<T>
    {
        if (!p.TryReadOperand(in i, 1, out T source))
        {
            return Outcome.Fault;
        }

        T result = i.Mnemonic switch
        {
            Mnemonic.Blsi => source & (T.Zero - source),
            Mnemonic.Blsr => source & (source - T.One),
            _ => source ^ (source - T.One),
        };
        bool carry = (source == T.Zero) != (i.Mnemonic == Mnemonic.Blsi);
        LazyFlags.Set(p.State, result, carry, overflow: false, adjust: false);
        p.SetGpr(i.Op0Register, result);
        return Outcome.Retired;
    }

    private static Outcome Crc32(Processor p, in Instruction i)
    {
        uint crc = p.Gpr<uint>(i.Op0Register);
        bool done;
        switch (OperandShells.SizeOf(in i, 1))
        {
            case 1:
                done = p.TryReadOperand(in i, 1, out byte b);
                crc = BitOperations.Crc32C(crc, b);
                break;
            case 2:
                done = p.TryReadOperand(in i, 1, out ushort w);
                crc = BitOperations.Crc32C(crc, w);
                break;
            case 4:
                done = p.TryReadOperand(in i, 1, out uint d);
                crc = BitOperations.Crc32C(crc, d);
                break;
            default:
                done = p.TryReadOperand(in i, 1, out ulong q);
                crc = BitOperations.Crc32C(crc, q);
                break;
        }

        if (!done)
        {
            return Outcome.Fault;
        }

        p.State->Gpr[Processor.GprOffset(i.Op0Register) / 8] = crc; // the 64-bit form clears the upper half too
        return Outcome.Retired;
    }

    private static ulong Deposit(ulong source, ulong mask)
    {
        if (Bmi2.X64.IsSupported)
        {
            return Bmi2.X64.ParallelBitDeposit(source, mask);
        }

        ulong result = 0;
        for (ulong rest = mask; rest != 0; rest &= rest - 1, source >>= 1)
        {
            result |= (source & 1) != 0 ? rest & (0 - rest) : 0;
        }

        return result;
    }

    private static ulong Extract(ulong source, ulong mask)
    {
        if (Bmi2.X64.IsSupported)
        {
            return Bmi2.X64.ParallelBitExtract(source, mask);
        }

        ulong result = 0;
        int bit = 0;
        for (ulong rest = mask; rest != 0; rest &= rest - 1, bit++)
        {
            result |= (source & rest & (0 - rest)) != 0 ? 1UL << bit : 0;
        }

        return result;
    }
}
