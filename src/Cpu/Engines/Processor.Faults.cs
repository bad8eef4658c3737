using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <content>Faults as values: how an instruction says that it could not be done.</content>
public sealed unsafe partial class Processor
{
    /// <summary>An exception without an error code; the caller returns what this returns.</summary>
    public Outcome Raise(Vector vector)
    {
        PendingFault = new Fault { Vector = vector };
        return Outcome.Fault;
    }

    /// <summary>An exception with an error code; the caller returns what this returns.</summary>
    public Outcome Raise(Vector vector, uint errorCode)
    {
        PendingFault = new Fault { Vector = vector, HasErrorCode = true, ErrorCode = errorCode };
        return Outcome.Fault;
    }

    /// <summary>For Try... members: raises and says false.</summary>
    internal bool Fail(Vector vector, uint errorCode)
    {
        _ = Raise(vector, errorCode);
        return false;
    }

    /// <summary>A translation failed: #PF, or a VM exit that is taken when the fault is delivered.</summary>
    internal bool FailTranslation(TranslationStatus status, in Translation translation)
    {
        FailedTranslation = translation;
        PendingFault = new Fault
        {
            Vector = Vector.PF,
            HasErrorCode = true,
            ErrorCode = (uint)translation.ErrorCode,
            Qualification = translation.Gva.Value,
            Cause = status,
        };
        return false;
    }
}
