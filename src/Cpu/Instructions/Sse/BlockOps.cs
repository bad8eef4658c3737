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
/// The shells of packed-integer instructions: operand traffic, checks and faults, the same for MMX and SSE (which of the two,
/// the destination register says).
/// </summary>
internal static unsafe class BlockShells
{
    /// <summary>mm, mm/m64 or xmm, xmm/m128.</summary>
    public static Outcome Block<TOp>(Processor p, in Instruction i)
        where TOp : struct, IBlockOp
    {
        Register register = i.Op0Register;
        if (Processor.IsMmx(register))
        {
            if (!p.MmxReady() || !p.TryReadMmx(in i, 1, out ulong narrow))
            {
                return Outcome.Fault;
            }

            ulong target = p.Mmx(register);
            TOp.Apply((byte*)&target, (byte*)&narrow, 8);
            p.EnterMmx();
            p.SetMmx(register, target);
            return Outcome.Retired;
        }

        if (!p.SseReady() || !p.TryReadXmm(in i, 1, out Vector128<byte> source))
        {
            return Outcome.Fault;
        }

        TOp.Apply(p.Xmm(register), (byte*)&source, 16);
        return Outcome.Retired;
    }

    /// <summary>mm, mm/m64, imm8 or xmm, xmm/m128, imm8.</summary>
    public static Outcome BlockImmediate<TOp>(Processor p, in Instruction i)
        where TOp : struct, IBlockImmediateOp
    {
        Register register = i.Op0Register;
        if (Processor.IsMmx(register))
        {
            if (!p.MmxReady() || !p.TryReadMmx(in i, 1, out ulong narrow))
            {
                return Outcome.Fault;
            }

            ulong target = p.Mmx(register);
            TOp.Apply((byte*)&target, (byte*)&narrow, 8, i.Immediate8);
            p.EnterMmx();
            p.SetMmx(register, target);
            return Outcome.Retired;
        }

        if (!p.SseReady() || !p.TryReadXmm(in i, 1, out Vector128<byte> source))
        {
            return Outcome.Fault;
        }

        TOp.Apply(p.Xmm(register), (byte*)&source, 16, i.Immediate8);
        return Outcome.Retired;
    }

    /// <summary>PUNPCKL of MMX: only 4 bytes of memory are read.</summary>
    public static Outcome LowBlock<TOp>(Processor p, in Instruction i)
        where TOp : struct, IBlockOp
    {
        Register register = i.Op0Register;
        if (!Processor.IsMmx(register) || i.Op1Kind == OpKind.Register)
        {
            return Block<TOp>(p, in i);
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

    /// <summary>Shifts by an immediate, or by the low 64 bits of the source operand.</summary>
    public static Outcome Shift<TOp, T>(Processor p, in Instruction i)
        where TOp : struct, ILaneShift
        where T : unmanaged, IBinaryInteger<T>
    {
        Register register = i.Op0Register;
        if (Processor.IsMmx(register))
        {
            ulong narrow = 0;
            if (!p.MmxReady() || (i.Op1Kind != OpKind.Immediate8 && !p.TryReadMmx(in i, 1, out narrow)))
            {
                return Outcome.Fault;
            }

            ulong target = p.Mmx(register);
            ShiftLanes<TOp, T>((byte*)&target, 8, i.Op1Kind == OpKind.Immediate8 ? i.Immediate8 : narrow);
            p.EnterMmx();
            p.SetMmx(register, target);
            return Outcome.Retired;
        }

        Vector128<byte> source = default;
        if (!p.SseReady() || (i.Op1Kind != OpKind.Immediate8 && !p.TryReadXmm(in i, 1, out source)))
        {
            return Outcome.Fault;
        }

        ShiftLanes<TOp, T>(p.Xmm(register), 16, i.Op1Kind == OpKind.Immediate8 ? i.Immediate8 : source.AsUInt64()[0]);
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
