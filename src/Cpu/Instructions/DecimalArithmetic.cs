using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>
/// Decimal arithmetic (SDM 1 "Decimal Arithmetic Instructions"); none of it exists in 64-bit mode, where Iced decodes no such opcode.
/// </summary>
internal static unsafe class DecimalArithmetic
{
    public static void Register(ColdTable table)
    {
        table.Set(Mnemonic.Daa, &Daa);
        table.Set(Mnemonic.Das, &Das);
        table.Set(Mnemonic.Aaa, &Aaa);
        table.Set(Mnemonic.Aas, &Aas);
        table.Set(Mnemonic.Aam, &Aam);
        table.Set(Mnemonic.Aad, &Aad);
    }

    private static Outcome Daa(Processor p, in Instruction i) => AdjustPacked(p, 1);

    private static Outcome Das(Processor p, in Instruction i) => AdjustPacked(p, -1);

    /// <summary>SDM 2A "DAA—Decimal Adjust AL After Addition" and "DAS—Decimal Adjust AL After Subtraction".</summary>
    private static Outcome AdjustPacked(Processor p, int sign)
    {
        CpuState* cpu = p.State;
        byte old = (byte)cpu->Gpr[0];
        bool oldCarry = LazyFlags.Carry(cpu);
        int al = old;
        bool carry = false;
        bool adjust = (old & 0xF) > 9 || LazyFlags.Adjust(cpu);
        if (adjust)
        {
            al += sign * 6;
            carry = oldCarry || (sign > 0 ? al > 0xFF : al < 0);
        }

        if (old > 0x99 || oldCarry)
        {
            al += sign * 0x60;
            carry = true;
        }

        p.SetGpr(Iced.Intel.Register.AL, (byte)al);
        bool overflow = ((sign > 0 ? ~old & al : old & ~al) & 0x80) != 0; // undefined in the manual; as AMD Zen
        LazyFlags.Set(cpu, (byte)al, carry, overflow, adjust);
        return Outcome.Retired;
    }

    private static Outcome Aaa(Processor p, in Instruction i) => AdjustUnpacked(p, 1);

    private static Outcome Aas(Processor p, in Instruction i) => AdjustUnpacked(p, -1);

    /// <summary>SDM 2A "AAA—ASCII Adjust After Addition" and "AAS—ASCII Adjust AL After Subtraction".</summary>
    private static Outcome AdjustUnpacked(Processor p, int sign)
    {
        CpuState* cpu = p.State;
        ushort ax = (ushort)cpu->Gpr[0];
        bool adjust = (ax & 0xF) > 9 || LazyFlags.Adjust(cpu);
        ushort sum = adjust ? (ushort)(ax + (sign * 0x106)) : ax;
        p.SetGpr(Iced.Intel.Register.AX, (ushort)(sum & 0xFF0F));

        // SF, ZF, PF and OF (undefined in the manual) are those of the 16-bit sum, as on AMD Zen.
        bool overflow = ((sign > 0 ? ~ax & sum : ax & ~sum) & 0x8000) != 0;
        LazyFlags.Set(cpu, sum, adjust, overflow, adjust);
        return Outcome.Retired;
    }

    /// <summary>SDM 2A "AAM—ASCII Adjust AX After Multiply"; a zero base is #DE.</summary>
    private static Outcome Aam(Processor p, in Instruction i)
    {
        byte radix = i.Immediate8;
        if (radix == 0)
        {
            return p.Raise(Vector.DE);
        }

        byte al = (byte)p.State->Gpr[0];
        byte result = (byte)(al % radix);
        p.SetGpr(Iced.Intel.Register.AX, (ushort)(((al / radix) << 8) | result));
        LazyFlags.Set(p.State, result, carry: false, overflow: false, adjust: false);
        return Outcome.Retired;
    }

    /// <summary>SDM 2A "AAD—ASCII Adjust AX Before Division".</summary>
    private static Outcome Aad(Processor p, in Instruction i)
    {
        ushort ax = (ushort)p.State->Gpr[0];
        byte tens = (byte)((ax >> 8) * i.Immediate8);
        byte result = Add.Apply<byte, WithFlags>(p.State, (byte)ax, tens); // CF, OF, AF undefined in the manual; as AMD Zen
        p.SetGpr(Iced.Intel.Register.AX, (ushort)result);
        return Outcome.Retired;
    }
}
