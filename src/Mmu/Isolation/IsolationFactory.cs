using System;

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
    /// <exception cref="ArgumentException">The profile is unknown or the segment size does not fit; the message is for the
    /// user.</exception>
    public abstract MemoryUnit Build(PhysicalBus bus, IsolationOptions options, ITranslationSink? sink);
}

/// <summary>
/// A factory for units of one struct type: the type argument is what lets the JIT compile the walker for the unit. An own unit
/// derives from this class, gives a name and a summary, and creates its struct.
/// </summary>
public abstract class IsolationFactory<TUnit> : IsolationFactory
    where TUnit : struct, IIsolationUnit
{
    /// <summary>Creates the judging side and the control side of the unit.</summary>
    /// <param name="bus">The machine's memory.</param>
    /// <param name="options">Profile and segment size.</param>
    /// <param name="control">Identities and ownership; <see cref="IsolationControl"/> itself when the unit needs none of its own.</param>
    /// <exception cref="ArgumentException">The profile is unknown or the segment size does not fit.</exception>
    protected abstract TUnit CreateUnit(PhysicalBus bus, IsolationOptions options, out IsolationControl control);

    public sealed override MemoryUnit Build(PhysicalBus bus, IsolationOptions options, ITranslationSink? sink)
    {
        TUnit unit = CreateUnit(bus, options, out IsolationControl control);
        return sink is null
            ? new TranslationUnit<TUnit, NoProbe>(bus, control, unit, default)
            : new TranslationUnit<TUnit, RecordingProbe>(bus, control, unit, new RecordingProbe(sink));
    }

    /// <summary>For units that have no profiles.</summary>
    protected void RefuseProfile(IsolationOptions options)
    {
        if (options.Profile.Length != 0)
        {
            throw new ArgumentException($"isolation unit '{Name}' has no profile '{options.Profile}'", nameof(options));
        }
    }
}
