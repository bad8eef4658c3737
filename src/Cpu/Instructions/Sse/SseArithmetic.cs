using System;
using System.Numerics;
using System.Runtime.Intrinsics;

using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>A floating-point operation on one pair of elements; generic over the format.</summary>
internal interface IFloatOp
{
    static abstract T Apply<TElement, T>(T a, T b, ref FloatEnvironment environment)
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>;
}

/// <summary>
/// Floating-point arithmetic of SSE, SSE2, SSE3 and AVX (SDM 1 "SSE Packed Arithmetic Instructions", "SSE2 Packed and Scalar
/// Double-Precision Floating-Point Instructions", "SIMD Floating-Point Exceptions"): shells over <see cref="IFloatOp"/>.
/// </summary>
internal static unsafe class SseArithmetic
{
    public static void Register(ColdTable table)
    {
        SetPacked<AddOp>(table, Mnemonic.Addps, Mnemonic.Addpd, Mnemonic.Vaddps, Mnemonic.Vaddpd);
        SetScalar<AddOp>(table, Mnemonic.Addss, Mnemonic.Addsd, Mnemonic.Vaddss, Mnemonic.Vaddsd);
        SetPacked<SubtractOp>(table, Mnemonic.Subps, Mnemonic.Subpd, Mnemonic.Vsubps, Mnemonic.Vsubpd);
        SetScalar<SubtractOp>(table, Mnemonic.Subss, Mnemonic.Subsd, Mnemonic.Vsubss, Mnemonic.Vsubsd);
        SetPacked<MultiplyOp>(table, Mnemonic.Mulps, Mnemonic.Mulpd, Mnemonic.Vmulps, Mnemonic.Vmulpd);
        SetScalar<MultiplyOp>(table, Mnemonic.Mulss, Mnemonic.Mulsd, Mnemonic.Vmulss, Mnemonic.Vmulsd);
        SetPacked<DivideOp>(table, Mnemonic.Divps, Mnemonic.Divpd, Mnemonic.Vdivps, Mnemonic.Vdivpd);
        SetScalar<DivideOp>(table, Mnemonic.Divss, Mnemonic.Divsd, Mnemonic.Vdivss, Mnemonic.Vdivsd);
        SetPacked<SquareRootOp>(table, Mnemonic.Sqrtps, Mnemonic.Sqrtpd, Mnemonic.Vsqrtps, Mnemonic.Vsqrtpd);
        SetScalar<SquareRootOp>(table, Mnemonic.Sqrtss, Mnemonic.Sqrtsd, Mnemonic.Vsqrtss, Mnemonic.Vsqrtsd);
        SetPacked<MinimumOp>(table, Mnemonic.Minps, Mnemonic.Minpd, Mnemonic.Vminps, Mnemonic.Vminpd);
        SetScalar<MinimumOp>(table, Mnemonic.Minss, Mnemonic.Minsd, Mnemonic.Vminss, Mnemonic.Vminsd);
        SetPacked<MaximumOp>(table, Mnemonic.Maxps, Mnemonic.Maxpd, Mnemonic.Vmaxps, Mnemonic.Vmaxpd);
        SetScalar<MaximumOp>(table, Mnemonic.Maxss, Mnemonic.Maxsd, Mnemonic.Vmaxss, Mnemonic.Vmaxsd);

        table.Set(Mnemonic.Addsubps, &AddSubtract<LegacyForm, SingleElement, uint>);
        table.Set(Mnemonic.Addsubpd, &AddSubtract<LegacyForm, DoubleElement, ulong>);
        table.SetVex(Mnemonic.Vaddsubps, &AddSubtract<VexForm, SingleElement, uint>);
        table.SetVex(Mnemonic.Vaddsubpd, &AddSubtract<VexForm, DoubleElement, ulong>);
        table.Set(Mnemonic.Haddps, &HorizontalFloat<LegacyForm, AddOp, SingleElement, uint>);
        table.Set(Mnemonic.Haddpd, &HorizontalFloat<LegacyForm, AddOp, DoubleElement, ulong>);
        table.Set(Mnemonic.Hsubps, &HorizontalFloat<LegacyForm, SubtractOp, SingleElement, uint>);
        table.Set(Mnemonic.Hsubpd, &HorizontalFloat<LegacyForm, SubtractOp, DoubleElement, ulong>);
        table.SetVex(Mnemonic.Vhaddps, &HorizontalFloat<VexForm, AddOp, SingleElement, uint>);
        table.SetVex(Mnemonic.Vhaddpd, &HorizontalFloat<VexForm, AddOp, DoubleElement, ulong>);
        table.SetVex(Mnemonic.Vhsubps, &HorizontalFloat<VexForm, SubtractOp, SingleElement, uint>);
        table.SetVex(Mnemonic.Vhsubpd, &HorizontalFloat<VexForm, SubtractOp, DoubleElement, ulong>);
    }

    private static void SetPacked<TOp>(ColdTable table, Mnemonic singles, Mnemonic doubles, Mnemonic vexSingles, Mnemonic vexDoubles)
        where TOp : struct, IFloatOp
    {
        table.Set(singles, &Packed<LegacyForm, TOp, SingleElement, uint>);
        table.Set(doubles, &Packed<LegacyForm, TOp, DoubleElement, ulong>);
        table.SetVex(vexSingles, &Packed<VexForm, TOp, SingleElement, uint>);
        table.SetVex(vexDoubles, &Packed<VexForm, TOp, DoubleElement, ulong>);
    }

    private static void SetScalar<TOp>(ColdTable table, Mnemonic single, Mnemonic @double, Mnemonic vexSingle, Mnemonic vexDouble)
        where TOp : struct, IFloatOp
    {
        table.Set(single, &Scalar<LegacyForm, TOp, SingleElement, uint>);
        table.Set(@double, &Scalar<LegacyForm, TOp, DoubleElement, ulong>);
        table.SetVex(vexSingle, &Scalar<VexForm, TOp, SingleElement, uint>);
        table.SetVex(vexDouble, &Scalar<VexForm, TOp, DoubleElement, ulong>);
    }

    /// <summary>Every element.</summary>
    private static Outcome Packed<TForm, TOp, TElement, T>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm
        where TOp : struct, IFloatOp
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
            *b = TOp.Apply<TElement, T>(a[k], *b, ref environment);
        }

        return Finish<TForm>(p, in i, in environment, in source);
    }

    /// <summary>The low element; the others are those of the first source.</summary>
    private static Outcome Scalar<TForm, TOp, TElement, T>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm
        where TOp : struct, IFloatOp
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        if (!TForm.IsReady(p) || !p.TryReadVectorLow(in i, TForm.SourceOf(in i), out T source))
        {
            return Outcome.Fault;
        }

        Vector256<byte> result = *(Vector256<byte>*)p.VectorPointer(TForm.FirstOf(in i));
        FloatEnvironment environment = new(p.State->Mxcsr);
        *(T*)&result = TOp.Apply<TElement, T>(*(T*)&result, source, ref environment);
        return Finish<TForm>(p, in i, in environment, in result);
    }

    /// <summary>ADDSUB: odd elements are added, even ones subtracted.</summary>
    private static Outcome AddSubtract<TForm, TElement, T>(Processor p, in Instruction i)
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
            *b = (k & 1) != 0
                ? AddOp.Apply<TElement, T>(a[k], *b, ref environment)
                : SubtractOp.Apply<TElement, T>(a[k], *b, ref environment);
        }

        return Finish<TForm>(p, in i, in environment, in source);
    }

    /// <summary>HADD, HSUB: in each lane, neighbours of the first source give the low half, those of the second the high half.</summary>
    private static Outcome HorizontalFloat<TForm, TOp, TElement, T>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm
        where TOp : struct, IFloatOp
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        int size = TForm.SizeOf(i.Op0Register);
        if (!TForm.IsReady(p) || !TForm.TryRead(p, in i, TForm.SourceOf(in i), size, out Vector256<byte> source))
        {
            return Outcome.Fault;
        }

        Vector256<byte> result = default;
        byte* first = p.VectorPointer(TForm.FirstOf(in i));
        FloatEnvironment environment = new(p.State->Mxcsr);
        int half = 8 / sizeof(T);
        for (int lane = 0; lane < size; lane += 16)
        {
            T* a = (T*)(first + lane);
            T* b = (T*)((byte*)&source + lane);
            T* target = (T*)((byte*)&result + lane);
            for (int k = 0; k < half; k++)
            {
                target[k] = TOp.Apply<TElement, T>(a[2 * k], a[(2 * k) + 1], ref environment);
                target[half + k] = TOp.Apply<TElement, T>(b[2 * k], b[(2 * k) + 1], ref environment);
            }
        }

        return Finish<TForm>(p, in i, in environment, in result);
    }

    /// <summary>Puts exceptions into MXCSR and, unless one is unmasked, the result into the destination.</summary>
    internal static Outcome Finish<TForm>(Processor p, in Instruction i, in FloatEnvironment environment, in Vector256<byte> result)
        where TForm : struct, IVectorForm
    {
        if (!p.CommitSse(in environment))
        {
            return Outcome.Fault;
        }

        TForm.Write(p, i.Op0Register, in result);
        return Outcome.Retired;
    }
}

/// <summary>What the arithmetic operations have in common: NaNs, then denormals, then the exact computation.</summary>
internal static class FloatOperands<TElement, T>
    where TElement : struct, IFloatElement<T>
    where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
{
    /// <summary>Takes the operands apart. False when the result is a NaN operand, given as <paramref name="result"/>.</summary>
    public static bool TryUnpack(T a, T b, ref FloatEnvironment environment, out Unpacked x, out Unpacked y, out T result)
    {
        a = FloatElement<TElement, T>.Flush(a, in environment);
        b = FloatElement<TElement, T>.Flush(b, in environment);
        if (FloatElement<TElement, T>.TryNaN(a, b, ref environment, out result))
        {
            x = default;
            y = default;
            return false;
        }

        x = FloatElement<TElement, T>.Unpack(a);
        y = FloatElement<TElement, T>.Unpack(b);
        return true;
    }

    /// <summary>
    /// Puts the result together. #D of the operands counts unless #I or #Z came first (SDM 1 "SIMD Floating-Point Exception Priority").
    /// </summary>
    public static T Finish(in Unpacked result, bool denormalOperand, uint before, ref FloatEnvironment environment)
    {
        // What was raised by an earlier element must not hide this element's.
        uint here = environment.Raised;
        environment.Raised |= before;
        if (denormalOperand && (here & (MxcsrBits.IE | MxcsrBits.ZE)) == 0)
        {
            environment.Raised |= MxcsrBits.DE;
        }

        return FloatElement<TElement, T>.Pack(in result);
    }
}

/// <summary>ADDPS, ADDSD and so on.</summary>
internal readonly struct AddOp : IFloatOp
{
    public static T Apply<TElement, T>(T a, T b, ref FloatEnvironment environment)
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        if (HostFloat.TryAdd(a, b, ref environment, out T quick))
        {
            return quick;
        }

        if (!FloatOperands<TElement, T>.TryUnpack(a, b, ref environment, out Unpacked x, out Unpacked y, out T nan))
        {
            return nan;
        }

        uint before = environment.Raised;
        environment.Raised = 0;
        Unpacked result = SoftFloat.Add(in x, in y, TElement.Format, ref environment);
        return FloatOperands<TElement, T>.Finish(in result, x.IsDenormal || y.IsDenormal, before, ref environment);
    }
}

/// <summary>SUBPS, SUBSD and so on: NaN operands keep their sign, so this is not quite addition of the negated operand.</summary>
internal readonly struct SubtractOp : IFloatOp
{
    public static T Apply<TElement, T>(T a, T b, ref FloatEnvironment environment)
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T> =>
        FloatElement<TElement, T>.IsNaN(b)
            ? AddOp.Apply<TElement, T>(a, b, ref environment)
            : AddOp.Apply<TElement, T>(a, b ^ TElement.SignBit, ref environment);
}

/// <summary>MULPS, MULSD and so on.</summary>
internal readonly struct MultiplyOp : IFloatOp
{
    public static T Apply<TElement, T>(T a, T b, ref FloatEnvironment environment)
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        if (HostFloat.TryMultiply(a, b, ref environment, out T quick))
        {
            return quick;
        }

        if (!FloatOperands<TElement, T>.TryUnpack(a, b, ref environment, out Unpacked x, out Unpacked y, out T nan))
        {
            return nan;
        }

        uint before = environment.Raised;
        environment.Raised = 0;
        Unpacked result = SoftFloat.Multiply(in x, in y, TElement.Format, ref environment);
        return FloatOperands<TElement, T>.Finish(in result, x.IsDenormal || y.IsDenormal, before, ref environment);
    }
}

/// <summary>DIVPS, DIVSD and so on.</summary>
internal readonly struct DivideOp : IFloatOp
{
    public static T Apply<TElement, T>(T a, T b, ref FloatEnvironment environment)
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        if (HostFloat.TryDivide(a, b, ref environment, out T quick))
        {
            return quick;
        }

        if (!FloatOperands<TElement, T>.TryUnpack(a, b, ref environment, out Unpacked x, out Unpacked y, out T nan))
        {
            return nan;
        }

        uint before = environment.Raised;
        environment.Raised = 0;
        Unpacked result = SoftFloat.Divide(in x, in y, TElement.Format, ref environment);
        return FloatOperands<TElement, T>.Finish(in result, x.IsDenormal || y.IsDenormal, before, ref environment);
    }
}

/// <summary>SQRTPS, SQRTSD and so on: of the source only.</summary>
internal readonly struct SquareRootOp : IFloatOp
{
    public static T Apply<TElement, T>(T a, T b, ref FloatEnvironment environment)
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        if (HostFloat.TrySquareRoot(b, ref environment, out T quick))
        {
            return quick;
        }

        if (!FloatOperands<TElement, T>.TryUnpack(b, b, ref environment, out Unpacked x, out _, out T nan))
        {
            return nan;
        }

        uint before = environment.Raised;
        environment.Raised = 0;
        Unpacked result = SoftFloat.SquareRoot(in x, TElement.Format, ref environment);
        return FloatOperands<TElement, T>.Finish(in result, x.IsDenormal, before, ref environment);
    }
}

/// <summary>MINPS and so on: the second operand when either is a NaN (which is #I) or both are zeros.</summary>
internal readonly struct MinimumOp : IFloatOp
{
    public static T Apply<TElement, T>(T a, T b, ref FloatEnvironment environment)
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        a = FloatElement<TElement, T>.Flush(a, in environment);
        b = FloatElement<TElement, T>.Flush(b, in environment);
        return FloatCompare<TElement, T>.Compare(a, b, quietIsInvalid: true, ref environment) == FloatOrder.Less ? a : b;
    }
}

/// <summary>MAXPS and so on.</summary>
internal readonly struct MaximumOp : IFloatOp
{
    public static T Apply<TElement, T>(T a, T b, ref FloatEnvironment environment)
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        a = FloatElement<TElement, T>.Flush(a, in environment);
        b = FloatElement<TElement, T>.Flush(b, in environment);
        return FloatCompare<TElement, T>.Compare(a, b, quietIsInvalid: true, ref environment) == FloatOrder.Greater ? a : b;
    }
}
