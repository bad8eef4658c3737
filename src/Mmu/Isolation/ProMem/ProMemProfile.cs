using System;

namespace Xenolith.Mmu;

/// <summary>How Pro-mem behaves where the paper is silent or unsafe (docs/asmi.md, "Profiles").</summary>
/// <param name="IsHardened">False: the words of the paper, holes included. True: the holes are closed.</param>
/// <param name="HasSharing">The <c>shared</c> extension: granted pages may have a second identity (G12).</param>
/// <param name="HasCache">Look-ups are counted behind a small cache of the table.</param>
public sealed record ProMemProfile(bool IsHardened, bool HasSharing, bool HasCache)
{
    /// <summary>Reads <c>[literal|hardened][+shared][+cache]</c>; hardened when not said.</summary>
    /// <exception cref="ArgumentException">An unknown word; the message is for the user.</exception>
    public static ProMemProfile Parse(string text)
    {
        ProMemProfile profile = new(IsHardened: true, HasSharing: false, HasCache: false);
        string[] words = text.Split('+');
        for (int i = 0; i < words.Length; i++)
        {
            profile = (i, words[i]) switch
            {
                (0, "" or "hardened") => profile,
                (0, "literal") => profile with { IsHardened = false },
                ( > 0, "shared") => profile with { HasSharing = true },
                ( > 0, "cache") => profile with { HasCache = true },
                _ => throw new ArgumentException($"isolation unit 'asmi' has no profile '{text}': use literal or hardened, then +shared, +cache", nameof(text)),
            };
        }

        return profile.IsHardened || !profile.HasSharing
            ? profile
            : throw new ArgumentException("the paper knows no shared segments: +shared needs the hardened profile", nameof(text));
    }
}

/// <summary>Builds machines with Pro-mem between paging and memory.</summary>
public sealed class ProMemFactory : IsolationFactory<ProMem>
{
    public override string Name => "asmi";

    public override string Summary => "Pro-mem (ASMI): each segment of memory has one owner; profiles literal, hardened[+shared], +cache";

    protected override ProMem CreateUnit(PhysicalBus bus, IsolationOptions options, out IsolationControl control)
    {
        ProMemControl proMem = new(bus, options.SegmentSizeBytes, ProMemProfile.Parse(options.Profile));
        control = proMem;
        return new ProMem(bus, proMem);
    }
}
