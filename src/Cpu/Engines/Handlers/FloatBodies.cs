using System.Numerics;
using System.Runtime.CompilerServices;

namespace Xenolith.Cpu;

// Floating-point arithmetic on XMM registers, for modes in which SSE is available. An instruction that meets an unmasked exception is
// executed again the careful way, which raises it.

/// <summary>ADDSD xmm, xmm and its like</summary>
internal readonly unsafe struct ScalarReg<TOp, TElement, T> : ITryBody
    where TOp : struct, IFloatOp
    where TElement : struct, IFloatElement<T>
    where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static bool TryRun(CpuState* cpu, Op* op) =>
        VectorWork.Scalar<TOp, TElement, T>(cpu, Xmm.At(cpu, op->Dst), *(T*)Xmm.At(cpu, op->Src));
}

/// <summary>ADDSD xmm, m64 and its like</summary>
internal readonly unsafe struct ScalarMem<TOp, TElement, T> : IMemoryTryBody
    where TOp : struct, IFloatOp
    where TElement : struct, IFloatElement<T>
    where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
{
    public static int SizeBytes => sizeof(T);

    public static bool Writes => false;

    public static bool Aligned => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static bool TryRun(CpuState* cpu, Op* op, byte* at) =>
        VectorWork.Scalar<TOp, TElement, T>(cpu, Xmm.At(cpu, op->Dst), *(T*)at);
}

/// <summary>ADDPD xmm, xmm and its like</summary>
internal readonly unsafe struct PackedReg<TOp, TElement, T> : ITryBody
    where TOp : struct, IFloatOp
    where TElement : struct, IFloatElement<T>
    where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static bool TryRun(CpuState* cpu, Op* op) =>
        VectorWork.Packed<TOp, TElement, T>(cpu, Xmm.At(cpu, op->Dst), Xmm.At(cpu, op->Src));
}

/// <summary>ADDPD xmm, m128 and its like</summary>
internal readonly unsafe struct PackedMem<TOp, TElement, T> : IMemoryTryBody
    where TOp : struct, IFloatOp
    where TElement : struct, IFloatElement<T>
    where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
{
    public static int SizeBytes => 16;

    public static bool Writes => false;

    public static bool Aligned => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static bool TryRun(CpuState* cpu, Op* op, byte* at) =>
        VectorWork.Packed<TOp, TElement, T>(cpu, Xmm.At(cpu, op->Dst), at);
}
