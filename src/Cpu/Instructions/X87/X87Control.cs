using System;

using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>x87 control and state instructions (SDM 1 "x87 FPU Control Instructions").</summary>
internal static unsafe class X87Control
{
    public static void Register(ColdTable table)
    {
        table.Set(Code.Fninit, &Init);
        table.Set(Code.Fnclex, &ClearExceptions);
        table.Set(Code.Fnstcw_m2byte, &StoreControl);
        table.Set(Code.Fldcw_m2byte, &LoadControl);
        table.Set(Code.Fnstsw_m2byte, &StoreStatus);
        table.Set(Code.Fnstsw_AX, &StoreStatus);
        table.Set(Code.Fnstenv_m14byte, &StoreEnvironment);
        table.Set(Code.Fnstenv_m28byte, &StoreEnvironment);
        table.Set(Code.Fldenv_m14byte, &LoadEnvironment);
        table.Set(Code.Fldenv_m28byte, &LoadEnvironment);
        table.Set(Code.Fnsave_m94byte, &Save);
        table.Set(Code.Fnsave_m108byte, &Save);
        table.Set(Code.Frstor_m94byte, &Restore);
        table.Set(Code.Frstor_m108byte, &Restore);
        table.Set(Code.Wait, &Wait);
        table.Set(Code.Fnop, &Nop);
        table.Set(Code.Fneni, &Ignored);
        table.Set(Code.Fndisi, &Ignored);
        table.Set(Code.Fnsetpm, &Ignored);
        table.Set(Mnemonic.Ffree, &Free);
        table.Set(Mnemonic.Ffreep, &FreePop);
        table.Set(Mnemonic.Fincstp, &IncrementTop);
        table.Set(Mnemonic.Fdecstp, &DecrementTop);
    }

    private static Outcome Init(Processor p, in Instruction i)
    {
        if (!p.X87Available())
        {
            return Outcome.Fault;
        }

        InitState(p.State);
        return Outcome.Retired;
    }

    private static void InitState(CpuState* cpu)
    {
        cpu->Fcw = 0x37F;
        cpu->Fsw = 0;
        cpu->Ftw = 0xFFFF;
        cpu->Fip = 0;
        cpu->Fdp = 0;
        cpu->Fop = 0;
        cpu->Fcs = 0;
        cpu->Fds = 0;
    }

    private static Outcome ClearExceptions(Processor p, in Instruction i)
    {
        if (!p.X87Available())
        {
            return Outcome.Fault;
        }

        p.State->Fsw &= 0x7F00;
        return Outcome.Retired;
    }

    private static Outcome StoreControl(Processor p, in Instruction i) =>
        p.X87Available() && p.TryWriteOperand(in i, 0, p.State->Fcw) ? Outcome.Retired : Outcome.Fault;

    private static Outcome LoadControl(Processor p, in Instruction i)
    {
        if (!p.X87Ready() || !p.TryReadOperand(in i, 0, out ushort value))
        {
            return Outcome.Fault;
        }

        p.State->Fcw = Defined(value);
        p.UpdateErrorSummary();
        return Outcome.Retired;
    }

    /// <summary>Bit 6 reads as one; bits 7 and 15:13 as zero.</summary>
    internal static ushort Defined(ushort controlWord) => (ushort)((controlWord & 0x1F3F) | 0x40);

    private static Outcome StoreStatus(Processor p, in Instruction i) =>
        p.X87Available() && p.TryWriteOperand(in i, 0, p.State->Fsw) ? Outcome.Retired : Outcome.Fault;

    private static Outcome Wait(Processor p, in Instruction i) => p.WaitReady() ? Outcome.Retired : Outcome.Fault;

    private static Outcome Nop(Processor p, in Instruction i)
    {
        if (!p.X87Ready())
        {
            return Outcome.Fault;
        }

        p.RecordX87(in i);
        return Outcome.Retired;
    }

    /// <summary>FNENI, FNDISI, FNSETPM of older processors: nothing.</summary>
    private static Outcome Ignored(Processor p, in Instruction i) => p.X87Available() ? Outcome.Retired : Outcome.Fault;

    private static Outcome Free(Processor p, in Instruction i)
    {
        if (!p.X87Ready())
        {
            return Outcome.Fault;
        }

        p.RecordX87(in i);
        p.ClearC1();
        p.FreeSt(i.Op0Register - Iced.Intel.Register.ST0);
        return Outcome.Retired;
    }

    /// <summary>FFREEP: undocumented by Intel, but everywhere.</summary>
    private static Outcome FreePop(Processor p, in Instruction i)
    {
        if (!p.X87Ready())
        {
            return Outcome.Fault;
        }

        p.RecordX87(in i);
        p.ClearC1();
        p.FreeSt(i.Op0Register - Iced.Intel.Register.ST0);
        p.Pop();
        return Outcome.Retired;
    }

    private static Outcome IncrementTop(Processor p, in Instruction i)
    {
        if (!p.X87Ready())
        {
            return Outcome.Fault;
        }

        p.RecordX87(in i);
        p.ClearC1();
        p.IncrementTop();
        return Outcome.Retired;
    }

    private static Outcome DecrementTop(Processor p, in Instruction i)
    {
        if (!p.X87Ready())
        {
            return Outcome.Fault;
        }

        p.RecordX87(in i);
        p.ClearC1();
        p.DecrementTop();
        return Outcome.Retired;
    }

    private static Outcome StoreEnvironment(Processor p, in Instruction i)
    {
        byte* area = stackalloc byte[28];
        if (!p.X87Available() || !TryWriteArea(p, in i, area, Environment(p, in i, area)))
        {
            return Outcome.Fault;
        }

        p.State->Fcw |= (ushort)MxcsrBits.Flags; // all exceptions become masked
        p.UpdateErrorSummary();
        return Outcome.Retired;
    }

    private static Outcome LoadEnvironment(Processor p, in Instruction i)
    {
        bool narrow = i.Code == Code.Fldenv_m14byte;
        byte* area = stackalloc byte[28];
        if (!p.X87Ready() || !TryReadArea(p, in i, area, narrow ? 14 : 28))
        {
            return Outcome.Fault;
        }

        SetEnvironment(p, area, narrow);
        return Outcome.Retired;
    }

    private static Outcome Save(Processor p, in Instruction i)
    {
        byte* area = stackalloc byte[108];
        if (!p.X87Available())
        {
            return Outcome.Fault;
        }

        int size = Environment(p, in i, area);
        for (int k = 0; k < 8; k++)
        {
            *(ulong*)(area + size) = p.St(k).Significand;
            *(ushort*)(area + size + 8) = p.St(k).SignExponent;
            size += 10;
        }

        if (!TryWriteArea(p, in i, area, size))
        {
            return Outcome.Fault;
        }

        InitState(p.State);
        return Outcome.Retired;
    }

    private static Outcome Restore(Processor p, in Instruction i)
    {
        bool narrow = i.Code == Code.Frstor_m94byte;
        int size = narrow ? 14 : 28;
        byte* area = stackalloc byte[108];
        if (!p.X87Ready() || !TryReadArea(p, in i, area, size + 80))
        {
            return Outcome.Fault;
        }

        ushort tags = *(ushort*)(area + (narrow ? 4 : 8));
        SetEnvironment(p, area, narrow);
        for (int k = 0; k < 8; k++)
        {
            ref X87Register register = ref p.St(k);
            register.Significand = *(ulong*)(area + size);
            register.SignExponent = *(ushort*)(area + size + 8);
            size += 10;
        }

        p.State->Ftw = Tags(p.State, tags);
        return Outcome.Retired;
    }

    /// <summary>
    /// Fills the environment as SDM 1 "Saving the x87 FPU's State with FSTENV/FNSTENV and FSAVE/FNSAVE" draws it; gives back its size.
    /// </summary>
    private static int Environment(Processor p, in Instruction i, byte* area)
    {
        CpuState* cpu = p.State;
        bool isReal = p.IsRealOrVirtual8086;
        uint code = (uint)cpu->Fip + (isReal ? (uint)cpu->Fcs << 4 : 0);
        uint operand = (uint)cpu->Fdp + (isReal ? (uint)cpu->Fds << 4 : 0);
        if (i.Code is Code.Fnstenv_m14byte or Code.Fnsave_m94byte)
        {
            ushort* words = (ushort*)area;
            words[0] = cpu->Fcw;
            words[1] = cpu->Fsw;
            words[2] = Tags(cpu, cpu->Ftw);
            words[3] = (ushort)code;
            words[4] = isReal ? (ushort)(((code >> 4) & 0xF000) | (cpu->Fop & 0x7FFU)) : cpu->Fcs;
            words[5] = (ushort)operand;
            words[6] = isReal ? (ushort)((operand >> 4) & 0xF000) : cpu->Fds;
            return 14;
        }

        const uint Reserved = 0xFFFF_0000;
        uint* doublewords = (uint*)area;
        doublewords[0] = Reserved | cpu->Fcw;
        doublewords[1] = Reserved | cpu->Fsw;
        doublewords[2] = Reserved | Tags(cpu, cpu->Ftw);
        doublewords[3] = isReal ? Reserved | (ushort)code : code;
        doublewords[4] = isReal ? ((code >> 4) & 0x0FFF_F000) | (cpu->Fop & 0x7FFU) : ((cpu->Fop & 0x7FFU) << 16) | cpu->Fcs;
        doublewords[5] = isReal ? Reserved | (ushort)operand : operand;
        doublewords[6] = isReal ? (operand >> 4) & 0x0FFF_F000 : Reserved | cpu->Fds;
        return 28;
    }

    private static void SetEnvironment(Processor p, byte* area, bool narrow)
    {
        CpuState* cpu = p.State;
        int step = narrow ? 2 : 4;
        cpu->Fcw = Defined(*(ushort*)area);
        cpu->Fsw = *(ushort*)(area + step);
        cpu->Ftw = Tags(cpu, *(ushort*)(area + (2 * step)));
        uint code = narrow ? *(ushort*)(area + 6) : *(uint*)(area + 12);
        uint codeHigh = narrow ? *(ushort*)(area + 8) : *(uint*)(area + 16);
        uint operand = narrow ? *(ushort*)(area + 10) : *(uint*)(area + 20);
        uint operandHigh = narrow ? *(ushort*)(area + 12) : *(uint*)(area + 24);
        if (p.IsRealOrVirtual8086)
        {
            // Linear addresses, their upper bits above the opcode.
            cpu->Fip = (ushort)code | ((codeHigh & 0x0FFF_F000) << 4);
            cpu->Fdp = (ushort)operand | ((operandHigh & 0x0FFF_F000) << 4);
            cpu->Fop = (ushort)(codeHigh & 0x7FF);
            cpu->Fcs = 0;
            cpu->Fds = 0;
        }
        else
        {
            cpu->Fip = code;
            cpu->Fdp = operand;
            cpu->Fcs = (ushort)codeHigh;
            cpu->Fds = (ushort)operandHigh;
            cpu->Fop = narrow ? cpu->Fop : (ushort)((codeHigh >> 16) & 0x7FF);
        }

        p.UpdateErrorSummary();
    }

    /// <summary>Only "empty" is believed of a tag word; the other tags follow from the registers.</summary>
    private static ushort Tags(CpuState* cpu, ushort tags)
    {
        int result = 0;
        for (int k = 0; k < 8; k++)
        {
            bool empty = ((tags >> (2 * k)) & 3) == 3;
            result |= (empty ? 3 : ExtendedFormat.Tag(in cpu->X87[k])) << (2 * k);
        }

        return (ushort)result;
    }

    private static bool TryWriteArea(Processor p, in Instruction i, byte* area, int sizeBytes) =>
        p.TryLinear(Processor.SegmentOf(in i), p.EffectiveAddress(in i), (uint)sizeBytes, Xenolith.Mmu.AccessKind.Write, out ulong linear)
        && p.TryWriteBytes(linear, p.State->DataAccess, area, sizeBytes);

    private static bool TryReadArea(Processor p, in Instruction i, byte* area, int sizeBytes) =>
        p.TryLinear(Processor.SegmentOf(in i), p.EffectiveAddress(in i), (uint)sizeBytes, Xenolith.Mmu.AccessKind.Read, out ulong linear)
        && p.TryReadBytes(linear, p.State->DataAccess, area, sizeBytes);
}
