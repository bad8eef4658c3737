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
/// Floating-point arithmetic of SSE, SSE2 and SSE3 (SDM 1 "SSE Packed Arithmetic Instructions", "SSE2 Packed and Scalar
/// Double-Precision Floating-Point Instructions", "SIMD Floating-Point Exceptions"): shells over <see cref="IFloatOp"/>.
/// </summary>
internal static unsafe class SseArithmetic
{
    public static void Register(ColdTable table)
    {
        table.Set(Mnemonic.Addps, &Packed<AddOp, SingleElement, uint>);
        table.Set(Mnemonic.Addpd, &Packed<AddOp, DoubleElement, ulong>);
        table.Set(Mnemonic.Addss, &Scalar<AddOp, SingleElement, uint>);
        table.Set(Mnemonic.Addsd, &Scalar<AddOp, DoubleElement, ulong>);
        table.Set(Mnemonic.Subps, &Packed<SubtractOp, SingleElement, uint>);
        table.Set(Mnemonic.Subpd, &Packed<SubtractOp, DoubleElement, ulong>);
        table.Set(Mnemonic.Subss, &Scalar<SubtractOp, SingleElement, uint>);
        table.Set(Mnemonic.Subsd, &Scalar<SubtractOp, DoubleElement, ulong>);
        table.Set(Mnemonic.Mulps, &Packed<MultiplyOp, SingleElement, uint>);
        table.Set(Mnemonic.Mulpd, &Packed<MultiplyOp, DoubleElement, ulong>);
        table.Set(Mnemonic.Mulss, &Scalar<MultiplyOp, SingleElement, uint>);
        table.Set(Mnemonic.Mulsd, &Scalar<MultiplyOp, DoubleElement, ulong>);
        table.Set(Mnemonic.Divps, &Packed<DivideOp, SingleElement, uint>);
        table.Set(Mnemonic.Divpd, &Packed<DivideOp, DoubleElement, ulong>);
        table.Set(Mnemonic.Divss, &Scalar<DivideOp, SingleElement, uint>);
        table.Set(Mnemonic.Divsd, &Scalar<DivideOp, DoubleElement, ulong>);
        table.Set(Mnemonic.Sqrtps, &Packed<SquareRootOp, SingleElement, uint>);
        table.Set(Mnemonic.Sqrtpd, &Packed<SquareRootOp, DoubleElement, ulong>);
        table.Set(Mnemonic.Sqrtss, &Scalar<SquareRootOp, SingleElement, uint>);
        table.Set(Mnemonic.Sqrtsd, &Scalar<SquareRootOp, DoubleElement, ulong>);
        table.Set(Mnemonic.Minps, &Packed<MinimumOp, SingleElement, uint>);
        table.Set(Mnemonic.Minpd, &Packed<MinimumOp, DoubleElement, ulong>);
        table.Set(Mnemonic.Minss, &Scalar<MinimumOp, SingleElement, uint>);
        table.Set(Mnemonic.Minsd, &Scalar<MinimumOp, DoubleElement, ulong>);
        table.Set(Mnemonic.Maxps, &Packed<MaximumOp, SingleElement, uint>);
        table.Set(Mnemonic.Maxpd, &Packed<MaximumOp, DoubleElement, ulong>);
        table.Set(Mnemonic.Maxss, &Scalar<MaximumOp, SingleElement, uint>);
        table.Set(Mnemonic.Maxsd, &Scalar<MaximumOp, DoubleElement, ulong>);

        table.Set(Mnemonic.Addsubps, &AddSubtract<SingleElement, uint>);
        table.Set(Mnemonic.Addsubpd, &AddSubtract<DoubleElement, ulong>);
        table.Set(Mnemonic.Haddps, &HorizontalFloat<AddOp, SingleElement, uint>);
        table.Set(Mnemonic.Haddpd, &HorizontalFloat<AddOp, DoubleElement, ulong>);
        table.Set(Mnemonic.Hsubps, &HorizontalFloat<SubtractOp, SingleElement, uint>);
        table.Set(Mnemonic.Hsubpd, &HorizontalFloat<SubtractOp, DoubleElement, ulong>);
    }

    /// <summary>xmm, xmm/m128: every element.</summary>
    private static Outcome Packed<TOp, TElement, T>(Processor p, in Instruction i)
        where TOp : struct, IFloatOp
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
            ((T*)&result)[k] = TOp.Apply<TElement, T>(a[k], ((T*)&source)[k], ref environment);
        }

        if (!p.CommitSse(in environment))
        {
            return Outcome.Fault;
        }

        *(Vector128<byte>*)a = result;
        return Outcome.Retired;
    }

    /// <summary>xmm, xmm/m: the low element; the others stay.</summary>
    private static Outcome Scalar<TOp, TElement, T>(Processor p, in Instruction i)
        where TOp : struct, IFloatOp
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        if (!p.SseReady() || !p.TryReadXmmLow(in i, 1, out T source))
        {
            return Outcome.Fault;
        }

        T* a = (T*)p.Xmm(i.Op0Register);
        FloatEnvironment environment = new(p.State->Mxcsr);
        T result = TOp.Apply<TElement, T>(*a, source, ref environment);
        if (!p.CommitSse(in environment))
        {
            return Outcome.Fault;
        }

        *a = result;
        return Outcome.Retired;
    }

    /// <summary>ADDSUB: odd elements are added, even ones subtracted.</summary>
    private static Outcome AddSubtract<TElement, T>(Processor p, in Instruction i)
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
            T b = ((T*)&source)[k];
            ((T*)&result)[k] = (k & 1) != 0
                ? AddOp.Apply<TElement, T>(a[k], b, ref environment)
                : SubtractOp.Apply<TElement, T>(a[k], b, ref environment);
        }

        if (!p.CommitSse(in environment))
        {
            return Outcome.Fault;
        }

        *(Vector128<byte>*)a = result;
        return Outcome.Retired;
    }

    /// <summary>HADD, HSUB: neighbours of the destination give the low half, neighbours of the source the high half.</summary>
    private static Outcome HorizontalFloat<TOp, TElement, T>(Processor p, in Instruction i)
        where TOp : struct, IFloatOp
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
        int half = 8 / sizeof(T);
        for (int k = 0; k < half; k++)
        {
            ((T*)&result)[k] = TOp.Apply<TElement, T>(a[2 * k], a[(2 * k) + 1], ref environment);
            ((T*)&result)[half + k] = TOp.Apply<TElement, T>(((T*)&source)[2 * k], ((T*)&source)[(2 * k) + 1], ref environment);
        }

        if (!p.CommitSse(in environment))
        {
            return Outcome.Fault;
        }

        *(Vector128<byte>*)a = result;
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
