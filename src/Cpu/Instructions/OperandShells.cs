using System.Numerics;

using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>
/// The careful way of the operations: operands as Iced names them, any mode and segment. Every shell reads, applies and writes so
/// that a fault leaves no trace.
/// </summary>
internal static unsafe class OperandShells
{
    /// <summary>Size in bytes of an operand: of the register, or of the memory that the instruction names.</summary>
    public static int SizeOf(in Instruction i, int operand) =>
        i.GetOpKind(operand) == OpKind.Register ? i.GetOpRegister(operand).GetSize() : i.MemorySize.GetSize();

    public static Outcome Binary<TOp>(Processor p, in Instruction i)
        where TOp : struct, IBinaryOp => SizeOf(in i, 0) switch
        {
            1 => Binary<TOp, byte>(p, in i),
            2 => Binary<TOp, ushort>(p, in i),
            4 => Binary<TOp, uint>(p, in i),
            _ => Binary<TOp, ulong>(p, in i),
        };

    public static Outcome Unary<TOp>(Processor p, in Instruction i)
        where TOp : struct, IUnaryOp => SizeOf(in i, 0) switch
        {
            1 => Unary<TOp, byte>(p, in i),
            2 => Unary<TOp, ushort>(p, in i),
            4 => Unary<TOp, uint>(p, in i),
            _ => Unary<TOp, ulong>(p, in i),
        };

    public static Outcome Shift<TOp>(Processor p, in Instruction i)
        where TOp : struct, IShiftOp => SizeOf(in i, 0) switch
        {
            1 => Shift<TOp, byte>(p, in i),
            2 => Shift<TOp, ushort>(p, in i),
            4 => Shift<TOp, uint>(p, in i),
            _ => Shift<TOp, ulong>(p, in i),
        };

    public static Outcome Bit<TOp>(Processor p, in Instruction i)
        where TOp : struct, IBitOp => SizeOf(in i, 0) switch
        {
            2 => Bit<TOp, ushort, short>(p, in i),
            4 => Bit<TOp, uint, int>(p, in i),
            _ => Bit<TOp, ulong, long>(p, in i),
        };

    public static Outcome Move<TOp>(Processor p, in Instruction i)
        where TOp : struct, IMoveOp => SizeOf(in i, 0) switch
        {
            2 => Move<TOp, ushort>(p, in i),
            4 => Move<TOp, uint>(p, in i),
            _ => Move<TOp, ulong>(p, in i),
        };

    private static Outcome Binary<TOp, T>(Processor p, in Instruction i)
        where TOp : struct, IBinaryOp
        where T : unmanaged, IBinaryInteger<T>
    {
        T a;
        T b;
        if (!TOp.WritesDestination)
        {
            if (!p.TryReadOperand(in i, 0, out a) || !p.TryReadOperand(in i, 1, out b))
            {
                return Outcome.Fault;
            }

            _ = TOp.Apply<T, WithFlags>(p.State, a, b);
            return Outcome.Retired;
        }

        if (!p.TryReadOperand(in i, 1, out b) || !p.TryReadForUpdate(in i, 0, out a, out Processor.WriteTarget target))
        {
            return Outcome.Fault;
        }

        p.WriteBack(in i, 0, in target, TOp.Apply<T, WithFlags>(p.State, a, b));
        return Outcome.Retired;
    }

    private static Outcome Unary<TOp, T>(Processor p, in Instruction i)
        where TOp : struct, IUnaryOp
        where T : unmanaged, IBinaryInteger<T>
    {
        if (!p.TryReadForUpdate(in i, 0, out T a, out Processor.WriteTarget target))
        {
            return Outcome.Fault;
        }

        p.WriteBack(in i, 0, in target, TOp.Apply<T, WithFlags>(p.State, a));
        return Outcome.Retired;
    }

    private static Outcome Shift<TOp, T>(Processor p, in Instruction i)
        where TOp : struct, IShiftOp
        where T : unmanaged, IBinaryInteger<T>
    {
        if (!p.TryReadOperand(in i, 1, out byte count) || !p.TryReadForUpdate(in i, 0, out T value, out Processor.WriteTarget target))
        {
            return Outcome.Fault;
        }

        int masked = count & (sizeof(T) == 8 ? 63 : 31);
        p.WriteBack(in i, 0, in target, masked == 0 ? value : TOp.Apply<T, WithFlags>(p.State, value, masked));
        return Outcome.Retired;
    }

    /// <summary>A register bit offset with a memory operand reaches beyond it, both ways (SDM 2A "BT—Bit Test").</summary>
    private static Outcome Bit<TOp, T, TSigned>(Processor p, in Instruction i)
        where TOp : struct, IBitOp
        where T : unmanaged, IBinaryInteger<T>
        where TSigned : unmanaged, IBinaryInteger<TSigned>
    {
        _ = p.TryReadOperand(in i, 1, out TSigned offset);
        int bit = int.CreateTruncating(offset) & ((sizeof(T) * 8) - 1);
        T value;
        Processor.WriteTarget target = default;
        if (i.Op0Kind == OpKind.Register)
        {
            value = p.Gpr<T>(i.Op0Register);
        }
        else
        {
            long step = i.Op1Kind == OpKind.Register ? long.CreateTruncating(offset) >> BitOperations.Log2((uint)sizeof(T) * 8) : 0;
            ulong address = CutAddress(in i, p.EffectiveAddress(in i) + (ulong)(step * sizeof(T)));
            if (!TOp.WritesDestination)
            {
                if (!p.TryRead(Processor.SegmentOf(in i), address, out value))
                {
                    return Outcome.Fault;
                }
            }
            else if (!p.TryReadForUpdate(Processor.SegmentOf(in i), address, out value, out target))
            {
                return Outcome.Fault;
            }
        }

        T mask = T.One << bit;
        LazyFlags.SetCarry(p.State, (value & mask) != T.Zero); // the other flags stay (undefined in the manual, but for ZF; as AMD Zen)
        if (TOp.WritesDestination)
        {
            p.WriteBack(in i, 0, in target, TOp.Change(value, mask));
        }

        return Outcome.Retired;
    }

    private static Outcome Move<TOp, T>(Processor p, in Instruction i)
        where TOp : struct, IMoveOp
        where T : unmanaged, IBinaryInteger<T>
    {
        if (!p.TryReadOperand(in i, 1, out T source))
        {
            return Outcome.Fault;
        }

        T old = p.Gpr<T>(i.Op0Register);
        T result = TOp.Apply<T, WithFlags>(p.State, source, old);
        bool keeps = typeof(TOp) == typeof(Bsf) || typeof(TOp) == typeof(Bsr);
        if (!keeps || source != T.Zero)
        {
            p.SetGpr(i.Op0Register, result); // a 32-bit BSF of zero does not even clear the upper half
        }

        return Outcome.Retired;
    }

    private static ulong CutAddress(in Instruction i, ulong address) =>
        Processor.AddressBits(in i) switch { 16 => (ushort)address, 32 => (uint)address, _ => address };
}
