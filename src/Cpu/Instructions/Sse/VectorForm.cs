using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>
/// How an encoding treats vector registers and memory (SDM 2A "Vector Extension (VEX)"): what differs between ADDPS and VADDPS. The
/// shells of vector instructions are generic over it, so that one text serves both.
/// </summary>
internal unsafe interface IVectorForm
{
    static abstract bool IsVex { get; }

    /// <summary>May vector instructions of this form run now? False with #UD or #NM raised.</summary>
    static abstract bool IsReady(Processor p);

    /// <summary>Bytes that an instruction works on, by a register operand.</summary>
    static abstract int SizeOf(Register register);

    /// <summary>Index of the last source operand, which may be memory.</summary>
    static abstract int SourceOf(in Instruction i);

    /// <summary>The first source operand: always a register; the destination itself in the legacy form.</summary>
    static abstract Register FirstOf(in Instruction i);

    /// <summary>Reads a register, or memory with the form's rule of alignment.</summary>
    static abstract bool TryRead(Processor p, in Instruction i, int operand, int sizeBytes, out Vector256<byte> value);

    /// <summary>Writes as much of a register as it has; what lies above stays (legacy) or becomes zero (VEX).</summary>
    static abstract void Write(Processor p, Register destination, in Vector256<byte> value);
}

/// <summary>SSE: two operands, 16 bytes, aligned memory, upper halves stay.</summary>
internal readonly unsafe struct LegacyForm : IVectorForm
{
    public static bool IsVex => false;

    public static bool IsReady(Processor p) => p.SseReady();

    public static int SizeOf(Register register) => 16;

    public static int SourceOf(in Instruction i) => 1;

    public static Register FirstOf(in Instruction i) => i.Op0Register;

    public static bool TryRead(Processor p, in Instruction i, int operand, int sizeBytes, out Vector256<byte> value)
    {
        bool done = p.TryReadXmm(in i, operand, out Vector128<byte> low);
        value = low.ToVector256Unsafe();
        return done;
    }

    public static void Write(Processor p, Register destination, in Vector256<byte> value) =>
        *(Vector128<byte>*)p.VectorPointer(destination) = value.GetLower();
}

/// <summary>AVX: two or three operands, 16 or 32 bytes, memory of any alignment, upper halves become zero.</summary>
internal readonly unsafe struct VexForm : IVectorForm
{
    public static bool IsVex => true;

    public static bool IsReady(Processor p) => p.AvxReady();

    public static int SizeOf(Register register) => register >= Register.YMM0 ? 32 : 16;

    public static int SourceOf(in Instruction i) => i.OpCount >= 3 && i.Op2Kind is OpKind.Register or OpKind.Memory ? 2 : 1;

    public static Register FirstOf(in Instruction i) => i.Op1Kind == OpKind.Register ? i.Op1Register : i.Op0Register;

    public static bool TryRead(Processor p, in Instruction i, int operand, int sizeBytes, out Vector256<byte> value)
    {
        if (i.GetOpKind(operand) == OpKind.Register)
        {
            value = *(Vector256<byte>*)p.VectorPointer(i.GetOpRegister(operand));
            return true;
        }

        Unsafe.SkipInit(out value);
        if (sizeBytes == 32)
        {
            return p.TryRead(Processor.SegmentOf(in i), p.EffectiveAddress(in i), out value);
        }

        bool done = p.TryRead(Processor.SegmentOf(in i), p.EffectiveAddress(in i), out Vector128<byte> low);
        value = low.ToVector256Unsafe();
        return done;
    }

    public static void Write(Processor p, Register destination, in Vector256<byte> value) =>
        *(Vector256<byte>*)p.VectorPointer(destination) = destination >= Register.YMM0 ? value : value.GetLower().ToVector256();
}
