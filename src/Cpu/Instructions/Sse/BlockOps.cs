using System.Numerics;
using System.Runtime.Intrinsics;

using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>An operation of packed integers on 8 bytes (MMX) or 16 (SSE): destination and source come in, destination goes out.</summary>
internal unsafe interface IBlockOp
{
    static abstract void Apply(byte* destination, byte* source, int sizeBytes);
}

/// <summary>As <see cref="IBlockOp"/>, with an immediate.</summary>
internal unsafe interface IBlockImmediateOp
{
    /// <summary>How far the immediate is shifted right for the upper lane of a VEX form; 0 when both lanes obey the same bits.</summary>
    static virtual int ImmediateBitsPerLane => 0;

    static abstract void Apply(byte* destination, byte* source, int sizeBytes, byte immediate);
}

/// <summary>An operation on one pair of elements.</summary>
internal interface ILaneOp<T>
    where T : unmanaged
{
    static abstract T Apply(T destination, T source);
}

/// <summary>A lane operation on every element.</summary>
internal readonly unsafe struct Lanes<TOp, T> : IBlockOp
    where TOp : struct, ILaneOp<T>
    where T : unmanaged
{
    public static void Apply(byte* destination, byte* source, int sizeBytes)
    {
        for (int k = 0; k < sizeBytes / sizeof(T); k++)
        {
            ((T*)destination)[k] = TOp.Apply(((T*)destination)[k], ((T*)source)[k]);
        }
    }
}

/// <summary>
/// The shells of packed-integer instructions: operand traffic, checks and faults, the same for MMX (which the destination register
/// says), SSE and AVX. Operations work within lanes of 16 bytes.
/// </summary>
internal static unsafe class BlockShells
{
    /// <summary>Registers an operation under its legacy and its VEX mnemonic.</summary>
    public static void Set<TOp>(ColdTable table, Mnemonic legacy, Mnemonic vex)
        where TOp : struct, IBlockOp
    {
        table.Set(legacy, &Block<LegacyForm, TOp>);
        table.SetVex(vex, &Block<VexForm, TOp>);
    }

    /// <inheritdoc cref="Set{TOp}"/>
    public static void SetImmediate<TOp>(ColdTable table, Mnemonic legacy, Mnemonic vex)
        where TOp : struct, IBlockImmediateOp
    {
        table.Set(legacy, &BlockImmediate<LegacyForm, TOp>);
        table.SetVex(vex, &BlockImmediate<VexForm, TOp>);
    }

    /// <summary>mm, mm/m64; xmm, xmm/m128; or the VEX forms with two or three operands.</summary>
    public static Outcome Block<TForm, TOp>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm
        where TOp : struct, IBlockOp
    {
        Register register = i.Op0Register;
        if (!TForm.IsVex && Processor.IsMmx(register))
        {
            return Mmx<TOp>(p, in i);
        }

        int size = TForm.SizeOf(register);
        if (!TForm.IsReady(p) || !TForm.TryRead(p, in i, TForm.SourceOf(in i), size, out Vector256<byte> source))
        {
            return Outcome.Fault;
        }

        Vector256<byte> result = *(Vector256<byte>*)p.VectorPointer(TForm.FirstOf(in i));
        for (int lane = 0; lane < size; lane += 16)
        {
            TOp.Apply((byte*)&result + lane, (byte*)&source + lane, 16);
        }

        TForm.Write(p, register, in result);
        return Outcome.Retired;
    }

    /// <summary>As <see cref="Block"/>, with imm8 behind.</summary>
    public static Outcome BlockImmediate<TForm, TOp>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm
        where TOp : struct, IBlockImmediateOp
    {
        Register register = i.Op0Register;
        if (!TForm.IsVex && Processor.IsMmx(register))
        {
            return MmxImmediate<TOp>(p, in i);
        }

        int size = TForm.SizeOf(register);
        if (!TForm.IsReady(p) || !TForm.TryRead(p, in i, TForm.SourceOf(in i), size, out Vector256<byte> source))
        {
            return Outcome.Fault;
        }

        Vector256<byte> result = *(Vector256<byte>*)p.VectorPointer(TForm.FirstOf(in i));
        uint immediate = i.Immediate8;
        for (int lane = 0; lane < size; lane += 16)
        {
            TOp.Apply((byte*)&result + lane, (byte*)&source + lane, 16, (byte)immediate);
            immediate >>= TOp.ImmediateBitsPerLane;
        }

        TForm.Write(p, register, in result);
        return Outcome.Retired;
    }

    /// <summary>PUNPCKL of MMX: only 4 bytes of memory are read.</summary>
    public static Outcome LowBlock<TOp>(Processor p, in Instruction i)
        where TOp : struct, IBlockOp
    {
        Register register = i.Op0Register;
        if (!Processor.IsMmx(register) || i.Op1Kind == OpKind.Register)
        {
            return Block<LegacyForm, TOp>(p, in i);
        }

        if (!p.MmxReady() || !p.TryReadOperand(in i, 1, out uint low))
        {
            return Outcome.Fault;
        }

        ulong source = low;
        ulong target = p.Mmx(register);
        TOp.Apply((byte*)&target, (byte*)&source, 8);
        p.EnterMmx();
        p.SetMmx(register, target);
        return Outcome.Retired;
    }

    /// <summary>Shifts by an immediate, or by the low 64 bits of the source operand, which is never wider than 16 bytes.</summary>
    public static Outcome Shift<TForm, TOp, T>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm
        where TOp : struct, ILaneShift
        where T : unmanaged, IBinaryInteger<T>
    {
        Register register = i.Op0Register;
        if (!TForm.IsVex && Processor.IsMmx(register))
        {
            return MmxShift<TOp, T>(p, in i);
        }

        int last = i.OpCount - 1;
        bool isImmediate = i.GetOpKind(last) == OpKind.Immediate8;
        Vector256<byte> source = default;
        if (!TForm.IsReady(p) || (!isImmediate && !TForm.TryRead(p, in i, last, 16, out source)))
        {
            return Outcome.Fault;
        }

        Vector256<byte> result = *(Vector256<byte>*)p.VectorPointer(TForm.FirstOf(in i));
        ShiftLanes<TOp, T>((byte*)&result, TForm.SizeOf(register), isImmediate ? i.Immediate8 : *(ulong*)&source);
        TForm.Write(p, register, in result);
        return Outcome.Retired;
    }

    internal static void ShiftLanes<TOp, T>(byte* destination, int sizeBytes, ulong count)
        where TOp : struct, ILaneShift
        where T : unmanaged, IBinaryInteger<T>
    {
        int bits = sizeof(T) * 8;
        for (int k = 0; k < sizeBytes / sizeof(T); k++)
        {
            T* lane = (T*)destination + k;
            *lane = TOp.Apply(*lane, count < (ulong)bits ? (int)count : bits);
        }
    }

    private static Outcome Mmx<TOp>(Processor p, in Instruction i)
        where TOp : struct, IBlockOp
    {
        if (!p.MmxReady() || !p.TryReadMmx(in i, 1, out ulong source))
        {
            return Outcome.Fault;
        }

        ulong target = p.Mmx(i.Op0Register);
        TOp.Apply((byte*)&target, (byte*)&source, 8);
        p.EnterMmx();
        p.SetMmx(i.Op0Register, target);
        return Outcome.Retired;
    }

    private static Outcome MmxImmediate<TOp>(Processor p, in Instruction i)
        where TOp : struct, IBlockImmediateOp
    {
        if (!p.MmxReady() || !p.TryReadMmx(in i, 1, out ulong source))
        {
            return Outcome.Fault;
        }

        ulong target = p.Mmx(i.Op0Register);
        TOp.Apply((byte*)&target, (byte*)&source, 8, i.Immediate8);
        p.EnterMmx();
        p.SetMmx(i.Op0Register, target);
        return Outcome.Retired;
    }

    private static Outcome MmxShift<TOp, T>(Processor p, in Instruction i)
        where TOp : struct, ILaneShift
        where T : unmanaged, IBinaryInteger<T>
    {
        ulong count = i.Immediate8;
        if (!p.MmxReady() || (i.Op1Kind != OpKind.Immediate8 && !p.TryReadMmx(in i, 1, out count)))
        {
            return Outcome.Fault;
        }

        ulong target = p.Mmx(i.Op0Register);
        ShiftLanes<TOp, T>((byte*)&target, 8, count);
        p.EnterMmx();
        p.SetMmx(i.Op0Register, target);
        return Outcome.Retired;
    }
}

/// <summary>A shift of one element; a count equal to its width means that or more.</summary>
internal unsafe interface ILaneShift
{
    static abstract T Apply<T>(T value, int count)
        where T : unmanaged, IBinaryInteger<T>;
}

/// <summary>PSLL: zeros come in from below. PSRL is the same on unsigned elements shifted right, PSRA on signed ones.</summary>
internal readonly unsafe struct ShiftLeft : ILaneShift
{
    public static T Apply<T>(T value, int count)
        where T : unmanaged, IBinaryInteger<T> => count == sizeof(T) * 8 ? T.Zero : value << count;
}

/// <summary>PSRL.</summary>
internal readonly unsafe struct ShiftRight : ILaneShift
{
    public static T Apply<T>(T value, int count)
        where T : unmanaged, IBinaryInteger<T> => count == sizeof(T) * 8 ? T.Zero : value >> count;
}

/// <summary>PSRA: counts beyond the width fill with the sign.</summary>
internal readonly unsafe struct ShiftArithmetic : ILaneShift
{
    public static T Apply<T>(T value, int count)
        where T : unmanaged, IBinaryInteger<T> => value >> (count == sizeof(T) * 8 ? count - 1 : count);
}
