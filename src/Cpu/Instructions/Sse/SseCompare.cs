using System.Numerics;
using System.Runtime.Intrinsics;

using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>How two floating-point numbers stand to each other.</summary>
internal enum FloatOrder : byte
{
    Less,
    Equal,
    Greater,
    Unordered,
}

/// <summary>Comparison of two elements.</summary>
internal static class FloatCompare<TElement, T>
    where TElement : struct, IFloatElement<T>
    where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
{
    /// <param name="quietIsInvalid">Quiet NaNs raise #I as signalling ones do.</param>
    public static FloatOrder Compare(T a, T b, bool quietIsInvalid, ref FloatEnvironment environment)
    {
        a = FloatElement<TElement, T>.Flush(a, in environment);
        b = FloatElement<TElement, T>.Flush(b, in environment);
        if (FloatElement<TElement, T>.IsNaN(a) || FloatElement<TElement, T>.IsNaN(b))
        {
            bool invalid = quietIsInvalid || FloatElement<TElement, T>.IsSignalling(a) || FloatElement<TElement, T>.IsSignalling(b);
            environment.Raised |= invalid ? MxcsrBits.IE : 0;
            return FloatOrder.Unordered;
        }

        bool denormal = FloatElement<TElement, T>.IsDenormal(a) || FloatElement<TElement, T>.IsDenormal(b);
        environment.Raised |= denormal ? MxcsrBits.DE : 0;
        if (((a | b) & ~TElement.SignBit) == T.Zero)
        {
            return FloatOrder.Equal; // zeros of both signs
        }

        bool negative = (a & TElement.SignBit) != T.Zero;
        if (negative != ((b & TElement.SignBit) != T.Zero))
        {
            return negative ? FloatOrder.Less : FloatOrder.Greater;
        }

        return a == b ? FloatOrder.Equal : (a < b) != negative ? FloatOrder.Less : FloatOrder.Greater;
    }

    /// <summary>
    /// The predicates of CMPPS and its siblings (SDM 2A "CMPPD", "Comparison Predicate for CMPPD and CMPPS Instructions"). Bits 1:0: equal,
    /// less, less or equal, unordered; bit 2 inverts; bit 3 (VEX) makes unordered operands satisfy what they would not, and the reverse;
    /// bit 4 (VEX) exchanges quiet and signalling.
    /// </summary>
    public static T Predicate(T a, T b, int predicate, ref FloatEnvironment environment)
    {
        bool signalling = ((predicate & 3) is 1 or 2) != ((predicate & 16) != 0); // LT, LE and their negations
        FloatOrder order = Compare(a, b, signalling, ref environment);
        bool holds = (predicate & 3) switch
        {
            0 => order == FloatOrder.Equal,
            1 => order == FloatOrder.Less,
            2 => order is FloatOrder.Less or FloatOrder.Equal,
            _ => order == FloatOrder.Unordered,
        };
        holds ^= (predicate & 4) != 0;
        if ((predicate & 8) != 0)
        {
            // EQ_UQ, NGE, NGT, FALSE, NEQ_OQ, GE, GT, TRUE
            holds = (predicate & 3) == 3 ? (predicate & 4) != 0 : order == FloatOrder.Unordered ? !holds : holds;
        }

        return holds ? ~T.Zero : T.Zero;
    }
}

/// <summary>CMPPS and siblings, COMISS and siblings (SDM 1 "SSE Comparison Instructions", "SSE2 Comparison Instructions").</summary>
internal static unsafe class SseCompare
{
    public static void Register(ColdTable table)
    {
        table.Set(Code.Cmpps_xmm_xmmm128_imm8, &Packed<LegacyForm, SingleElement, uint>);
        table.Set(Code.Cmppd_xmm_xmmm128_imm8, &Packed<LegacyForm, DoubleElement, ulong>);
        table.Set(Code.Cmpss_xmm_xmmm32_imm8, &Scalar<LegacyForm, SingleElement, uint>);
        table.Set(Code.Cmpsd_xmm_xmmm64_imm8, &Scalar<LegacyForm, DoubleElement, ulong>);
        table.SetVex(Mnemonic.Vcmpps, &Packed<VexForm, SingleElement, uint>);
        table.SetVex(Mnemonic.Vcmppd, &Packed<VexForm, DoubleElement, ulong>);
        table.SetVex(Mnemonic.Vcmpss, &Scalar<VexForm, SingleElement, uint>);
        table.SetVex(Mnemonic.Vcmpsd, &Scalar<VexForm, DoubleElement, ulong>);
        table.Set(Mnemonic.Comiss, &CompareOrdered<LegacyForm, SingleElement, uint>);
        table.Set(Mnemonic.Comisd, &CompareOrdered<LegacyForm, DoubleElement, ulong>);
        table.Set(Mnemonic.Ucomiss, &CompareUnordered<LegacyForm, SingleElement, uint>);
        table.Set(Mnemonic.Ucomisd, &CompareUnordered<LegacyForm, DoubleElement, ulong>);
        table.SetVex(Mnemonic.Vcomiss, &CompareOrdered<VexForm, SingleElement, uint>);
        table.SetVex(Mnemonic.Vcomisd, &CompareOrdered<VexForm, DoubleElement, ulong>);
        table.SetVex(Mnemonic.Vucomiss, &CompareUnordered<VexForm, SingleElement, uint>);
        table.SetVex(Mnemonic.Vucomisd, &CompareUnordered<VexForm, DoubleElement, ulong>);
    }

    /// <summary>The predicate: three bits of the immediate in the legacy form, five with VEX.</summary>
    private static int PredicateOf<TForm>(in Instruction i)
        where TForm : struct, IVectorForm => i.Immediate8 & (TForm.IsVex ? 31 : 7);

    private static Outcome Packed<TForm, TElement, T>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        int size = TForm.SizeOf(i.Op0Register);
        if (!TForm.IsReady(p) || !TForm.TryRead(p, in i, TForm.SourceOf(in i), size, out Vector256<byte> source))
        {
            return Outcome.Fault;
        }

        T* a = (T*)p.VectorPointer(TForm.FirstOf(in i));
        FloatEnvironment environment = new(p.State->Mxcsr);
        for (int k = 0; k < size / sizeof(T); k++)
        {
            T* b = (T*)&source + k;
            *b = FloatCompare<TElement, T>.Predicate(a[k], *b, PredicateOf<TForm>(in i), ref environment);
        }

        return SseArithmetic.Finish<TForm>(p, in i, in environment, in source);
    }

    private static Outcome Scalar<TForm, TElement, T>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        if (!TForm.IsReady(p) || !p.TryReadVectorLow(in i, TForm.SourceOf(in i), out T source))
        {
            return Outcome.Fault;
        }

        Vector256<byte> result = *(Vector256<byte>*)p.VectorPointer(TForm.FirstOf(in i));
        FloatEnvironment environment = new(p.State->Mxcsr);
        *(T*)&result = FloatCompare<TElement, T>.Predicate(*(T*)&result, source, PredicateOf<TForm>(in i), ref environment);
        return SseArithmetic.Finish<TForm>(p, in i, in environment, in result);
    }

    private static Outcome CompareOrdered<TForm, TElement, T>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T> => Compare<TForm, TElement, T>(p, in i, quietIsInvalid: true);

    private static Outcome CompareUnordered<TForm, TElement, T>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T> => Compare<TForm, TElement, T>(p, in i, quietIsInvalid: false);

    /// <summary>Unordered: ZF PF CF all ones; greater: none; less: CF; equal: ZF. OF, SF and AF become zero.</summary>
    private static Outcome Compare<TForm, TElement, T>(Processor p, in Instruction i, bool quietIsInvalid)
        where TForm : struct, IVectorForm
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        if (!TForm.IsReady(p) || !p.TryReadVectorLow(in i, 1, out T source))
        {
            return Outcome.Fault;
        }

        FloatEnvironment environment = new(p.State->Mxcsr);
        FloatOrder order = FloatCompare<TElement, T>.Compare(*(T*)p.Xmm(i.Op0Register), source, quietIsInvalid, ref environment);
        if (!p.CommitSse(in environment))
        {
            return Outcome.Fault;
        }

        LazyFlags.Write(p.State, order switch
        {
            FloatOrder.Less => RflagsBits.CF,
            FloatOrder.Equal => RflagsBits.ZF,
            FloatOrder.Greater => 0,
            _ => RflagsBits.CF | RflagsBits.PF | RflagsBits.ZF,
        });
        return Outcome.Retired;
    }
}
