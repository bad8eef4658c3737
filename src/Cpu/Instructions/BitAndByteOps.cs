using System.Numerics;

namespace Xenolith.Cpu;

/// <summary>BT (SDM 2A "BT—Bit Test").</summary>
internal readonly struct Bt : IBitOp
{
    public static bool WritesDestination => false;

    public static T Change<T>(T value, T mask)
        where T : unmanaged, IBinaryInteger<T> => value;
}

/// <summary>BTS (SDM 2A "BTS—Bit Test and Set").</summary>
internal readonly struct Bts : IBitOp
{
    public static bool WritesDestination => true;

    public static T Change<T>(T value, T mask)
        where T : unmanaged, IBinaryInteger<T> => value | mask;
}

/// <summary>BTR (SDM 2A "BTR—Bit Test and Reset").</summary>
internal readonly struct Btr : IBitOp
{
    public static bool WritesDestination => true;

    public static T Change<T>(T value, T mask)
        where T : unmanaged, IBinaryInteger<T> => value & ~mask;
}

/// <summary>BTC (SDM 2A "BTC—Bit Test and Complement").</summary>
internal readonly struct Btc : IBitOp
{
    public static bool WritesDestination => true;

    public static T Change<T>(T value, T mask)
        where T : unmanaged, IBinaryInteger<T> => value ^ mask;
}

/// <summary>BSF: a zero source sets ZF and leaves the destination; the other flags stay (undefined in the manual; as AMD Zen).</summary>
internal readonly unsafe struct Bsf : IMoveOp
{
    public static T Apply<T, TFlags>(CpuState* cpu, T source, T old)
        where T : unmanaged, IBinaryInteger<T>
        where TFlags : struct, IFlagsWanted
    {
        LazyFlags.Write(cpu, (LazyFlags.Read(cpu) & ~RflagsBits.ZF) | (source == T.Zero ? RflagsBits.ZF : 0));
        return source == T.Zero ? old : T.TrailingZeroCount(source);
    }
}

/// <summary>BSR: as BSF, from the top.</summary>
internal readonly unsafe struct Bsr : IMoveOp
{
    public static T Apply<T, TFlags>(CpuState* cpu, T source, T old)
        where T : unmanaged, IBinaryInteger<T>
        where TFlags : struct, IFlagsWanted
    {
        LazyFlags.Write(cpu, (LazyFlags.Read(cpu) & ~RflagsBits.ZF) | (source == T.Zero ? RflagsBits.ZF : 0));
        return source == T.Zero ? old : T.CreateTruncating((sizeof(T) * 8) - 1) - T.LeadingZeroCount(source);
    }
}

/// <summary>TZCNT: CF for a zero source, ZF for a zero result; OF stays, the other flags are cleared (undefined; as AMD Zen).</summary>
internal readonly unsafe struct Tzcnt : IMoveOp
{
    public static T Apply<T, TFlags>(CpuState* cpu, T source, T old)
        where T : unmanaged, IBinaryInteger<T>
        where TFlags : struct, IFlagsWanted => Counting.Finish(cpu, source, T.TrailingZeroCount(source));
}

/// <summary>LZCNT: flags as TZCNT.</summary>
internal readonly unsafe struct Lzcnt : IMoveOp
{
    public static T Apply<T, TFlags>(CpuState* cpu, T source, T old)
        where T : unmanaged, IBinaryInteger<T>
        where TFlags : struct, IFlagsWanted => Counting.Finish(cpu, source, T.LeadingZeroCount(source));
}

/// <summary>
/// POPCNT: ZF for a zero source, the other flags are cleared (SDM 2B "POPCNT—Return the Count of Number of Bits Set to 1").
/// </summary>
internal readonly unsafe struct Popcnt : IMoveOp
{
    public static T Apply<T, TFlags>(CpuState* cpu, T source, T old)
        where T : unmanaged, IBinaryInteger<T>
        where TFlags : struct, IFlagsWanted
    {
        LazyFlags.Write(cpu, source == T.Zero ? RflagsBits.ZF : 0);
        return T.PopCount(source);
    }
}

/// <summary>What TZCNT and LZCNT share.</summary>
internal static unsafe class Counting
{
    public static T Finish<T>(CpuState* cpu, T source, T result)
        where T : unmanaged, IBinaryInteger<T>
    {
        uint flags = LazyFlags.Read(cpu) & RflagsBits.OF;
        LazyFlags.Write(cpu, flags | (source == T.Zero ? RflagsBits.CF : 0) | (result == T.Zero ? RflagsBits.ZF : 0));
        return result;
    }
}
