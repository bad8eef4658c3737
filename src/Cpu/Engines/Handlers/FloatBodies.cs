using System.Numerics;
using System.Runtime.CompilerServices;

namespace Xenolith.Cpu;

// Floating-point arithmetic on XMM registers, for modes in which SSE is available: quick where that is right, else exact. An instruction
// that meets an unmasked exception is executed again the careful way, which raises it.

/// <summary>ADDSD xmm, xmm and its like</summary>
internal readonly unsafe struct ScalarReg<TOp, TElement, T> : ITryBody
    where TOp : struct, IFloatOp
    where TElement : struct, IFloatElement<T>
    where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static bool TryRun(CpuState* cpu, Op* op) =>
        QuickFloat.TryScalar<TOp, T>(cpu, Xmm.At(cpu, op->Dst), *(T*)Xmm.At(cpu, op->Src))
        || VectorWork.Scalar<TOp, TElement, T>(cpu, Xmm.At(cpu, op->Dst), *(T*)Xmm.At(cpu, op->Src));
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
        QuickFloat.TryScalar<TOp, T>(cpu, Xmm.At(cpu, op->Dst), *(T*)at)
        || VectorWork.Scalar<TOp, TElement, T>(cpu, Xmm.At(cpu, op->Dst), *(T*)at);
}

/// <summary>ADDPD xmm, xmm and its like</summary>
internal readonly unsafe struct PackedReg<TOp, TElement, T> : ITryBody
    where TOp : struct, IFloatOp
    where TElement : struct, IFloatElement<T>
    where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static bool TryRun(CpuState* cpu, Op* op) =>
        QuickFloat.TryPacked<TOp, T>(cpu, Xmm.At(cpu, op->Dst), Xmm.At(cpu, op->Src))
        || VectorWork.Packed<TOp, TElement, T>(cpu, Xmm.At(cpu, op->Dst), Xmm.At(cpu, op->Src));
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
        QuickFloat.TryPacked<TOp, T>(cpu, Xmm.At(cpu, op->Dst), at)
        || VectorWork.Packed<TOp, TElement, T>(cpu, Xmm.At(cpu, op->Dst), at);
}

/// <summary>COMISD, UCOMISD xmm, xmm and their like</summary>
internal readonly unsafe struct CompareReg<T> : ITryBody
    where T : unmanaged, IBinaryInteger<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static bool TryRun(CpuState* cpu, Op* op) =>
        QuickFloat.TryCompare(cpu, *(T*)Xmm.At(cpu, op->Dst), *(T*)Xmm.At(cpu, op->Src));
}

/// <summary>COMISD, UCOMISD xmm, m64 and their like</summary>
internal readonly unsafe struct CompareMem<T> : IMemoryTryBody
    where T : unmanaged, IBinaryInteger<T>
{
    public static int SizeBytes => sizeof(T);

    public static bool Writes => false;

    public static bool Aligned => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static bool TryRun(CpuState* cpu, Op* op, byte* at) =>
        QuickFloat.TryCompare(cpu, *(T*)Xmm.At(cpu, op->Dst), *(T*)at);
}

/// <summary>CVTSI2SD xmm, r and its like: T is signed</summary>
internal readonly unsafe struct FromIntegerReg<T, TTo> : ITryBody
    where T : unmanaged, IBinaryInteger<T>
    where TTo : unmanaged, IFloatingPoint<TTo>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static bool TryRun(CpuState* cpu, Op* op) =>
        QuickConvert.TryFromInteger<T, TTo>(cpu, Xmm.At(cpu, op->Dst), Reg.Get<T>(cpu, op->Src));
}

/// <summary>CVTSI2SD xmm, m and its like: T is signed</summary>
internal readonly unsafe struct FromIntegerMem<T, TTo> : IMemoryTryBody
    where T : unmanaged, IBinaryInteger<T>
    where TTo : unmanaged, IFloatingPoint<TTo>
{
    public static int SizeBytes => sizeof(T);

    public static bool Writes => false;

    public static bool Aligned => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static bool TryRun(CpuState* cpu, Op* op, byte* at) =>
        QuickConvert.TryFromInteger<T, TTo>(cpu, Xmm.At(cpu, op->Dst), *(T*)at);
}

/// <summary>CVTTSD2SI r, xmm and its like: T is signed</summary>
internal readonly unsafe struct TruncateReg<TFrom, T> : ITryBody
    where TFrom : unmanaged, IFloatingPoint<TFrom>
    where T : unmanaged, IBinaryInteger<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static bool TryRun(CpuState* cpu, Op* op) =>
        QuickConvert.TryTruncate<TFrom, T>(cpu, op->Dst, *(TFrom*)Xmm.At(cpu, op->Src));
}

/// <summary>CVTTSD2SI r, m and its like: T is signed</summary>
internal readonly unsafe struct TruncateMem<TFrom, T> : IMemoryTryBody
    where TFrom : unmanaged, IFloatingPoint<TFrom>
    where T : unmanaged, IBinaryInteger<T>
{
    public static int SizeBytes => sizeof(TFrom);

    public static bool Writes => false;

    public static bool Aligned => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static bool TryRun(CpuState* cpu, Op* op, byte* at) =>
        QuickConvert.TryTruncate<TFrom, T>(cpu, op->Dst, *(TFrom*)at);
}

/// <summary>CVTSS2SD xmm, xmm</summary>
internal readonly unsafe struct WidenReg : ITryBody
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static bool TryRun(CpuState* cpu, Op* op) =>
        QuickConvert.TryWiden(Xmm.At(cpu, op->Dst), *(float*)Xmm.At(cpu, op->Src));
}

/// <summary>CVTSD2SS xmm, xmm</summary>
internal readonly unsafe struct NarrowReg : ITryBody
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static bool TryRun(CpuState* cpu, Op* op) =>
        QuickConvert.TryNarrow(cpu, Xmm.At(cpu, op->Dst), *(double*)Xmm.At(cpu, op->Src));
}

/// <summary>CVTSS2SD xmm, m</summary>
internal readonly unsafe struct WidenMem : IMemoryTryBody
{
    public static int SizeBytes => 4;

    public static bool Writes => false;

    public static bool Aligned => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static bool TryRun(CpuState* cpu, Op* op, byte* at) =>
        QuickConvert.TryWiden(Xmm.At(cpu, op->Dst), *(float*)at);
}

/// <summary>CVTSD2SS xmm, m</summary>
internal readonly unsafe struct NarrowMem : IMemoryTryBody
{
    public static int SizeBytes => 8;

    public static bool Writes => false;

    public static bool Aligned => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static bool TryRun(CpuState* cpu, Op* op, byte* at) =>
        QuickConvert.TryNarrow(cpu, Xmm.At(cpu, op->Dst), *(double*)at);
}
