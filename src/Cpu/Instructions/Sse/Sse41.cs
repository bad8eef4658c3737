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
        SetWiden<ulong, Vector128<byte>, sbyte, short>(table, Mnemonic.Pmovsxbw, Mnemonic.Vpmovsxbw);
        SetWiden<uint, ulong, sbyte, int>(table, Mnemonic.Pmovsxbd, Mnemonic.Vpmovsxbd);
        SetWiden<ushort, uint, sbyte, long>(table, Mnemonic.Pmovsxbq, Mnemonic.Vpmovsxbq);
        SetWiden<ulong, Vector128<byte>, short, int>(table, Mnemonic.Pmovsxwd, Mnemonic.Vpmovsxwd);
        SetWiden<uint, ulong, short, long>(table, Mnemonic.Pmovsxwq, Mnemonic.Vpmovsxwq);
        SetWiden<ulong, Vector128<byte>, int, long>(table, Mnemonic.Pmovsxdq, Mnemonic.Vpmovsxdq);
        SetWiden<ulong, Vector128<byte>, byte, ushort>(table, Mnemonic.Pmovzxbw, Mnemonic.Vpmovzxbw);
        SetWiden<uint, ulong, byte, uint>(table, Mnemonic.Pmovzxbd, Mnemonic.Vpmovzxbd);
        SetWiden<ushort, uint, byte, ulong>(table, Mnemonic.Pmovzxbq, Mnemonic.Vpmovzxbq);
        SetWiden<ulong, Vector128<byte>, ushort, uint>(table, Mnemonic.Pmovzxwd, Mnemonic.Vpmovzxwd);
        SetWiden<uint, ulong, ushort, ulong>(table, Mnemonic.Pmovzxwq, Mnemonic.Vpmovzxwq);
        SetWiden<ulong, Vector128<byte>, uint, ulong>(table, Mnemonic.Pmovzxdq, Mnemonic.Vpmovzxdq);
        table.Set(Mnemonic.Ptest, &Test<LegacyForm>);
        table.SetVex(Mnemonic.Vptest, &Test<VexForm>);
        table.Set(Mnemonic.Dpps, &DotProduct<LegacyForm, SingleElement, uint>);
        table.Set(Mnemonic.Dppd, &DotProduct<LegacyForm, DoubleElement, ulong>);
        table.SetVex(Mnemonic.Vdpps, &DotProduct<VexForm, SingleElement, uint>);
        table.SetVex(Mnemonic.Vdppd, &DotProduct<VexForm, DoubleElement, ulong>);
    }

    /// <typeparam name="TMemory">As much as is read for 16 bytes of result.</typeparam>
    /// <typeparam name="TWideMemory">As much as is read for 32.</typeparam>
    private static void SetWiden<TMemory, TWideMemory, TFrom, TTo>(ColdTable table, Mnemonic legacy, Mnemonic vex)
        where TMemory : unmanaged
        where TWideMemory : unmanaged
        where TFrom : unmanaged, IBinaryInteger<TFrom>
        where TTo : unmanaged, IBinaryInteger<TTo>
    {
        table.Set(legacy, &Widen<LegacyForm, TMemory, TWideMemory, TFrom, TTo>);
        table.SetVex(vex, &Widen<VexForm, TMemory, TWideMemory, TFrom, TTo>);
    }

    private static Outcome Widen<TForm, TMemory, TWideMemory, TFrom, TTo>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm
        where TMemory : unmanaged
        where TWideMemory : unmanaged
        where TFrom : unmanaged, IBinaryInteger<TFrom>
        where TTo : unmanaged, IBinaryInteger<TTo>
    {
        int size = TForm.SizeOf(i.Op0Register);
        TMemory narrow = default;
        TWideMemory wide = default;
        if (!TForm.IsReady(p) || !(size == 32 ? p.TryReadVectorLow(in i, 1, out wide) : p.TryReadVectorLow(in i, 1, out narrow)))
        {
            return Outcome.Fault;
        }

        TFrom* source = size == 32 ? (TFrom*)&wide : (TFrom*)&narrow;
        Vector256<byte> result = default;
        for (int k = 0; k < size / sizeof(TTo); k++)
        {
            ((TTo*)&result)[k] = TTo.CreateTruncating(source[k]);
        }

        TForm.Write(p, i.Op0Register, in result);
        return Outcome.Retired;
    }

    /// <summary>PTEST: ZF when no bit is in both, CF when the destination has every bit of the source; the others become zero.</summary>
    private static Outcome Test<TForm>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm
    {
        int size = TForm.SizeOf(i.Op0Register);
        if (!TForm.IsReady(p) || !TForm.TryRead(p, in i, 1, size, out Vector256<byte> source))
        {
            return Outcome.Fault;
        }

        Vector256<byte> destination = *(Vector256<byte>*)p.VectorPointer(i.Op0Register);
        Vector256<byte> both = destination & source;
        Vector256<byte> missing = Vector256.AndNot(source, destination);
        bool zero = size == 32 ? both == default : both.GetLower() == default;
        bool carry = size == 32 ? missing == default : missing.GetLower() == default;
        LazyFlags.Write(p.State, (zero ? RflagsBits.ZF : 0) | (carry ? RflagsBits.CF : 0));
        return Outcome.Retired;
    }

    /// <summary>
    /// DPPS, DPPD: in each lane, immediate bits 7:4 choose the products, bits 3:0 where the sum goes. Exceptions are checked after each
    /// step.
    /// </summary>
    private static Outcome DotProduct<TForm, TElement, T>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        int size = TForm.SizeOf(i.Op0Register);
        if (!TForm.IsReady(p) || !TForm.TryRead(p, in i, TForm.SourceOf(in i), size, out Vector256<byte> source))
        {
            return Outcome.Fault;
        }

        int perLane = 16 / sizeof(T);
        int count = size / sizeof(T);
        T* a = (T*)p.VectorPointer(TForm.FirstOf(in i));
        T* terms = (T*)&source;
        FloatEnvironment environment = new(p.State->Mxcsr);
        for (int k = 0; k < count; k++)
        {
            bool chosen = ((i.Immediate8 >> (4 + (k & (perLane - 1)))) & 1) != 0;
            terms[k] = chosen ? MultiplyOp.Apply<TElement, T>(a[k], terms[k], ref environment) : T.Zero;
        }

        // Neighbours first, then their sums.
        for (int width = perLane; width > 1 && (environment.Raised & ~environment.Masked) == 0; width /= 2)
        {
            p.State->Mxcsr |= environment.Raised; // what a finished step met stays, even when a later one faults
            for (int lane = 0; lane < count; lane += perLane)
            {
                for (int k = 0; k < width / 2; k++)
                {
                    terms[lane + k] = AddOp.Apply<TElement, T>(terms[lane + (2 * k)], terms[lane + (2 * k) + 1], ref environment);
                }
            }
        }

        Vector256<byte> result = default;
        for (int k = 0; k < count; k++)
        {
            int place = k & (perLane - 1);
            ((T*)&result)[k] = ((i.Immediate8 >> place) & 1) != 0 ? terms[k - place] : T.Zero;
        }

        return SseArithmetic.Finish<TForm>(p, in i, in environment, in result);
    }
}
