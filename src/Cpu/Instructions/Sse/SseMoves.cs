using System;
using System.Runtime.Intrinsics;

using Iced.Intel;

using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <summary>
/// Moves of vectors, their halves and elements (SDM 1 "SSE Data Transfer Instructions", "SSE2 Data Movement Instructions",
/// "MMX Data Transfer Instructions", SSE3, SSE4.1 and AVX additions). Non-temporal stores are stores: there is no cache to spare.
/// </summary>
internal static unsafe class SseMoves
{
    public static void Register(ColdTable table)
    {
        foreach ((Mnemonic legacy, Mnemonic vex) in (ReadOnlySpan<(Mnemonic, Mnemonic)>)
            [(Mnemonic.Movaps, Mnemonic.Vmovaps), (Mnemonic.Movapd, Mnemonic.Vmovapd), (Mnemonic.Movdqa, Mnemonic.Vmovdqa),
            (Mnemonic.Movntps, Mnemonic.Vmovntps), (Mnemonic.Movntpd, Mnemonic.Vmovntpd), (Mnemonic.Movntdq, Mnemonic.Vmovntdq),
            (Mnemonic.Movntdqa, Mnemonic.Vmovntdqa)])
        {
            table.Set(legacy, &MoveAligned<LegacyForm>);
            table.SetVex(vex, &MoveAligned<VexForm>);
        }

        foreach ((Mnemonic legacy, Mnemonic vex) in (ReadOnlySpan<(Mnemonic, Mnemonic)>)
            [(Mnemonic.Movups, Mnemonic.Vmovups), (Mnemonic.Movupd, Mnemonic.Vmovupd), (Mnemonic.Movdqu, Mnemonic.Vmovdqu),
            (Mnemonic.Lddqu, Mnemonic.Vlddqu)])
        {
            table.Set(legacy, &MoveUnaligned<LegacyForm>);
            table.SetVex(vex, &MoveUnaligned<VexForm>);
        }

        table.Set(Code.Movss_xmm_xmmm32, &LoadScalar<uint>);
        table.Set(Code.Movss_xmmm32_xmm, &StoreScalar<uint>);
        table.Set(Code.Movsd_xmm_xmmm64, &LoadScalar<ulong>);
        table.Set(Code.Movsd_xmmm64_xmm, &StoreScalar<ulong>);
        table.Set(Code.VEX_Vmovss_xmm_xmm_xmm, &MergeScalar<uint>);
        table.Set(Code.VEX_Vmovss_xmm_xmm_xmm_0F11, &MergeScalar<uint>);
        table.Set(Code.VEX_Vmovsd_xmm_xmm_xmm, &MergeScalar<ulong>);
        table.Set(Code.VEX_Vmovsd_xmm_xmm_xmm_0F11, &MergeScalar<ulong>);
        table.Set(Code.VEX_Vmovss_xmm_m32, &LoadElement<VexForm, uint>);
        table.Set(Code.VEX_Vmovsd_xmm_m64, &LoadElement<VexForm, ulong>);
        table.Set(Code.VEX_Vmovss_m32_xmm, &StoreLow<VexForm, uint>);
        table.Set(Code.VEX_Vmovsd_m64_xmm, &StoreLow<VexForm, ulong>);

        RegisterHalves<LegacyForm>(
            table,
            [Code.Movlps_xmm_m64, Code.Movlpd_xmm_m64],
            [Code.Movhps_xmm_m64, Code.Movhpd_xmm_m64, Code.Movlhps_xmm_xmm],
            [Code.Movlps_m64_xmm, Code.Movlpd_m64_xmm],
            [Code.Movhps_m64_xmm, Code.Movhpd_m64_xmm],
            Code.Movhlps_xmm_xmm);
        RegisterHalves<VexForm>(
            table,
            [Code.VEX_Vmovlps_xmm_xmm_m64, Code.VEX_Vmovlpd_xmm_xmm_m64],
            [Code.VEX_Vmovhps_xmm_xmm_m64, Code.VEX_Vmovhpd_xmm_xmm_m64, Code.VEX_Vmovlhps_xmm_xmm_xmm],
            [Code.VEX_Vmovlps_m64_xmm, Code.VEX_Vmovlpd_m64_xmm],
            [Code.VEX_Vmovhps_m64_xmm, Code.VEX_Vmovhpd_m64_xmm],
            Code.VEX_Vmovhlps_xmm_xmm_xmm);

        RegisterElements<LegacyForm>(table, [Code.Movd_xmm_rm32, Code.Movq_xmm_rm64, Code.Movd_rm32_xmm, Code.Movq_rm64_xmm]);
        RegisterElements<VexForm>(table, [Code.VEX_Vmovd_xmm_rm32, Code.VEX_Vmovq_xmm_rm64, Code.VEX_Vmovd_rm32_xmm, Code.VEX_Vmovq_rm64_xmm]);
        table.Set(Code.Movq_xmm_xmmm64, &LoadElement<LegacyForm, ulong>);
        table.Set(Code.VEX_Vmovq_xmm_xmmm64, &LoadElement<VexForm, ulong>);
        table.Set(Code.Movq_xmmm64_xmm, &StoreQuadword<LegacyForm>);
        table.Set(Code.VEX_Vmovq_xmmm64_xmm, &StoreQuadword<VexForm>);
        table.Set(Code.Movnti_m32_r32, &StoreGeneral<uint>);
        table.Set(Code.Movnti_m64_r64, &StoreGeneral<ulong>);

        BlockShells.Set<DuplicateEven>(table, Mnemonic.Movsldup, Mnemonic.Vmovsldup);
        BlockShells.Set<DuplicateOdd>(table, Mnemonic.Movshdup, Mnemonic.Vmovshdup);
        table.Set(Mnemonic.Movddup, &DuplicateLow<LegacyForm>);
        table.SetVex(Mnemonic.Vmovddup, &DuplicateLow<VexForm>);
        table.Set(Mnemonic.Movmskps, &MaskOf<LegacyForm, uint>);
        table.SetVex(Mnemonic.Vmovmskps, &MaskOf<VexForm, uint>);
        table.Set(Mnemonic.Movmskpd, &MaskOf<LegacyForm, ulong>);
        table.SetVex(Mnemonic.Vmovmskpd, &MaskOf<VexForm, ulong>);
        table.Set(Mnemonic.Maskmovdqu, &MaskedStore<LegacyForm>);
        table.SetVex(Mnemonic.Vmaskmovdqu, &MaskedStore<VexForm>);
    }

    private static void RegisterHalves<TForm>(
        ColdTable table, ReadOnlySpan<Code> loadLow, ReadOnlySpan<Code> loadHigh, ReadOnlySpan<Code> storeLow, ReadOnlySpan<Code> storeHigh, Code highToLow)
        where TForm : struct, IVectorForm
    {
        foreach (Code code in loadLow)
        {
            table.Set(code, &LoadLow<TForm>);
        }

        foreach (Code code in loadHigh)
        {
            table.Set(code, &LoadHigh<TForm>);
        }

        foreach (Code code in storeLow)
        {
            table.Set(code, &StoreLow<TForm, ulong>);
        }

        foreach (Code code in storeHigh)
        {
            table.Set(code, &StoreHigh<TForm>);
        }

        table.Set(highToLow, &HighToLow<TForm>);
    }

    /// <param name="table">Where to.</param>
    /// <param name="codes">MOVD and MOVQ to vectors, then from vectors.</param>
    private static void RegisterElements<TForm>(ColdTable table, ReadOnlySpan<Code> codes)
        where TForm : struct, IVectorForm
    {
        table.Set(codes[0], &MoveFromGeneral<TForm, uint>);
        table.Set(codes[1], &MoveFromGeneral<TForm, ulong>);
        table.Set(codes[2], &MoveToGeneral<TForm, uint>);
        table.Set(codes[3], &MoveToGeneral<TForm, ulong>);
    }

    /// <summary>Memory must be aligned to the operand's size, in both forms.</summary>
    private static Outcome MoveAligned<TForm>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm
    {
        int memory = i.Op0Kind == OpKind.Memory ? 0 : 1;
        int size = TForm.SizeOf(i.GetOpRegister(1 - memory));
        if (!TForm.IsReady(p) || (i.GetOpKind(memory) == OpKind.Memory && !p.IsVectorAligned(in i, size, memory == 0 ? AccessKind.Write : AccessKind.Read)))
        {
            return Outcome.Fault;
        }

        return Move<TForm>(p, in i, size);
    }

    private static Outcome MoveUnaligned<TForm>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm =>
        TForm.IsReady(p) ? Move<TForm>(p, in i, TForm.SizeOf(i.GetOpRegister(i.Op0Kind == OpKind.Memory ? 1 : 0))) : Outcome.Fault;

    private static Outcome Move<TForm>(Processor p, in Instruction i, int size)
        where TForm : struct, IVectorForm
    {
        if (i.Op0Kind == OpKind.Memory)
        {
            byte* source = p.VectorPointer(i.Op1Register);
            bool stored = size == 32 ? p.TryWriteOperand(in i, 0, *(Vector256<byte>*)source) : p.TryWriteOperand(in i, 0, *(Vector128<byte>*)source);
            return stored ? Outcome.Retired : Outcome.Fault;
        }

        if (!VexForm.TryRead(p, in i, 1, size, out Vector256<byte> value))
        {
            return Outcome.Fault;
        }

        TForm.Write(p, i.Op0Register, in value);
        return Outcome.Retired;
    }

    /// <summary>MOVSS, MOVSD: a load clears the rest of the register, a move between registers keeps it.</summary>
    private static Outcome LoadScalar<T>(Processor p, in Instruction i)
        where T : unmanaged
    {
        if (i.Op1Kind == OpKind.Memory)
        {
            return LoadElement<LegacyForm, T>(p, in i);
        }

        if (!p.SseReady())
        {
            return Outcome.Fault;
        }

        *(T*)p.Xmm(i.Op0Register) = *(T*)p.Xmm(i.Op1Register);
        return Outcome.Retired;
    }

    private static Outcome StoreScalar<T>(Processor p, in Instruction i)
        where T : unmanaged
    {
        if (i.Op0Kind == OpKind.Memory)
        {
            return StoreLow<LegacyForm, T>(p, in i);
        }

        if (!p.SseReady())
        {
            return Outcome.Fault;
        }

        *(T*)p.Xmm(i.Op0Register) = *(T*)p.Xmm(i.Op1Register);
        return Outcome.Retired;
    }

    /// <summary>VMOVSS, VMOVSD between registers: the low element of the second source, the rest of the first.</summary>
    private static Outcome MergeScalar<T>(Processor p, in Instruction i)
        where T : unmanaged
    {
        if (!p.AvxReady())
        {
            return Outcome.Fault;
        }

        Vector256<byte> result = *(Vector256<byte>*)p.VectorPointer(i.Op1Register);
        *(T*)&result = *(T*)p.VectorPointer(i.Op2Register);
        VexForm.Write(p, i.Op0Register, in result);
        return Outcome.Retired;
    }

    /// <summary>One element; the rest of the register becomes zero.</summary>
    private static Outcome LoadElement<TForm, T>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm
        where T : unmanaged
    {
        if (!TForm.IsReady(p) || !p.TryReadVectorLow(in i, 1, out T value))
        {
            return Outcome.Fault;
        }

        Vector256<byte> result = default;
        *(T*)&result = value;
        TForm.Write(p, i.Op0Register, in result);
        return Outcome.Retired;
    }

    private static Outcome LoadLow<TForm>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm => LoadHalf<TForm>(p, in i, 0);

    /// <summary>MOVHPS, MOVHPD, and MOVLHPS: memory or the source's low half becomes the high half.</summary>
    private static Outcome LoadHigh<TForm>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm => LoadHalf<TForm>(p, in i, 1);

    private static Outcome LoadHalf<TForm>(Processor p, in Instruction i, int half)
        where TForm : struct, IVectorForm
    {
        if (!TForm.IsReady(p) || !p.TryReadVectorLow(in i, TForm.SourceOf(in i), out ulong value))
        {
            return Outcome.Fault;
        }

        Vector256<byte> result = *(Vector256<byte>*)p.VectorPointer(TForm.FirstOf(in i));
        ((ulong*)&result)[half] = value;
        TForm.Write(p, i.Op0Register, in result);
        return Outcome.Retired;
    }

    private static Outcome StoreLow<TForm, T>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm
        where T : unmanaged =>
        TForm.IsReady(p) && p.TryWriteOperand(in i, 0, *(T*)p.Xmm(i.Op1Register)) ? Outcome.Retired : Outcome.Fault;

    private static Outcome StoreHigh<TForm>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm =>
        TForm.IsReady(p) && p.TryWriteOperand(in i, 0, ((ulong*)p.Xmm(i.Op1Register))[1]) ? Outcome.Retired : Outcome.Fault;

    private static Outcome HighToLow<TForm>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm
    {
        if (!TForm.IsReady(p))
        {
            return Outcome.Fault;
        }

        Vector256<byte> result = *(Vector256<byte>*)p.VectorPointer(TForm.FirstOf(in i));
        *(ulong*)&result = ((ulong*)p.VectorPointer(i.GetOpRegister(TForm.SourceOf(in i))))[1];
        TForm.Write(p, i.Op0Register, in result);
        return Outcome.Retired;
    }

    private static Outcome MoveFromGeneral<TForm, T>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm
        where T : unmanaged
    {
        if (!TForm.IsReady(p) || !p.TryReadOperand(in i, 1, out T value))
        {
            return Outcome.Fault;
        }

        Vector256<byte> result = default;
        *(T*)&result = value;
        TForm.Write(p, i.Op0Register, in result);
        return Outcome.Retired;
    }

    private static Outcome MoveToGeneral<TForm, T>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm
        where T : unmanaged =>
        TForm.IsReady(p) && p.TryWriteOperand(in i, 0, *(T*)p.Xmm(i.Op1Register)) ? Outcome.Retired : Outcome.Fault;

    private static Outcome StoreQuadword<TForm>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm
    {
        if (i.Op0Kind == OpKind.Memory)
        {
            return StoreLow<TForm, ulong>(p, in i);
        }

        if (!TForm.IsReady(p))
        {
            return Outcome.Fault;
        }

        Vector256<byte> result = Vector256.CreateScalar(*(ulong*)p.Xmm(i.Op1Register)).AsByte();
        TForm.Write(p, i.Op0Register, in result);
        return Outcome.Retired;
    }

    /// <summary>MOVNTI: general registers only, so no SSE state is asked for.</summary>
    private static Outcome StoreGeneral<T>(Processor p, in Instruction i)
        where T : unmanaged =>
        p.TryWriteOperand(in i, 0, p.Gpr<T>(i.Op1Register)) ? Outcome.Retired : Outcome.Fault;

    /// <summary>MOVDDUP: the even quadword of each lane, twice; the 16-byte form reads only one.</summary>
    private static Outcome DuplicateLow<TForm>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm
    {
        Vector256<byte> source = default;
        if (!TForm.IsReady(p) || (TForm.SizeOf(i.Op0Register) == 32
            ? !TForm.TryRead(p, in i, 1, 32, out source)
            : !p.TryReadVectorLow(in i, 1, out *(ulong*)&source)))
        {
            return Outcome.Fault;
        }

        ulong* words = (ulong*)&source;
        words[1] = words[0];
        words[3] = words[2];
        TForm.Write(p, i.Op0Register, in source);
        return Outcome.Retired;
    }

    /// <summary>MOVMSKPS, MOVMSKPD: the sign bits; the whole general register is written.</summary>
    private static Outcome MaskOf<TForm, T>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm
        where T : unmanaged
    {
        if (!TForm.IsReady(p))
        {
            return Outcome.Fault;
        }

        Vector256<byte> source = *(Vector256<byte>*)p.VectorPointer(i.Op1Register);
        uint mask = sizeof(T) == 4 ? source.AsUInt32().ExtractMostSignificantBits() : source.AsUInt64().ExtractMostSignificantBits();
        mask &= (1u << (TForm.SizeOf(i.Op1Register) / sizeof(T))) - 1;
        p.SetGpr(i.Op0Register.GetFullRegister(), (ulong)mask);
        return Outcome.Retired;
    }

    /// <summary>MASKMOVDQU: the bytes that the mask selects, at DS:rDI. The whole 16 bytes are checked, as one access.</summary>
    private static Outcome MaskedStore<TForm>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm
    {
        if (!TForm.IsReady(p))
        {
            return Outcome.Fault;
        }

        Vector128<byte> source = *(Vector128<byte>*)p.Xmm(i.Op1Register);
        uint mask = (*(Vector128<byte>*)p.Xmm(i.Op2Register)).ExtractMostSignificantBits();
        return p.TryMaskedStore(in i, (byte*)&source, 16, mask) ? Outcome.Retired : Outcome.Fault;
    }
}

/// <summary>MOVSLDUP.</summary>
internal readonly unsafe struct DuplicateEven : IBlockOp
{
    public static void Apply(byte* destination, byte* source, int sizeBytes)
    {
        uint* from = (uint*)source;
        uint* to = (uint*)destination;
        (to[0], to[1], to[2], to[3]) = (from[0], from[0], from[2], from[2]);
    }
}

/// <summary>MOVSHDUP.</summary>
internal readonly unsafe struct DuplicateOdd : IBlockOp
{
    public static void Apply(byte* destination, byte* source, int sizeBytes)
    {
        uint* from = (uint*)source;
        uint* to = (uint*)destination;
        (to[0], to[1], to[2], to[3]) = (from[1], from[1], from[3], from[3]);
    }
}
