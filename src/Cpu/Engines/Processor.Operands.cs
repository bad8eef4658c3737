using System;
using System.Numerics;

using Iced.Intel;

using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <content>Registers and operands, for instructions that run from Iced's form.</content>
public sealed unsafe partial class Processor
{
    /// <summary>RFLAGS. Setting refreshes nothing: callers that change AC or VM call <see cref="RefreshMode"/>.</summary>
    public ulong Rflags
    {
        get => State->RflagsSystem | LazyFlags.Read(State);
        set
        {
            State->RflagsSystem = ((uint)value & RflagsBits.Defined & ~RflagsBits.Status) | RflagsBits.Fixed1;
            LazyFlags.Write(State, (uint)value);
        }
    }

    /// <summary>A general register, or AH-BH, cut to the size of T.</summary>
    public T Gpr<T>(Register register)
        where T : unmanaged => *(T*)GprPointer(State, register);

    /// <summary>Writes a general register; 32-bit writes clear the upper half, smaller ones leave the rest.</summary>
    public void SetGpr<T>(Register register, T value)
        where T : unmanaged
    {
        byte* target = GprPointer(State, register);
        if (sizeof(T) == 4)
        {
            *(ulong*)target = *(uint*)&value;
        }
        else
        {
            *(T*)target = value;
        }
    }

    /// <summary>Writes as much of a value as the register has, with the rules of <see cref="SetGpr"/>.</summary>
    internal void SetGprSized(Register register, ulong value)
    {
        switch (register.GetSize())
        {
            case 1:
                SetGpr(register, (byte)value);
                break;
            case 2:
                SetGpr(register, (ushort)value);
                break;
            case 4:
                SetGpr(register, (uint)value);
                break;
            default:
                SetGpr(register, value);
                break;
        }
    }

    /// <summary>Writes a general register by number, with the rules of <see cref="SetGpr"/>.</summary>
    internal static void SetGprAt<T>(CpuState* cpu, int number, T value)
        where T : unmanaged
    {
        if (sizeof(T) == 4)
        {
            cpu->Gpr[number] = *(uint*)&value;
        }
        else
        {
            *(T*)&cpu->Gpr[number] = value;
        }
    }

    /// <summary>
    /// The offset within the segment that a memory operand addresses, cut to the address size (SDM 1 "Specifying an Offset").
    /// </summary>
    public ulong EffectiveAddress(in Instruction i)
    {
        if (i.IsIPRelativeMemoryOperand)
        {
            return i.IPRelativeMemoryAddress;
        }

        ulong address = i.MemoryDisplacement64;
        int bits = AddressBits(in i);
        if (i.MemoryBase != Register.None)
        {
            address += *(ulong*)GprPointer(State, i.MemoryBase);
        }

        if (i.MemoryIndex != Register.None && i.MemoryIndex < Register.XMM0)
        {
            // XLAT's index is AL; every other index has the address size, which the cut below takes care of.
            ulong index = *(ulong*)GprPointer(State, i.MemoryIndex);
            address += (i.MemoryIndex == Register.AL ? (byte)index : index) * (uint)i.MemoryIndexScale;
        }

        return bits switch { 16 => (ushort)address, 32 => (uint)address, _ => address };
    }

    /// <summary>64, 32 or 16: the address size of an instruction with a memory operand.</summary>
    public static int AddressBits(in Instruction i)
    {
        Register register = i.MemoryBase != Register.None ? i.MemoryBase : i.MemoryIndex;
        if (register is >= Register.RAX and <= Register.R15 or Register.RIP)
        {
            return 64;
        }

        if (register is >= Register.EAX and <= Register.R15D or Register.EIP)
        {
            return 32;
        }

        if (register is >= Register.AX and <= Register.R15W)
        {
            return 16;
        }

        // Without a register the size of the displacement says it (in 64-bit mode a 4-byte one is sign-extended: Iced reports 8).
        return i.MemoryDisplSize switch { 2 => 16, 4 => 32, _ => i.CodeSize == CodeSize.Code64 ? 64 : 32 };
    }

    /// <summary>
    /// The segment of a memory operand, default or by prefix. In 64-bit mode prefixes of ES, CS, SS and DS mean nothing, not even for
    /// the choice between #SS and #GP.
    /// </summary>
    public static SegmentIndex SegmentOf(in Instruction i)
    {
        if (i.SegmentPrefix is Register.None or Register.FS or Register.GS || i.CodeSize != CodeSize.Code64)
        {
            return ToSegment(i.MemorySegment);
        }

        return i.MemoryBase is Register.RSP or Register.RBP or Register.ESP or Register.EBP ? SegmentIndex.SS : SegmentIndex.DS;
    }

    public static SegmentIndex ToSegment(Register register) => (SegmentIndex)(register - Register.ES);

    /// <summary>Reads an operand: register, memory or immediate (sign-extended as the opcode says).</summary>
    public bool TryReadOperand<T>(in Instruction i, int operand, out T value)
        where T : unmanaged
    {
        switch (i.GetOpKind(operand))
        {
            case OpKind.Register:
                value = Gpr<T>(i.GetOpRegister(operand));
                return true;
            case OpKind.Memory:
                return TryRead(SegmentOf(in i), EffectiveAddress(in i), out value);
            default:
                ulong immediate = i.GetImmediate(operand);
                value = *(T*)&immediate;
                return true;
        }
    }

    /// <summary>Writes a register or memory operand.</summary>
    public bool TryWriteOperand<T>(in Instruction i, int operand, T value)
        where T : unmanaged
    {
        if (i.GetOpKind(operand) == OpKind.Register)
        {
            SetGpr(i.GetOpRegister(operand), value);
            return true;
        }

        return TryWrite(SegmentOf(in i), EffectiveAddress(in i), value);
    }

    /// <summary>
    /// Reads an operand that will be written back: memory is asked for write permission first, so that the fault (or exit) is that
    /// of a write. <see cref="WriteBack"/> with the same target then cannot fail.
    /// </summary>
    internal bool TryReadForUpdate<T>(in Instruction i, int operand, out T value, out WriteTarget target)
        where T : unmanaged
    {
        target = default;
        if (i.GetOpKind(operand) == OpKind.Register)
        {
            value = Gpr<T>(i.GetOpRegister(operand));
            return true;
        }

        return TryReadForUpdate(SegmentOf(in i), EffectiveAddress(in i), out value, out target);
    }

    /// <summary>As above, for memory named by segment and offset.</summary>
    internal bool TryReadForUpdate<T>(SegmentIndex segment, ulong offset, out T value, out WriteTarget target)
        where T : unmanaged
    {
        T local = default;
        target = default;
        bool may = TryLinear(segment, offset, (uint)sizeof(T), AccessKind.Write, out ulong linear)
            && TryPrepareWrite(linear, State->DataAccess, sizeof(T), out target);
        if (may)
        {
            ReadTarget(in target, (byte*)&local);
        }

        value = local;
        return may;
    }

    internal void WriteBack<T>(in Instruction i, int operand, in WriteTarget target, T value)
        where T : unmanaged
    {
        if (target.LowBytes == 0)
        {
            SetGpr(i.GetOpRegister(operand), value);
        }
        else
        {
            CommitWrite(in target, (byte*)&value);
        }
    }

    /// <summary>The byte of the register file where a register starts; AH-BH are the second bytes of the first four.</summary>
    internal static byte* GprPointer(CpuState* cpu, Register register) => (byte*)cpu->Gpr + GprOffset(register);

    internal static int GprOffset(Register register) => register switch
    {
        >= Register.RAX and <= Register.R15 => (register - Register.RAX) * 8,
        >= Register.EAX and <= Register.R15D => (register - Register.EAX) * 8,
        >= Register.AX and <= Register.R15W => (register - Register.AX) * 8,
        >= Register.AH and <= Register.BH => ((register - Register.AH) * 8) + 1,
        >= Register.SPL and <= Register.R15L => (register - Register.SPL + 4) * 8,
        >= Register.AL and <= Register.BL => (register - Register.AL) * 8,
        _ => 16 * 8, // none: the register that is always zero
    };
}
