namespace Xenolith.Machine;

/// <summary>
/// The machine's only source of arbitrariness: SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators").
/// The same seed gives the same sequence on every host.
/// </summary>
public sealed class SeededRandom(ulong seed)
{
    private ulong _state = seed;

    public ulong Next()
    {
        _state += 0x9E37_79B9_7F4A_7C15;
        ulong z = _state;
        z = (z ^ (z >> 30)) * 0xBF58_476D_1CE4_E5B9;
        z = (z ^ (z >> 27)) * 0x94D0_49BB_1331_11EB;
        return z ^ (z >> 31);
    }

    /// <summary>A number in [0, bound); zero when the bound is zero.</summary>
    public ulong Below(ulong bound) => bound == 0 ? 0 : Next() % bound;
}
