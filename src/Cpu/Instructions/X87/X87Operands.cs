using System;

using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>Memory operands of x87 instructions: integers, single, double and extended precision.</summary>
internal static unsafe class X87Operands
{
    /// <summary>Reads the memory operand's bits, integers sign-extended, and finds its offset for the data pointer.</summary>
    public static bool TryReadBits(Processor p, in Instruction i, MemorySize size, out ulong bits, out ulong offset)
    {
        SegmentIndex segment = Processor.SegmentOf(in i);
        offset = p.EffectiveAddress(in i);
        bool done;
        switch (size)
        {
            case MemorySize.Float32:
                done = p.TryRead(segment, offset, out uint single);
                bits = single;
                return done;
            case MemorySize.Int16:
                done = p.TryRead(segment, offset, out short word);
                bits = (ulong)word;
                return done;
            case MemorySize.Int32:
                done = p.TryRead(segment, offset, out int doubleword);
                bits = (ulong)doubleword;
                return done;
            default:
                return p.TryRead(segment, offset, out bits);
        }
    }

    /// <summary>What the bits of a memory operand mean, exactly.</summary>
    public static Unpacked Unpack(MemorySize size, ulong bits) => size switch
    {
        MemorySize.Float32 => FloatElement<SingleElement, uint>.Unpack((uint)bits),
        MemorySize.Float64 => FloatElement<DoubleElement, ulong>.Unpack(bits),
        _ => FromInteger((long)bits),
    };

    /// <summary>The same as a register's significand, sign and exponent. False for denormals, infinities and NaNs.</summary>
    public static bool TryToRegister(MemorySize size, ulong bits, out ulong significand, out uint signExponent)
    {
        if (size is MemorySize.Float32 or MemorySize.Float64)
        {
            return X87Fast.TryFromReal(bits, size == MemorySize.Float64 ? 52 : 23, out significand, out signExponent);
        }

        significand = X87Fast.FromInteger((long)bits, out signExponent);
        return true;
    }

    /// <summary>The pointers of an instruction whose memory operand, if it has one, lies at a known offset.</summary>
    public static void Record(Processor p, in Instruction i, bool memory, ulong offset)
    {
        if (memory)
        {
            p.RecordX87(in i, offset);
        }
        else
        {
            p.RecordX87(in i);
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
