using Xenolith.Xen.Abi;

namespace Xenolith.Xen;

/// <summary>A hypercall (or sub-operation) with one argument structure of the same layout for all callers.</summary>
/// <typeparam name="TArg">The structure of the ABI.</typeparam>
internal interface IHypercall<TArg>
    where TArg : unmanaged
{
    /// <summary>True when the structure has OUT fields: it is written back after success.</summary>
    static virtual bool WritesBack => false;

    /// <summary>Does it, on a copy of the argument that the caller can no longer change.</summary>
    /// <returns>A non-negative result, or a negated errno.</returns>
    static abstract long Execute(HypercallContext call, ref TArg arg);
}

/// <summary>A hypercall without an argument structure.</summary>
internal interface IHypercall
{
    /// <returns>A non-negative result, or a negated errno.</returns>
    static abstract long Execute(HypercallContext call);
}

/// <summary>The 32-bit layout of a structure whose fields differ in width.</summary>
internal interface ICompatLayout<TCompat, TNative>
{
    static abstract TNative Widen(in TCompat compat);

    /// <summary>Copies the OUT fields back into the caller's form.</summary>
    static abstract void Narrow(in TNative native, ref TCompat compat);
}

/// <summary>
/// The shells of all hypercalls: copy the argument in once, in the caller's name, through the caller's page tables; run the op on the
/// copy; copy the results out. No op sees a guest pointer that it did not ask for.
/// </summary>
internal static class Shells
{
    public static long Plain<TOp>(HypercallContext call)
        where TOp : struct, IHypercall
        => TOp.Execute(call);

    public static long Struct<TOp, TArg>(HypercallContext call)
        where TOp : struct, IHypercall<TArg>
        where TArg : unmanaged
    {
        if (!call.TryCopyIn(call.Pointer, out TArg arg))
        {
            return Errno.EFAULT.Negated();
        }

        long result = TOp.Execute(call, ref arg);
        return result >= 0 && TOp.WritesBack && !call.TryCopyOut(call.Pointer, in arg) ? Errno.EFAULT.Negated() : result;
    }

    public static long Compat<TOp, TArg, TCompat, TLayout>(HypercallContext call)
        where TOp : struct, IHypercall<TArg>
        where TArg : unmanaged
        where TCompat : unmanaged
        where TLayout : struct, ICompatLayout<TCompat, TArg>
    {
        if (!call.Is32Bit)
        {
            return Struct<TOp, TArg>(call);
        }

        if (!call.TryCopyIn(call.Pointer, out TCompat compat))
        {
            return Errno.EFAULT.Negated();
        }

        TArg arg = TLayout.Widen(in compat);
        long result = TOp.Execute(call, ref arg);
        if (result >= 0 && TOp.WritesBack)
        {
            TLayout.Narrow(in arg, ref compat);
            return call.TryCopyOut(call.Pointer, in compat) ? result : Errno.EFAULT.Negated();
        }

        return result;
    }
}

/// <summary>Errnos as results.</summary>
internal static class ErrnoExtensions
{
    public static long Negated(this Errno error) => -(long)error;
}
