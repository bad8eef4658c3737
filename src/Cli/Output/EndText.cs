using System.Globalization;

using Xenolith.Cli.Trace;
using Xenolith.Xen;

namespace Xenolith.Cli.Output;

/// <summary>How a domain ended, in one line for people.</summary>
internal static class EndText
{
    public static string Of(DomainReport report, RunReport run)
    {
        string what = report.Exit.Kind switch
        {
            DomainExitKind.None => run.Stop switch
            {
                RunStop.InstructionLimit => "still running at the instruction limit",
                RunStop.Panic => "gone with Xen",
                RunStop.Idle => "waits for what nothing will bring",
                _ => "still running",
            },
            DomainExitKind.Poweroff => "powered off",
            DomainExitKind.Reboot => "asked for a reboot; restarts are not served, it ended",
            DomainExitKind.Suspend => "suspended",
            DomainExitKind.GuestCrash => "said that it crashed",
            DomainExitKind.Watchdog => "its watchdog was not fed",
            DomainExitKind.TripleFault => "triple fault",
            DomainExitKind.IsolationViolation => "stopped: isolation violation",
            DomainExitKind.InvalidGuestState => "stopped: invalid guest state",
            DomainExitKind.Unemulated => "stopped: no memory there, or an instruction that is not emulated",
            DomainExitKind.Killed => "destroyed",
            _ => Names.Of(report.Exit.Kind),
        };
        string detail = report.Exit switch
        {
            { Fault: { } fault } => ": " + Describe(fault, run),
            { Detail.Length: > 0 } exit => ": " + exit.Detail,
            _ => "",
        };
        string where = report.IsGood || report.IsAlive ? "" : string.Create(CultureInfo.InvariantCulture, $", at RIP 0x{report.Exit.Rip:x}");
        return string.Create(CultureInfo.InvariantCulture, $"{report.Domain.Name}: {what}{detail}{where} ({report.Costs.Instructions:N0} instructions)");
    }

    public static string Describe(IsolationFault fault, RunReport run)
    {
        string address = fault.HasGva ? $"GVA {fault.Gva}, " : "";
        string structure = fault.IsPagingStructure ? " of a paging structure" : "";
        return $"{Names.Of(fault.Kind)}{structure} at {address}GPA {fault.Gpa}, HPA {fault.Hpa}: "
            + string.Create(CultureInfo.InvariantCulture, $"segment 0x{fault.Segment:x} belongs to {run.NameOf(fault.Owner)}");
    }
}
