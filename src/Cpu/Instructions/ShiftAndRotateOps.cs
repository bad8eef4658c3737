using System;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace Xenolith.Cpu;

// SDM 2B "SAL/SAR/SHL/SHR—Shift" and "RCL/RCR/ROL/ROR—Rotate". Where the manual leaves a flag undefined (AF of shifts, OF for counts
// above one, CF for counts above the operand size) these do as AMD Zen silicon does: AF is set, and OF follows from the result for
// every count: for left shifts CF xor the top bit, for right shifts the xor of the two top bits.

/// <summary>SHL, SAL.</summary>
internal readonly unsafe struct Shl : IShiftOp
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // the body of a handler
    public static T Apply<T, TFlags>(CpuState* cpu, T value, int count)
        where T : unmanaged, IBinaryInteger<T>
        where TFlags : struct, IFlagsWanted
    {
        ulong wide = ulong.CreateTruncating(value);
        T result = T.CreateTruncating(wide << count);
        bool carry = count <= sizeof(T) * 8 && ((wide >> ((sizeof(T) * 8) - count)) & 1) != 0;
        if (TFlags.Deferred)
        {
            DeferredFlags.NoteShift(cpu, DeferredFlags.ShiftLeft, value, count);
        }
        else if (TFlags.Wanted)
        {
            LazyFlags.Set(cpu, result, carry, carry != Shifts.Top(result), adjust: true);
        }

        return result;
    }
}

/// <summary>SHR.</summary>
internal readonly unsafe struct Shr : IShiftOp
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // the body of a handler
    public static T Apply<T, TFlags>(CpuState* cpu, T value, int count)
        where T : unmanaged, IBinaryInteger<T>
        where TFlags : struct, IFlagsWanted
    {
        ulong last = ulong.CreateTruncating(value) >> (count - 1);
        T result = T.CreateTruncating(last >> 1);
        if (TFlags.Deferred)
        {
            DeferredFlags.NoteShift(cpu, DeferredFlags.ShiftRight, value, count);
        }
        else if (TFlags.Wanted)
        {
            LazyFlags.Set(cpu, result, (last & 1) != 0, Shifts.TopsDiffer(result), adjust: true);
        }

        return result;
    }
}

/// <summary>SAR.</summary>
internal readonly unsafe struct Sar : IShiftOp
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // the body of a handler
    public static T Apply<T, TFlags>(CpuState* cpu, T value, int count)
        where T : unmanaged, IBinaryInteger<T>
        where TFlags : struct, IFlagsWanted
    {
        int spare = 64 - (sizeof(T) * 8);
        long last = (long)(ulong.CreateTruncating(value) << spare) >> spare >> (count - 1);
        T result = T.CreateTruncating((ulong)(last >> 1));
        if (TFlags.Deferred)
        {
            DeferredFlags.NoteShift(cpu, DeferredFlags.ShiftArithmetic, value, count);
        }
        else if (TFlags.Wanted)
        {
            LazyFlags.Set(cpu, result, (last & 1) != 0, overflow: false, adjust: true);
        }

        return result;
    }
}

/// <summary>ROL.</summary>
internal readonly unsafe struct Rol : IShiftOp
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // the body of a handler
    public static T Apply<T, TFlags>(CpuState* cpu, T value, int count)
        where T : unmanaged, IBinaryInteger<T>
        where TFlags : struct, IFlagsWanted
    {
        T result = T.RotateLeft(value, count & ((sizeof(T) * 8) - 1));
        bool carry = !T.IsEvenInteger(result);
        if (TFlags.Wanted)
        {
            LazyFlags.SetCarryOverflow(cpu, carry, carry != Shifts.Top(result));
        }

        return result;
    }
}

/// <summary>ROR.</summary>
internal readonly unsafe struct Ror : IShiftOp
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // the body of a handler
    public static T Apply<T, TFlags>(CpuState* cpu, T value, int count)
        where T : unmanaged, IBinaryInteger<T>
        where TFlags : struct, IFlagsWanted
    {
        T result = T.RotateRight(value, count & ((sizeof(T) * 8) - 1));
        if (TFlags.Wanted)
        {
            LazyFlags.SetCarryOverflow(cpu, Shifts.Top(result), Shifts.TopsDiffer(result));
        }

        return result;
    }
}

/// <summary>RCL.</summary>
internal readonly unsafe struct Rcl : IShiftOp
{
    public static T Apply<T, TFlags>(CpuState* cpu, T value, int count)
        where T : unmanaged, IBinaryInteger<T>
        where TFlags : struct, IFlagsWanted
    {
        int bits = sizeof(T) * 8;
        int turn = bits < 32 ? count % (bits + 1) : count;
        ulong wide = ulong.CreateTruncating(value);
        ulong carryIn = cpu->FlagsCarry >> 63;
        ulong carry = carryIn;
        T result = value;
        if (turn != 0)
        {
            carry = (wide >> (bits - turn)) & 1;
            ulong back = turn == 1 ? 0 : wide >> (bits + 1 - turn);
            result = T.CreateTruncating((wide << turn) | (carryIn << (turn - 1)) | back);
        }

        if (TFlags.Wanted)
        {
            LazyFlags.SetCarryOverflow(cpu, carry != 0, (carry != 0) != Shifts.Top(result));
        }

        return result;
    }
}

/// <summary>RCR.</summary>
internal readonly unsafe struct Rcr : IShiftOp
{
    public static T Apply<T, TFlags>(CpuState* cpu, T value, int count)
        where T : unmanaged, IBinaryInteger<T>
        where TFlags : struct, IFlagsWanted
    {
        int bits = sizeof(T) * 8;
        int turn = bits < 32 ? count % (bits + 1) : count;
        ulong wide = ulong.CreateTruncating(value);
        ulong carryIn = cpu->FlagsCarry >> 63;
        ulong carry = carryIn;
        T result = value;
        if (turn != 0)
        {
            carry = (wide >> (turn - 1)) & 1;
            ulong back = turn == 1 ? 0 : wide << (bits + 1 - turn);
            ulong forward = turn == 64 ? 0 : wide >> turn;
            result = T.CreateTruncating(forward | (carryIn << (bits - turn)) | back);
        }

        if (TFlags.Wanted)
        {
            LazyFlags.SetCarryOverflow(cpu, carry != 0, Shifts.TopsDiffer(result));
        }

        return result;
    }
}

/// <summary>SHLD and SHRD (SDM 2B "SHLD—Double Precision Shift Left", "SHRD—Double Precision Shift Right").</summary>
internal static unsafe class DoubleShift
{
    /// <summary>Counts above 16 with 16-bit operands (undefined) go on into a second copy of the source, as AMD Zen does.</summary>
    public static T Left<T>(CpuState* cpu, T value, T source, int count)
        where T : unmanaged, IBinaryInteger<T>
    {
        int bits = sizeof(T) * 8;
        UInt128 high = ulong.CreateTruncating(value);
        UInt128 low = ulong.CreateTruncating(source);
        bool carry;
        bool overflow;
        T result;
        if (bits == 16)
        {
            ulong row = ((ulong)high << 32) | ((ulong)low << 16) | (ulong)low;
            result = T.CreateTruncating(row << count >> 32);
            carry = count <= 16 && ((row >> (48 - count)) & 1) != 0;
            overflow = count >= 16 ? carry : carry != Shifts.Top(result);
        }
        else
        {
            UInt128 row = (high << bits) | low;
            result = T.CreateTruncating((ulong)(row << count >> bits));
            carry = ((ulong)(high >> (bits - count)) & 1) != 0;
            overflow = carry != Shifts.Top(result);
        }

        LazyFlags.Set(cpu, result, carry, overflow, adjust: true);
        return result;
    }

    /// <inheritdoc cref="Left"/>
    public static T Right<T>(CpuState* cpu, T value, T source, int count)
        where T : unmanaged, IBinaryInteger<T>
    {
        int bits = sizeof(T) * 8;
        UInt128 low = ulong.CreateTruncating(value);
        UInt128 high = ulong.CreateTruncating(source);
        UInt128 row = (high << bits) | low;
        if (bits == 16)
        {
            row |= high << 32;
        }

        UInt128 last = row >> (count - 1);
        T result = T.CreateTruncating((ulong)(last >> 1));
        bool carry = ((ulong)last & 1) != 0 && (bits != 16 || count <= 16);
        LazyFlags.Set(cpu, result, carry, Shifts.TopsDiffer(result), adjust: true);
        return result;
    }
}

/// <summary>The top bits of a result.</summary>
internal static unsafe class Shifts
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // one shift and one test
    public static bool Top<T>(T value)
        where T : unmanaged, IBinaryInteger<T> => (ulong.CreateTruncating(value) >> ((sizeof(T) * 8) - 1)) != 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // two shifts and one test
    public static bool TopsDiffer<T>(T value)
        where T : unmanaged, IBinaryInteger<T>
    {
        ulong wide = ulong.CreateTruncating(value);
        return ((wide ^ (wide << 1)) & (1UL << ((sizeof(T) * 8) - 1))) != 0;
    }
}
