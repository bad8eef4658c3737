using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Xenolith.Cpu;

// Moves and packed integers on XMM registers, for modes in which SSE is available (ExecutionMode.Sse). Registers are numbers in Dst and
// Src. What would fault is left to the careful way.

/// <summary>Must a 16-byte operand be aligned? A type parameter of the bodies that move vectors.</summary>
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

/// <summary>XMM registers by number.</summary>
internal static unsafe class Xmm
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // an address computation
    public static byte* At(CpuState* cpu, byte number) => (byte*)&cpu->Vector + (sizeof(VectorRegister) * number);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // an address computation
    public static ref Vector128<byte> Whole(CpuState* cpu, byte number) => ref *(Vector128<byte>*)At(cpu, number);
}

/// <summary>MOVAPS xmm, xmm and its like</summary>
internal readonly unsafe struct VectorMove : IBody
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op) =>
        Xmm.Whole(cpu, op->Dst) = Xmm.Whole(cpu, op->Src);
}

/// <summary>MOVAPS, MOVUPS xmm, m128 and their like</summary>
internal readonly unsafe struct VectorLoad<TAlignment> : IMemoryBody
    where TAlignment : struct, IAlignment
{
    public static int SizeBytes => 16;

    public static bool Writes => false;

    public static bool Aligned => TAlignment.Required;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op, ulong linear, byte* at) =>
        Xmm.Whole(cpu, op->Dst) = *(Vector128<byte>*)at;
}

/// <summary>MOVAPS, MOVUPS m128, xmm and their like</summary>
internal readonly unsafe struct VectorStore<TAlignment> : IMemoryBody
    where TAlignment : struct, IAlignment
{
    public static int SizeBytes => 16;

    public static bool Writes => true;

    public static bool Aligned => TAlignment.Required;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op, ulong linear, byte* at) =>
        *(Vector128<byte>*)at = Xmm.Whole(cpu, op->Src);
}

/// <summary>MOVSS, MOVSD, MOVD, MOVQ xmm, m: the rest of the register becomes zero</summary>
internal readonly unsafe struct LoadLow<T> : IMemoryBody
    where T : unmanaged
{
    public static int SizeBytes => sizeof(T);

    public static bool Writes => false;

    public static bool Aligned => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op, ulong linear, byte* at) =>
        *(Vector128<T>*)Xmm.At(cpu, op->Dst) = Vector128.CreateScalar(*(T*)at);
}

/// <summary>MOVSS, MOVSD, MOVD, MOVQ, MOVLPS m, xmm</summary>
internal readonly unsafe struct StoreLow<T> : IMemoryBody
    where T : unmanaged
{
    public static int SizeBytes => sizeof(T);

    public static bool Writes => true;

    public static bool Aligned => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op, ulong linear, byte* at) =>
        *(T*)at = *(T*)Xmm.At(cpu, op->Src);
}

/// <summary>MOVLPS, MOVLPD xmm, m: the upper half stays</summary>
internal readonly unsafe struct LoadLowHalf : IMemoryBody
{
    public static int SizeBytes => 8;

    public static bool Writes => false;

    public static bool Aligned => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op, ulong linear, byte* at) =>
        *(ulong*)Xmm.At(cpu, op->Dst) = *(ulong*)at;
}

/// <summary>MOVHPS, MOVHPD xmm, m: the lower half stays</summary>
internal readonly unsafe struct LoadHighHalf : IMemoryBody
{
    public static int SizeBytes => 8;

    public static bool Writes => false;

    public static bool Aligned => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op, ulong linear, byte* at) =>
        ((ulong*)Xmm.At(cpu, op->Dst))[1] = *(ulong*)at;
}

/// <summary>MOVHPS, MOVHPD m, xmm</summary>
internal readonly unsafe struct StoreHighHalf : IMemoryBody
{
    public static int SizeBytes => 8;

    public static bool Writes => true;

    public static bool Aligned => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op, ulong linear, byte* at) =>
        *(ulong*)at = ((ulong*)Xmm.At(cpu, op->Src))[1];
}

/// <summary>MOVSS, MOVSD xmm, xmm: the rest of the register stays</summary>
internal readonly unsafe struct MoveLow<T> : IBody
    where T : unmanaged
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op) =>
        *(T*)Xmm.At(cpu, op->Dst) = *(T*)Xmm.At(cpu, op->Src);
}

/// <summary>MOVQ xmm, xmm: the upper half becomes zero</summary>
internal readonly unsafe struct MoveQuad : IBody
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op) =>
        *(Vector128<ulong>*)Xmm.At(cpu, op->Dst) = Vector128.CreateScalar(*(ulong*)Xmm.At(cpu, op->Src));
}

/// <summary>MOVD, MOVQ xmm, r</summary>
internal readonly unsafe struct FromGeneral<T> : IBody
    where T : unmanaged
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op) =>
        *(Vector128<T>*)Xmm.At(cpu, op->Dst) = Vector128.CreateScalar(Reg.Get<T>(cpu, op->Src));
}

/// <summary>MOVD, MOVQ r, xmm</summary>
internal readonly unsafe struct ToGeneral<T> : IBody
    where T : unmanaged
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op) =>
        Reg.Set(cpu, op->Dst, *(T*)Xmm.At(cpu, op->Src));
}

/// <summary>op xmm, xmm</summary>
internal readonly unsafe struct VectorReg<TOp> : IBody
    where TOp : struct, IVectorOp
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op) =>
        Xmm.Whole(cpu, op->Dst) = TOp.Apply(Xmm.Whole(cpu, op->Dst), Xmm.Whole(cpu, op->Src));
}

/// <summary>op xmm, m128</summary>
internal readonly unsafe struct VectorMem<TOp> : IMemoryBody
    where TOp : struct, IVectorOp
{
    public static int SizeBytes => 16;

    public static bool Writes => false;

    public static bool Aligned => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op, ulong linear, byte* at) =>
        Xmm.Whole(cpu, op->Dst) = TOp.Apply(Xmm.Whole(cpu, op->Dst), *(Vector128<byte>*)at);
}

/// <summary>op xmm, xmm</summary>
internal readonly unsafe struct BlockReg<TOp> : IBody
    where TOp : struct, IBlockOp
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op) =>
        VectorWork.Block<TOp>(Xmm.At(cpu, op->Dst), Xmm.At(cpu, op->Src));
}

/// <summary>op xmm, m128</summary>
internal readonly unsafe struct BlockMem<TOp> : IMemoryBody
    where TOp : struct, IBlockOp
{
    public static int SizeBytes => 16;

    public static bool Writes => false;

    public static bool Aligned => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op, ulong linear, byte* at) =>
        VectorWork.Block<TOp>(Xmm.At(cpu, op->Dst), at);
}

/// <summary>op xmm, xmm, imm8</summary>
internal readonly unsafe struct BlockImm<TOp> : IBody
    where TOp : struct, IBlockImmediateOp
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op) =>
        VectorWork.BlockImmediate<TOp>(Xmm.At(cpu, op->Dst), Xmm.At(cpu, op->Src), (byte)op->Small);
}

/// <summary>PSLL, PSRL, PSRA xmm, imm8</summary>
internal readonly unsafe struct VectorShiftImm<TOp, T> : IBody
    where TOp : struct, ILaneShift
    where T : unmanaged, IBinaryInteger<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op) =>
        BlockShells.ShiftLanes<TOp, T>(Xmm.At(cpu, op->Dst), 16, (byte)op->Small);
}
