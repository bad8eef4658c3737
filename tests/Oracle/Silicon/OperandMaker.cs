using System;

using Iced.Intel;

namespace Xenolith.Oracle.Silicon;

/// <summary>Chooses operands for each operand kind that Iced's tables name.</summary>
internal sealed class OperandMaker(Random random, int bits)
{
    private static readonly Register[] s_bytes =
    [
        Register.AL, Register.CL, Register.DL, Register.BL, Register.AH, Register.CH, Register.DH, Register.BH,
        Register.SPL, Register.BPL, Register.SIL, Register.DIL, Register.R8L, Register.R11L, Register.R13L, Register.R15L,
    ];

    private int RegisterCount => bits == 64 ? 16 : 8;

    /// <summary>What the elements of the operands are; where the tables do not say, anything.</summary>
    public ElementKind Kind(OpCodeInfo opCode, in Instruction instruction)
    {
        if (random.Next(12) == 0)
        {
            return (ElementKind)random.Next(6);
        }

        if (opCode.Mnemonic == Mnemonic.Vcvtps2ph)
        {
            return ElementKind.Float32NearHalf;
        }

        MemorySize size = opCode.MemorySize;
        MemorySize element = size.IsPacked() ? size.GetElementType() : size;
        return element switch
        {
            MemorySize.Float16 => ElementKind.Float16,
            MemorySize.Float32 => ElementKind.Float32,
            MemorySize.Float64 => ElementKind.Float64,
            MemorySize.UInt8 or MemorySize.Int8 => ElementKind.Integer8,
            MemorySize.UInt16 or MemorySize.Int16 => ElementKind.Integer16,
            MemorySize.UInt32 or MemorySize.Int32 => ElementKind.Integer32,
            MemorySize.UInt64 or MemorySize.Int64 => ElementKind.Integer64,
            _ => (ElementKind)random.Next(6),
        };
    }

    public bool TryMake(OpCodeInfo opCode, ref Instruction instruction, EdgeValues values, ulong rip)
    {
        bool stack = opCode.IsStackInstruction;
        for (int i = 0; i < opCode.OpCount; i++)
        {
            if (!TryOperand(opCode.GetOpKind(i), i, ref instruction, values, rip, stack))
            {
                return false;
            }
        }

        bool memory = false;
        for (int i = 0; i < instruction.OpCount; i++)
        {
            memory |= instruction.GetOpKind(i) == OpKind.Memory;
        }

        instruction.HasLockPrefix = opCode.CanUseLockPrefix && memory && random.Next(6) == 0;
        if (opCode.CanUseRepPrefix && opCode.IsInstruction && IsString(instruction.Mnemonic))
        {
            instruction.HasRepPrefix = random.Next(2) == 0;
            instruction.HasRepnePrefix = !instruction.HasRepPrefix && opCode.CanUseRepnePrefix && random.Next(2) == 0;
        }

        return true;
    }

    private static bool IsString(Mnemonic mnemonic) => mnemonic is Mnemonic.Movsb or Mnemonic.Movsw or Mnemonic.Movsd or Mnemonic.Movsq
        or Mnemonic.Stosb or Mnemonic.Stosw or Mnemonic.Stosd or Mnemonic.Stosq
        or Mnemonic.Lodsb or Mnemonic.Lodsw or Mnemonic.Lodsd or Mnemonic.Lodsq
        or Mnemonic.Scasb or Mnemonic.Scasw or Mnemonic.Scasd or Mnemonic.Scasq
        or Mnemonic.Cmpsb or Mnemonic.Cmpsw or Mnemonic.Cmpsd or Mnemonic.Cmpsq;

    private bool TryOperand(OpCodeOperandKind kind, int i, ref Instruction instruction, EdgeValues values, ulong rip, bool stack)
    {
        switch (kind)
        {
            case OpCodeOperandKind.mem:
                return TryMemory(i, ref instruction);
            case OpCodeOperandKind.r8_or_mem or OpCodeOperandKind.r16_or_mem or OpCodeOperandKind.r32_or_mem or OpCodeOperandKind.r64_or_mem
                or OpCodeOperandKind.mm_or_mem or OpCodeOperandKind.xmm_or_mem or OpCodeOperandKind.ymm_or_mem when random.Next(2) == 0:
                return TryMemory(i, ref instruction);
            case OpCodeOperandKind.mem_vsib32x or OpCodeOperandKind.mem_vsib64x:
                MakeVectorMemory(i, ref instruction, Register.XMM0);
                return true;
            case OpCodeOperandKind.mem_vsib32y or OpCodeOperandKind.mem_vsib64y:
                MakeVectorMemory(i, ref instruction, Register.YMM0);
                return true;
            case OpCodeOperandKind.mem_offs:
                instruction.SetOpKind(i, OpKind.Memory);
                instruction.MemoryDisplSize = bits / 8;
                instruction.MemoryDisplacement64 = MemoryMap.WindowMiddle + 0x60 + (ulong)random.Next(32);
                return true;
            case OpCodeOperandKind.br16_1 or OpCodeOperandKind.br16_2:
                return false; // a 16-bit target lies below the code page
            case OpCodeOperandKind.br32_1 or OpCodeOperandKind.br32_4:
                instruction.SetOpKind(i, OpKind.NearBranch32);
                instruction.NearBranch32 = (uint)rip + (uint)Distance();
                return true;
            case OpCodeOperandKind.br64_1 or OpCodeOperandKind.br64_4:
                instruction.SetOpKind(i, OpKind.NearBranch64);
                instruction.NearBranch64 = rip + (ulong)(long)Distance();
                return true;
            case OpCodeOperandKind.seg_rSI:
                instruction.SetOpKind(i, bits == 64 ? OpKind.MemorySegRSI : OpKind.MemorySegESI);
                return true;
            case OpCodeOperandKind.seg_rDI:
                instruction.SetOpKind(i, bits == 64 ? OpKind.MemorySegRDI : OpKind.MemorySegEDI);
                return true;
            case OpCodeOperandKind.es_rDI:
                instruction.SetOpKind(i, bits == 64 ? OpKind.MemoryESRDI : OpKind.MemoryESEDI);
                return true;
            case OpCodeOperandKind.seg_rBX_al:
                instruction.SetOpKind(i, OpKind.Memory);
                instruction.MemoryBase = bits == 64 ? Register.RBX : Register.EBX;
                instruction.MemoryIndex = Register.AL;
                return true;
        }

        if (TryImmediate(kind, i, ref instruction, values))
        {
            return true;
        }

        Register register = ChooseRegister(kind, stack);
        if (register == Register.None)
        {
            return false;
        }

        instruction.SetOpKind(i, OpKind.Register);
        instruction.SetOpRegister(i, register);
        return true;
    }

    private bool TryImmediate(OpCodeOperandKind kind, int i, ref Instruction instruction, EdgeValues values)
    {
        switch (kind)
        {
            case OpCodeOperandKind.imm8:
                instruction.SetOpKind(i, i > 0 && instruction.GetOpKind(i - 1) == OpKind.Immediate8 ? OpKind.Immediate8_2nd
                    : i > 0 && instruction.GetOpKind(i - 1) == OpKind.Immediate16 ? OpKind.Immediate8_2nd : OpKind.Immediate8);
                SetImmediate(i, ref instruction, values.Immediate8());
                return true;
            case OpCodeOperandKind.imm8_const_1:
                instruction.SetOpKind(i, OpKind.Immediate8);
                instruction.Immediate8 = 1;
                return true;
            case OpCodeOperandKind.imm8sex16:
                instruction.SetOpKind(i, OpKind.Immediate8to16);
                instruction.Immediate8to16 = (sbyte)values.Immediate8();
                return true;
            case OpCodeOperandKind.imm8sex32:
                instruction.SetOpKind(i, OpKind.Immediate8to32);
                instruction.Immediate8to32 = (sbyte)values.Immediate8();
                return true;
            case OpCodeOperandKind.imm8sex64:
                instruction.SetOpKind(i, OpKind.Immediate8to64);
                instruction.Immediate8to64 = (sbyte)values.Immediate8();
                return true;
            case OpCodeOperandKind.imm16:
                instruction.SetOpKind(i, OpKind.Immediate16);
                instruction.Immediate16 = instruction.Mnemonic is Mnemonic.Enter or Mnemonic.Ret ? (ushort)random.Next(64) : (ushort)values.Integer(16);
                return true;
            case OpCodeOperandKind.imm32:
                instruction.SetOpKind(i, OpKind.Immediate32);
                instruction.Immediate32 = (uint)values.Integer(32);
                return true;
            case OpCodeOperandKind.imm32sex64:
                instruction.SetOpKind(i, OpKind.Immediate32to64);
                instruction.Immediate32to64 = (int)values.Integer(32);
                return true;
            case OpCodeOperandKind.imm64:
                instruction.SetOpKind(i, OpKind.Immediate64);
                instruction.Immediate64 = values.Integer(64);
                return true;
            default:
                return false;
        }
    }

    /// <summary>How far a branch goes: never into the instruction itself, which would run for ever.</summary>
    private int Distance() => random.Next(20, 110) * (random.Next(2) == 0 ? 1 : -1);

    private static void SetImmediate(int i, ref Instruction instruction, byte value)
    {
        if (instruction.GetOpKind(i) == OpKind.Immediate8_2nd)
        {
            instruction.Immediate8_2nd = value;
        }
        else
        {
            instruction.Immediate8 = value;
        }
    }

    private Register ChooseRegister(OpCodeOperandKind kind, bool stack)
    {
        int number = random.Next(RegisterCount);
        while (stack && number == 4)
        {
            number = random.Next(RegisterCount);
        }

        return kind switch
        {
            OpCodeOperandKind.r8_or_mem or OpCodeOperandKind.r8_reg or OpCodeOperandKind.r8_opcode => s_bytes[random.Next(bits == 64 ? 16 : 8)],
            OpCodeOperandKind.r16_or_mem or OpCodeOperandKind.r16_reg or OpCodeOperandKind.r16_rm or OpCodeOperandKind.r16_opcode => Register.AX + number,
            OpCodeOperandKind.r32_or_mem or OpCodeOperandKind.r32_reg or OpCodeOperandKind.r32_rm or OpCodeOperandKind.r32_opcode
                or OpCodeOperandKind.r32_vvvv => Register.EAX + number,
            OpCodeOperandKind.r64_or_mem or OpCodeOperandKind.r64_reg or OpCodeOperandKind.r64_rm or OpCodeOperandKind.r64_opcode
                or OpCodeOperandKind.r64_vvvv => Register.RAX + number,
            OpCodeOperandKind.mm_or_mem or OpCodeOperandKind.mm_reg or OpCodeOperandKind.mm_rm => Register.MM0 + random.Next(8),
            OpCodeOperandKind.xmm_or_mem or OpCodeOperandKind.xmm_reg or OpCodeOperandKind.xmm_rm or OpCodeOperandKind.xmm_vvvv
                or OpCodeOperandKind.xmm_is4 => Register.XMM0 + random.Next(RegisterCount),
            OpCodeOperandKind.ymm_or_mem or OpCodeOperandKind.ymm_reg or OpCodeOperandKind.ymm_rm or OpCodeOperandKind.ymm_vvvv
                or OpCodeOperandKind.ymm_is4 => Register.YMM0 + random.Next(RegisterCount),
            OpCodeOperandKind.al => Register.AL,
            OpCodeOperandKind.cl => Register.CL,
            OpCodeOperandKind.ax => Register.AX,
            OpCodeOperandKind.dx => Register.DX,
            OpCodeOperandKind.eax => Register.EAX,
            OpCodeOperandKind.rax => Register.RAX,
            OpCodeOperandKind.st0 => Register.ST0,
            OpCodeOperandKind.sti_opcode => Register.ST0 + random.Next(8),
            _ => Register.None,
        };
    }

    /// <summary>Base, or none, and a vector of indices.</summary>
    private void MakeVectorMemory(int i, ref Instruction instruction, Register first)
    {
        instruction.SetOpKind(i, OpKind.Memory);
        bool narrow = bits == 64 && random.Next(10) == 0;
        instruction.MemoryBase = (bits == 64 && !narrow ? Register.RAX : Register.EAX) + random.Next(RegisterCount);
        instruction.MemoryIndex = first + random.Next(RegisterCount);
        instruction.MemoryIndexScale = 1 << random.Next(4);
        if (random.Next(6) == 0)
        {
            instruction.MemoryBase = Register.None;
            instruction.MemoryDisplacement64 = MemoryMap.WindowMiddle + (ulong)random.Next(256);
            instruction.MemoryDisplSize = bits == 32 ? 4 : 8;
        }
        else if (random.Next(2) == 0)
        {
            instruction.MemoryDisplSize = 1;
            instruction.MemoryDisplacement64 = bits == 32 || narrow ? (uint)random.Next(-128, 128) : (ulong)(long)random.Next(-128, 128);
        }
    }

    /// <summary>A ModRM memory operand in one of the forms of SDM 2A "ModR/M and SIB Bytes".</summary>
    private bool TryMemory(int i, ref Instruction instruction)
    {
        instruction.SetOpKind(i, OpKind.Memory);
        bool narrow = bits == 64 && random.Next(10) == 0;
        Register first = bits == 64 && !narrow ? Register.RAX : Register.EAX;
        int form = random.Next(8);
        if (form == 0)
        {
            // IP-relative, or absolute: the address itself is encoded.
            instruction.MemoryBase = bits == 64 && random.Next(2) == 0 ? Register.RIP : Register.None;
            instruction.MemoryDisplacement64 = MemoryMap.WindowMiddle + 0x40 + (ulong)(random.Next(8) * 16);
            instruction.MemoryDisplSize = bits == 32 || instruction.MemoryBase == Register.None ? 4 : 8;
            return true;
        }

        int registers = RegisterCount;
        instruction.MemoryBase = first + random.Next(registers);
        if (form is 1 or 2)
        {
            int index = random.Next(registers);
            instruction.MemoryIndex = index == 4 ? Register.None : first + index;
            instruction.MemoryIndexScale = instruction.MemoryIndex == Register.None ? 1 : 1 << random.Next(4);
        }

        switch (random.Next(3))
        {
            case 0:
                instruction.MemoryDisplSize = 1;
                instruction.MemoryDisplacement64 = bits == 32 || narrow ? (uint)random.Next(-128, 128) : (ulong)(long)random.Next(-128, 128);
                break;
            case 1:
                instruction.MemoryDisplSize = bits == 32 || narrow ? 4 : 8;
                instruction.MemoryDisplacement64 = bits == 32 || narrow ? (uint)random.Next() : (ulong)(long)random.Next(int.MinValue, int.MaxValue);
                break;
        }

        return true;
    }
}
