using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Xenolith.Cpu;

/// <summary>An operation of packed integers on 16 bytes as one host operation; the lane operations are its reference.</summary>
internal interface IVectorOp
{
    static abstract Vector128<byte> Apply(Vector128<byte> a, Vector128<byte> b);
}

/// <summary>PAND</summary>
internal readonly struct VectorAnd : IVectorOp
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static Vector128<byte> Apply(Vector128<byte> a, Vector128<byte> b) => a & b;
}

/// <summary>PANDN</summary>
internal readonly struct VectorAndNot : IVectorOp
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static Vector128<byte> Apply(Vector128<byte> a, Vector128<byte> b) => ~a & b;
}

/// <summary>POR</summary>
internal readonly struct VectorOr : IVectorOp
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static Vector128<byte> Apply(Vector128<byte> a, Vector128<byte> b) => a | b;
}

/// <summary>PXOR</summary>
internal readonly struct VectorXor : IVectorOp
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static Vector128<byte> Apply(Vector128<byte> a, Vector128<byte> b) => a ^ b;
}

/// <summary>PADDB, PADDW, PADDD, PADDQ</summary>
internal readonly struct VectorAdd<T> : IVectorOp
    where T : unmanaged
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static Vector128<byte> Apply(Vector128<byte> a, Vector128<byte> b) =>
        (a.As<byte, T>() + b.As<byte, T>()).AsByte();
}

/// <summary>PSUBB, PSUBW, PSUBD, PSUBQ</summary>
internal readonly struct VectorSubtract<T> : IVectorOp
    where T : unmanaged
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static Vector128<byte> Apply(Vector128<byte> a, Vector128<byte> b) =>
        (a.As<byte, T>() - b.As<byte, T>()).AsByte();
}

/// <summary>PCMPEQB, PCMPEQW, PCMPEQD</summary>
internal readonly struct VectorEqual<T> : IVectorOp
    where T : unmanaged
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static Vector128<byte> Apply(Vector128<byte> a, Vector128<byte> b) =>
        Vector128.Equals(a.As<byte, T>(), b.As<byte, T>()).AsByte();
}

/// <summary>PCMPGTB, PCMPGTW, PCMPGTD</summary>
internal readonly struct VectorGreater<T> : IVectorOp
    where T : unmanaged
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static Vector128<byte> Apply(Vector128<byte> a, Vector128<byte> b) =>
        Vector128.GreaterThan(a.As<byte, T>(), b.As<byte, T>()).AsByte();
}

/// <summary>PMINUB, PMINSW</summary>
internal readonly struct VectorMin<T> : IVectorOp
    where T : unmanaged
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static Vector128<byte> Apply(Vector128<byte> a, Vector128<byte> b) =>
        Vector128.Min(a.As<byte, T>(), b.As<byte, T>()).AsByte();
}

/// <summary>PMAXUB, PMAXSW</summary>
internal readonly struct VectorMax<T> : IVectorOp
    where T : unmanaged
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static Vector128<byte> Apply(Vector128<byte> a, Vector128<byte> b) =>
        Vector128.Max(a.As<byte, T>(), b.As<byte, T>()).AsByte();
}

/// <summary>PMULLW, PMULLD</summary>
internal readonly struct VectorMultiply<T> : IVectorOp
    where T : unmanaged
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static Vector128<byte> Apply(Vector128<byte> a, Vector128<byte> b) =>
        (a.As<byte, T>() * b.As<byte, T>()).AsByte();
}
