using System;
using System.Collections.Generic;

using Iced.Intel;

namespace Xenolith.Cpu;

/// <content>SSE instructions that compiled code uses most. All others are cold.</content>
internal sealed unsafe partial class Lowering
{
    private static readonly Dictionary<Mnemonic, Type> BlockOps = new()
    {
        [Mnemonic.Pand] = typeof(Lanes<LaneAnd, ulong>),
        [Mnemonic.Andps] = typeof(Lanes<LaneAnd, ulong>),
        [Mnemonic.Andpd] = typeof(Lanes<LaneAnd, ulong>),
        [Mnemonic.Pandn] = typeof(Lanes<LaneAndNot, ulong>),
        [Mnemonic.Andnps] = typeof(Lanes<LaneAndNot, ulong>),
        [Mnemonic.Andnpd] = typeof(Lanes<LaneAndNot, ulong>),
        [Mnemonic.Por] = typeof(Lanes<LaneOr, ulong>),
        [Mnemonic.Orps] = typeof(Lanes<LaneOr, ulong>),
        [Mnemonic.Orpd] = typeof(Lanes<LaneOr, ulong>),
        [Mnemonic.Pxor] = typeof(Lanes<LaneXor, ulong>),
        [Mnemonic.Xorps] = typeof(Lanes<LaneXor, ulong>),
        [Mnemonic.Xorpd] = typeof(Lanes<LaneXor, ulong>),
        [Mnemonic.Paddb] = typeof(Lanes<LaneAdd<byte>, byte>),
        [Mnemonic.Paddw] = typeof(Lanes<LaneAdd<ushort>, ushort>),
        [Mnemonic.Paddd] = typeof(Lanes<LaneAdd<uint>, uint>),
        [Mnemonic.Paddq] = typeof(Lanes<LaneAdd<ulong>, ulong>),
        [Mnemonic.Psubb] = typeof(Lanes<LaneSubtract<byte>, byte>),
        [Mnemonic.Psubw] = typeof(Lanes<LaneSubtract<ushort>, ushort>),
        [Mnemonic.Psubd] = typeof(Lanes<LaneSubtract<uint>, uint>),
        [Mnemonic.Psubq] = typeof(Lanes<LaneSubtract<ulong>, ulong>),
        [Mnemonic.Pmuludq] = typeof(Lanes<LaneMultiplyWide, ulong>),
        [Mnemonic.Pcmpeqb] = typeof(Lanes<LaneEqual<byte>, byte>),
        [Mnemonic.Pcmpeqd] = typeof(Lanes<LaneEqual<uint>, uint>),
        [Mnemonic.Pcmpgtd] = typeof(Lanes<LaneGreater<int>, int>),
        [Mnemonic.Punpckldq] = typeof(UnpackLow<uint>),
        [Mnemonic.Punpckhdq] = typeof(UnpackHigh<uint>),
        [Mnemonic.Punpcklqdq] = typeof(UnpackLow<ulong>),
        [Mnemonic.Punpckhqdq] = typeof(UnpackHigh<ulong>),
        [Mnemonic.Unpcklps] = typeof(UnpackLow<uint>),
        [Mnemonic.Unpcklpd] = typeof(UnpackLow<ulong>),
        [Mnemonic.Unpckhpd] = typeof(UnpackHigh<ulong>),
    };

    /// <summary>Operation, and whether it is of single precision and of one element.</summary>
    private static readonly Dictionary<Mnemonic, (Type Op, bool IsSingle, bool IsScalar)> FloatOps = new()
    {
        [Mnemonic.Addsd] = (typeof(AddOp), false, true),
        [Mnemonic.Subsd] = (typeof(SubtractOp), false, true),
        [Mnemonic.Mulsd] = (typeof(MultiplyOp), false, true),
        [Mnemonic.Divsd] = (typeof(DivideOp), false, true),
        [Mnemonic.Sqrtsd] = (typeof(SquareRootOp), false, true),
        [Mnemonic.Addss] = (typeof(AddOp), true, true),
        [Mnemonic.Subss] = (typeof(SubtractOp), true, true),
        [Mnemonic.Mulss] = (typeof(MultiplyOp), true, true),
        [Mnemonic.Divss] = (typeof(DivideOp), true, true),
        [Mnemonic.Sqrtss] = (typeof(SquareRootOp), true, true),
        [Mnemonic.Addpd] = (typeof(AddOp), false, false),
        [Mnemonic.Subpd] = (typeof(SubtractOp), false, false),
        [Mnemonic.Mulpd] = (typeof(MultiplyOp), false, false),
        [Mnemonic.Divpd] = (typeof(DivideOp), false, false),
        [Mnemonic.Addps] = (typeof(AddOp), true, false),
        [Mnemonic.Subps] = (typeof(SubtractOp), true, false),
        [Mnemonic.Mulps] = (typeof(MultiplyOp), true, false),
        [Mnemonic.Divps] = (typeof(DivideOp), true, false),
    };

    private bool Vector(in Instruction i, Op* op)
    {
        if ((_mode & ExecutionMode.Sse) == 0)
        {
            return false;
        }

        switch (i.Code)
        {
            case Code.Movaps_xmm_xmmm128 or Code.Movapd_xmm_xmmm128 or Code.Movdqa_xmm_xmmm128:
                return VectorLoad(in i, op, typeof(Aligned));
            case Code.Movups_xmm_xmmm128 or Code.Movupd_xmm_xmmm128 or Code.Movdqu_xmm_xmmm128:
                return VectorLoad(in i, op, typeof(Unaligned));
            case Code.Movaps_xmmm128_xmm or Code.Movapd_xmmm128_xmm or Code.Movdqa_xmmm128_xmm:
                return VectorStore(in i, op, typeof(Aligned));
            case Code.Movups_xmmm128_xmm or Code.Movupd_xmmm128_xmm or Code.Movdqu_xmmm128_xmm:
                return VectorStore(in i, op, typeof(Unaligned));
            case Code.Movss_xmm_xmmm32:
                return i.Op1Kind == OpKind.Memory ? LowLoad(in i, op, typeof(uint)) : LowMove(in i, op, typeof(uint));
            case Code.Movsd_xmm_xmmm64:
                return i.Op1Kind == OpKind.Memory ? LowLoad(in i, op, typeof(ulong)) : LowMove(in i, op, typeof(ulong));
            case Code.Movss_xmmm32_xmm:
                return i.Op0Kind == OpKind.Memory && LowStore(in i, op, typeof(uint));
            case Code.Movsd_xmmm64_xmm or Code.Movq_xmmm64_xmm or Code.Movlps_m64_xmm or Code.Movlpd_m64_xmm:
                return i.Op0Kind == OpKind.Memory && LowStore(in i, op, typeof(ulong));
            case Code.Movq_xmm_xmmm64:
                return i.Op1Kind == OpKind.Memory && LowLoad(in i, op, typeof(ulong));
            case Code.Movd_xmm_rm32:
                return i.Op1Kind == OpKind.Memory ? LowLoad(in i, op, typeof(uint)) : GeneralMove(in i, op, typeof(uint), toVector: true);
            case Code.Movq_xmm_rm64:
                return i.Op1Kind == OpKind.Memory ? LowLoad(in i, op, typeof(ulong)) : GeneralMove(in i, op, typeof(ulong), toVector: true);
            case Code.Movd_rm32_xmm:
                return i.Op0Kind == OpKind.Memory ? LowStore(in i, op, typeof(uint)) : GeneralMove(in i, op, typeof(uint), toVector: false);
            case Code.Movq_rm64_xmm:
                return i.Op0Kind == OpKind.Memory ? LowStore(in i, op, typeof(ulong)) : GeneralMove(in i, op, typeof(ulong), toVector: false);
            case Code.Pshufd_xmm_xmmm128_imm8:
                return i.Op1Kind == OpKind.Register && VectorImmediate(in i, op, typeof(Shuffle4<uint>));
            case Code.Shufps_xmm_xmmm128_imm8:
                return i.Op1Kind == OpKind.Register && VectorImmediate(in i, op, typeof(ShuffleSingles));
            case Code.Pslld_xmm_imm8:
                return VectorShift(in i, op, typeof(ShiftLeft), typeof(uint));
            case Code.Psllq_xmm_imm8:
                return VectorShift(in i, op, typeof(ShiftLeft), typeof(ulong));
            case Code.Psrld_xmm_imm8:
                return VectorShift(in i, op, typeof(ShiftRight), typeof(uint));
            case Code.Psrlq_xmm_imm8:
                return VectorShift(in i, op, typeof(ShiftRight), typeof(ulong));
            default:
                return VectorOperation(in i, op);
        }
    }

    private static byte Number(Register register) => (byte)(register - Register.XMM0);

    private bool VectorLoad(in Instruction i, Op* op, Type alignment)
    {
        op->Dst = Number(i.Op0Register);
        if (i.Op1Kind == OpKind.Register)
        {
            op->Src = Number(i.Op1Register);
            return Plain(op, typeof(VectorMove));
        }

        return TryAddress(in i, op, out Type address) && Memory(op, address, typeof(VectorLoad<>), alignment);
    }

    private bool VectorStore(in Instruction i, Op* op, Type alignment)
    {
        op->Src = Number(i.Op1Register);
        if (i.Op0Kind == OpKind.Register)
        {
            op->Dst = Number(i.Op0Register);
            return Plain(op, typeof(VectorMove));
        }

        return TryAddress(in i, op, out Type address) && Memory(op, address, typeof(VectorStore<>), alignment);
    }

    private bool LowLoad(in Instruction i, Op* op, Type width)
    {
        op->Dst = Number(i.Op0Register);
        return TryAddress(in i, op, out Type address) && Memory(op, address, typeof(LoadLow<>), width);
    }

    private bool LowStore(in Instruction i, Op* op, Type width)
    {
        op->Src = Number(i.Op1Register);
        return TryAddress(in i, op, out Type address) && Memory(op, address, typeof(StoreLow<>), width);
    }

    private bool LowMove(in Instruction i, Op* op, Type width)
    {
        op->Dst = Number(i.Op0Register);
        op->Src = Number(i.Op1Register);
        return Plain(op, typeof(MoveLow<>), width);
    }

    private bool GeneralMove(in Instruction i, Op* op, Type width, bool toVector)
    {
        op->Dst = toVector ? Number(i.Op0Register) : Offset(i.Op0Register);
        op->Src = toVector ? Offset(i.Op1Register) : Number(i.Op1Register);
        return Plain(op, toVector ? typeof(FromGeneral<>) : typeof(ToGeneral<>), width);
    }

    private bool VectorImmediate(in Instruction i, Op* op, Type operation)
    {
        op->Dst = Number(i.Op0Register);
        op->Src = Number(i.Op1Register);
        op->Small = i.Immediate8;
        return Plain(op, typeof(BlockImm<>), operation);
    }

    private bool VectorShift(in Instruction i, Op* op, Type operation, Type width)
    {
        op->Dst = Number(i.Op0Register);
        op->Small = i.Immediate8;
        return Plain(op, typeof(VectorShiftImm<,>), operation, width);
    }

    /// <summary>op xmm, xmm/m of the two tables.</summary>
    private bool VectorOperation(in Instruction i, Op* op)
    {
        if (i.OpCount != 2 || !i.Op0Register.IsXMM())
        {
            return false;
        }

        op->Dst = Number(i.Op0Register);
        Type address = typeof(BaseAddress);
        bool memory = i.Op1Kind == OpKind.Memory;
        if (memory && !TryAddress(in i, op, out address))
        {
            return false;
        }

        op->Src = memory ? (byte)0 : Number(i.Op1Register);
        if (BlockOps.TryGetValue(i.Mnemonic, out Type? block))
        {
            return memory
                ? Memory(op, address, typeof(BlockMem<>), block)
                : Plain(op, typeof(BlockReg<>), block);
        }

        if (!FloatOps.TryGetValue(i.Mnemonic, out (Type Op, bool IsSingle, bool IsScalar) real))
        {
            return false;
        }

        Type element = real.IsSingle ? typeof(SingleElement) : typeof(DoubleElement);
        Type width = real.IsSingle ? typeof(uint) : typeof(ulong);
        Type body = real.IsScalar
            ? (memory ? typeof(ScalarMem<,,>) : typeof(ScalarReg<,,>))
            : (memory ? typeof(PackedMem<,,>) : typeof(PackedReg<,,>));
        return memory
            ? Set(op, nameof(Shells.TryMemory), body, real.Op, element, width, address: address)
            : Set(op, nameof(Shells.Try), body, real.Op, element, width);
    }
}
