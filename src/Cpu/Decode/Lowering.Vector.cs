using System;
using System.Collections.Generic;

using Iced.Intel;

namespace Xenolith.Cpu;

/// <content>SSE instructions that compiled code uses most. All others are cold.</content>
internal sealed unsafe partial class Lowering
{
    /// <summary>What is one operation of the host.</summary>
    private static readonly Dictionary<Mnemonic, Type> VectorOps = new()
    {
        [Mnemonic.Pand] = typeof(VectorAnd),
        [Mnemonic.Andps] = typeof(VectorAnd),
        [Mnemonic.Andpd] = typeof(VectorAnd),
        [Mnemonic.Pandn] = typeof(VectorAndNot),
        [Mnemonic.Andnps] = typeof(VectorAndNot),
        [Mnemonic.Andnpd] = typeof(VectorAndNot),
        [Mnemonic.Por] = typeof(VectorOr),
        [Mnemonic.Orps] = typeof(VectorOr),
        [Mnemonic.Orpd] = typeof(VectorOr),
        [Mnemonic.Pxor] = typeof(VectorXor),
        [Mnemonic.Xorps] = typeof(VectorXor),
        [Mnemonic.Xorpd] = typeof(VectorXor),
        [Mnemonic.Paddb] = typeof(VectorAdd<byte>),
        [Mnemonic.Psubb] = typeof(VectorSubtract<byte>),
        [Mnemonic.Paddw] = typeof(VectorAdd<ushort>),
        [Mnemonic.Psubw] = typeof(VectorSubtract<ushort>),
        [Mnemonic.Paddd] = typeof(VectorAdd<uint>),
        [Mnemonic.Psubd] = typeof(VectorSubtract<uint>),
        [Mnemonic.Paddq] = typeof(VectorAdd<ulong>),
        [Mnemonic.Psubq] = typeof(VectorSubtract<ulong>),
        [Mnemonic.Pcmpeqb] = typeof(VectorEqual<byte>),
        [Mnemonic.Pcmpeqw] = typeof(VectorEqual<ushort>),
        [Mnemonic.Pcmpeqd] = typeof(VectorEqual<uint>),
        [Mnemonic.Pcmpgtb] = typeof(VectorGreater<sbyte>),
        [Mnemonic.Pcmpgtw] = typeof(VectorGreater<short>),
        [Mnemonic.Pcmpgtd] = typeof(VectorGreater<int>),
        [Mnemonic.Pminub] = typeof(VectorMin<byte>),
        [Mnemonic.Pminsw] = typeof(VectorMin<short>),
        [Mnemonic.Pmaxub] = typeof(VectorMax<byte>),
        [Mnemonic.Pmaxsw] = typeof(VectorMax<short>),
        [Mnemonic.Pmullw] = typeof(VectorMultiply<short>),
        [Mnemonic.Pmulld] = typeof(VectorMultiply<int>),
    };

    /// <summary>What goes element by element.</summary>
    private static readonly Dictionary<Mnemonic, Type> BlockOps = new()
    {
        [Mnemonic.Pmuludq] = typeof(Lanes<LaneMultiplyWide, ulong>),
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
            case Code.Movq_xmm_xmmm64 when i.Op1Kind == OpKind.Register:
                op->Dst = Number(i.Op0Register);
                op->Src = Number(i.Op1Register);
                return Plain(op, typeof(MoveQuad));
            case Code.Movq_xmm_xmmm64:
                return LowLoad(in i, op, typeof(ulong));
            case Code.Movlps_xmm_m64 or Code.Movlpd_xmm_m64:
                op->Dst = Number(i.Op0Register);
                return TryAddress(in i, op, out Type low) && Memory(op, low, typeof(LoadLowHalf));
            case Code.Movhps_xmm_m64 or Code.Movhpd_xmm_m64:
                op->Dst = Number(i.Op0Register);
                return TryAddress(in i, op, out Type high) && Memory(op, high, typeof(LoadHighHalf));
            case Code.Movhps_m64_xmm or Code.Movhpd_m64_xmm:
                op->Src = Number(i.Op1Register);
                return TryAddress(in i, op, out Type place) && Memory(op, place, typeof(StoreHighHalf));
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
                return Convert(in i, op) || VectorOperation(in i, op);
        }
    }

    /// <summary>Comparisons that set RFLAGS, and conversions.</summary>
    private bool Convert(in Instruction i, Op* op)
    {
        switch (i.Code)
        {
            case Code.Comisd_xmm_xmmm64 or Code.Ucomisd_xmm_xmmm64:
                return FloatPair(in i, op, typeof(CompareReg<>), typeof(CompareMem<>), typeof(ulong));
            case Code.Comiss_xmm_xmmm32 or Code.Ucomiss_xmm_xmmm32:
                return FloatPair(in i, op, typeof(CompareReg<>), typeof(CompareMem<>), typeof(uint));
            case Code.Cvtsi2sd_xmm_rm32:
                return FloatPair(in i, op, typeof(FromIntegerReg<,>), typeof(FromIntegerMem<,>), typeof(int), typeof(double));
            case Code.Cvtsi2sd_xmm_rm64:
                return FloatPair(in i, op, typeof(FromIntegerReg<,>), typeof(FromIntegerMem<,>), typeof(long), typeof(double));
            case Code.Cvtsi2ss_xmm_rm32:
                return FloatPair(in i, op, typeof(FromIntegerReg<,>), typeof(FromIntegerMem<,>), typeof(int), typeof(float));
            case Code.Cvtsi2ss_xmm_rm64:
                return FloatPair(in i, op, typeof(FromIntegerReg<,>), typeof(FromIntegerMem<,>), typeof(long), typeof(float));
            case Code.Cvttsd2si_r32_xmmm64:
                return FloatPair(in i, op, typeof(TruncateReg<,>), typeof(TruncateMem<,>), typeof(double), typeof(int));
            case Code.Cvttsd2si_r64_xmmm64:
                return FloatPair(in i, op, typeof(TruncateReg<,>), typeof(TruncateMem<,>), typeof(double), typeof(long));
            case Code.Cvttss2si_r32_xmmm32:
                return FloatPair(in i, op, typeof(TruncateReg<,>), typeof(TruncateMem<,>), typeof(float), typeof(int));
            case Code.Cvttss2si_r64_xmmm32:
                return FloatPair(in i, op, typeof(TruncateReg<,>), typeof(TruncateMem<,>), typeof(float), typeof(long));
            case Code.Cvtss2sd_xmm_xmmm32:
                return FloatPair(in i, op, typeof(WidenReg), typeof(WidenMem));
            case Code.Cvtsd2ss_xmm_xmmm64:
                return FloatPair(in i, op, typeof(NarrowReg), typeof(NarrowMem));
            default:
                return false;
        }
    }

    /// <summary>Two operands, of which the second may be in memory; a body for each case.</summary>
    private bool FloatPair(in Instruction i, Op* op, Type register, Type memory, Type? a = null, Type? b = null)
    {
        op->Dst = i.Op0Register.IsXMM() ? Number(i.Op0Register) : Offset(i.Op0Register);
        if (i.Op1Kind == OpKind.Memory)
        {
            return TryAddress(in i, op, out Type address) && Set(op, nameof(Shells.TryMemory), memory, a, b, address: address);
        }

        op->Src = i.Op1Register.IsXMM() ? Number(i.Op1Register) : Offset(i.Op1Register);
        return Set(op, nameof(Shells.Try), register, a, b);
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
        if (VectorOps.TryGetValue(i.Mnemonic, out Type? whole))
        {
            return memory ? Memory(op, address, typeof(VectorMem<>), whole) : Plain(op, typeof(VectorReg<>), whole);
        }

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
