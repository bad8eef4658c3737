using System;
using System.Numerics;

using Iced.Intel;

using IcedRegister = Iced.Intel.Register;

namespace Xenolith.Cpu;

/// <summary>
/// Data transfer instructions (SDM 1 "Data Transfer Instructions"), without those that load segment, control and debug registers.
/// </summary>
internal static unsafe class DataTransfer
{
    public static void Register(ColdTable table)
    {
        RegisterMov(table);
        table.Set(Mnemonic.Movbe, &Movbe);
        table.Set(Mnemonic.Movzx, &Movzx);
        table.Set(Mnemonic.Movsx, &Movsx);
        table.Set(Mnemonic.Movsxd, &Movsx);
        table.Set(Mnemonic.Movnti, &Mov);
        table.Set(Mnemonic.Lea, &Lea);
        table.Set(Mnemonic.Xchg, &Xchg);
        table.Set(Mnemonic.Bswap, &Bswap);
        table.Set(Mnemonic.Xadd, &Xadd);
        table.Set(Mnemonic.Cmpxchg, &Cmpxchg);
        table.Set(Mnemonic.Cmpxchg8b, &Cmpxchg8b);
        table.Set(Mnemonic.Cmpxchg16b, &Cmpxchg16b);
        table.Set(Mnemonic.Cbw, &Convert);
        table.Set(Mnemonic.Cwde, &Convert);
        table.Set(Mnemonic.Cdqe, &Convert);
        table.Set(Mnemonic.Cwd, &Convert);
        table.Set(Mnemonic.Cdq, &Convert);
        table.Set(Mnemonic.Cqo, &Convert);
        table.Set(Mnemonic.Xlatb, &Xlat);
        foreach (Mnemonic move in (ReadOnlySpan<Mnemonic>)[
            Mnemonic.Cmovo, Mnemonic.Cmovno, Mnemonic.Cmovb, Mnemonic.Cmovae, Mnemonic.Cmove, Mnemonic.Cmovne, Mnemonic.Cmovbe, Mnemonic.Cmova,
            Mnemonic.Cmovs, Mnemonic.Cmovns, Mnemonic.Cmovp, Mnemonic.Cmovnp, Mnemonic.Cmovl, Mnemonic.Cmovge, Mnemonic.Cmovle, Mnemonic.Cmovg])
        {
            table.Set(move, &Cmov);
        }
    }

    private static void RegisterMov(ColdTable table)
    {
        foreach (Code code in (ReadOnlySpan<Code>)[
            Code.Mov_rm8_r8, Code.Mov_rm16_r16, Code.Mov_rm32_r32, Code.Mov_rm64_r64,
            Code.Mov_r8_rm8, Code.Mov_r16_rm16, Code.Mov_r32_rm32, Code.Mov_r64_rm64,
            Code.Mov_AL_moffs8, Code.Mov_AX_moffs16, Code.Mov_EAX_moffs32, Code.Mov_RAX_moffs64,
            Code.Mov_moffs8_AL, Code.Mov_moffs16_AX, Code.Mov_moffs32_EAX, Code.Mov_moffs64_RAX,
            Code.Mov_r8_imm8, Code.Mov_r16_imm16, Code.Mov_r32_imm32, Code.Mov_r64_imm64,
            Code.Mov_rm8_imm8, Code.Mov_rm16_imm16, Code.Mov_rm32_imm32, Code.Mov_rm64_imm32])
        {
            table.Set(code, &Mov);
        }

        table.Set(Code.Mov_rm16_Sreg, &MovFromSegment);
        table.Set(Code.Mov_r32m16_Sreg, &MovFromSegment);
        table.Set(Code.Mov_r64m16_Sreg, &MovFromSegment);
    }

    private static Outcome Mov(Processor p, in Instruction i) => OperandShells.SizeOf(in i, 0) switch
    {
        1 => Mov<byte>(p, in i),
        2 => Mov<ushort>(p, in i),
        4 => Mov<uint>(p, in i),
        _ => Mov<ulong>(p, in i),
    };

    private static Outcome Mov<T>(Processor p, in Instruction i)
        where T : unmanaged => p.TryReadOperand(in i, 1, out T value) && p.TryWriteOperand(in i, 0, value) ? Outcome.Retired : Outcome.Fault;

    /// <summary>A selector to memory is always 16 bits; to a wider register it is zero-extended (SDM 2B "MOV—Move").</summary>
    private static Outcome MovFromSegment(Processor p, in Instruction i)
    {
        ushort selector = p.State->Segments[(int)Processor.ToSegment(i.Op1Register)].Selector;
        if (i.Op0Kind == OpKind.Memory)
        {
            return p.TryWriteOperand(in i, 0, selector) ? Outcome.Retired : Outcome.Fault;
        }

        switch (i.Op0Register.GetSize())
        {
            case 2:
                p.SetGpr(i.Op0Register, selector);
                break;
            case 4:
                p.SetGpr(i.Op0Register, (uint)selector);
                break;
            default:
                p.SetGpr(i.Op0Register, (ulong)selector);
                break;
        }

        return Outcome.Retired;
    }

    private static Outcome Movbe(Processor p, in Instruction i) => OperandShells.SizeOf(in i, 0) switch
    {
        2 => p.TryReadOperand(in i, 1, out ushort w) && p.TryWriteOperand(in i, 0, Reverse(w)) ? Outcome.Retired : Outcome.Fault,
        4 => p.TryReadOperand(in i, 1, out uint d) && p.TryWriteOperand(in i, 0, Reverse(d)) ? Outcome.Retired : Outcome.Fault,
        _ => p.TryReadOperand(in i, 1, out ulong q) && p.TryWriteOperand(in i, 0, Reverse(q)) ? Outcome.Retired : Outcome.Fault,
    };

    private static ushort Reverse(ushort value) => System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(value);

    private static uint Reverse(uint value) => System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(value);

    private static ulong Reverse(ulong value) => System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(value);

    private static Outcome Movzx(Processor p, in Instruction i)
    {
        if (!TryReadNarrow(p, in i, isSigned: false, out ulong value))
        {
            return Outcome.Fault;
        }

        p.SetGprSized(i.Op0Register, value);
        return Outcome.Retired;
    }

    private static Outcome Movsx(Processor p, in Instruction i)
    {
        if (!TryReadNarrow(p, in i, isSigned: true, out ulong value))
        {
            return Outcome.Fault;
        }

        p.SetGprSized(i.Op0Register, value);
        return Outcome.Retired;
    }

    private static bool TryReadNarrow(Processor p, in Instruction i, bool isSigned, out ulong value)
    {
        bool done;
        switch (OperandShells.SizeOf(in i, 1))
        {
            case 1:
                done = p.TryReadOperand(in i, 1, out byte b);
                value = isSigned ? (ulong)(sbyte)b : b;
                return done;
            case 2:
                done = p.TryReadOperand(in i, 1, out ushort w);
                value = isSigned ? (ulong)(short)w : w;
                return done;
            default:
                done = p.TryReadOperand(in i, 1, out uint d);
                value = isSigned ? (ulong)(int)d : d;
                return done;
        }
    }

    private static Outcome Lea(Processor p, in Instruction i)
    {
        p.SetGprSized(i.Op0Register, p.EffectiveAddress(in i));
        return Outcome.Retired;
    }

    /// <summary>CMOVcc reads its source whatever the condition; a 32-bit destination is zero-extended either way.</summary>
    private static Outcome Cmov(Processor p, in Instruction i) => i.Op0Register.GetSize() switch
    {
        2 => Cmov<ushort>(p, in i),
        4 => Cmov<uint>(p, in i),
        _ => Cmov<ulong>(p, in i),
    };

    private static Outcome Cmov<T>(Processor p, in Instruction i)
        where T : unmanaged
    {
        if (!p.TryReadOperand(in i, 1, out T value))
        {
            return Outcome.Fault;
        }

        p.SetGpr(i.Op0Register, Conditions.Holds(p.State, i.ConditionCode) ? value : p.Gpr<T>(i.Op0Register));
        return Outcome.Retired;
    }

    private static Outcome Xchg(Processor p, in Instruction i) => OperandShells.SizeOf(in i, 0) switch
    {
        1 => Xchg<byte>(p, in i),
        2 => Xchg<ushort>(p, in i),
        4 => Xchg<uint>(p, in i),
        _ => Xchg<ulong>(p, in i),
    };

    private static Outcome Xchg<T>(Processor p, in Instruction i)
        where T : unmanaged
    {
        // Iced puts the memory operand first in some forms and second in none: operand 1 is always a register.
        if (!p.TryReadForUpdate(in i, 0, out T first, out Processor.WriteTarget target))
        {
            return Outcome.Fault;
        }

        T second = p.Gpr<T>(i.Op1Register);
        p.WriteBack(in i, 0, in target, second);
        p.SetGpr(i.Op1Register, first);
        return Outcome.Retired;
    }

    /// <summary>A 16-bit BSWAP (undefined in the manual) leaves zeros.</summary>
    private static Outcome Bswap(Processor p, in Instruction i)
    {
        switch (i.Op0Register.GetSize())
        {
            case 2:
                p.SetGpr(i.Op0Register, (ushort)0);
                break;
            case 4:
                p.SetGpr(i.Op0Register, Reverse(p.Gpr<uint>(i.Op0Register)));
                break;
            default:
                p.SetGpr(i.Op0Register, Reverse(p.Gpr<ulong>(i.Op0Register)));
                break;
        }

        return Outcome.Retired;
    }

    private static Outcome Xadd(Processor p, in Instruction i) => OperandShells.SizeOf(in i, 0) switch
    {
        1 => Xadd<byte>(p, in i),
        2 => Xadd<ushort>(p, in i),
        4 => Xadd<uint>(p, in i),
        _ => Xadd<ulong>(p, in i),
    };

    private static Outcome Xadd<T>(Processor p, in Instruction i)
        where T : unmanaged, IBinaryInteger<T>
    {
        if (!p.TryReadForUpdate(in i, 0, out T first, out Processor.WriteTarget target))
        {
            return Outcome.Fault;
        }

        T sum = Add.Apply<T, WithFlags>(p.State, first, p.Gpr<T>(i.Op1Register));
        p.SetGpr(i.Op1Register, first);
        p.WriteBack(in i, 0, in target, sum);
        return Outcome.Retired;
    }

    private static Outcome Cmpxchg(Processor p, in Instruction i) => OperandShells.SizeOf(in i, 0) switch
    {
        1 => Cmpxchg<byte>(p, in i),
        2 => Cmpxchg<ushort>(p, in i),
        4 => Cmpxchg<uint>(p, in i),
        _ => Cmpxchg<ulong>(p, in i),
    };

    /// <summary>
    /// Memory is written in any case, with its old value when the comparison fails (SDM 2A "CMPXCHG—Compare and Exchange").
    /// </summary>
    private static Outcome Cmpxchg<T>(Processor p, in Instruction i)
        where T : unmanaged, IBinaryInteger<T>
    {
        if (!p.TryReadForUpdate(in i, 0, out T destination, out Processor.WriteTarget target))
        {
            return Outcome.Fault;
        }

        ulong rax = p.State->Gpr[0];
        T accumulator = *(T*)&rax;
        _ = Sub.Apply<T, WithFlags>(p.State, accumulator, destination);
        if (accumulator == destination)
        {
            p.WriteBack(in i, 0, in target, p.Gpr<T>(i.Op1Register));
        }
        else
        {
            if (i.Op0Kind == OpKind.Memory)
            {
                p.WriteBack(in i, 0, in target, destination);
            }

            Processor.SetGprAt(p.State, 0, destination); // a register destination keeps even its upper half
        }

        return Outcome.Retired;
    }

    private static Outcome Cmpxchg8b(Processor p, in Instruction i)
    {
        CpuState* cpu = p.State;
        if (!p.TryReadForUpdate(in i, 0, out ulong old, out Processor.WriteTarget target))
        {
            return Outcome.Fault;
        }

        bool equal = old == ((cpu->Gpr[2] << 32) | (uint)cpu->Gpr[0]);
        p.WriteBack(in i, 0, in target, equal ? (cpu->Gpr[1] << 32) | (uint)cpu->Gpr[3] : old);
        if (!equal)
        {
            cpu->Gpr[0] = (uint)old;
            cpu->Gpr[2] = old >> 32;
        }

        SetZero(cpu, equal);
        return Outcome.Retired;
    }

    /// <summary>#GP(0) unless aligned to 16 bytes (SDM 2A "CMPXCHG8B/CMPXCHG16B—Compare and Exchange Bytes").</summary>
    private static Outcome Cmpxchg16b(Processor p, in Instruction i)
    {
        CpuState* cpu = p.State;
        SegmentIndex segment = Processor.SegmentOf(in i);
        ulong offset = p.EffectiveAddress(in i);
        bool valid = p.TryLinear(segment, offset, 16, Xenolith.Mmu.AccessKind.Write, out ulong linear);
        if ((linear & 15) != 0)
        {
            return p.Raise(Vector.GP, 0); // before any other fault of the address
        }

        if (!valid)
        {
            return Outcome.Fault;
        }

        if (!p.TryReadForUpdate(segment, offset, out UInt128 old, out Processor.WriteTarget target))
        {
            return Outcome.Fault;
        }

        bool equal = old == new UInt128(cpu->Gpr[2], cpu->Gpr[0]);
        p.WriteBack(in i, 0, in target, equal ? new UInt128(cpu->Gpr[1], cpu->Gpr[3]) : old);
        if (!equal)
        {
            cpu->Gpr[0] = (ulong)old;
            cpu->Gpr[2] = (ulong)(old >> 64);
        }

        SetZero(cpu, equal);
        return Outcome.Retired;
    }

    private static void SetZero(CpuState* cpu, bool zero) =>
        LazyFlags.Write(cpu, (LazyFlags.Read(cpu) & ~RflagsBits.ZF) | (zero ? RflagsBits.ZF : 0));

    /// <summary>SDM 2A "CBW/CWDE/CDQE—Convert Byte to Word..." and "CWD/CDQ/CQO—Convert Word to Doubleword...".</summary>
    private static Outcome Convert(Processor p, in Instruction i)
    {
        CpuState* cpu = p.State;
        switch (i.Mnemonic)
        {
            case Mnemonic.Cbw:
                p.SetGpr(IcedRegister.AX, (ushort)(sbyte)cpu->Gpr[0]);
                break;
            case Mnemonic.Cwde:
                cpu->Gpr[0] = (uint)(short)cpu->Gpr[0];
                break;
            case Mnemonic.Cdqe:
                cpu->Gpr[0] = (ulong)(int)cpu->Gpr[0];
                break;
            case Mnemonic.Cwd:
                p.SetGpr(IcedRegister.DX, (ushort)((short)cpu->Gpr[0] >> 15));
                break;
            case Mnemonic.Cdq:
                cpu->Gpr[2] = (uint)((int)cpu->Gpr[0] >> 31);
                break;
            default:
                cpu->Gpr[2] = (ulong)((long)cpu->Gpr[0] >> 63);
                break;
        }

        return Outcome.Retired;
    }

    /// <summary>AL := [DS:rBX + AL] (SDM 2D "XLAT/XLATB—Table Look-up Translation").</summary>
    private static Outcome Xlat(Processor p, in Instruction i)
    {
        if (!p.TryRead(Processor.SegmentOf(in i), p.EffectiveAddress(in i), out byte value))
        {
            return Outcome.Fault;
        }

        p.SetGpr(IcedRegister.AL, value);
        return Outcome.Retired;
    }
}
