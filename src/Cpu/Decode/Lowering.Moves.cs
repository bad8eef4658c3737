using System;

using Iced.Intel;

namespace Xenolith.Cpu;

/// <content>Moves, conversions, conditional moves.</content>
internal sealed unsafe partial class Lowering
{
    private bool Mov(in Instruction i, Op* op)
    {
        if (i.Op0Kind == OpKind.Register && !i.Op0Register.IsGPR())
        {
            return false; // segment, control and debug registers
        }

        if (i.Op1Kind == OpKind.Register && !i.Op1Register.IsGPR())
        {
            return false;
        }

        Type width = Width(OperandShells.SizeOf(in i, 0));
        if (i.Op0Kind == OpKind.Register)
        {
            op->Dst = Offset(i.Op0Register);
            switch (i.Op1Kind)
            {
                case OpKind.Register:
                    op->Src = Offset(i.Op1Register);
                    return Set(op, typeof(MoveHandlers), nameof(MoveHandlers.MovReg), width);
                case OpKind.Memory:
                    return TryAddress(in i, op, out Type source) && Set(op, typeof(MoveHandlers), nameof(MoveHandlers.Load), width, source);
                default:
                    op->Imm = i.GetImmediate(1);
                    return Set(op, typeof(MoveHandlers), nameof(MoveHandlers.MovImm), width);
            }
        }

        if (!TryAddress(in i, op, out Type address))
        {
            return false;
        }

        if (i.Op1Kind == OpKind.Register)
        {
            op->Src = Offset(i.Op1Register);
            return Set(op, typeof(MoveHandlers), nameof(MoveHandlers.Store), width, address);
        }

        op->Small = (int)i.GetImmediate(1);
        return Set(op, typeof(MoveHandlers), nameof(MoveHandlers.StoreImm), width, address);
    }

    private bool Extend(in Instruction i, Op* op, bool isSigned)
    {
        int from = OperandShells.SizeOf(in i, 1);
        Type source = isSigned ? SignedWidth(from) : Width(from);
        Type destination = Width(i.Op0Register.GetSize());
        op->Dst = Offset(i.Op0Register);
        if (i.Op1Kind == OpKind.Register)
        {
            op->Src = Offset(i.Op1Register);
            return Set(op, typeof(MoveHandlers), nameof(MoveHandlers.ExtendReg), source, destination);
        }

        return TryAddress(in i, op, out Type address)
            && Set(op, typeof(MoveHandlers), nameof(MoveHandlers.ExtendMem), source, destination, address);
    }

    /// <summary>LEA forms an offset, whatever the segment.</summary>
    private bool Lea(in Instruction i, Op* op)
    {
        int bits = Processor.AddressBits(in i);
        if (bits == 16)
        {
            return false;
        }

        bool hasIndex = FillAddress(in i, op);
        op->Dst = Offset(i.Op0Register);
        Type address = bits == 32 ? typeof(Address32) : hasIndex ? typeof(IndexedAddress) : typeof(BaseAddress);
        return Set(op, typeof(MoveHandlers), nameof(MoveHandlers.Lea), Width(i.Op0Register.GetSize()), address);
    }

    private bool Exchange(in Instruction i, Op* op)
    {
        if (i.Op0Kind != OpKind.Register)
        {
            return false; // locked by itself
        }

        op->Dst = Offset(i.Op0Register);
        op->Src = Offset(i.Op1Register);
        return Set(op, typeof(MoveHandlers), nameof(MoveHandlers.ExchangeReg), Width(i.Op0Register.GetSize()));
    }

    private bool ByteSwap(in Instruction i, Op* op)
    {
        op->Dst = Offset(i.Op0Register);
        int size = i.Op0Register.GetSize();
        return size >= 4 && Set(op, typeof(MoveHandlers), nameof(MoveHandlers.ByteSwap), Width(size));
    }

    /// <summary>Jcc, CMOVcc and SETcc.</summary>
    private bool Conditional(in Instruction i, Op* op)
    {
        if (i.ConditionCode == ConditionCode.None)
        {
            return false;
        }

        if (i.Code.IsJccShortOrNear())
        {
            return HasFlatCode && Set(op, typeof(ControlHandlers), nameof(ControlHandlers.JumpIf), ConditionTypes.Of(i.ConditionCode));
        }

        if (i.OpCount == 1 && i.Op0Kind == OpKind.Register && i.Op0Register.GetSize() == 1)
        {
            op->Dst = Offset(i.Op0Register);
            return Set(op, typeof(MoveHandlers), nameof(MoveHandlers.SetReg), ConditionTypes.Of(i.ConditionCode));
        }

        if (i.OpCount != 2 || i.Op0Kind != OpKind.Register || !i.Op0Register.IsGPR())
        {
            return false;
        }

        Type condition = ConditionTypes.Of(i.ConditionCode);
        Type width = Width(i.Op0Register.GetSize());
        op->Dst = Offset(i.Op0Register);
        if (i.Op1Kind == OpKind.Register)
        {
            op->Src = Offset(i.Op1Register);
            return Set(op, typeof(MoveHandlers), nameof(MoveHandlers.CmovReg), condition, width);
        }

        return TryAddress(in i, op, out Type address)
            && Set(op, typeof(MoveHandlers), nameof(MoveHandlers.CmovMem), condition, width, address);
    }
}
