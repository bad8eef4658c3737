using System.Runtime.Intrinsics;

using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>
/// Moves to and from MMX registers, elements in and out of MMX and XMM registers, EMMS (SDM 1 "MMX Data Transfer Instructions",
/// "SSE 64-Bit SIMD Integer Instructions", SSE4.1 insertions and extractions).
/// </summary>
internal static unsafe class MmxMoves
{
    public static void Register(ColdTable table)
    {
        table.Set(Code.Movd_mm_rm32, &FromGeneral<uint>);
        table.Set(Code.Movq_mm_rm64, &FromGeneral<ulong>);
        table.Set(Code.Movd_rm32_mm, &ToGeneral<uint>);
        table.Set(Code.Movq_rm64_mm, &ToGeneral<ulong>);
        table.Set(Code.Movq_mm_mmm64, &Load);
        table.Set(Code.Movq_mmm64_mm, &Store);
        table.Set(Code.Movntq_m64_mm, &Store);
        table.Set(Mnemonic.Maskmovq, &MaskedStore);
        table.Set(Mnemonic.Movq2dq, &ToXmm);
        table.Set(Mnemonic.Movdq2q, &FromXmm);
        table.Set(Mnemonic.Emms, &Emms);

        table.Set(Mnemonic.Pmovmskb, &ByteMask<LegacyForm>);
        table.SetVex(Mnemonic.Vpmovmskb, &ByteMask<VexForm>);
        table.Set(Mnemonic.Pinsrw, &InsertWord);
        table.Set(Mnemonic.Pextrw, &ExtractWord);
        SetInsert<byte>(table, Mnemonic.Pinsrb, Mnemonic.Vpinsrb);
        SetInsert<uint>(table, Mnemonic.Pinsrd, Mnemonic.Vpinsrd);
        SetInsert<ulong>(table, Mnemonic.Pinsrq, Mnemonic.Vpinsrq);
        SetExtract<byte>(table, Mnemonic.Pextrb, Mnemonic.Vpextrb);
        SetExtract<uint>(table, Mnemonic.Pextrd, Mnemonic.Vpextrd);
        SetExtract<ulong>(table, Mnemonic.Pextrq, Mnemonic.Vpextrq);
        SetExtract<uint>(table, Mnemonic.Extractps, Mnemonic.Vextractps);
        table.SetVex(Mnemonic.Vpinsrw, &Insert<VexForm, ushort>);
        table.SetVex(Mnemonic.Vpextrw, &Extract<VexForm, ushort>);
        table.Set(Mnemonic.Insertps, &InsertSingle<LegacyForm>);
        table.SetVex(Mnemonic.Vinsertps, &InsertSingle<VexForm>);
    }

    private static void SetInsert<T>(ColdTable table, Mnemonic legacy, Mnemonic vex)
        where T : unmanaged
    {
        table.Set(legacy, &Insert<LegacyForm, T>);
        table.SetVex(vex, &Insert<VexForm, T>);
    }

    private static void SetExtract<T>(ColdTable table, Mnemonic legacy, Mnemonic vex)
        where T : unmanaged
    {
        table.Set(legacy, &Extract<LegacyForm, T>);
        table.SetVex(vex, &Extract<VexForm, T>);
    }

    private static Outcome FromGeneral<T>(Processor p, in Instruction i)
        where T : unmanaged
    {
        if (!p.MmxReady() || !p.TryReadOperand(in i, 1, out T value))
        {
            return Outcome.Fault;
        }

        ulong wide = 0;
        *(T*)&wide = value;
        p.EnterMmx();
        p.SetMmx(i.Op0Register, wide);
        return Outcome.Retired;
    }

    private static Outcome ToGeneral<T>(Processor p, in Instruction i)
        where T : unmanaged
    {
        if (!p.MmxReady())
        {
            return Outcome.Fault;
        }

        ulong value = p.Mmx(i.Op1Register);
        if (!p.TryWriteOperand(in i, 0, *(T*)&value))
        {
            return Outcome.Fault;
        }

        p.EnterMmx();
        return Outcome.Retired;
    }

    private static Outcome Load(Processor p, in Instruction i)
    {
        if (!p.MmxReady() || !p.TryReadMmx(in i, 1, out ulong value))
        {
            return Outcome.Fault;
        }

        p.EnterMmx();
        p.SetMmx(i.Op0Register, value);
        return Outcome.Retired;
    }

    private static Outcome Store(Processor p, in Instruction i)
    {
        if (!p.MmxReady())
        {
            return Outcome.Fault;
        }

        ulong value = p.Mmx(i.Op1Register);
        if (i.Op0Kind == OpKind.Register)
        {
            p.SetMmx(i.Op0Register, value);
        }
        else if (!p.TryWriteOperand(in i, 0, value))
        {
            return Outcome.Fault;
        }

        p.EnterMmx();
        return Outcome.Retired;
    }

    private static Outcome MaskedStore(Processor p, in Instruction i)
    {
        if (!p.MmxReady())
        {
            return Outcome.Fault;
        }

        ulong source = p.Mmx(i.Op1Register);
        uint mask = Vector128.CreateScalar(p.Mmx(i.Op2Register)).AsByte().ExtractMostSignificantBits();
        if (!p.TryMaskedStore(in i, (byte*)&source, 8, mask))
        {
            return Outcome.Fault;
        }

        p.EnterMmx();
        return Outcome.Retired;
    }

    private static Outcome ToXmm(Processor p, in Instruction i)
    {
        if (!p.SseAndMmxReady())
        {
            return Outcome.Fault;
        }

        *(Vector128<ulong>*)p.Xmm(i.Op0Register) = Vector128.CreateScalar(p.Mmx(i.Op1Register));
        p.EnterMmx();
        return Outcome.Retired;
    }

    private static Outcome FromXmm(Processor p, in Instruction i)
    {
        if (!p.SseAndMmxReady())
        {
            return Outcome.Fault;
        }

        p.EnterMmx();
        p.SetMmx(i.Op0Register, *(ulong*)p.Xmm(i.Op1Register));
        return Outcome.Retired;
    }

    /// <summary>EMMS: all x87 registers empty; TOP stays.</summary>
    private static Outcome Emms(Processor p, in Instruction i)
    {
        if (!p.MmxReady())
        {
            return Outcome.Fault;
        }

        p.State->Ftw = 0xFFFF;
        p.State->Fsw = (ushort)(p.State->Fsw & ~(7 << 11));
        return Outcome.Retired;
    }

    private static Outcome ByteMask<TForm>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm
    {
        uint mask;
        if (Processor.IsMmx(i.Op1Register))
        {
            if (!p.MmxReady())
            {
                return Outcome.Fault;
            }

            mask = Vector128.CreateScalar(p.Mmx(i.Op1Register)).AsByte().ExtractMostSignificantBits();
            p.EnterMmx();
        }
        else
        {
            if (!TForm.IsReady(p))
            {
                return Outcome.Fault;
            }

            mask = (*(Vector256<byte>*)p.VectorPointer(i.Op1Register)).ExtractMostSignificantBits();
            mask = TForm.SizeOf(i.Op1Register) == 32 ? mask : (ushort)mask;
        }

        p.SetGpr(i.Op0Register.GetFullRegister(), (ulong)mask);
        return Outcome.Retired;
    }

    private static Outcome InsertWord(Processor p, in Instruction i)
    {
        if (!Processor.IsMmx(i.Op0Register))
        {
            return Insert<LegacyForm, ushort>(p, in i);
        }

        if (!p.MmxReady() || !p.TryReadElement(in i, 1, out ushort value))
        {
            return Outcome.Fault;
        }

        ulong target = p.Mmx(i.Op0Register);
        ((ushort*)&target)[i.Immediate8 & 3] = value;
        p.EnterMmx();
        p.SetMmx(i.Op0Register, target);
        return Outcome.Retired;
    }

    private static Outcome Insert<TForm, T>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm
        where T : unmanaged
    {
        if (!TForm.IsReady(p) || !p.TryReadElement(in i, TForm.SourceOf(in i), out T value))
        {
            return Outcome.Fault;
        }

        Vector256<byte> result = *(Vector256<byte>*)p.VectorPointer(TForm.FirstOf(in i));
        ((T*)&result)[i.Immediate8 & ((16 / sizeof(T)) - 1)] = value;
        TForm.Write(p, i.Op0Register, in result);
        return Outcome.Retired;
    }

    private static Outcome ExtractWord(Processor p, in Instruction i)
    {
        if (!Processor.IsMmx(i.Op1Register))
        {
            return Extract<LegacyForm, ushort>(p, in i);
        }

        if (!p.MmxReady())
        {
            return Outcome.Fault;
        }

        ulong value = p.Mmx(i.Op1Register);
        p.EnterMmx();
        p.SetGpr(i.Op0Register.GetFullRegister(), (ulong)((ushort*)&value)[i.Immediate8 & 3]);
        return Outcome.Retired;
    }

    /// <summary>PEXTR, EXTRACTPS: to memory as wide as the element, to a register zero-extended.</summary>
    private static Outcome Extract<TForm, T>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm
        where T : unmanaged
    {
        if (!TForm.IsReady(p))
        {
            return Outcome.Fault;
        }

        T value = ((T*)p.Xmm(i.Op1Register))[i.Immediate8 & ((16 / sizeof(T)) - 1)];
        if (i.Op0Kind == OpKind.Memory)
        {
            return p.TryWriteOperand(in i, 0, value) ? Outcome.Retired : Outcome.Fault;
        }

        ulong wide = 0;
        *(T*)&wide = value;
        p.SetGpr(i.Op0Register.GetFullRegister(), wide);
        return Outcome.Retired;
    }

    /// <summary>INSERTPS: source element 7:6 (register form), destination element 5:4, zero mask 3:0.</summary>
    private static Outcome InsertSingle<TForm>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm
    {
        uint value;
        byte immediate = i.Immediate8;
        if (!TForm.IsReady(p))
        {
            return Outcome.Fault;
        }

        int source = TForm.SourceOf(in i);
        if (i.GetOpKind(source) == OpKind.Register)
        {
            value = ((uint*)p.Xmm(i.GetOpRegister(source)))[immediate >> 6];
        }
        else if (!p.TryReadOperand(in i, source, out value))
        {
            return Outcome.Fault;
        }

        Vector256<byte> result = *(Vector256<byte>*)p.VectorPointer(TForm.FirstOf(in i));
        uint* target = (uint*)&result;
        target[(immediate >> 4) & 3] = value;
        for (int k = 0; k < 4; k++)
        {
            target[k] = ((immediate >> k) & 1) != 0 ? 0 : target[k];
        }

        TForm.Write(p, i.Op0Register, in result);
        return Outcome.Retired;
    }
}
