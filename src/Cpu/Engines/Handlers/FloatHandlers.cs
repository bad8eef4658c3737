using System.Numerics;
using System.Runtime.CompilerServices;

using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <summary>
/// Floating-point arithmetic on XMM registers, for modes in which SSE is available. An instruction that meets an unmasked exception
/// is executed again the careful way, which raises it.
/// </summary>
internal static unsafe class FloatHandlers
{
    /// <summary>ADDSD xmm, xmm and its like</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* ScalarReg<TOp, TElement, T, TDispatch>(CpuState* cpu, Op* op)
        where TOp : struct, IFloatOp
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
        where TDispatch : struct, IDispatch
    {
        if (!VectorWork.Scalar<TOp, TElement, T>(cpu, VectorHandlers.Xmm(cpu, op->Dst), *(T*)VectorHandlers.Xmm(cpu, op->Src)))
        {
            SlowPath.Careful(cpu, op);
            return null;
        }

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    /// <summary>ADDSD xmm, m64 and its like</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* ScalarMem<TOp, TElement, T, TAddress, TDispatch>(CpuState* cpu, Op* op)
        where TOp : struct, IFloatOp
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
        where TAddress : struct, IAddress
        where TDispatch : struct, IDispatch
    {
        ulong linear = TAddress.Of(cpu, op);
        FastTlbEntry* entry = Probe.Entry(cpu, linear);
        if (entry->ReadTag != Probe.Tag(linear, sizeof(T)) && !SlowPath.Fill(cpu, op, linear, sizeof(T), AccessKind.Read))
        {
            return null;
        }

        if (!VectorWork.Scalar<TOp, TElement, T>(cpu, VectorHandlers.Xmm(cpu, op->Dst), *(T*)((nint)linear + entry->Addend)))
        {
            SlowPath.Careful(cpu, op);
            return null;
        }

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    /// <summary>ADDPD xmm, xmm and its like</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* PackedReg<TOp, TElement, T, TDispatch>(CpuState* cpu, Op* op)
        where TOp : struct, IFloatOp
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
        where TDispatch : struct, IDispatch
    {
        if (!VectorWork.Packed<TOp, TElement, T>(cpu, VectorHandlers.Xmm(cpu, op->Dst), VectorHandlers.Xmm(cpu, op->Src)))
        {
            SlowPath.Careful(cpu, op);
            return null;
        }

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    /// <summary>ADDPD xmm, m128 and its like</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* PackedMem<TOp, TElement, T, TAddress, TDispatch>(CpuState* cpu, Op* op)
        where TOp : struct, IFloatOp
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
        where TAddress : struct, IAddress
        where TDispatch : struct, IDispatch
    {
        ulong linear = TAddress.Of(cpu, op);
        if ((linear & 15) != 0)
        {
            SlowPath.Careful(cpu, op);
            return null;
        }

        FastTlbEntry* entry = Probe.Entry(cpu, linear);
        if (entry->ReadTag != Probe.Tag(linear, 16) && !SlowPath.Fill(cpu, op, linear, 16, AccessKind.Read))
        {
            return null;
        }

        if (!VectorWork.Packed<TOp, TElement, T>(cpu, VectorHandlers.Xmm(cpu, op->Dst), (byte*)((nint)linear + entry->Addend)))
        {
            SlowPath.Careful(cpu, op);
            return null;
        }

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }
}
