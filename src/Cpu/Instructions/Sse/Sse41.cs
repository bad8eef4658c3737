using System.Numerics;
using System.Runtime.Intrinsics;

using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>
/// What SSE4.1 has beyond packed integers, blends and rounding: widening moves, PTEST, dot products (SDM 1 "SSE4.1 Instruction Set").
/// </summary>
internal static unsafe class Sse41
{
    public static void Register(ColdTable table)
    {
        table.Set(Mnemonic.Pmovsxbw, &Widen<ulong, sbyte, short>);
        table.Set(Mnemonic.Pmovsxbd, &Widen<uint, sbyte, int>);
        table.Set(Mnemonic.Pmovsxbq, &Widen<ushort, sbyte, long>);
        table.Set(Mnemonic.Pmovsxwd, &Widen<ulong, short, int>);
        table.Set(Mnemonic.Pmovsxwq, &Widen<uint, short, long>);
        table.Set(Mnemonic.Pmovsxdq, &Widen<ulong, int, long>);
        table.Set(Mnemonic.Pmovzxbw, &Widen<ulong, byte, ushort>);
        table.Set(Mnemonic.Pmovzxbd, &Widen<uint, byte, uint>);
        table.Set(Mnemonic.Pmovzxbq, &Widen<ushort, byte, ulong>);
        table.Set(Mnemonic.Pmovzxwd, &Widen<ulong, ushort, uint>);
        table.Set(Mnemonic.Pmovzxwq, &Widen<uint, ushort, ulong>);
        table.Set(Mnemonic.Pmovzxdq, &Widen<ulong, uint, ulong>);
        table.Set(Mnemonic.Ptest, &Test);
        table.Set(Mnemonic.Dpps, &DotProduct<SingleElement, uint>);
        table.Set(Mnemonic.Dppd, &DotProduct<DoubleElement, ulong>);
    }

    /// <typeparam name="TMemory">As much as is read.</typeparam>
    private static Outcome Widen<TMemory, TFrom, TTo>(Processor p, in Instruction i)
        where TMemory : unmanaged
        where TFrom : unmanaged, IBinaryInteger<TFrom>
        where TTo : unmanaged, IBinaryInteger<TTo>
    {
        if (!p.SseReady() || !p.TryReadXmmLow(in i, 1, out TMemory source))
        {
            return Outcome.Fault;
        }

        TTo* target = (TTo*)p.Xmm(i.Op0Register);
        for (int k = 0; k < 16 / sizeof(TTo); k++)
        {
            target[k] = TTo.CreateTruncating(((TFrom*)&source)[k]);
        }

        return Outcome.Retired;
    }

    /// <summary>PTEST: ZF when no bit is in both, CF when the destination has every bit of the source; the others become zero.</summary>
    private static Outcome Test(Processor p, in Instruction i)
    {
        if (!p.SseReady() || !p.TryReadXmm(in i, 1, out Vector128<byte> source))
        {
            return Outcome.Fault;
        }

        Vector128<byte> destination = *(Vector128<byte>*)p.Xmm(i.Op0Register);
        bool zero = (destination & source) == default;
        bool carry = Vector128.AndNot(source, destination) == default;
        LazyFlags.Write(p.State, (zero ? RflagsBits.ZF : 0) | (carry ? RflagsBits.CF : 0));
        return Outcome.Retired;
    }

    /// <summary>
    /// DPPS, DPPD: immediate bits 7:4 choose the products, bits 3:0 where the sum goes. Exceptions are checked after each step.
    /// </summary>
    private static Outcome DotProduct<TElement, T>(Processor p, in Instruction i)
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        if (!p.SseReady() || !p.TryReadXmm(in i, 1, out Vector128<byte> source))
        {
            return Outcome.Fault;
        }

        int count = 16 / sizeof(T);
        T* a = (T*)p.Xmm(i.Op0Register);
        T* terms = stackalloc T[4];
        FloatEnvironment environment = new(p.State->Mxcsr);
        for (int k = 0; k < count; k++)
        {
            bool chosen = ((i.Immediate8 >> (4 + k)) & 1) != 0;
            terms[k] = chosen ? MultiplyOp.Apply<TElement, T>(a[k], ((T*)&source)[k], ref environment) : T.Zero;
        }

        // Neighbours first, then their sums.
        for (int width = count; width > 1; width /= 2)
        {
            if ((environment.Raised & ~environment.Masked) != 0)
            {
                break;
            }

            for (int k = 0; k < width / 2; k++)
            {
                terms[k] = AddOp.Apply<TElement, T>(terms[2 * k], terms[(2 * k) + 1], ref environment);
            }
        }

        if (!p.CommitSse(in environment))
        {
            return Outcome.Fault;
        }

        T sum = terms[0];
        for (int k = 0; k < count; k++)
        {
            a[k] = ((i.Immediate8 >> k) & 1) != 0 ? sum : T.Zero;
        }

        return Outcome.Retired;
    }
}
