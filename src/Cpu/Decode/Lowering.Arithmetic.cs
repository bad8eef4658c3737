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
    public bool TryFuse(in Instruction i, in Instruction jump, Op* op, out uint accesses)
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
            return Set(op, typeof(FusedHandlers), nameof(FusedHandlers.Unary), unary, Width(i.Op0Register.GetSize()), condition);
        }

        Type width = Width(OperandShells.SizeOf(in i, 0));
        string? shell = BinaryForm(in i, op, out Type? address);
        if (shell is null)
        {
            return false;
        }

        accesses = address is null ? 0U : 1U;
        return address is null
            ? Set(op, typeof(FusedHandlers), shell, operation, width, condition)
            : Set(op, typeof(FusedHandlers), shell, operation, width, address, condition);
    }

    private bool Binary(Type operation, in Instruction i, Op* op, bool flagsDead)
    {
        string? shell = BinaryForm(in i, op, out Type? address);
        if (shell is null)
        {
            return false;
        }

        Type width = Width(OperandShells.SizeOf(in i, 0));
        return address is null
            ? Set(op, typeof(BinaryHandlers), shell, operation, width, Flags(flagsDead))
            : Set(op, typeof(BinaryHandlers), shell, operation, width, Flags(flagsDead), address);
    }

    /// <summary>Fills operand fields and names the shell; null when the operands have no fast form.</summary>
    private string? BinaryForm(in Instruction i, Op* op, out Type? address)
    {
        address = null;
        if (i.Op0Kind == OpKind.Register)
        {
            op->Dst = Offset(i.Op0Register);
            switch (i.Op1Kind)
            {
                case OpKind.Register:
                    op->Src = Offset(i.Op1Register);
                    return nameof(BinaryHandlers.RegReg);
                case OpKind.Memory:
                    return TryAddress(in i, op, out address) ? nameof(BinaryHandlers.RegMem) : null;
                default:
                    op->Imm = i.GetImmediate(1);
                    return nameof(BinaryHandlers.RegImm);
            }
        }

        if (!TryAddress(in i, op, out address))
        {
            return null;
        }

        if (i.Op1Kind == OpKind.Register)
        {
            op->Src = Offset(i.Op1Register);
            return nameof(BinaryHandlers.MemReg);
        }

        op->Small = (int)i.GetImmediate(1);
        return nameof(BinaryHandlers.MemImm);
    }

    private bool Unary(Type operation, in Instruction i, Op* op, bool flagsDead)
    {
        Type width = Width(OperandShells.SizeOf(in i, 0));
        if (i.Op0Kind == OpKind.Register)
        {
            op->Dst = Offset(i.Op0Register);
            return Set(op, typeof(UnaryHandlers), nameof(UnaryHandlers.Reg1), operation, width, Flags(flagsDead));
        }

        return TryAddress(in i, op, out Type address)
            && Set(op, typeof(UnaryHandlers), nameof(UnaryHandlers.Mem), operation, width, Flags(flagsDead), address);
    }

    private bool Shift(Type operation, in Instruction i, Op* op, bool flagsDead)
    {
        if (i.Op0Kind != OpKind.Register)
        {
            return false;
        }

        int size = i.Op0Register.GetSize();
        op->Dst = Offset(i.Op0Register);
        if (i.Op1Kind == OpKind.Register)
        {
            return Set(op, typeof(UnaryHandlers), nameof(UnaryHandlers.ShiftCl), operation, Width(size));
        }

        op->Small = (int)i.GetImmediate(1) & (size == 8 ? 63 : 31);
        return op->Small != 0 && Set(op, typeof(UnaryHandlers), nameof(UnaryHandlers.ShiftImm), operation, Width(size), Flags(flagsDead));
    }

    private bool Imul(in Instruction i, Op* op)
    {
        if (i.OpCount == 1)
        {
            return false;
        }

        op->Dst = Offset(i.Op0Register);
        Type width = Width(i.Op0Register.GetSize());
        if (i.Op1Kind == OpKind.Memory)
        {
            return i.OpCount == 2 && TryAddress(in i, op, out Type address)
                && Set(op, typeof(UnaryHandlers), nameof(UnaryHandlers.ImulMem), width, address);
        }

        op->Src = Offset(i.Op1Register);
        if (i.OpCount == 2)
        {
            return Set(op, typeof(UnaryHandlers), nameof(UnaryHandlers.ImulReg), width);
        }

        op->Imm = i.GetImmediate(2);
        return Set(op, typeof(UnaryHandlers), nameof(UnaryHandlers.ImulRegImm), width);
    }
}
