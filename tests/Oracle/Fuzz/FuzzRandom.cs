using System;

namespace Xenolith.Oracle.Fuzz;

/// <summary>SplitMix64: the same numbers for the same seed, on every host and runtime.</summary>
internal struct FuzzRandom(ulong seed)
{
    private ulong _state = seed;

    public ulong Next()
    {
        _state += 0x9E37_79B9_7F4A_7C15;
        ulong mixed = (_state ^ (_state >> 30)) * 0xBF58_476D_1CE4_E5B9;
        mixed = (mixed ^ (mixed >> 27)) * 0x94D0_49BB_1331_11EB;
        return mixed ^ (mixed >> 31);
    }

    /// <summary>0 to limit - 1.</summary>
    public int Below(int limit) => (int)(Next() % (ulong)limit);

    public bool OneIn(int chances) => Below(chances) == 0;

    public T Pick<T>(ReadOnlySpan<T> from) => from[Below(from.Length)];

    /// <summary>A number as bugs like them: small, a power of two or beside it, all ones, or anything.</summary>
    public ulong Edge() => Below(6) switch
    {
        0 => (ulong)Below(16),
        1 => 1UL << Below(64),
        2 => (1UL << Below(64)) - 1,
        3 => ~(ulong)Below(16),
        4 => (uint)Next(),
        _ => Next(),
    };

    public void Fill(Span<byte> bytes)
    {
        foreach (ref byte b in bytes)
        {
            b = (byte)Next();
        }
    }
}
