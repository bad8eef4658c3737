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
                    return Plain(op, typeof(MovReg<>), width);
                case OpKind.Memory:
                    return TryAddress(in i, op, out Type source) && Memory(op, source, typeof(Load<>), width);
                default:
                    op->Imm = i.GetImmediate(1);
                    return Plain(op, typeof(MovImm<>), width);
            }
        }

        if (!TryAddress(in i, op, out Type address))
        {
            return false;
        }

        if (i.Op1Kind == OpKind.Register)
        {
            op->Src = Offset(i.Op1Register);
            return Memory(op, address, typeof(Store<>), width);
        }

        op->Small = (int)i.GetImmediate(1);
        return Memory(op, address, typeof(StoreImm<>), width);
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
            return Plain(op, typeof(ExtendReg<,>), source, destination);
        }

        return TryAddress(in i, op, out Type address)
            && Memory(op, address, typeof(ExtendMem<,>), source, destination);
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
        return Plain(op, typeof(Lea<,>), Width(i.Op0Register.GetSize()), address);
    }

    private bool Exchange(in Instruction i, Op* op)
    {
        if (i.Op0Kind != OpKind.Register)
        {
            return false; // locked by itself
        }

        op->Dst = Offset(i.Op0Register);
        op->Src = Offset(i.Op1Register);
        return Plain(op, typeof(ExchangeReg<>), Width(i.Op0Register.GetSize()));
    }

    private bool ByteSwap(in Instruction i, Op* op)
    {
        op->Dst = Offset(i.Op0Register);
        int size = i.Op0Register.GetSize();
        return size >= 4 && Plain(op, typeof(ByteSwap<>), Width(size));
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
            return HasFlatCode && Set(op, nameof(Shells.Branch), typeof(FlagsTest<>), ConditionTypes.Of(i.ConditionCode));
        }

        if (i.OpCount == 1 && OperandShells.SizeOf(in i, 0) == 1) // SETcc
        {
            if (i.Op0Kind == OpKind.Memory)
            {
                return TryAddress(in i, op, out Type place) && Memory(op, place, typeof(SetMem<>), ConditionTypes.Of(i.ConditionCode));
            }

            op->Dst = Offset(i.Op0Register);
            return Plain(op, typeof(SetReg<>), ConditionTypes.Of(i.ConditionCode));
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
            return Plain(op, typeof(CmovReg<,>), condition, width);
        }

        return TryAddress(in i, op, out Type address)
            && Memory(op, address, typeof(CmovMem<,>), condition, width);
    }
}
