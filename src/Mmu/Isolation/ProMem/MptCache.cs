namespace Xenolith.Mmu;

/// <summary>
/// A model of a small cache that Pro-mem could keep of its table: direct-mapped by segment. It answers nothing (the table is right
/// there), it counts: how many look-ups would still reach the table (option <c>+cache</c>, docs/counting.md).
/// </summary>
internal sealed class MptCache
{
    /// <summary>Entries of the modelled cache.</summary>
    public const int Size = 64;

    private readonly ulong[] _segments = new ulong[Size];

    public MptCache()
    {
        System.Array.Fill(_segments, ulong.MaxValue);
    }

    /// <summary>0 when the cache holds the segment's entry, else 1: the table is asked, and the cache holds it from now on.</summary>
    public uint LookUp(ulong segment)
    {
        ref ulong held = ref _segments[segment % Size];
        if (held == segment)
        {
            return 0;
        }

        held = segment;
        return 1;
    }

    /// <summary>The table's entry has changed.</summary>
    public void Forget(ulong segment)
    {
        ref ulong held = ref _segments[segment % Size];
        held = held == segment ? ulong.MaxValue : held;
    }
}
