using System;
using System.Collections.Generic;

using Xenolith.Mmu;
using Xenolith.Xen;

namespace Xenolith.Cli.Trace;

/// <summary>
/// Takes the machine's translation records, adds the domain and the instruction, and hands copies on. It stands between the board,
/// which is built first,
/// and the hypervisor, which knows whose record it is.
/// </summary>
internal sealed unsafe class TraceRecorder(TraceFilter filter, Action<TraceRecord> keep) : ITranslationSink
{
    private Hypervisor? _hypervisor;

    /// <summary>While false, records pass by unseen.</summary>
    public bool IsEnabled { get; set; } = true;

    /// <summary>Records kept so far.</summary>
    public ulong Kept { get; private set; }

    /// <summary>Records seen so far.</summary>
    public ulong Seen { get; private set; }

    public void Attach(Hypervisor hypervisor) => _hypervisor = hypervisor;

    public void OnTranslation(TranslationRecord record)
    {
        Seen++;
        if (!IsEnabled || !filter.MayKeep(record))
        {
            return;
        }

        Domain? domain = FindDomain(ActorOf(record));
        string name = NameOf(domain);
        if (filter.KeepsDomain(name, domain?.Id))
        {
            Kept++;
            keep(Copy(record, domain, name));
        }
    }

    /// <summary>In whose name the access itself is made: that of the last step that is not an EPT entry.</summary>
    private static Vmid ActorOf(TranslationRecord record)
    {
        ReadOnlySpan<TranslationStep> steps = record.Steps;
        for (int i = steps.Length - 1; i >= 0; i--)
        {
            if (steps[i].Stage != WalkStage.Ept)
            {
                return steps[i].Name;
            }
        }

        return Vmid.None;
    }

    private static string NameOf(Domain? domain) => domain is null ? "xen" : domain.Label;

    private Domain? FindDomain(Vmid vmid)
    {
        if (_hypervisor is null)
        {
            return null;
        }

        for (int i = _hypervisor.Domains.Count - 1; i >= 0; i--)
        {
            if (_hypervisor.Domains[i].Vmid == vmid)
            {
                return _hypervisor.Domains[i];
            }
        }

        return null;
    }

    private TraceRecord Copy(TranslationRecord record, Domain? domain, string name)
    {
        SortedDictionary<uint, string> names = [];
        List<TraceStep> steps = new(record.StepCount);
        foreach (ref readonly TranslationStep step in record.Steps)
        {
            Note(names, step.Name);
            Note(names, step.Verdict.Owner);
            steps.Add(new TraceStep
            {
                Stage = step.Stage,
                Level = step.Level,
                Gpa = step.Gpa.Value,
                Hpa = step.Hpa.Value,
                Entry = step.Entry,
                Kind = step.Kind,
                IsUpdate = step.IsUpdate,
                Name = step.Name.Value,
                IsAllowed = step.Verdict.IsAllowed,
                Segment = step.Verdict.Segment,
                Owner = step.Verdict.Owner.Value,
                Lookups = step.Verdict.Lookups,
            });
        }

        Translation result = record.Result;
        bool ok = record.Status == TranslationStatus.Ok;
        bool isExit = record.Status is TranslationStatus.EptViolation or TranslationStatus.EptMisconfiguration or TranslationStatus.IsolationViolation;
        // Physical from the start: no GPA led here
        bool isPlain = record.StepCount == 1 && record.Steps[0].Stage == WalkStage.Datum && !record.HasGva;
        bool byInstruction = domain is { Id: not 0 } && record.Origin is AccessOrigin.Datum or AccessOrigin.GuestPaging;
        return new TraceRecord
        {
            Serial = record.Serial,
            Domain = domain?.Id,
            DomainName = name,
            Rip = byInstruction && _hypervisor is not null ? _hypervisor.Board.Processor.State->Rip : null,
            Kind = record.Kind,
            Mode = record.Mode,
            Origin = record.Origin,
            Gva = record.HasGva ? record.Gva.Value : null,
            Gpa = ok ? result.Gpa.Value : null,
            Hpa = ok ? result.Hpa.Value : null,
            Status = record.Status,
            PageShift = result.PageShift,
            References = record.References,
            Updates = record.Updates,
            Lookups = record.Lookups,
            ErrorCode = record.Status == TranslationStatus.PageFault ? (uint)result.ErrorCode : null,
            FaultGpa = isExit && !isPlain ? result.FaultGpa.Value : null,
            ExitQualification = isExit && !isPlain ? result.ExitQualification : null,
            Steps = steps,
            Names = names,
        };
    }

    private void Note(SortedDictionary<uint, string> names, Vmid vmid)
    {
        if (vmid == Vmid.None || names.ContainsKey(vmid.Value))
        {
            return;
        }

        if (_hypervisor is not null && vmid == _hypervisor.Board.MemoryUnit.Control.Hypervisor)
        {
            names.Add(vmid.Value, "xen");
        }
        else if (FindDomain(vmid) is { } domain)
        {
            names.Add(vmid.Value, domain.Label);
        }
    }
}
