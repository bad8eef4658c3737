using System.Numerics;
using System.Runtime.CompilerServices;

namespace Xenolith.Cpu;

/// <summary>
/// The six status flags in two words, without a kind: an instruction stores what it has at hand, and each flag is a few operations
/// away for whoever asks.
/// <code>
/// FlagsResult   the result, sign-extended to 64 bits: ZF = (all zero), SF = bit 63, PF = parity of bits 7:0
/// FlagsCarry    63 CF | 62 carry into the sign bit: OF = 63 xor 62 | 15:8 xor-ed into PF's byte | 3 AF | 0 xor-ed into SF
/// </code>
/// The two correcting fields are zero after arithmetic; they let POPF, SAHF and the like express sets that no result has.
/// </summary>
public static unsafe class LazyFlags
{
    private const ulong CarryBit = 1UL << 63;
    private const ulong CarryInBit = 1UL << 62;
    private const ulong AdjustBit = 1UL << 3;

    /// <summary>Logic operations: CF = OF = 0, AF is cleared too (the manual leaves it undefined).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // every operation shell inlines its flags; a call costs more than the work
    public static void SetLogic<T>(CpuState* cpu, T result)
        where T : unmanaged, IBinaryInteger<T>
    {
        cpu->FlagsDeferred = 0;
        cpu->FlagsResult = SignExtend(result);
        cpu->FlagsCarry = 0;
    }

    /// <summary>Addition, with or without carry in: the carry out of each bit follows from operands and result.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void SetAdd<T>(CpuState* cpu, T a, T b, T result)
        where T : unmanaged, IBinaryInteger<T>
    {
        cpu->FlagsDeferred = 0;
        cpu->FlagsResult = SignExtend(result);
        cpu->FlagsCarry = PackCarries((a & b) | ((a | b) & ~result));
    }

    /// <summary>Subtraction, with or without borrow in.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void SetSub<T>(CpuState* cpu, T a, T b, T result)
        where T : unmanaged, IBinaryInteger<T>
    {
        cpu->FlagsDeferred = 0;
        cpu->FlagsResult = SignExtend(result);
        cpu->FlagsCarry = PackCarries((~a & b) | (~(a ^ b) & result));
    }

    /// <summary>INC and DEC: as addition or subtraction of one, but CF stays.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void SetKeepingCarry<T>(CpuState* cpu, T result, bool overflow, bool adjust)
        where T : unmanaged, IBinaryInteger<T>
    {
        ulong carry = cpu->FlagsCarry & CarryBit;
        cpu->FlagsResult = SignExtend(result);
        cpu->FlagsCarry = carry | ((carry >> 1) ^ (overflow ? CarryInBit : 0)) | (adjust ? AdjustBit : 0);
    }

    /// <summary>ZF, SF and PF from a result, the others given.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Set<T>(CpuState* cpu, T result, bool carry, bool overflow, bool adjust)
        where T : unmanaged, IBinaryInteger<T>
    {
        cpu->FlagsDeferred = 0;
        cpu->FlagsResult = SignExtend(result);
        cpu->FlagsCarry = (carry ? CarryBit : 0) | (carry != overflow ? CarryInBit : 0) | (adjust ? AdjustBit : 0);
    }

    /// <summary>COMISS and its like: CF = below, ZF = equal, PF = OF = SF = AF = 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void SetCompared(CpuState* cpu, bool below, bool equal)
    {
        // The result 1 has odd parity; that of 0 is even, and is corrected.
        cpu->FlagsDeferred = 0;
        cpu->FlagsResult = equal ? 0UL : 1UL;
        cpu->FlagsCarry = (below ? CarryBit | CarryInBit : 0) | (equal ? 1UL << 8 : 0);
    }

    /// <summary>Replaces CF and OF; the others stay (rotates, MUL keep or define the rest by themselves).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void SetCarryOverflow(CpuState* cpu, bool carry, bool overflow) =>
        cpu->FlagsCarry = (cpu->FlagsCarry & ~(CarryBit | CarryInBit)) | (carry ? CarryBit : 0) | (carry != overflow ? CarryInBit : 0);

    /// <summary>Replaces CF; the others stay.</summary>
    public static void SetCarry(CpuState* cpu, bool carry) => SetCarryOverflow(cpu, carry, Overflow(cpu));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Carry(CpuState* cpu) => (long)cpu->FlagsCarry < 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Overflow(CpuState* cpu) => (long)(cpu->FlagsCarry ^ (cpu->FlagsCarry << 1)) < 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Zero(CpuState* cpu) => cpu->FlagsResult == 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Sign(CpuState* cpu) => (long)(cpu->FlagsResult ^ (cpu->FlagsCarry << 63)) < 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Parity(CpuState* cpu) =>
        (BitOperations.PopCount((uint)(cpu->FlagsResult ^ (cpu->FlagsCarry >> 8)) & 0xFF) & 1) == 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Adjust(CpuState* cpu) => (cpu->FlagsCarry & AdjustBit) != 0;

    /// <summary>SF differs from OF: "less" (SDM 1 "Condition Codes").</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Less(CpuState* cpu)
    {
        ulong carry = cpu->FlagsCarry;
        return (long)(cpu->FlagsResult ^ (carry << 63) ^ carry ^ (carry << 1)) < 0;
    }

    /// <summary>The status flags as RFLAGS bits.</summary>
    public static uint Read(CpuState* cpu) =>
        (Carry(cpu) ? RflagsBits.CF : 0)
        | (Parity(cpu) ? RflagsBits.PF : 0)
        | (Adjust(cpu) ? RflagsBits.AF : 0)
        | (Zero(cpu) ? RflagsBits.ZF : 0)
        | (Sign(cpu) ? RflagsBits.SF : 0)
        | (Overflow(cpu) ? RflagsBits.OF : 0);

    /// <summary>Takes the status flags from RFLAGS bits.</summary>
    public static void Write(CpuState* cpu, uint rflags)
    {
        bool carry = (rflags & RflagsBits.CF) != 0;
        bool overflow = (rflags & RflagsBits.OF) != 0;

        // Results 0 (ZF, even parity, positive) and 1 (odd parity, positive) are the starting points; the rest is corrected.
        bool zero = (rflags & RflagsBits.ZF) != 0;
        bool parity = (rflags & RflagsBits.PF) != 0;
        cpu->FlagsDeferred = 0;
        cpu->FlagsResult = zero ? 0UL : 1UL;
        cpu->FlagsCarry = (carry ? CarryBit : 0)
            | (carry != overflow ? CarryInBit : 0)
            | (parity != zero ? 1UL << 8 : 0)
            | ((rflags & RflagsBits.AF) != 0 ? AdjustBit : 0)
            | ((rflags & RflagsBits.SF) != 0 ? 1UL : 0);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong PackCarries<T>(T carries)
        where T : unmanaged, IBinaryInteger<T>
    {
        ulong vector = ulong.CreateTruncating(carries);
        return ((vector << (64 - (sizeof(T) * 8))) & (CarryBit | CarryInBit)) | (vector & AdjustBit);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong SignExtend<T>(T value)
        where T : unmanaged, IBinaryInteger<T>
    {
        ulong wide = ulong.CreateTruncating(value);
        return (ulong)((long)(wide << (64 - (sizeof(T) * 8))) >> (64 - (sizeof(T) * 8)));
    }
}
