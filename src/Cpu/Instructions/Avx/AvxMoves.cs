using System.Runtime.Intrinsics;

using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>
/// Moves that only AVX and AVX2 have: broadcasts, halves of YMM registers, conditional moves, zeroing (SDM 1 "Promotion of 256-Bit
/// Floating-Point Vector Instructions", "AVX2 and 256-Bit Vector Integer Instructions").
/// </summary>
internal static unsafe class AvxMoves
{
    public static void Register(ColdTable table)
    {
        table.SetVex(Mnemonic.Vbroadcastss, &Broadcast<uint>);
        table.SetVex(Mnemonic.Vbroadcastsd, &Broadcast<ulong>);
        table.SetVex(Mnemonic.Vbroadcastf128, &Broadcast<Vector128<byte>>);
        table.SetVex(Mnemonic.Vbroadcasti128, &Broadcast<Vector128<byte>>);
        table.SetVex(Mnemonic.Vpbroadcastb, &Broadcast<byte>);
        table.SetVex(Mnemonic.Vpbroadcastw, &Broadcast<ushort>);
        table.SetVex(Mnemonic.Vpbroadcastd, &Broadcast<uint>);
        table.SetVex(Mnemonic.Vpbroadcastq, &Broadcast<ulong>);
        table.SetVex(Mnemonic.Vinsertf128, &InsertHalf);
        table.SetVex(Mnemonic.Vinserti128, &InsertHalf);
        table.SetVex(Mnemonic.Vextractf128, &ExtractHalf);
        table.SetVex(Mnemonic.Vextracti128, &ExtractHalf);
        table.SetVex(Mnemonic.Vmaskmovps, &MaskedMove<uint>);
        table.SetVex(Mnemonic.Vmaskmovpd, &MaskedMove<ulong>);
        table.SetVex(Mnemonic.Vpmaskmovd, &MaskedMove<uint>);
        table.SetVex(Mnemonic.Vpmaskmovq, &MaskedMove<ulong>);
        table.SetVex(Mnemonic.Vzeroall, &ZeroAll);
        table.SetVex(Mnemonic.Vzeroupper, &ZeroUpper);
    }

    private static Outcome Broadcast<T>(Processor p, in Instruction i)
        where T : unmanaged
    {
        if (!p.AvxReady() || !p.TryReadVectorLow(in i, 1, out T value))
        {
            return Outcome.Fault;
        }

        Vector256<byte> result = default;
        for (int k = 0; k < VexForm.SizeOf(i.Op0Register) / sizeof(T); k++)
        {
            ((T*)&result)[k] = value;
        }

        VexForm.Write(p, i.Op0Register, in result);
        return Outcome.Retired;
    }

    private static Outcome InsertHalf(Processor p, in Instruction i)
    {
        if (!p.AvxReady() || !VexForm.TryRead(p, in i, 2, 16, out Vector256<byte> source))
        {
            return Outcome.Fault;
        }

        Vector256<byte> result = *(Vector256<byte>*)p.VectorPointer(i.Op1Register);
        ((Vector128<byte>*)&result)[i.Immediate8 & 1] = source.GetLower();
        VexForm.Write(p, i.Op0Register, in result);
        return Outcome.Retired;
    }

    private static Outcome ExtractHalf(Processor p, in Instruction i)
    {
        if (!p.AvxReady())
        {
            return Outcome.Fault;
        }

        Vector128<byte> half = ((Vector128<byte>*)p.VectorPointer(i.Op1Register))[i.Immediate8 & 1];
        if (i.Op0Kind == OpKind.Memory)
        {
            return p.TryWriteOperand(in i, 0, half) ? Outcome.Retired : Outcome.Fault;
        }

        Vector256<byte> result = half.ToVector256();
        VexForm.Write(p, i.Op0Register, in result);
        return Outcome.Retired;
    }

    /// <summary>
    /// VMASKMOV, VPMASKMOV: elements whose mask has the sign bit set. Memory that is not selected is not referenced.
    /// </summary>
    private static Outcome MaskedMove<T>(Processor p, in Instruction i)
        where T : unmanaged
    {
        if (!p.AvxReady())
        {
            return Outcome.Fault;
        }

        bool isStore = i.Op0Kind == OpKind.Memory;
        Register data = isStore ? i.Op2Register : i.Op0Register;
        int count = VexForm.SizeOf(data) / sizeof(T);
        Vector256<byte> mask = *(Vector256<byte>*)p.VectorPointer(i.Op1Register);
        return isStore ? MaskedStore<T>(p, in i, data, (byte*)&mask, count) : MaskedLoad<T>(p, in i, data, (byte*)&mask, count);
    }

    private static Outcome MaskedLoad<T>(Processor p, in Instruction i, Register data, byte* mask, int count)
        where T : unmanaged
    {
        Vector256<byte> result = default;
        for (int k = 0; k < count; k++)
        {
            if (IsChosen<T>(mask, k))
            {
                if (!p.TryReadPart(in i, (uint)(k * sizeof(T)), out T value))
                {
                    return Outcome.Fault;
                }

                ((T*)&result)[k] = value;
            }
        }

        VexForm.Write(p, data, in result);
        return Outcome.Retired;
    }

    /// <summary>Every selected element is asked for before the first is written.</summary>
    private static Outcome MaskedStore<T>(Processor p, in Instruction i, Register data, byte* mask, int count)
        where T : unmanaged
    {
        Processor.WriteTarget* targets = stackalloc Processor.WriteTarget[8];
        for (int k = 0; k < count; k++)
        {
            if (IsChosen<T>(mask, k) && !p.TryPreparePart<T>(in i, (uint)(k * sizeof(T)), out targets[k]))
            {
                return Outcome.Fault;
            }
        }

        byte* source = p.VectorPointer(data);
        for (int k = 0; k < count; k++)
        {
            if (IsChosen<T>(mask, k))
            {
                p.CommitWrite(in targets[k], source + (k * sizeof(T)));
            }
        }

        return Outcome.Retired;
    }

    /// <summary>The sign bit of element <paramref name="k"/>.</summary>
    internal static bool IsChosen<T>(byte* mask, int k)
        where T : unmanaged => (mask[(k * sizeof(T)) + sizeof(T) - 1] & 0x80) != 0;

    /// <summary>VZEROALL: every register that the mode has.</summary>
    private static Outcome ZeroAll(Processor p, in Instruction i)
    {
        if (!p.AvxReady())
        {
            return Outcome.Fault;
        }

        new System.Span<byte>(p.Xmm(Iced.Intel.Register.XMM0), 32 * (p.Is64BitMode ? 16 : 8)).Clear();
        return Outcome.Retired;
    }

    /// <summary>VZEROUPPER: the upper halves of every register that the mode has.</summary>
    private static Outcome ZeroUpper(Processor p, in Instruction i)
    {
        if (!p.AvxReady())
        {
            return Outcome.Fault;
        }

        for (int n = 0; n < (p.Is64BitMode ? 16 : 8); n++)
        {
            *(Vector128<byte>*)(p.Xmm(Iced.Intel.Register.XMM0 + n) + 16) = default;
        }

        return Outcome.Retired;
    }
}
