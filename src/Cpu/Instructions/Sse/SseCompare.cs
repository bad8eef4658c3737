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
    /// The predicates of CMPPS and its siblings (SDM 2A "CMPPD", "Comparison Predicate for CMPPD and CMPPS Instructions").
    /// </summary>
    public static T Predicate(T a, T b, int predicate, ref FloatEnvironment environment)
    {
        bool signalling = (predicate & 3) is 1 or 2; // LT, LE and their negations
        FloatOrder order = Compare(a, b, signalling, ref environment);
        bool holds = (predicate & 3) switch
        {
            0 => order == FloatOrder.Equal,
            1 => order == FloatOrder.Less,
            2 => order is FloatOrder.Less or FloatOrder.Equal,
            _ => order == FloatOrder.Unordered,
        };
        return holds != ((predicate & 4) != 0) ? ~T.Zero : T.Zero;
    }
}

/// <summary>CMPPS and siblings, COMISS and siblings (SDM 1 "SSE Comparison Instructions", "SSE2 Comparison Instructions").</summary>
internal static unsafe class SseCompare
{
    public static void Register(ColdTable table)
    {
        table.Set(Code.Cmpps_xmm_xmmm128_imm8, &Packed<SingleElement, uint>);
        table.Set(Code.Cmppd_xmm_xmmm128_imm8, &Packed<DoubleElement, ulong>);
        table.Set(Code.Cmpss_xmm_xmmm32_imm8, &Scalar<SingleElement, uint>);
        table.Set(Code.Cmpsd_xmm_xmmm64_imm8, &Scalar<DoubleElement, ulong>);
        table.Set(Mnemonic.Comiss, &CompareOrdered<SingleElement, uint>);
        table.Set(Mnemonic.Comisd, &CompareOrdered<DoubleElement, ulong>);
        table.Set(Mnemonic.Ucomiss, &CompareUnordered<SingleElement, uint>);
        table.Set(Mnemonic.Ucomisd, &CompareUnordered<DoubleElement, ulong>);
    }

    private static Outcome Packed<TElement, T>(Processor p, in Instruction i)
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        if (!p.SseReady() || !p.TryReadXmm(in i, 1, out Vector128<byte> source))
        {
            return Outcome.Fault;
        }

        Vector128<byte> result = default;
        T* a = (T*)p.Xmm(i.Op0Register);
        FloatEnvironment environment = new(p.State->Mxcsr);
        for (int k = 0; k < 16 / sizeof(T); k++)
        {
            ((T*)&result)[k] = FloatCompare<TElement, T>.Predicate(a[k], ((T*)&source)[k], i.Immediate8, ref environment);
        }

        if (!p.CommitSse(in environment))
        {
            return Outcome.Fault;
        }

        *(Vector128<byte>*)a = result;
        return Outcome.Retired;
    }

    private static Outcome Scalar<TElement, T>(Processor p, in Instruction i)
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        if (!p.SseReady() || !p.TryReadXmmLow(in i, 1, out T source))
        {
            return Outcome.Fault;
        }

        T* a = (T*)p.Xmm(i.Op0Register);
        FloatEnvironment environment = new(p.State->Mxcsr);
        T result = FloatCompare<TElement, T>.Predicate(*a, source, i.Immediate8, ref environment);
        if (!p.CommitSse(in environment))
        {
            return Outcome.Fault;
        }

        *a = result;
        return Outcome.Retired;
    }

    private static Outcome CompareOrdered<TElement, T>(Processor p, in Instruction i)
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T> => Compare<TElement, T>(p, in i, quietIsInvalid: true);

    private static Outcome CompareUnordered<TElement, T>(Processor p, in Instruction i)
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T> => Compare<TElement, T>(p, in i, quietIsInvalid: false);

    /// <summary>Unordered: ZF PF CF all ones; greater: none; less: CF; equal: ZF. OF, SF and AF become zero.</summary>
    private static Outcome Compare<TElement, T>(Processor p, in Instruction i, bool quietIsInvalid)
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        if (!p.SseReady() || !p.TryReadXmmLow(in i, 1, out T source))
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
