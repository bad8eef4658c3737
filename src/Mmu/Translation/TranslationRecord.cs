using System;

namespace Xenolith.Mmu;

/// <summary>Which tables a step of a walk read.</summary>
public enum WalkStage : byte
{
    /// <summary>The running software's own paging structures.</summary>
    Guest,

    /// <summary>The extended page tables.</summary>
    Ept,

    /// <summary>The datum itself: the last judged access of a translation.</summary>
    Datum,
}

/// <summary>One reference of a walk: where the entry lay, what it held, in whose name it was judged.</summary>
public struct TranslationStep
{
    public WalkStage Stage;

    /// <summary>5 = PML5 ... 1 = PT; 0 for the datum.</summary>
    public byte Level;

    /// <summary>
    /// Address of the entry as the walker formed it: guest-physical for guest stages under EPT, else the same as <see cref="Hpa"/>.
    /// </summary>
    public Gpa Gpa;

    public Hpa Hpa;

    /// <summary>
    /// True for the write that sets accessed or dirty bits in an entry that an earlier step read: an access of its own, judged as a
    /// write, but not a reference (docs/counting.md).
    /// </summary>
    public bool IsUpdate;

    /// <summary>The entry's value as read, or as written by an update; zero for the datum and for refused references.</summary>
    public ulong Entry;

    public AccessKind Kind;
    public Vmid Name;
    public Verdict Verdict;
}

/// <summary>
/// What happened in one translation, step by step, in order: the value behind the trace, the CLI's tree, tests and introspection.
/// docs/translation-record.md is its schema. One instance is filled again for each translation.
/// </summary>
public sealed class TranslationRecord
{
    /// <summary>(g+1)(n+1) for five levels each is 36 accesses; five guest updates and 30 EPT updates at most fit too.</summary>
    public const int MaxSteps = 72;

    private readonly TranslationStep[] _steps = new TranslationStep[MaxSteps];

    /// <summary>Serial number within the run.</summary>
    public ulong Serial { get; set; }

    public AccessKind Kind { get; set; }

    public AccessMode Mode { get; set; }

    public AccessOrigin Origin { get; set; }

    /// <summary>True when the access started from a linear address.</summary>
    public bool HasGva { get; set; }

    public Gva Gva { get; set; }

    public TranslationStatus Status { get; set; }

    public Translation Result { get; set; }

    public int StepCount { get; set; }

    public ReadOnlySpan<TranslationStep> Steps => _steps.AsSpan(0, StepCount);

    /// <summary>References to paging structures, of both stages: (g+1)(n+1) - 1 for a cold walk.</summary>
    public int References { get; set; }

    /// <summary>Writes of accessed and dirty bits.</summary>
    public int Updates { get; set; }

    /// <summary>Look-ups in the unit's table.</summary>
    public int Lookups { get; set; }

    /// <summary>Empties the record for the next translation.</summary>
    public void Clear()
    {
        HasGva = false;
        Gva = default;
        Result = default;
        StepCount = 0;
        References = 0;
        Updates = 0;
        Lookups = 0;
    }

    /// <summary>The next free step; the last one is reused should a walk ever be longer than <see cref="MaxSteps"/>.</summary>
    public ref TranslationStep AddStep() => ref _steps[StepCount < MaxSteps ? StepCount++ : MaxSteps - 1];
}

/// <summary>Who receives the record of each translation. The record is reused: copy what must be kept.</summary>
public interface ITranslationSink
{
    void OnTranslation(TranslationRecord record);
}
