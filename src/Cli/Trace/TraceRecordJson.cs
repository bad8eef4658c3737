using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text.Json;

using Xenolith.Mmu;

namespace Xenolith.Cli.Trace;

/// <summary>
/// A record as one JSON object: docs/translation-record.md. Addresses and entries are hexadecimal strings, since JSON numbers lose bits
/// beyond 53; counts
/// are numbers. Fields that mean nothing in a record are left out.
/// </summary>
internal static class TraceRecordJson
{
    public static string Hex(ulong value) => string.Create(CultureInfo.InvariantCulture, $"0x{value:x}");

    public static void Write(Utf8JsonWriter json, TraceRecord record)
    {
        json.WriteStartObject();
        json.WriteNumber("serial", record.Serial);
        if (record.Domain is { } domain)
        {
            json.WriteNumber("domain", domain);
        }

        json.WriteString("name", record.DomainName);
        WriteHex(json, "rip", record.Rip);
        json.WriteString("kind", Names.Of(record.Kind));
        json.WriteString("mode", Names.Of(record.Mode));
        json.WriteString("origin", Names.Of(record.Origin));
        WriteHex(json, "gva", record.Gva);
        WriteHex(json, "gpa", record.Gpa);
        WriteHex(json, "hpa", record.Hpa);
        json.WriteString("status", Names.Of(record.Status));
        if (record.Status == TranslationStatus.Ok)
        {
            json.WriteNumber("page_shift", record.PageShift);
        }

        WriteHex(json, "error_code", record.ErrorCode);
        WriteHex(json, "fault_gpa", record.FaultGpa);
        WriteHex(json, "exit_qualification", record.ExitQualification);
        json.WriteNumber("references", record.References);
        json.WriteNumber("updates", record.Updates);
        json.WriteNumber("lookups", record.Lookups);
        json.WriteStartArray("steps");
        foreach (TraceStep step in record.Steps)
        {
            Write(json, step);
        }

        json.WriteEndArray();
        json.WriteStartObject("names");
        foreach ((uint vmid, string name) in record.Names)
        {
            json.WriteString(vmid.ToString(CultureInfo.InvariantCulture), name);
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }

    /// <summary>Reads one line of a trace.</summary>
    /// <exception cref="FormatException">It is no record; the message says what is missing.</exception>
    public static TraceRecord Parse(string line)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(line);
            return Parse(document.RootElement);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            throw new FormatException("this is no translation record", e);
        }
    }

    private static TraceRecord Parse(JsonElement root)
    {
        List<TraceStep> steps = [];
        foreach (JsonElement step in root.GetProperty("steps").EnumerateArray())
        {
            steps.Add(ParseStep(step));
        }

        SortedDictionary<uint, string> names = [];
        foreach (JsonProperty name in root.GetProperty("names").EnumerateObject())
        {
            if (uint.TryParse(name.Name, NumberStyles.None, CultureInfo.InvariantCulture, out uint vmid))
            {
                names[vmid] = name.Value.GetString() ?? "";
            }
        }

        return new TraceRecord
        {
            Serial = root.GetProperty("serial").GetUInt64(),
            Domain = root.TryGetProperty("domain", out JsonElement domain) ? domain.GetInt32() : null,
            DomainName = root.GetProperty("name").GetString() ?? "",
            Rip = OptionalHex(root, "rip"),
            Kind = Enum<AccessKind>(root, "kind"),
            Mode = Enum<AccessMode>(root, "mode"),
            Origin = Enum<AccessOrigin>(root, "origin"),
            Gva = OptionalHex(root, "gva"),
            Gpa = OptionalHex(root, "gpa"),
            Hpa = OptionalHex(root, "hpa"),
            Status = Enum<TranslationStatus>(root, "status"),
            PageShift = root.TryGetProperty("page_shift", out JsonElement shift) ? shift.GetInt32() : 0,
            ErrorCode = (uint?)OptionalHex(root, "error_code"),
            FaultGpa = OptionalHex(root, "fault_gpa"),
            ExitQualification = OptionalHex(root, "exit_qualification"),
            References = root.GetProperty("references").GetInt32(),
            Updates = root.GetProperty("updates").GetInt32(),
            Lookups = root.GetProperty("lookups").GetInt32(),
            Steps = steps,
            Names = names,
        };
    }

    private static void Write(Utf8JsonWriter json, TraceStep step)
    {
        json.WriteStartObject();
        json.WriteString("stage", Names.Of(step.Stage));
        if (step.Stage != WalkStage.Datum)
        {
            json.WriteNumber("level", step.Level);
        }

        if (step.Stage != WalkStage.Ept)
        {
            WriteHex(json, "gpa", step.Gpa);
        }

        WriteHex(json, "hpa", step.Hpa);
        if (step.Stage != WalkStage.Datum)
        {
            WriteHex(json, "entry", step.Entry);
        }

        json.WriteString("kind", Names.Of(step.Kind));
        if (step.IsUpdate)
        {
            json.WriteBoolean("update", true);
        }

        json.WriteNumber("as", step.Name);
        json.WriteBoolean("allowed", step.IsAllowed);
        WriteHex(json, "segment", step.Segment);
        json.WriteNumber("owner", step.Owner);
        json.WriteNumber("lookups", step.Lookups);
        json.WriteEndObject();
    }

    private static TraceStep ParseStep(JsonElement step) => new()
    {
        Stage = Enum<WalkStage>(step, "stage"),
        Level = step.TryGetProperty("level", out JsonElement level) ? level.GetInt32() : 0,
        Gpa = OptionalHex(step, "gpa") ?? 0,
        Hpa = OptionalHex(step, "hpa") ?? 0,
        Entry = OptionalHex(step, "entry") ?? 0,
        Kind = Enum<AccessKind>(step, "kind"),
        IsUpdate = step.TryGetProperty("update", out JsonElement update) && update.GetBoolean(),
        Name = step.GetProperty("as").GetUInt32(),
        IsAllowed = step.GetProperty("allowed").GetBoolean(),
        Segment = OptionalHex(step, "segment") ?? 0,
        Owner = step.GetProperty("owner").GetUInt32(),
        Lookups = step.GetProperty("lookups").GetUInt32(),
    };

    private static void WriteHex(Utf8JsonWriter json, string name, ulong? value)
    {
        if (value is { } number)
        {
            json.WriteString(name, Hex(number));
        }
    }

    private static ulong? OptionalHex(JsonElement element, string name)
    {
        if (!element.TryGetProperty(name, out JsonElement value))
        {
            return null;
        }

        string text = value.GetString() ?? "";
        return text.StartsWith("0x", StringComparison.Ordinal)
            && ulong.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong number)
            ? number
            : throw new FormatException($"'{name}' is no hexadecimal string");
    }

    private static T Enum<T>(JsonElement element, string name)
        where T : struct, Enum
        => Names.TryParse(element.GetProperty(name).GetString() ?? "", out T value) ? value : throw new FormatException($"'{name}' has an unknown value");
}
