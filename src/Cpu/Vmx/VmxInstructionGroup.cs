using Iced.Intel;

using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <summary>
/// The VMX instructions as code executes them (SDM 3C "VMX Instructions"): mode and privilege, operands, then the microcode of
/// <see cref="VmxUnit"/>. In non-root operation every one of them exits.
/// </summary>
internal static unsafe class VmxInstructionGroup
{
    public static void Register(ColdTable table)
    {
        table.Set(Mnemonic.Vmcall, &Vmcall, endsBlock: true);
        table.Set(Mnemonic.Vmxon, &Vmxon, endsBlock: true);
        table.Set(Mnemonic.Vmxoff, &Vmxoff, endsBlock: true);
        table.Set(Mnemonic.Vmclear, &Vmclear, endsBlock: true);
        table.Set(Mnemonic.Vmptrld, &Vmptrld, endsBlock: true);
        table.Set(Mnemonic.Vmptrst, &Vmptrst, endsBlock: true);
        table.Set(Mnemonic.Vmread, &Vmread, endsBlock: true);
        table.Set(Mnemonic.Vmwrite, &Vmwrite, endsBlock: true);
        table.Set(Mnemonic.Vmlaunch, &Vmlaunch, endsBlock: true);
        table.Set(Mnemonic.Vmresume, &Vmresume, endsBlock: true);
        table.Set(Mnemonic.Invept, &Invept, endsBlock: true);
        table.Set(Mnemonic.Invvpid, &Invvpid, endsBlock: true);
    }

    private static Outcome Vmcall(Processor p, in Instruction i)
    {
        if (p.State->Paging.NonRoot)
        {
            return p.Vmx.Exit(ExitReason.Vmcall, 0, (uint)i.Length); // in any mode, at any privilege level
        }

        return MayStart(p, in i, ExitReason.Vmcall, out Outcome outcome) ? Finish(p, p.Vmx.Vmcall()) : outcome;
    }

    /// <summary>
    /// VMXON: #UD without CR4.VMXE, #GP(0) when a fixed bit of CR0 or CR4 is wrong or IA32_FEATURE_CONTROL does not allow it.
    /// </summary>
    private static Outcome Vmxon(Processor p, in Instruction i)
    {
        const ulong Locked = 1;
        const ulong EnableOutsideSmx = 4;
        ref PagingContext paging = ref p.State->Paging;
        if (!ModeAllows(p) || (paging.Cr4 & ControlRegisters.Cr4Vmxe) == 0)
        {
            return p.Raise(Vector.UD);
        }

        if (paging.NonRoot)
        {
            return ExitWithOperand(p, in i, ExitReason.Vmxon);
        }

        bool allowed = (paging.Cr0 & VmxCapabilities.Cr0Fixed0) == VmxCapabilities.Cr0Fixed0
            && (p.State->Msr.FeatureControl & (Locked | EnableOutsideSmx)) == (Locked | EnableOutsideSmx);
        if (p.State->Cpl != 0 || (!p.Vmx.InOperation && !allowed))
        {
            return p.Raise(Vector.GP, 0);
        }

        return TryReadPointer(p, in i, out Hpa region) ? Finish(p, p.Vmx.Vmxon(region)) : Outcome.Fault;
    }

    private static Outcome Vmxoff(Processor p, in Instruction i) =>
        MayStart(p, in i, ExitReason.Vmxoff, out Outcome outcome) ? Finish(p, p.Vmx.Vmxoff()) : outcome;

    private static Outcome Vmclear(Processor p, in Instruction i)
    {
        if (!MayStart(p, in i, ExitReason.Vmclear, out Outcome outcome))
        {
            return outcome;
        }

        return TryReadPointer(p, in i, out Hpa region) ? Finish(p, p.Vmx.Vmclear(region)) : Outcome.Fault;
    }

    private static Outcome Vmptrld(Processor p, in Instruction i)
    {
        if (!MayStart(p, in i, ExitReason.Vmptrld, out Outcome outcome))
        {
            return outcome;
        }

        return TryReadPointer(p, in i, out Hpa region) ? Finish(p, p.Vmx.Vmptrld(region)) : Outcome.Fault;
    }

    private static Outcome Vmptrst(Processor p, in Instruction i)
    {
        if (!MayStart(p, in i, ExitReason.Vmptrst, out Outcome outcome))
        {
            return outcome;
        }

        return p.TryWriteOperand(in i, 0, p.Vmx.Vmptrst().Value) ? Finish(p, VmxResult.Succeed) : Outcome.Fault;
    }

    private static Outcome Vmread(Processor p, in Instruction i)
    {
        if (!MayStart(p, in i, ExitReason.Vmread, out Outcome outcome))
        {
            return outcome;
        }

        if (!TryReadEncoding(p, in i, 1, out VmcsField field, out VmxResult result))
        {
            return Finish(p, result);
        }

        result = p.Vmx.TryVmread(field, out ulong value);
        if (result.IsSuccess)
        {
            bool written = p.Is64BitMode ? p.TryWriteOperand(in i, 0, value) : p.TryWriteOperand(in i, 0, (uint)value);
            if (!written)
            {
                return Outcome.Fault;
            }
        }

        return Finish(p, result);
    }

    private static Outcome Vmwrite(Processor p, in Instruction i)
    {
        if (!MayStart(p, in i, ExitReason.Vmwrite, out Outcome outcome))
        {
            return outcome;
        }

        ulong value;
        if (p.Is64BitMode)
        {
            if (!p.TryReadOperand(in i, 1, out value))
            {
                return Outcome.Fault;
            }
        }
        else
        {
            if (!p.TryReadOperand(in i, 1, out uint narrow))
            {
                return Outcome.Fault;
            }

            value = narrow;
        }

        return Finish(p, TryReadEncoding(p, in i, 0, out VmcsField field, out VmxResult result) ? p.Vmx.TryVmwrite(field, value) : result);
    }

    private static Outcome Vmlaunch(Processor p, in Instruction i) =>
        MayStart(p, in i, ExitReason.Vmlaunch, out Outcome outcome) ? FinishEntry(p, p.Vmx.Vmlaunch()) : outcome;

    private static Outcome Vmresume(Processor p, in Instruction i) =>
        MayStart(p, in i, ExitReason.Vmresume, out Outcome outcome) ? FinishEntry(p, p.Vmx.Vmresume()) : outcome;

    private static Outcome Invept(Processor p, in Instruction i)
    {
        if (!TryReadInvalidation(p, in i, ExitReason.Invept, out ulong type, out ulong low, out _, out Outcome outcome))
        {
            return outcome;
        }

        return Finish(p, p.Vmx.Invept((InveptType)type, low));
    }

    private static Outcome Invvpid(Processor p, in Instruction i)
    {
        if (!TryReadInvalidation(p, in i, ExitReason.Invvpid, out ulong type, out ulong low, out ulong high, out Outcome outcome))
        {
            return outcome;
        }

        VmxResult result = low >> 16 == 0
            ? p.Vmx.Invvpid((InvvpidType)type, (ushort)low, new Gva(high))
            : p.Vmx.Fail(VmInstructionError.InvalidOperandToInveptOrInvvpid);
        return Finish(p, result);
    }

    /// <summary>Mode (#UD), non-root operation (exit), privilege (#GP), in this order; false with the outcome.</summary>
    private static bool MayStart(Processor p, in Instruction i, ExitReason reason, out Outcome outcome)
    {
        if (!ModeAllows(p) || !p.Vmx.InOperation)
        {
            outcome = p.Raise(Vector.UD);
            return false;
        }

        if (p.State->Paging.NonRoot)
        {
            outcome = ExitWithOperand(p, in i, reason);
            return false;
        }

        outcome = Outcome.Fault;
        return p.RequireSupervisor();
    }

    /// <summary>Not in real-address, virtual-8086 or compatibility mode.</summary>
    private static bool ModeAllows(Processor p) => !p.IsRealOrVirtual8086 && (!p.IsLongMode || p.Is64BitMode);

    private static Outcome ExitWithOperand(Processor p, in Instruction i, ExitReason reason)
    {
        ulong displacement = i.OpCount == 0 ? 0 : i.IsIPRelativeMemoryOperand ? i.IPRelativeMemoryAddress : i.MemoryDisplacement64;
        uint information = i.OpCount == 0 ? 0 : InstructionInformation.Of(in i);
        return p.Vmx.Exit(reason, displacement, (uint)i.Length, information);
    }

    private static bool TryReadPointer(Processor p, in Instruction i, out Hpa region)
    {
        bool done = p.TryRead(Processor.SegmentOf(in i), p.EffectiveAddress(in i), out ulong pointer);
        region = new Hpa(pointer);
        return done;
    }

    /// <summary>The encoding in a register; one with bits above 31 names no field.</summary>
    private static bool TryReadEncoding(Processor p, in Instruction i, int operand, out VmcsField field, out VmxResult result)
    {
        ulong encoding = p.Is64BitMode ? p.Gpr<ulong>(i.GetOpRegister(operand)) : p.Gpr<uint>(i.GetOpRegister(operand));
        field = (VmcsField)(uint)encoding;
        result = VmxResult.Succeed;
        if (encoding >> 32 == 0)
        {
            return true;
        }

        result = p.Vmx.Fail(VmInstructionError.UnsupportedVmcsComponent);
        return false;
    }

    private static bool TryReadInvalidation(
        Processor p, in Instruction i, ExitReason reason, out ulong type, out ulong low, out ulong high, out Outcome outcome)
    {
        type = low = high = 0;
        if (!MayStart(p, in i, reason, out outcome))
        {
            return false;
        }

        type = p.Is64BitMode ? p.Gpr<ulong>(i.Op0Register) : p.Gpr<uint>(i.Op0Register);
        ulong offset = p.EffectiveAddress(in i);
        outcome = Outcome.Fault;
        return p.TryRead(Processor.SegmentOf(in i), offset, out low) && p.TryRead(Processor.SegmentOf(in i), offset + 8, out high);
    }

    /// <summary>VMsucceed, VMfailInvalid and VMfailValid in RFLAGS (SDM 3C "Conventions").</summary>
    private static Outcome Finish(Processor p, VmxResult result)
    {
        uint status = result.IsSuccess ? 0 : result.IsFailInvalid ? RflagsBits.CF : RflagsBits.ZF;
        p.Rflags = (p.Rflags & ~(ulong)RflagsBits.Status) | status;
        return p.Branch(true);
    }

    /// <summary>After an entry RIP is the guest's (or the host's, when the entry failed late): only a failure falls through.</summary>
    private static Outcome FinishEntry(Processor p, VmxResult result) => result.IsSuccess ? Outcome.Branched : Finish(p, result);
}
