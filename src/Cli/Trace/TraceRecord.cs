using System.Collections.Generic;

using Xenolith.Mmu;

namespace Xenolith.Cli.Trace;

/// <summary>One step of a <see cref="TraceRecord"/>; see <see cref="TranslationStep"/>.</summary>
internal sealed record TraceStep
{
    public WalkStage Stage { get; init; }

    public int Level { get; init; }

    public ulong Gpa { get; init; }

    public ulong Hpa { get; init; }

    public ulong Entry { get; init; }

    public AccessKind Kind { get; init; }

    public bool IsUpdate { get; init; }

    public uint Name { get; init; }

    public bool IsAllowed { get; init; }

    public ulong Segment { get; init; }

    public uint Owner { get; init; }

    public uint Lookups { get; init; }
}

/// <summary>
/// A translation record that is kept: a copy of the machine's <see cref="TranslationRecord"/> with the domain and the instruction it
/// belongs to, or
/// one read back from a trace. docs/translation-record.md describes each field.
/// </summary>
internal sealed record TraceRecord
{
    public ulong Serial { get; init; }

    /// <summary>Number of the domain in whose name the datum was judged; null for Xen itself.</summary>
    public int? Domain { get; init; }

    /// <summary>What reports call it; "xen" for Xen itself.</summary>
    public string DomainName { get; init; } = "";

    /// <summary>The instruction that made the access; null when no instruction of a guest did.</summary>
    public ulong? Rip { get; init; }

    public AccessKind Kind { get; init; }

    public AccessMode Mode { get; init; }

    public AccessOrigin Origin { get; init; }

    public ulong? Gva { get; init; }

    public TranslationStatus Status { get; init; }

    /// <summary>Where guest paging led; null when it did not get so far.</summary>
    public ulong? Gpa { get; init; }

    /// <summary>Where EPT led; null when it did not get so far.</summary>
    public ulong? Hpa { get; init; }

    public int PageShift { get; init; }

    public int References { get; init; }

    public int Updates { get; init; }

    public int Lookups { get; init; }

    /// <summary>#PF error code, when the status is a page fault.</summary>
    public uint? ErrorCode { get; init; }

    public ulong? FaultGpa { get; init; }

    public ulong? ExitQualification { get; init; }

    public IReadOnlyList<TraceStep> Steps { get; init; } = [];

    /// <summary>What the identities in this record are called.</summary>
    public IReadOnlyDictionary<uint, string> Names { get; init; } = new SortedDictionary<uint, string>();

    /// <summary>The step that the isolation unit refused; null when it refused none.</summary>
    public TraceStep? Denied
    {
        get
        {
            foreach (TraceStep step in Steps)
            {
                if (!step.IsAllowed)
                {
                    return step;
                }
            }

            return null;
        }
    }

    public string NameOf(uint vmid) => Names.TryGetValue(vmid, out string? name) ? name : vmid switch
    {
        0 => "nobody",
        uint.MaxValue => "the isolation unit",
        _ => $"VMID {vmid}",
    };
}
