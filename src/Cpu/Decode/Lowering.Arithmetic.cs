using System;

using Iced.Intel;

namespace Xenolith.Cpu;

/// <content>Arithmetic, logic, shifts.</content>
internal sealed unsafe partial class Lowering
{
    /// <summary>The operation of a two-operand instruction that may be fused with a conditional jump; null for others.</summary>
    private static Type? BinaryOperation(Mnemonic mnemonic) => mnemonic switch
    {
        Mnemonic.Cmp => typeof(Cmp),
        Mnemonic.Test => typeof(Test),
        Mnemonic.Add => typeof(Add),
        Mnemonic.Sub => typeof(Sub),
        Mnemonic.And => typeof(And),
        Mnemonic.Or => typeof(Or),
        Mnemonic.Xor => typeof(Xor),
        _ => null,
    };

    /// <summary>An operation and the conditional jump behind it as one op. False when they cannot be fused.</summary>
    public bool TryFuse(in Instruction i, in Instruction jump, Op* op, FlagNeed flags, out uint accesses)
    {
        accesses = 0;
        if (!HasFlatCode || !jump.Code.IsJccShortOrNear() || i.HasLockPrefix)
        {
            return false;
        }

        Type condition = ConditionTypes.Of(jump.ConditionCode);
        Type? operation = BinaryOperation(i.Mnemonic);
        if (operation is null)
        {
            if (i.Mnemonic is not (Mnemonic.Dec or Mnemonic.Inc) || i.Op0Kind != OpKind.Register)
            {
                return false;
            }

            op->Dst = Offset(i.Op0Register);
            Type unary = i.Mnemonic == Mnemonic.Dec ? typeof(Dec) : typeof(Inc);
            Type size = Width(i.Op0Register.GetSize());
            return Set(op, nameof(Shells.Branch), typeof(UnaryTest<,,,>), unary, size, condition, FlagsType(flags));
        }

        Type width = Width(OperandShells.SizeOf(in i, 0));
        if (BinaryForm(in i, op, out Type? address) is not { } form)
        {
            return false;
        }

        accesses = address is null ? 0U : 1U;
        string shell = address is null ? nameof(Shells.Branch) : nameof(Shells.BranchMemory);
        Type flagsType = FlagsType(flags);
        return Set(op, shell, form.Test, operation, width, condition, flagsType, address);
    }

    private bool Binary(Type operation, in Instruction i, Op* op, FlagNeed flags)
    {
        if (BinaryForm(in i, op, out Type? address) is not { } form)
        {
            return false;
        }

        Type width = Width(OperandShells.SizeOf(in i, 0));
        string shell = address is null ? nameof(Shells.Plain) : nameof(Shells.Memory);
        return Set(op, shell, form.Body, operation, width, FlagsType(flags), address: address);
    }

    /// <summary>
    /// Fills operand fields and names the bodies, alone and fused with a branch; null when the operands have no fast form.
    /// </summary>
    private (Type Body, Type Test)? BinaryForm(in Instruction i, Op* op, out Type? address)
    {
        address = null;
        if (i.Op0Kind == OpKind.Register)
        {
            op->Dst = Offset(i.Op0Register);
            switch (i.Op1Kind)
            {
                case OpKind.Register:
                    op->Src = Offset(i.Op1Register);
                    return (typeof(RegReg<,,>), typeof(RegRegTest<,,,>));
                case OpKind.Memory:
                    return TryAddress(in i, op, out address) ? (typeof(RegMem<,,>), typeof(RegMemTest<,,,>)) : null;
                default:
                    op->Imm = i.GetImmediate(1);
                    return (typeof(RegImm<,,>), typeof(RegImmTest<,,,>));
            }
        }

        if (!TryAddress(in i, op, out address))
        {
            return null;
        }

        if (i.Op1Kind == OpKind.Register)
        {
            op->Src = Offset(i.Op1Register);
            return (typeof(MemReg<,,>), typeof(MemRegTest<,,,>));
        }

        op->Small = (int)i.GetImmediate(1);
        return (typeof(MemImm<,,>), typeof(MemImmTest<,,,>));
    }

    private bool Unary(Type operation, in Instruction i, Op* op, FlagNeed flags)
    {
        Type width = Width(OperandShells.SizeOf(in i, 0));
        if (i.Op0Kind == OpKind.Register)
        {
            op->Dst = Offset(i.Op0Register);
            return Plain(op, typeof(UnaryReg<,,>), operation, width, FlagsType(flags));
        }

        return TryAddress(in i, op, out Type address) && Memory(op, address, typeof(UnaryMem<,,>), operation, width, FlagsType(flags));
    }

    private bool Shift(Type operation, in Instruction i, Op* op, FlagNeed flags)
    {
        int size = OperandShells.SizeOf(in i, 0);
        bool isMemory = i.Op0Kind != OpKind.Register;
        if (i.Op1Kind == OpKind.Register)
        {
            op->Dst = Offset(i.Op0Register);
            return !isMemory && Plain(op, typeof(ShiftCl<,>), operation, Width(size));
        }

        op->Small = (int)i.GetImmediate(1) & (size == 8 ? 63 : 31);
        if (op->Small == 0)
        {
            return false;
        }

        if (isMemory)
        {
            return TryAddress(in i, op, out Type address)
                && Memory(op, address, typeof(ShiftMemImm<,,>), operation, Width(size), FlagsType(flags));
        }

        op->Dst = op->Src = Offset(i.Op0Register);
        return Plain(op, typeof(ShiftImm<,,>), operation, Width(size), FlagsType(flags));
    }

    private bool Imul(in Instruction i, Op* op, FlagNeed flags)
    {
        if (i.OpCount == 1)
        {
            return false;
        }

        op->Dst = Offset(i.Op0Register);
        Type width = Width(i.Op0Register.GetSize());
        if (i.Op1Kind == OpKind.Memory)
        {
            if (!TryAddress(in i, op, out Type address))
            {
                return false;
            }

            op->Small = i.OpCount == 3 ? (int)i.GetImmediate(2) : 0;
            return Memory(op, address, i.OpCount == 3 ? typeof(ImulMemImm<,>) : typeof(ImulMem<,>), width, FlagsType(flags));
        }

        op->Src = Offset(i.Op1Register);
        if (i.OpCount == 2)
        {
            return Plain(op, typeof(ImulReg<,>), width, FlagsType(flags));
        }

        op->Imm = i.GetImmediate(2);
        return Plain(op, typeof(ImulRegImm<,>), width, FlagsType(flags));
    }
}
