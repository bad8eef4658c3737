namespace Xenolith.Cpu;

/// <summary>The instruction groups of x87, MMX, SSE and AVX.</summary>
internal static class SimdGroups
{
    public static void Register(ColdTable table)
    {
        PackedInteger.Register(table);
        PackedShuffle.Register(table);
        SseMoves.Register(table);
        MmxMoves.Register(table);
        SseControl.Register(table);
        SseArithmetic.Register(table);
        SseCompare.Register(table);
        SseConvert.Register(table);
        SseApproximate.Register(table);
        Sse41.Register(table);
        AvxMoves.Register(table);
        AvxPermute.Register(table);
        AvxGather.Register(table);
        Fma.Register(table);
        HalfConvert.Register(table);
        StringCompare.Register(table);
        Cryptography.Register(table);
        ShaInstructions.Register(table);
        Sse4a.Register(table);
        X87Control.Register(table);
        X87Transfer.Register(table);
        X87Arithmetic.Register(table);
        X87Compare.Register(table);
        X87Remainder.Register(table);
        X87Transcendental.Register(table);
    }
}
