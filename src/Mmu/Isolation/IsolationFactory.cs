namespace Xenolith.Mmu;

/// <summary>What a unit is built from: the options of <c>--isolation NAME[:PROFILE]</c> and <c>--segment-size</c>.</summary>
/// <param name="Profile">The text after the colon, empty when there is none.</param>
/// <param name="SegmentSizeBytes">Power of two, at least 4 KiB.</param>
public sealed record IsolationOptions(string Profile, ulong SegmentSizeBytes);

/// <summary>A named isolation unit that can be put into a machine.</summary>
public abstract class IsolationFactory
{
    /// <summary>The name that selects the unit, lower case.</summary>
    public abstract string Name { get; }

    /// <summary>One line for <c>--help</c>.</summary>
    public abstract string Summary { get; }

    /// <summary>Builds the memory side of a machine with this unit in it.</summary>
    /// <param name="sink">Who receives translation records; null runs without a probe, at full speed.</param>
    /// <exception cref="System.ArgumentException">The profile is unknown or the segment size does not fit; the message is for the user.</exception>
    public abstract MemoryUnit Build(PhysicalBus bus, IsolationOptions options, ITranslationSink? sink);
}
