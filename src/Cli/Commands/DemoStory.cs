using System;
using System.Collections.Generic;

using Xenolith.Cli.Output;
using Xenolith.Cli.Trace;
using Xenolith.Mmu;
using Xenolith.Xen;

namespace Xenolith.Cli.Commands;

/// <summary>One thing that the demo says, and whether this run bears it out.</summary>
internal sealed record Claim(string Text, bool Holds);

/// <summary>What the demo tells about its two runs: every sentence is checked against what happened.</summary>
internal sealed class DemoStory(DemoScenario open, DemoScenario guarded)
{
    private const string SecretWord = "secret=";
    private const string FoundWord = "FOUND a secret";

    /// <summary>Tenant A's secret, as its configuration gives it.</summary>
    public string Secret { get; } = SecretOf(open.Victim);

    /// <summary>The access that the isolation unit refused; null when it refused none.</summary>
    public TraceRecord? Refused => guarded.Refused.Count > 0 ? guarded.Refused[0] : null;

    public List<Claim> Claims()
    {
        IsolationFault? fault = guarded.Prowler.Exit.Fault;
        Vmid victim = guarded.Victim.Domain.Report.Vmid;
        return
        [
            new("without isolation, the prowler prints tenant A's secret", PrintsSecret(open.Prowler)),
            new("without isolation, both tenants end well and never notice", EndsWell(open.Victim) && EndsWell(open.Bystander)),
            new("under isolation, the prowler prints no secret", !PrintsSecret(guarded.Prowler) && !Says(guarded.Prowler, FoundWord)),
            new("under isolation, the prowler is stopped by an isolation violation", guarded.Prowler.Exit.Kind == DomainExitKind.IsolationViolation),
            new("the refused access went to a segment that tenant A owns", fault is not null && fault.Owner == victim && victim != Vmid.None),
            new("it was made in the prowler's name, and it was a read", fault is { Kind: AccessKind.Read } && fault.Name == guarded.Prowler.Domain.Report.Vmid),
            new("the trace shows that access: walk, segment, owner, verdict", IsShownBy(Refused, fault)),
            new("tenant A goes on untouched: its memory is intact", EndsWell(guarded.Victim)),
            new("tenant A says the same, to the letter, with and without isolation", guarded.Victim.Console == open.Victim.Console),
            new("tenant B is not disturbed", EndsWell(guarded.Bystander) && guarded.Bystander.Console == open.Bystander.Console),
        ];
    }

    /// <summary>The line of a console that says something; null when none does.</summary>
    public static string? LineWith(DomainReport domain, string text)
    {
        foreach (string line in domain.Console.Split('\n'))
        {
            if (line.Contains(text, StringComparison.Ordinal))
            {
                return line.TrimEnd('\r');
            }
        }

        return null;
    }

    /// <summary>The last line that a console holds.</summary>
    public static string LastLine(DomainReport domain)
    {
        string[] lines = domain.Console.TrimEnd().Split('\n');
        return lines[^1].TrimEnd('\r');
    }

    private static bool Says(DomainReport domain, string text) => LineWith(domain, text) is not null;

    private static bool EndsWell(DomainReport tenant) => tenant.Exit.Kind == DomainExitKind.Poweroff && Says(tenant, "memory intact");

    private static bool IsShownBy(TraceRecord? record, IsolationFault? fault) =>
        record?.Denied is { } denied && fault is not null
        && record.Status == TranslationStatus.IsolationViolation
        && record.Gva == fault.Gva.Value
        && denied.Hpa == fault.Hpa.Value
        && denied.Segment == fault.Segment
        && denied.Owner == fault.Owner.Value;

    private static string SecretOf(DomainReport tenant)
    {
        foreach (string word in tenant.Domain.Config.CommandLine.Split(' '))
        {
            if (word.StartsWith(SecretWord, StringComparison.Ordinal))
            {
                return word[SecretWord.Length..];
            }
        }

        return "";
    }

    private bool PrintsSecret(DomainReport prowler) => Secret.Length > 0 && Says(prowler, Secret);
}
