namespace Xenolith.Cpu;

/// <content>The random numbers of RDRAND and RDSEED: a seeded sequence, so that a run can be repeated.</content>
public sealed unsafe partial class Processor
{
    private ulong _randomState = 0x5EED;

    /// <summary>Seeds the sequence of RDRAND and RDSEED.</summary>
    public void SeedRandom(ulong seed) => _randomState = seed;

    /// <summary>SplitMix64: one addition and a finaliser, full period, no state but a counter.</summary>
    internal ulong NextRandom()
    {
        _randomState += 0x9E37_79B9_7F4A_7C15;
        ulong mixed = (_randomState ^ (_randomState >> 30)) * 0xBF58_476D_1CE4_E5B9;
        mixed = (mixed ^ (mixed >> 27)) * 0x94D0_49BB_1331_11EB;
        return mixed ^ (mixed >> 31);
    }
}
