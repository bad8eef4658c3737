namespace Xenolith.Mmu;

/// <summary>
/// Who watches the walker. A type parameter of <see cref="TranslationUnit{TUnit, TProbe}"/>: where <see cref="IsRecording"/> is
/// false the JIT leaves no trace of the calls.
/// </summary>
public interface ITranslationProbe
{
    static abstract bool IsRecording { get; }

    /// <summary>Starts a record.</summary>
    TranslationRecord Begin(AccessKind kind, AccessMode mode, AccessOrigin origin);

    /// <summary>Notes one judged access of the translation that is under way.</summary>
    void Step(in TranslationStep step);

    /// <summary>Ends the record and hands it out.</summary>
    void End(TranslationStatus status, in Translation result);
}

/// <summary>Watches nothing and costs nothing.</summary>
public readonly struct NoProbe : ITranslationProbe
{
    private static readonly TranslationRecord s_unused = new();

    public static bool IsRecording => false;

    public TranslationRecord Begin(AccessKind kind, AccessMode mode, AccessOrigin origin) => s_unused;

    public void Step(in TranslationStep step)
    {
    }

    public void End(TranslationStatus status, in Translation result)
    {
    }
}

/// <summary>Fills one record again and again, and gives it to a sink after each translation.</summary>
public readonly struct RecordingProbe(ITranslationSink sink) : ITranslationProbe
{
    private readonly TranslationRecord _record = new();

    public static bool IsRecording => true;

    public TranslationRecord Begin(AccessKind kind, AccessMode mode, AccessOrigin origin)
    {
        _record.Clear();
        _record.Kind = kind;
        _record.Mode = mode;
        _record.Origin = origin;
        return _record;
    }

    public void Step(in TranslationStep step)
    {
        _record.AddStep() = step;
        _record.Lookups += (int)step.Verdict.Lookups;
        if (step.IsUpdate)
        {
            _record.Updates++;
        }
        else if (step.Stage != WalkStage.Datum)
        {
            _record.References++;
        }
    }

    public void End(TranslationStatus status, in Translation result)
    {
        _record.Status = status;
        _record.Result = result;
        sink.OnTranslation(_record);
        _record.Serial++;
    }
}
