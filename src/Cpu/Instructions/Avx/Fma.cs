using System;
using System.Numerics;
using System.Runtime.Intrinsics;

using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>Which operands of an FMA instruction are multiplied, and which is added: the digits in its name.</summary>
internal interface IFmaOrder
{
    static abstract (T X, T Y, T Z) Of<T>(T first, T second, T third);
}

/// <summary>VFMADD132: first x third + second.</summary>
internal readonly struct Order132 : IFmaOrder
{
    public static (T X, T Y, T Z) Of<T>(T first, T second, T third) => (first, third, second);
}

/// <summary>VFMADD213: second x first + third.</summary>
internal readonly struct Order213 : IFmaOrder
{
    public static (T X, T Y, T Z) Of<T>(T first, T second, T third) => (second, first, third);
}

/// <summary>VFMADD231: second x third + first.</summary>
internal readonly struct Order231 : IFmaOrder
{
    public static (T X, T Y, T Z) Of<T>(T first, T second, T third) => (second, third, first);
}

/// <summary>The signs of an FMA instruction, by element number.</summary>
internal interface IFmaSigns
{
    static abstract bool NegatesProduct { get; }

    static abstract bool NegatesAddend(int element);
}

/// <summary>VFMADD: xy + z.</summary>
internal readonly struct MultiplyAdd : IFmaSigns
{
    public static bool NegatesProduct => false;

    public static bool NegatesAddend(int element) => false;
}

/// <summary>VFMSUB: xy - z.</summary>
internal readonly struct MultiplySubtract : IFmaSigns
{
    public static bool NegatesProduct => false;

    public static bool NegatesAddend(int element) => true;
}

/// <summary>VFNMADD: -xy + z.</summary>
internal readonly struct NegatedMultiplyAdd : IFmaSigns
{
    public static bool NegatesProduct => true;

    public static bool NegatesAddend(int element) => false;
}

/// <summary>VFNMSUB: -xy - z.</summary>
internal readonly struct NegatedMultiplySubtract : IFmaSigns
{
    public static bool NegatesProduct => true;

    public static bool NegatesAddend(int element) => true;
}

/// <summary>VFMADDSUB: odd elements are added, even ones subtracted.</summary>
internal readonly struct MultiplyAddSubtract : IFmaSigns
{
    public static bool NegatesProduct => false;

    public static bool NegatesAddend(int element) => (element & 1) == 0;
}

/// <summary>VFMSUBADD: odd elements are subtracted, even ones added.</summary>
internal readonly struct MultiplySubtractAdd : IFmaSigns
{
    public static bool NegatesProduct => false;

    public static bool NegatesAddend(int element) => (element & 1) != 0;
}

/// <summary>
/// Fused multiply-add (SDM 1 "Fused-Multiply-ADD (FMA) Extensions"): one rounding, exceptions of the whole. Shells over
/// <see cref="IFmaOrder"/> and <see cref="IFmaSigns"/>.
/// </summary>
internal static unsafe class Fma
{
    public static void Register(ColdTable table)
    {
        SetPacked<MultiplyAdd>(
            table, [Mnemonic.Vfmadd132ps, Mnemonic.Vfmadd132pd, Mnemonic.Vfmadd213ps, Mnemonic.Vfmadd213pd, Mnemonic.Vfmadd231ps, Mnemonic.Vfmadd231pd]);
        SetScalar<MultiplyAdd>(
            table, [Mnemonic.Vfmadd132ss, Mnemonic.Vfmadd132sd, Mnemonic.Vfmadd213ss, Mnemonic.Vfmadd213sd, Mnemonic.Vfmadd231ss, Mnemonic.Vfmadd231sd]);
        SetPacked<MultiplySubtract>(
            table, [Mnemonic.Vfmsub132ps, Mnemonic.Vfmsub132pd, Mnemonic.Vfmsub213ps, Mnemonic.Vfmsub213pd, Mnemonic.Vfmsub231ps, Mnemonic.Vfmsub231pd]);
        SetScalar<MultiplySubtract>(
            table, [Mnemonic.Vfmsub132ss, Mnemonic.Vfmsub132sd, Mnemonic.Vfmsub213ss, Mnemonic.Vfmsub213sd, Mnemonic.Vfmsub231ss, Mnemonic.Vfmsub231sd]);
        SetPacked<NegatedMultiplyAdd>(
            table,
            [Mnemonic.Vfnmadd132ps, Mnemonic.Vfnmadd132pd, Mnemonic.Vfnmadd213ps, Mnemonic.Vfnmadd213pd, Mnemonic.Vfnmadd231ps, Mnemonic.Vfnmadd231pd]);
        SetScalar<NegatedMultiplyAdd>(
            table,
            [Mnemonic.Vfnmadd132ss, Mnemonic.Vfnmadd132sd, Mnemonic.Vfnmadd213ss, Mnemonic.Vfnmadd213sd, Mnemonic.Vfnmadd231ss, Mnemonic.Vfnmadd231sd]);
        SetPacked<NegatedMultiplySubtract>(
            table,
            [Mnemonic.Vfnmsub132ps, Mnemonic.Vfnmsub132pd, Mnemonic.Vfnmsub213ps, Mnemonic.Vfnmsub213pd, Mnemonic.Vfnmsub231ps, Mnemonic.Vfnmsub231pd]);
        SetScalar<NegatedMultiplySubtract>(
            table,
            [Mnemonic.Vfnmsub132ss, Mnemonic.Vfnmsub132sd, Mnemonic.Vfnmsub213ss, Mnemonic.Vfnmsub213sd, Mnemonic.Vfnmsub231ss, Mnemonic.Vfnmsub231sd]);
        SetPacked<MultiplyAddSubtract>(
            table,
            [Mnemonic.Vfmaddsub132ps, Mnemonic.Vfmaddsub132pd, Mnemonic.Vfmaddsub213ps, Mnemonic.Vfmaddsub213pd, Mnemonic.Vfmaddsub231ps,
            Mnemonic.Vfmaddsub231pd]);
        SetPacked<MultiplySubtractAdd>(
            table,
            [Mnemonic.Vfmsubadd132ps, Mnemonic.Vfmsubadd132pd, Mnemonic.Vfmsubadd213ps, Mnemonic.Vfmsubadd213pd, Mnemonic.Vfmsubadd231ps,
            Mnemonic.Vfmsubadd231pd]);
    }

    /// <param name="table">Where to.</param>
    /// <param name="names">132 of singles and doubles, then 213, then 231.</param>
    private static void SetPacked<TSigns>(ColdTable table, ReadOnlySpan<Mnemonic> names)
        where TSigns : struct, IFmaSigns
    {
        table.SetVex(names[0], &Packed<Order132, TSigns, SingleElement, uint>);
        table.SetVex(names[1], &Packed<Order132, TSigns, DoubleElement, ulong>);
        table.SetVex(names[2], &Packed<Order213, TSigns, SingleElement, uint>);
        table.SetVex(names[3], &Packed<Order213, TSigns, DoubleElement, ulong>);
        table.SetVex(names[4], &Packed<Order231, TSigns, SingleElement, uint>);
        table.SetVex(names[5], &Packed<Order231, TSigns, DoubleElement, ulong>);
    }

    /// <inheritdoc cref="SetPacked{TSigns}"/>
    private static void SetScalar<TSigns>(ColdTable table, ReadOnlySpan<Mnemonic> names)
        where TSigns : struct, IFmaSigns
    {
        table.SetVex(names[0], &Scalar<Order132, TSigns, SingleElement, uint>);
        table.SetVex(names[1], &Scalar<Order132, TSigns, DoubleElement, ulong>);
        table.SetVex(names[2], &Scalar<Order213, TSigns, SingleElement, uint>);
        table.SetVex(names[3], &Scalar<Order213, TSigns, DoubleElement, ulong>);
        table.SetVex(names[4], &Scalar<Order231, TSigns, SingleElement, uint>);
        table.SetVex(names[5], &Scalar<Order231, TSigns, DoubleElement, ulong>);
    }

    private static Outcome Packed<TOrder, TSigns, TElement, T>(Processor p, in Instruction i)
        where TOrder : struct, IFmaOrder
        where TSigns : struct, IFmaSigns
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        int size = VexForm.SizeOf(i.Op0Register);
        if (!p.AvxReady() || !VexForm.TryRead(p, in i, 2, size, out Vector256<byte> result))
        {
            return Outcome.Fault;
        }

        T* first = (T*)p.VectorPointer(i.Op0Register);
        T* second = (T*)p.VectorPointer(i.Op1Register);
        FloatEnvironment environment = new(p.State->Mxcsr);
        for (int k = 0; k < size / sizeof(T); k++)
        {
            T* third = (T*)&result + k;
            (T x, T y, T z) = TOrder.Of(first[k], second[k], *third);
            *third = FusedOp<TElement, T>.Apply(x, y, z, TSigns.NegatesProduct, TSigns.NegatesAddend(k), ref environment);
        }

        return SseArithmetic.Finish<VexForm>(p, in i, in environment, in result);
    }

    /// <summary>The low element; the others of the low half stay as the destination has them.</summary>
    private static Outcome Scalar<TOrder, TSigns, TElement, T>(Processor p, in Instruction i)
        where TOrder : struct, IFmaOrder
        where TSigns : struct, IFmaSigns
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        if (!p.AvxReady() || !p.TryReadVectorLow(in i, 2, out T third))
        {
            return Outcome.Fault;
        }

        Vector256<byte> result = *(Vector256<byte>*)p.VectorPointer(i.Op0Register);
        FloatEnvironment environment = new(p.State->Mxcsr);
        (T x, T y, T z) = TOrder.Of(*(T*)&result, *(T*)p.VectorPointer(i.Op1Register), third);
        *(T*)&result = FusedOp<TElement, T>.Apply(x, y, z, TSigns.NegatesProduct, TSigns.NegatesAddend(0), ref environment);
        return SseArithmetic.Finish<VexForm>(p, in i, in environment, in result);
    }
}

/// <summary>xy + z of one element, with signs.</summary>
internal static class FusedOp<TElement, T>
    where TElement : struct, IFloatElement<T>
    where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
{
    public static T Apply(T x, T y, T z, bool negatesProduct, bool negatesAddend, ref FloatEnvironment environment)
    {
        T a = negatesProduct ? x ^ TElement.SignBit : x;
        T c = negatesAddend ? z ^ TElement.SignBit : z;
        if (HostFloat.TryFused(a, y, c, ref environment, out T quick))
        {
            return quick;
        }

        return Exact(x, y, z, negatesProduct, negatesAddend, ref environment);
    }

    private static T Exact(T x, T y, T z, bool negatesProduct, bool negatesAddend, ref FloatEnvironment environment)
    {
        x = FloatElement<TElement, T>.Flush(x, in environment);
        y = FloatElement<TElement, T>.Flush(y, in environment);
        z = FloatElement<TElement, T>.Flush(z, in environment);
        if (FloatElement<TElement, T>.IsNaN(x) || FloatElement<TElement, T>.IsNaN(y) || FloatElement<TElement, T>.IsNaN(z))
        {
            bool signals = FloatElement<TElement, T>.IsSignalling(x) || FloatElement<TElement, T>.IsSignalling(y)
                || FloatElement<TElement, T>.IsSignalling(z);
            environment.Raised |= signals ? MxcsrBits.IE : 0;
            T nan = FloatElement<TElement, T>.IsNaN(x) ? x : FloatElement<TElement, T>.IsNaN(y) ? y : z;
            return nan | TElement.QuietBit; // NaNs keep their sign, whatever the instruction negates
        }

        Unpacked a = FloatElement<TElement, T>.Unpack(x);
        Unpacked b = FloatElement<TElement, T>.Unpack(y);
        Unpacked c = FloatElement<TElement, T>.Unpack(z);
        a.Sign ^= negatesProduct;
        c.Sign ^= negatesAddend;
        uint before = environment.Raised;
        environment.Raised = 0;
        Unpacked result = SoftFloat.MultiplyAdd(in a, in b, in c, TElement.Format, ref environment);
        return FloatOperands<TElement, T>.Finish(in result, a.IsDenormal || b.IsDenormal || c.IsDenormal, before, ref environment);
    }
}
