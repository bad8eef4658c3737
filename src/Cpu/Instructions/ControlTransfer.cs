using System;
using System.Numerics;

using Iced.Intel;

using IcedRegister = Iced.Intel.Register;

namespace Xenolith.Cpu;

/// <summary>Near control transfers (SDM 1 "Control Transfer Instructions"); far ones belong to segmentation.</summary>
internal static unsafe class ControlTransfer
{
    public static void Register(ColdTable table)
    {
        foreach (Code code in ColdTable.CodesOf(Mnemonic.Jmp))
        {
            if (code.IsJmpShortOrNear() || code.IsJmpNearIndirect())
            {
                table.Set(code, &Jmp, endsBlock: true);
            }
        }

        foreach (Code code in ColdTable.CodesOf(Mnemonic.Call))
        {
            if (code.IsCallNear() || code.IsCallNearIndirect())
            {
                table.Set(code, &Call, endsBlock: true);
            }
        }

        table.Set(Mnemonic.Ret, &Ret, endsBlock: true);
        foreach (Mnemonic jump in (ReadOnlySpan<Mnemonic>)[
            Mnemonic.Jo, Mnemonic.Jno, Mnemonic.Jb, Mnemonic.Jae, Mnemonic.Je, Mnemonic.Jne, Mnemonic.Jbe, Mnemonic.Ja,
            Mnemonic.Js, Mnemonic.Jns, Mnemonic.Jp, Mnemonic.Jnp, Mnemonic.Jl, Mnemonic.Jge, Mnemonic.Jle, Mnemonic.Jg])
        {
            table.Set(jump, &Jcc, endsBlock: true);
        }

        foreach (Mnemonic loop in (ReadOnlySpan<Mnemonic>)[
            Mnemonic.Loop, Mnemonic.Loope, Mnemonic.Loopne, Mnemonic.Jcxz, Mnemonic.Jecxz, Mnemonic.Jrcxz])
        {
            table.Set(loop, &Loop, endsBlock: true);
        }
    }

    /// <summary>Jumps to an offset in CS: #GP(0) when it lies beyond the limit or is not canonical, with RIP still at the branch.</summary>
    private static Outcome BranchTo(Processor p, ulong target)
    {
        if (!p.IsBranchTarget(target))
        {
            return p.Raise(Vector.GP, 0);
        }

        p.State->Rip = target;
        return Outcome.Branched;
    }

    private static Outcome Jcc(Processor p, in Instruction i) =>
        Conditions.Holds(p.State, i.ConditionCode) ? BranchTo(p, i.NearBranchTarget) : Outcome.Retired;

    /// <summary>LOOPcc and JrCXZ: the count register has the address size (SDM 2A "LOOP/LOOPcc—Loop According to ECX Counter").</summary>
    private static Outcome Loop(Processor p, in Instruction i)
    {
        IcedRegister counter = CounterOf(i.Code);
        ulong count = counter switch
        {
            IcedRegister.CX => p.Gpr<ushort>(counter),
            IcedRegister.ECX => p.Gpr<uint>(counter),
            _ => p.Gpr<ulong>(counter),
        };
        if (i.Mnemonic is Mnemonic.Jcxz or Mnemonic.Jecxz or Mnemonic.Jrcxz)
        {
            return count == 0 ? BranchTo(p, i.NearBranchTarget) : Outcome.Retired;
        }

        count--;
        ulong cut = counter switch { IcedRegister.CX => (ushort)count, IcedRegister.ECX => (uint)count, _ => count };
        bool taken = cut != 0 && (i.Mnemonic == Mnemonic.Loop || LazyFlags.Zero(p.State) == (i.Mnemonic == Mnemonic.Loope));
        if (taken && !p.IsBranchTarget(i.NearBranchTarget))
        {
            return p.Raise(Vector.GP, 0);
        }

        switch (counter)
        {
            case IcedRegister.CX:
                p.SetGpr(counter, (ushort)cut);
                break;
            case IcedRegister.ECX:
                p.SetGpr(counter, (uint)cut);
                break;
            default:
                p.SetGpr(counter, cut);
                break;
        }

        return taken ? BranchTo(p, i.NearBranchTarget) : Outcome.Retired;
    }

    private static IcedRegister CounterOf(Code code) => code switch
    {
        Code.Loop_rel8_16_CX or Code.Loop_rel8_32_CX or Code.Loope_rel8_16_CX or Code.Loope_rel8_32_CX
            or Code.Loopne_rel8_16_CX or Code.Loopne_rel8_32_CX or Code.Jcxz_rel8_16 or Code.Jcxz_rel8_32 => IcedRegister.CX,
        Code.Loop_rel8_16_RCX or Code.Loop_rel8_64_RCX or Code.Loope_rel8_16_RCX or Code.Loope_rel8_64_RCX
            or Code.Loopne_rel8_16_RCX or Code.Loopne_rel8_64_RCX or Code.Jrcxz_rel8_16 or Code.Jrcxz_rel8_64 => IcedRegister.RCX,
        _ => IcedRegister.ECX,
    };

    private static Outcome Jmp(Processor p, in Instruction i) =>
        TryReadTarget(p, in i, out ulong target) ? BranchTo(p, target) : Outcome.Fault;

    private static Outcome Call(Processor p, in Instruction i)
    {
        if (!TryReadTarget(p, in i, out ulong target))
        {
            return Outcome.Fault;
        }

        if (!p.IsBranchTarget(target))
        {
            return p.Raise(Vector.GP, 0);
        }

        if (!p.TryPush(Math.Abs(i.StackPointerIncrement), p.NextRip))
        {
            return Outcome.Fault;
        }

        p.State->Rip = target;
        return Outcome.Branched;
    }

    private static Outcome Ret(Processor p, in Instruction i)
    {
        int size = i.Code switch { Code.Retnw or Code.Retnw_imm16 => 2, Code.Retnd or Code.Retnd_imm16 => 4, _ => 8 };
        ulong pointer = p.StackPointer;
        if (!p.TryPopAt(ref pointer, size, out ulong target))
        {
            return Outcome.Fault;
        }

        if (!p.IsBranchTarget(target))
        {
            return p.Raise(Vector.GP, 0);
        }

        if (i.OpCount != 0)
        {
            pointer = p.WrapStack(pointer + i.Immediate16);
        }

        p.StackPointer = pointer;
        p.State->Rip = target;
        return Outcome.Branched;
    }

    /// <summary>The target of a direct or indirect near branch, cut to its operand size.</summary>
    private static bool TryReadTarget(Processor p, in Instruction i, out ulong target)
    {
        bool done;
        switch (i.Op0Kind)
        {
            case OpKind.NearBranch16 or OpKind.NearBranch32 or OpKind.NearBranch64:
                target = i.NearBranchTarget;
                return true;
            default:
                switch (OperandShells.SizeOf(in i, 0))
                {
                    case 2:
                        done = p.TryReadOperand(in i, 0, out ushort w);
                        target = w;
                        return done;
                    case 4:
                        done = p.TryReadOperand(in i, 0, out uint d);
                        target = d;
                        return done;
                    default:
                        return p.TryReadOperand(in i, 0, out target);
                }
        }
    }
}
