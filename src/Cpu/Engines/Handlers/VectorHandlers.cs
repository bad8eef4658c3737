using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <summary>Must a 16-byte operand be aligned? A type parameter of the handlers that move vectors.</summary>
internal interface IAlignment
{
    static abstract bool Required { get; }
}

/// <summary>MOVAPS and all arithmetic: #GP unless aligned.</summary>
internal readonly struct Aligned : IAlignment
{
    public static bool Required => true;
}

/// <summary>MOVUPS and its like.</summary>
internal readonly struct Unaligned : IAlignment
{
    public static bool Required => false;
}

/// <summary>
/// Moves and packed integers on XMM registers, for modes in which SSE is available (<see cref="ExecutionMode.Sse"/>). Registers are
/// numbers in Dst and Src. What would fault is left to the careful way.
/// </summary>
internal static unsafe class VectorHandlers
{
    /// <summary>MOVAPS xmm, xmm and its like</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* MoveReg<TDispatch>(CpuState* cpu, Op* op)
        where TDispatch : struct, IDispatch
    {
        *(Vector128<byte>*)Xmm(cpu, op->Dst) = *(Vector128<byte>*)Xmm(cpu, op->Src);

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    /// <summary>MOVAPS, MOVUPS xmm, m128 and their like</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* Load<TAlignment, TAddress, TDispatch>(CpuState* cpu, Op* op)
        where TAlignment : struct, IAlignment
        where TAddress : struct, IAddress
        where TDispatch : struct, IDispatch
    {
        ulong linear = TAddress.Of(cpu, op);
        if (TAlignment.Required && (linear & 15) != 0)
        {
            SlowPath.Careful(cpu, op);
            return null;
        }

        FastTlbEntry* entry = Probe.Entry(cpu, linear);
        if (entry->ReadTag != Probe.Tag(linear, 16) && !SlowPath.Fill(cpu, op, linear, 16, AccessKind.Read))
        {
            return null;
        }

        *(Vector128<byte>*)Xmm(cpu, op->Dst) = *(Vector128<byte>*)((nint)linear + entry->Addend);

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    /// <summary>MOVAPS, MOVUPS m128, xmm and their like</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* Store<TAlignment, TAddress, TDispatch>(CpuState* cpu, Op* op)
        where TAlignment : struct, IAlignment
        where TAddress : struct, IAddress
        where TDispatch : struct, IDispatch
    {
        ulong linear = TAddress.Of(cpu, op);
        if (TAlignment.Required && (linear & 15) != 0)
        {
            SlowPath.Careful(cpu, op);
            return null;
        }

        FastTlbEntry* entry = Probe.Entry(cpu, linear);
        if (entry->WriteTag != Probe.Tag(linear, 16) && !SlowPath.Fill(cpu, op, linear, 16, AccessKind.Write))
        {
            return null;
        }

        *(Vector128<byte>*)((nint)linear + entry->Addend) = *(Vector128<byte>*)Xmm(cpu, op->Src);

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    /// <summary>MOVSS, MOVSD, MOVD, MOVQ xmm, m: the rest of the register becomes zero</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* LoadLow<T, TAddress, TDispatch>(CpuState* cpu, Op* op)
        where T : unmanaged
        where TAddress : struct, IAddress
        where TDispatch : struct, IDispatch
    {
        ulong linear = TAddress.Of(cpu, op);
        FastTlbEntry* entry = Probe.Entry(cpu, linear);
        if (entry->ReadTag != Probe.Tag(linear, sizeof(T)) && !SlowPath.Fill(cpu, op, linear, sizeof(T), AccessKind.Read))
        {
            return null;
        }

        *(Vector128<T>*)Xmm(cpu, op->Dst) = Vector128.CreateScalar(*(T*)((nint)linear + entry->Addend));

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    /// <summary>MOVSS, MOVSD, MOVD, MOVQ, MOVLPS m, xmm</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* StoreLow<T, TAddress, TDispatch>(CpuState* cpu, Op* op)
        where T : unmanaged
        where TAddress : struct, IAddress
        where TDispatch : struct, IDispatch
    {
        ulong linear = TAddress.Of(cpu, op);
        FastTlbEntry* entry = Probe.Entry(cpu, linear);
        if (entry->WriteTag != Probe.Tag(linear, sizeof(T)) && !SlowPath.Fill(cpu, op, linear, sizeof(T), AccessKind.Write))
        {
            return null;
        }

        *(T*)((nint)linear + entry->Addend) = *(T*)Xmm(cpu, op->Src);

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    /// <summary>MOVSS, MOVSD xmm, xmm: the rest of the register stays</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* MoveLow<T, TDispatch>(CpuState* cpu, Op* op)
        where T : unmanaged
        where TDispatch : struct, IDispatch
    {
        *(T*)Xmm(cpu, op->Dst) = *(T*)Xmm(cpu, op->Src);

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    /// <summary>MOVD, MOVQ xmm, r</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* FromGeneral<T, TDispatch>(CpuState* cpu, Op* op)
        where T : unmanaged
        where TDispatch : struct, IDispatch
    {
        *(Vector128<T>*)Xmm(cpu, op->Dst) = Vector128.CreateScalar(Reg.Get<T>(cpu, op->Src));

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    /// <summary>MOVD, MOVQ r, xmm</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* ToGeneral<T, TDispatch>(CpuState* cpu, Op* op)
        where T : unmanaged
        where TDispatch : struct, IDispatch
    {
        Reg.Set(cpu, op->Dst, *(T*)Xmm(cpu, op->Src));

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    /// <summary>op xmm, xmm</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* BlockReg<TOp, TDispatch>(CpuState* cpu, Op* op)
        where TOp : struct, IBlockOp
        where TDispatch : struct, IDispatch
    {
        VectorWork.Block<TOp>(Xmm(cpu, op->Dst), Xmm(cpu, op->Src));

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    /// <summary>op xmm, m128</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* BlockMem<TOp, TAddress, TDispatch>(CpuState* cpu, Op* op)
        where TOp : struct, IBlockOp
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

        VectorWork.Block<TOp>(Xmm(cpu, op->Dst), (byte*)((nint)linear + entry->Addend));

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    /// <summary>op xmm, xmm, imm8</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* BlockImm<TOp, TDispatch>(CpuState* cpu, Op* op)
        where TOp : struct, IBlockImmediateOp
        where TDispatch : struct, IDispatch
    {
        VectorWork.BlockImmediate<TOp>(Xmm(cpu, op->Dst), Xmm(cpu, op->Src), (byte)op->Small);

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    /// <summary>PSLL, PSRL, PSRA xmm, imm8</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Op* ShiftImm<TOp, T, TDispatch>(CpuState* cpu, Op* op)
        where TOp : struct, ILaneShift
        where T : unmanaged, IBinaryInteger<T>
        where TDispatch : struct, IDispatch
    {
        BlockShells.ShiftLanes<TOp, T>(Xmm(cpu, op->Dst), 16, (byte)op->Small);

        if (TDispatch.Threaded)
        {
            return op[1].Handler(cpu, op + 1);
        }

        return op + 1;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // an address computation
    internal static byte* Xmm(CpuState* cpu, byte number) => (byte*)&cpu->Vector + (sizeof(VectorRegister) * number);
}

/// <summary>
/// The work of handlers whose operations need locals with an address: apart, because the JIT makes no jump of the last call of a
/// method that has such locals, and the handlers' stack would grow.
/// </summary>
internal static unsafe class VectorWork
{
    /// <summary>Copies the source first: it may be the destination.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void Block<TOp>(byte* destination, byte* source)
        where TOp : struct, IBlockOp
    {
        Vector128<byte> copy = *(Vector128<byte>*)source;
        TOp.Apply(destination, (byte*)&copy, 16);
    }

    /// <inheritdoc cref="Block"/>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void BlockImmediate<TOp>(byte* destination, byte* source, byte immediate)
        where TOp : struct, IBlockImmediateOp
    {
        Vector128<byte> copy = *(Vector128<byte>*)source;
        TOp.Apply(destination, (byte*)&copy, 16, immediate);
    }

    /// <summary>A scalar operation. False when an unmasked exception was met, and nothing has changed.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static bool Scalar<TOp, TElement, T>(CpuState* cpu, byte* destination, T source)
        where TOp : struct, IFloatOp
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        FloatEnvironment environment = new(cpu->Mxcsr);
        T result = TOp.Apply<TElement, T>(*(T*)destination, source, ref environment);
        if ((environment.Raised & ~environment.Masked) != 0)
        {
            return false;
        }

        cpu->Mxcsr |= environment.Raised;
        *(T*)destination = result;
        return true;
    }

    /// <summary>A packed operation. False when an unmasked exception was met, and nothing has changed.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static bool Packed<TOp, TElement, T>(CpuState* cpu, byte* destination, byte* source)
        where TOp : struct, IFloatOp
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        FloatEnvironment environment = new(cpu->Mxcsr);
        Vector128<byte> result = default;
        for (int k = 0; k < 16 / sizeof(T); k++)
        {
            ((T*)&result)[k] = TOp.Apply<TElement, T>(((T*)destination)[k], ((T*)source)[k], ref environment);
        }

        if ((environment.Raised & ~environment.Masked) != 0)
        {
            return false;
        }

        cpu->Mxcsr |= environment.Raised;
        *(Vector128<byte>*)destination = result;
        return true;
    }
}
