using System.Collections.Generic;
using System.IO;
using System.Text.Json;

using Xenolith.Cli.Trace;
using Xenolith.Cpu;
using Xenolith.Mmu;
using Xenolith.Xen;

namespace Xenolith.Cli.Output;

/// <summary>
/// A run as JSON: the same run gives the same bytes. Keys keep their order; counts are numbers, addresses hexadecimal strings; nothing
/// of the host
/// (paths beyond those given, times) is in it.
/// </summary>
internal static class RunReportJson
{
    public const int SchemaVersion = 1;

    private static readonly JsonWriterOptions s_options = new()
    {
        Indented = true,
        NewLine = "\n",
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public static Utf8JsonWriter NewWriter(Stream output) => new(output, s_options);

    public static void Write(Utf8JsonWriter json, RunReport run)
    {
        json.WriteStartObject();
        json.WriteNumber("schema", SchemaVersion);
        WriteBody(json, run);
        json.WriteEndObject();
    }

    /// <summary>The members, for an object that somebody else opens and closes.</summary>
    public static void WriteBody(Utf8JsonWriter json, RunReport run)
    {
        json.WriteString("isolation", run.Isolation);
        json.WriteString("segment_size", TraceRecordJson.Hex(run.Options.SegmentSizeBytes));
        json.WriteString("memory", TraceRecordJson.Hex(run.Options.MemoryBytes));
        json.WriteNumber("seed", run.Options.Seed);
        json.WriteString("stop", Names.Of(run.Stop));
        if (run.Panic.Length > 0)
        {
            json.WriteString("panic", run.Panic);
        }

        json.WriteNumber("instructions", run.Instructions);
        json.WriteNumber("idle_ticks", run.IdleTicks);
        json.WriteStartArray("domains");
        foreach (DomainReport domain in run.Domains)
        {
            WriteDomain(json, domain, run);
        }

        json.WriteEndArray();
        json.WriteStartObject("total");
        WriteCosts(json, run.Total);
        json.WriteEndObject();
        json.WriteStartObject("machine");
        WriteTranslation(json, run.Machine);
        json.WriteEndObject();
    }

    private static void WriteDomain(Utf8JsonWriter json, DomainReport domain, RunReport run)
    {
        json.WriteStartObject();
        json.WriteNumber("id", domain.Domain.Id);
        json.WriteString("name", domain.Domain.Name);
        json.WriteNumber("vmid", domain.Domain.Report.Vmid.Value);
        json.WriteNumber("memory_mib", domain.Domain.Config.MemoryMiB);
        WriteExit(json, domain.Exit, run);
        WriteCosts(json, domain.Costs);
        json.WriteString("console", domain.Console);
        json.WriteBoolean("console_cut", domain.ConsoleIsCut);
        json.WriteEndObject();
    }

    private static void WriteExit(Utf8JsonWriter json, DomainExit exit, RunReport run)
    {
        json.WriteStartObject("exit");
        json.WriteString("reason", Names.Of(exit.Kind));
        if (exit.Kind is not (DomainExitKind.None or DomainExitKind.Killed))
        {
            json.WriteNumber("vcpu", exit.Vcpu);
            json.WriteString("rip", TraceRecordJson.Hex(exit.Rip));
        }

        if (exit.Detail.Length > 0)
        {
            json.WriteString("detail", exit.Detail);
        }

        if (exit.Fault is { } fault)
        {
            json.WriteStartObject("fault");
            json.WriteString("kind", Names.Of(fault.Kind));
            if (fault.HasGva)
            {
                json.WriteString("gva", TraceRecordJson.Hex(fault.Gva.Value));
            }

            json.WriteString("gpa", TraceRecordJson.Hex(fault.Gpa.Value));
            json.WriteString("hpa", TraceRecordJson.Hex(fault.Hpa.Value));
            json.WriteBoolean("paging_structure", fault.IsPagingStructure);
            json.WriteString("segment", TraceRecordJson.Hex(fault.Segment));
            json.WriteNumber("owner", fault.Owner.Value);
            json.WriteString("owner_name", run.NameOf(fault.Owner));
            json.WriteNumber("as", fault.Name.Value);
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    private static void WriteCosts(Utf8JsonWriter json, Costs costs)
    {
        json.WriteNumber("instructions", costs.Instructions);
        WriteTranslation(json, costs.Translation);
        json.WriteNumber("data_accesses", costs.DataAccesses);
        json.WriteNumber("data_tlb_hits", costs.DataTlbHits);
        json.WriteNumber("data_tlb_misses", costs.DataTlbMisses);
        json.WriteNumber("transitions", costs.Transitions);
        json.WriteNumber("vm_entries", costs.VmEntries);
        json.WriteStartObject("vm_exits");
        foreach (KeyValuePair<uint, ulong> exit in costs.Exits)
        {
            json.WriteNumber(Names.Of((ExitReason)exit.Key), exit.Value);
        }

        json.WriteEndObject();
        json.WriteNumber("slot_accesses", costs.SlotAccesses);
        json.WriteNumber("hypercalls", costs.Hypercalls);
        json.WriteNumber("events", costs.Events);
        json.WriteNumber("refused_xen_writes", costs.RefusedXenWrites);
        json.WriteNumber("console_bytes", costs.ConsoleBytes);
        json.WriteNumber("console_bytes_dropped", costs.ConsoleBytesDropped);
    }

    private static void WriteTranslation(Utf8JsonWriter json, TranslationCounters counters)
    {
        json.WriteNumber("walks", counters.Walks);
        json.WriteNumber("references", counters.References);
        json.WriteNumber("guest_references", counters.GuestReferences);
        json.WriteNumber("ept_references", counters.EptReferences);
        json.WriteNumber("judged", counters.Judged);
        json.WriteNumber("lookups", counters.Lookups);
        json.WriteNumber("denied", counters.Denied);
    }
}
