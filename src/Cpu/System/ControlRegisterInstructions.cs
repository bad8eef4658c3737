using Iced.Intel;

using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <summary>MOV CR, MOV DR, CLTS, LMSW, SMSW, XGETBV, XSETBV (SDM 2 "System Instructions").</summary>
internal static unsafe class ControlRegisterInstructions
{
    public static void Register(ColdTable table)
    {
        table.Set(Code.Mov_cr_r32, &MovToCr, endsBlock: true);
        table.Set(Code.Mov_cr_r64, &MovToCr, endsBlock: true);
        table.Set(Code.Mov_r32_cr, &MovFromCr, endsBlock: true);
        table.Set(Code.Mov_r64_cr, &MovFromCr, endsBlock: true);
        table.Set(Code.Mov_dr_r32, &MovToDr, endsBlock: true);
        table.Set(Code.Mov_dr_r64, &MovToDr, endsBlock: true);
        table.Set(Code.Mov_r32_dr, &MovFromDr, endsBlock: true);
        table.Set(Code.Mov_r64_dr, &MovFromDr, endsBlock: true);
        table.Set(Mnemonic.Clts, &Clts, endsBlock: true);
        table.Set(Mnemonic.Lmsw, &Lmsw, endsBlock: true);
        table.Set(Mnemonic.Smsw, &Smsw);
        table.Set(Mnemonic.Xgetbv, &Xgetbv);
        table.Set(Mnemonic.Xsetbv, &Xsetbv, endsBlock: true);
    }

    private static Outcome MovToCr(Processor p, in Instruction i)
    {
        int number = i.Op0Register - Iced.Intel.Register.CR0;
        if (number is not (0 or 2 or 3 or 4 or 8))
        {
            return p.Raise(Vector.UD);
        }

        if (!p.RequireSupervisor())
        {
            return Outcome.Fault;
        }

        ulong value = p.Is64BitMode ? p.Gpr<ulong>(i.Op1Register) : p.Gpr<uint>(i.Op1Register);
        if (p.State->Paging.NonRoot && p.Vmx.TryExitForMovToCr(number, GprNumber(i.Op1Register), i.Length, ref value, out Outcome outcome))
        {
            return outcome;
        }

        bool done;
        switch (number)
        {
            case 0:
                done = p.TryWriteCr0(value);
                break;
            case 2:
                p.State->Cr2 = value;
                done = true;
                break;
            case 3:
                done = p.TryWriteCr3(value);
                break;
            case 4:
                done = p.TryWriteCr4(value);
                break;
            default:
                done = value <= 15 || p.Fail(Vector.GP, 0);
                if (done)
                {
                    p.TaskPriority = value;
                }

                break;
        }

        return p.Branch(done);
    }

    private static Outcome MovFromCr(Processor p, in Instruction i)
    {
        int number = i.Op1Register - Iced.Intel.Register.CR0;
        if (number is not (0 or 2 or 3 or 4 or 8))
        {
            return p.Raise(Vector.UD);
        }

        if (!p.RequireSupervisor())
        {
            return Outcome.Fault;
        }

        if (p.State->Paging.NonRoot && p.Vmx.TryExitForMovFromCr(number, GprNumber(i.Op0Register), i.Length, out Outcome outcome))
        {
            return outcome;
        }

        ulong value = number switch
        {
            0 => p.Vmx.GuestView(p.State->Paging.Cr0, VmcsField.Cr0Mask, VmcsField.Cr0ReadShadow),
            2 => p.State->Cr2,
            3 => p.State->Paging.Cr3,
            4 => p.Vmx.GuestView(p.State->Paging.Cr4, VmcsField.Cr4Mask, VmcsField.Cr4ReadShadow),
            _ => p.TaskPriority,
        };
        SetNatural(p, i.Op0Register, value);
        return Outcome.Retired;
    }

    private static Outcome MovToDr(Processor p, in Instruction i)
    {
        int number = i.Op0Register - Iced.Intel.Register.DR0;
        if (!TryDebugRegister(p, ref number, i.Op1Register, isRead: false, i.Length, out Outcome outcome))
        {
            return outcome;
        }

        ulong value = p.Is64BitMode ? p.Gpr<ulong>(i.Op1Register) : p.Gpr<uint>(i.Op1Register);
        if (number >= 6 && value >> 32 != 0)
        {
            return p.Raise(Vector.GP, 0);
        }

        p.State->Dr[number] = number switch
        {
            6 => (value & 0xE00F) | Processor.Dr6Fixed1,
            7 => (value & 0xFFFF_23FF) | 0x400,
            _ => value,
        };
        return p.Branch(true);
    }

    private static Outcome MovFromDr(Processor p, in Instruction i)
    {
        int number = i.Op1Register - Iced.Intel.Register.DR0;
        if (!TryDebugRegister(p, ref number, i.Op0Register, isRead: true, i.Length, out Outcome outcome))
        {
            return outcome;
        }

        SetNatural(p, i.Op0Register, p.State->Dr[number]);
        return Outcome.Retired;
    }

    /// <summary>What both directions check: DR4 and DR5 are aliases unless CR4.DE, CPL 0, the VM exit, DR7.GD.</summary>
    private static bool TryDebugRegister(Processor p, ref int number, Register gpr, bool isRead, int length, out Outcome outcome)
    {
        if (number is 4 or 5)
        {
            if ((p.State->Paging.Cr4 & ControlRegisters.Cr4De) != 0)
            {
                outcome = p.Raise(Vector.UD);
                return false;
            }

            number += 2;
        }

        outcome = Outcome.Fault;
        if (number > 7)
        {
            outcome = p.Raise(Vector.UD);
            return false;
        }

        if (!p.RequireSupervisor())
        {
            return false;
        }

        if (p.State->Paging.NonRoot && p.Vmx.TryExitForMovDr(number, GprNumber(gpr), isRead, length, out outcome))
        {
            return false;
        }

        if ((p.State->Dr[7] & Processor.Dr7Gd) != 0)
        {
            const ulong Bd = 1UL << 13;
            _ = p.Raise(Vector.DB);
            p.PendingFault.Qualification = Bd;
            outcome = Outcome.Fault;
            return false;
        }

        return true;
    }

    private static Outcome Clts(Processor p, in Instruction i)
    {
        if (!p.RequireSupervisor())
        {
            return Outcome.Fault;
        }

        bool changes = true;
        if (p.State->Paging.NonRoot && p.Vmx.TryExitForClts(i.Length, out changes, out Outcome outcome))
        {
            return outcome;
        }

        if (!changes)
        {
            return Outcome.Retired;
        }

        p.State->Paging.Cr0 &= ~ControlRegisters.Cr0Ts;
        return p.Branch(true);
    }

    /// <summary>LMSW changes PE, MP, EM, TS, and cannot clear PE.</summary>
    private static Outcome Lmsw(Processor p, in Instruction i)
    {
        if (!p.RequireSupervisor())
        {
            return Outcome.Fault;
        }

        if (!p.TryReadOperand(in i, 0, out ushort source))
        {
            return Outcome.Fault;
        }

        ulong old = p.State->Paging.Cr0;
        ulong bits = (source & 0xFUL) | (old & ControlRegisters.Cr0Pe);
        if (p.State->Paging.NonRoot && p.Vmx.TryExitForLmsw(source, i.Op0Kind == OpKind.Memory, i.Length, ref bits, out Outcome outcome))
        {
            return outcome;
        }

        return p.Branch(p.TryWriteCr0((old & ~0xFUL) | bits));
    }

    private static Outcome Smsw(Processor p, in Instruction i)
    {
        if (!p.RequireNoUmip())
        {
            return Outcome.Fault;
        }

        ulong value = p.Vmx.GuestView(p.State->Paging.Cr0, VmcsField.Cr0Mask, VmcsField.Cr0ReadShadow);
        if (i.Op0Kind == OpKind.Memory)
        {
            return p.TryWriteOperand(in i, 0, (ushort)value) ? Outcome.Retired : Outcome.Fault;
        }

        switch (i.Op0Register.GetSize())
        {
            case 2:
                p.SetGpr(i.Op0Register, (ushort)value);
                break;
            case 4:
                p.SetGpr(i.Op0Register, (uint)value);
                break;
            default:
                p.SetGpr(i.Op0Register, value);
                break;
        }

        return Outcome.Retired;
    }

    private static Outcome Xgetbv(Processor p, in Instruction i)
    {
        if ((p.State->Paging.Cr4 & ControlRegisters.Cr4Osxsave) == 0)
        {
            return p.Raise(Vector.UD);
        }

        uint register = (uint)p.State->Gpr[1];
        if (register > 1)
        {
            return p.Raise(Vector.GP, 0);
        }

        // With ECX = 1: what XSAVEC would write.
        p.SetEdxEax(register == 0 ? p.State->Xcr0 : p.State->Xcr0 & ExtendedState.InUseWithMxcsr(p.State));
        return Outcome.Retired;
    }

    private static Outcome Xsetbv(Processor p, in Instruction i)
    {
        if ((p.State->Paging.Cr4 & ControlRegisters.Cr4Osxsave) == 0)
        {
            return p.Raise(Vector.UD);
        }

        if (!p.RequireSupervisor())
        {
            return Outcome.Fault;
        }

        if (p.State->Paging.NonRoot)
        {
            return p.Vmx.Exit(ExitReason.Xsetbv, 0, (uint)i.Length);
        }

        ulong value = p.EdxEax;
        bool avxNeedsSse = (value & ControlRegisters.Xcr0Avx) == 0 || (value & ControlRegisters.Xcr0Sse) != 0;
        if ((uint)p.State->Gpr[1] != 0 || (value & ~ControlRegisters.Xcr0Supported) != 0 || (value & ControlRegisters.Xcr0X87) == 0 || !avxNeedsSse)
        {
            return p.Raise(Vector.GP, 0);
        }

        p.State->Xcr0 = value;
        return p.Branch(true);
    }

    private static void SetNatural(Processor p, Register register, ulong value)
    {
        if (p.Is64BitMode)
        {
            p.SetGpr(register, value);
        }
        else
        {
            p.SetGpr(register, (uint)value);
        }
    }

    /// <summary>0 for RAX to 15 for R15, as in exit qualifications.</summary>
    private static int GprNumber(Register register) => Processor.GprOffset(register) / 8;
}
