using System;

using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>Memory operands of x87 instructions: integers, single, double and extended precision.</summary>
internal static unsafe class X87Operands
{
    /// <summary>Reads the memory operand, exactly, whatever its format.</summary>
    public static bool TryRead(Processor p, in Instruction i, out Unpacked value)
    {
        value = default;
        SegmentIndex segment = Processor.SegmentOf(in i);
        ulong offset = p.EffectiveAddress(in i);
        bool done;
        switch (i.MemorySize)
        {
            case MemorySize.Float32:
                done = p.TryRead(segment, offset, out uint single);
                value = FloatElement<SingleElement, uint>.Unpack(single);
                return done;
            case MemorySize.Float64:
                done = p.TryRead(segment, offset, out ulong real);
                value = FloatElement<DoubleElement, ulong>.Unpack(real);
                return done;
            case MemorySize.Int16:
                done = p.TryRead(segment, offset, out short word);
                value = FromInteger(word);
                return done;
            case MemorySize.Int32:
                done = p.TryRead(segment, offset, out int doubleword);
                value = FromInteger(doubleword);
                return done;
            default:
                done = p.TryRead(segment, offset, out long quadword);
                value = FromInteger(quadword);
                return done;
        }
    }

    /// <summary>An integer, exactly: 64 bits of significand hold every one.</summary>
    public static Unpacked FromInteger(long value)
    {
        if (value == 0)
        {
            return Unpacked.Zero(sign: false);
        }

        ulong magnitude = value < 0 ? 0UL - (ulong)value : (ulong)value;
        int zeros = System.Numerics.BitOperations.LeadingZeroCount(magnitude);
        return new Unpacked { Sign = value < 0, Class = FloatClass.Finite, Significand = magnitude << zeros, Exponent = 63 - zeros };
    }

    /// <summary>Reads 80 bits, as one access of ten bytes.</summary>
    public static bool TryReadExtended(Processor p, in Instruction i, out X87Register value)
    {
        byte* bytes = stackalloc byte[10];
        bool done = p.TryLinear(Processor.SegmentOf(in i), p.EffectiveAddress(in i), 10, Xenolith.Mmu.AccessKind.Read, out ulong linear)
            && p.TryReadBytes(linear, p.State->DataAccess, bytes, 10);
        value = new X87Register { Significand = *(ulong*)bytes, SignExponent = *(ushort*)(bytes + 8) };
        return done;
    }

    public static bool TryWriteExtended(Processor p, in Instruction i, in X87Register value)
    {
        byte* bytes = stackalloc byte[10];
        *(ulong*)bytes = value.Significand;
        *(ushort*)(bytes + 8) = value.SignExponent;
        return p.TryLinear(Processor.SegmentOf(in i), p.EffectiveAddress(in i), 10, Xenolith.Mmu.AccessKind.Write, out ulong linear)
            && p.TryWriteBytes(linear, p.State->DataAccess, bytes, 10);
    }
}
