using System.Runtime.Intrinsics;

using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>
/// Moves of vectors, their halves and elements (SDM 1 "SSE Data Transfer Instructions", "SSE2 Data Movement Instructions",
/// "MMX Data Transfer Instructions", SSE3 and SSE4.1 additions). Non-temporal stores are stores: there is no cache to spare.
/// </summary>
internal static unsafe class SseMoves
{
    public static void Register(ColdTable table)
    {
        table.Set(Mnemonic.Movaps, &MoveAligned);
        table.Set(Mnemonic.Movapd, &MoveAligned);
        table.Set(Mnemonic.Movdqa, &MoveAligned);
        table.Set(Mnemonic.Movntps, &MoveAligned);
        table.Set(Mnemonic.Movntpd, &MoveAligned);
        table.Set(Mnemonic.Movntdq, &MoveAligned);
        table.Set(Mnemonic.Movntdqa, &MoveAligned);
        table.Set(Mnemonic.Movups, &MoveUnaligned);
        table.Set(Mnemonic.Movupd, &MoveUnaligned);
        table.Set(Mnemonic.Movdqu, &MoveUnaligned);
        table.Set(Mnemonic.Lddqu, &MoveUnaligned);

        table.Set(Code.Movss_xmm_xmmm32, &LoadScalar<uint>);
        table.Set(Code.Movss_xmmm32_xmm, &StoreScalar<uint>);
        table.Set(Code.Movsd_xmm_xmmm64, &LoadScalar<ulong>);
        table.Set(Code.Movsd_xmmm64_xmm, &StoreScalar<ulong>);

        table.Set(Code.Movlps_xmm_m64, &LoadLow);
        table.Set(Code.Movlpd_xmm_m64, &LoadLow);
        table.Set(Code.Movhps_xmm_m64, &LoadHigh);
        table.Set(Code.Movhpd_xmm_m64, &LoadHigh);
        table.Set(Code.Movlps_m64_xmm, &StoreLow);
        table.Set(Code.Movlpd_m64_xmm, &StoreLow);
        table.Set(Code.Movhps_m64_xmm, &StoreHigh);
        table.Set(Code.Movhpd_m64_xmm, &StoreHigh);
        table.Set(Code.Movhlps_xmm_xmm, &HighToLow);
        table.Set(Code.Movlhps_xmm_xmm, &LoadHigh);

        table.Set(Code.Movd_xmm_rm32, &MoveFromGeneral<uint>);
        table.Set(Code.Movq_xmm_rm64, &MoveFromGeneral<ulong>);
        table.Set(Code.Movd_rm32_xmm, &MoveToGeneral<uint>);
        table.Set(Code.Movq_rm64_xmm, &MoveToGeneral<ulong>);
        table.Set(Code.Movq_xmm_xmmm64, &MoveQuadword);
        table.Set(Code.Movq_xmmm64_xmm, &StoreQuadword);
        table.Set(Code.Movnti_m32_r32, &StoreGeneral<uint>);
        table.Set(Code.Movnti_m64_r64, &StoreGeneral<ulong>);

        table.Set(Mnemonic.Movsldup, &DuplicateEven);
        table.Set(Mnemonic.Movshdup, &DuplicateOdd);
        table.Set(Mnemonic.Movddup, &DuplicateLow);
        table.Set(Mnemonic.Movmskps, &MaskOf<uint>);
        table.Set(Mnemonic.Movmskpd, &MaskOf<ulong>);
        table.Set(Mnemonic.Maskmovdqu, &MaskedStore);
    }

    private static Outcome MoveAligned(Processor p, in Instruction i)
    {
        if (!p.SseReady())
        {
            return Outcome.Fault;
        }

        if (i.Op0Kind == OpKind.Memory)
        {
            return p.TryWriteAligned(in i, *(Vector128<byte>*)p.Xmm(i.Op1Register)) ? Outcome.Retired : Outcome.Fault;
        }

        if (!p.TryReadXmm(in i, 1, out Vector128<byte> value))
        {
            return Outcome.Fault;
        }

        *(Vector128<byte>*)p.Xmm(i.Op0Register) = value;
        return Outcome.Retired;
    }

    private static Outcome MoveUnaligned(Processor p, in Instruction i)
    {
        if (!p.SseReady())
        {
            return Outcome.Fault;
        }

        if (i.Op0Kind == OpKind.Memory)
        {
            Vector128<byte> stored = *(Vector128<byte>*)p.Xmm(i.Op1Register);
            return p.TryWriteOperand(in i, 0, stored) ? Outcome.Retired : Outcome.Fault;
        }

        if (!p.TryReadXmmLow(in i, 1, out Vector128<byte> value))
        {
            return Outcome.Fault;
        }

        *(Vector128<byte>*)p.Xmm(i.Op0Register) = value;
        return Outcome.Retired;
    }

    /// <summary>MOVSS, MOVSD: a load clears the rest of the register, a move between registers keeps it.</summary>
    private static Outcome LoadScalar<T>(Processor p, in Instruction i)
        where T : unmanaged
    {
        if (!p.SseReady() || !p.TryReadXmmLow(in i, 1, out T value))
        {
            return Outcome.Fault;
        }

        byte* target = p.Xmm(i.Op0Register);
        if (i.Op1Kind == OpKind.Memory)
        {
            *(Vector128<byte>*)target = default;
        }

        *(T*)target = value;
        return Outcome.Retired;
    }

    private static Outcome StoreScalar<T>(Processor p, in Instruction i)
        where T : unmanaged
    {
        if (!p.SseReady())
        {
            return Outcome.Fault;
        }

        T value = *(T*)p.Xmm(i.Op1Register);
        if (i.Op0Kind == OpKind.Register)
        {
            *(T*)p.Xmm(i.Op0Register) = value;
            return Outcome.Retired;
        }

        return p.TryWriteOperand(in i, 0, value) ? Outcome.Retired : Outcome.Fault;
    }

    private static Outcome LoadLow(Processor p, in Instruction i)
    {
        if (!p.SseReady() || !p.TryReadXmmLow(in i, 1, out ulong value))
        {
            return Outcome.Fault;
        }

        *(ulong*)p.Xmm(i.Op0Register) = value;
        return Outcome.Retired;
    }

    /// <summary>MOVHPS, MOVHPD, and MOVLHPS: memory or the source's low half becomes the high half.</summary>
    private static Outcome LoadHigh(Processor p, in Instruction i)
    {
        if (!p.SseReady() || !p.TryReadXmmLow(in i, 1, out ulong value))
        {
            return Outcome.Fault;
        }

        ((ulong*)p.Xmm(i.Op0Register))[1] = value;
        return Outcome.Retired;
    }

    private static Outcome StoreLow(Processor p, in Instruction i) =>
        p.SseReady() && p.TryWriteOperand(in i, 0, *(ulong*)p.Xmm(i.Op1Register)) ? Outcome.Retired : Outcome.Fault;

    private static Outcome StoreHigh(Processor p, in Instruction i) =>
        p.SseReady() && p.TryWriteOperand(in i, 0, ((ulong*)p.Xmm(i.Op1Register))[1]) ? Outcome.Retired : Outcome.Fault;

    private static Outcome HighToLow(Processor p, in Instruction i)
    {
        if (!p.SseReady())
        {
            return Outcome.Fault;
        }

        *(ulong*)p.Xmm(i.Op0Register) = ((ulong*)p.Xmm(i.Op1Register))[1];
        return Outcome.Retired;
    }

    private static Outcome MoveFromGeneral<T>(Processor p, in Instruction i)
        where T : unmanaged
    {
        if (!p.SseReady() || !p.TryReadOperand(in i, 1, out T value))
        {
            return Outcome.Fault;
        }

        byte* target = p.Xmm(i.Op0Register);
        *(Vector128<byte>*)target = default;
        *(T*)target = value;
        return Outcome.Retired;
    }

    private static Outcome MoveToGeneral<T>(Processor p, in Instruction i)
        where T : unmanaged =>
        p.SseReady() && p.TryWriteOperand(in i, 0, *(T*)p.Xmm(i.Op1Register)) ? Outcome.Retired : Outcome.Fault;

    private static Outcome MoveQuadword(Processor p, in Instruction i)
    {
        if (!p.SseReady() || !p.TryReadXmmLow(in i, 1, out ulong value))
        {
            return Outcome.Fault;
        }

        *(Vector128<ulong>*)p.Xmm(i.Op0Register) = Vector128.CreateScalar(value);
        return Outcome.Retired;
    }

    private static Outcome StoreQuadword(Processor p, in Instruction i)
    {
        if (!p.SseReady())
        {
            return Outcome.Fault;
        }

        ulong value = *(ulong*)p.Xmm(i.Op1Register);
        if (i.Op0Kind == OpKind.Register)
        {
            *(Vector128<ulong>*)p.Xmm(i.Op0Register) = Vector128.CreateScalar(value);
            return Outcome.Retired;
        }

        return p.TryWriteOperand(in i, 0, value) ? Outcome.Retired : Outcome.Fault;
    }

    /// <summary>MOVNTI: general registers only, so no SSE state is asked for.</summary>
    private static Outcome StoreGeneral<T>(Processor p, in Instruction i)
        where T : unmanaged =>
        p.TryWriteOperand(in i, 0, p.Gpr<T>(i.Op1Register)) ? Outcome.Retired : Outcome.Fault;

    private static Outcome DuplicateEven(Processor p, in Instruction i)
    {
        if (!p.SseReady() || !p.TryReadXmm(in i, 1, out Vector128<byte> source))
        {
            return Outcome.Fault;
        }

        *(Vector128<uint>*)p.Xmm(i.Op0Register) = Vector128.Shuffle(source.AsUInt32(), Vector128.Create(0U, 0, 2, 2));
        return Outcome.Retired;
    }

    private static Outcome DuplicateOdd(Processor p, in Instruction i)
    {
        if (!p.SseReady() || !p.TryReadXmm(in i, 1, out Vector128<byte> source))
        {
            return Outcome.Fault;
        }

        *(Vector128<uint>*)p.Xmm(i.Op0Register) = Vector128.Shuffle(source.AsUInt32(), Vector128.Create(1U, 1, 3, 3));
        return Outcome.Retired;
    }

    private static Outcome DuplicateLow(Processor p, in Instruction i)
    {
        if (!p.SseReady() || !p.TryReadXmmLow(in i, 1, out ulong value))
        {
            return Outcome.Fault;
        }

        *(Vector128<ulong>*)p.Xmm(i.Op0Register) = Vector128.Create(value);
        return Outcome.Retired;
    }

    /// <summary>MOVMSKPS, MOVMSKPD: the sign bits; the whole general register is written.</summary>
    private static Outcome MaskOf<T>(Processor p, in Instruction i)
        where T : unmanaged
    {
        if (!p.SseReady())
        {
            return Outcome.Fault;
        }

        Vector128<byte> source = *(Vector128<byte>*)p.Xmm(i.Op1Register);
        uint mask = sizeof(T) == 4 ? source.AsUInt32().ExtractMostSignificantBits() : source.AsUInt64().ExtractMostSignificantBits();
        p.SetGpr(i.Op0Register.GetFullRegister(), (ulong)mask);
        return Outcome.Retired;
    }

    /// <summary>MASKMOVDQU: the bytes that the mask selects, at DS:rDI. The whole 16 bytes are checked, as one access.</summary>
    private static Outcome MaskedStore(Processor p, in Instruction i)
    {
        if (!p.SseReady())
        {
            return Outcome.Fault;
        }

        Vector128<byte> source = *(Vector128<byte>*)p.Xmm(i.Op1Register);
        uint mask = (*(Vector128<byte>*)p.Xmm(i.Op2Register)).ExtractMostSignificantBits();
        return p.TryMaskedStore(in i, (byte*)&source, 16, mask) ? Outcome.Retired : Outcome.Fault;
    }
}
