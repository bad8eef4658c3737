using System;
using System.Collections.Generic;
using System.Text.Json;

using Xenolith.Machine;
using Xenolith.Toolstack;

namespace Xenolith.Cli.Exec;

/// <summary>One case of a batch: a line of JSON.</summary>
internal static class ExecCase
{
    /// <param name="dumps">Gets the ranges of memory that the answer shall hold.</param>
    public static UserProgram Read(JsonElement json, IList<(ulong Start, ulong Length)> dumps)
    {
        UserProgram program = new();
        if (json.TryGetProperty("mode", out JsonElement mode))
        {
            program.Mode = (int)ExecNumber.Of("mode", mode, 64); // first: it decides what the others may hold
        }

        bool hasCode = false;
        foreach (JsonProperty member in json.EnumerateObject())
        {
            hasCode |= member.NameEquals("code");
            if (member.NameEquals("dump"))
            {
                ForEachPair("dump", member.Value, (start, length) => dumps.Add((ExecNumber.Of("dump", start), ExecNumber.Of("dump", length))));
            }
            else
            {
                SetMember(program, member.Name, member.Value);
            }
        }

        return hasCode ? program : throw new InputException("the case has no code");
    }

    /// <summary>The name of a case that may be wrong in every other respect.</summary>
    public static string NameOf(JsonElement json) =>
        json.ValueKind == JsonValueKind.Object && json.TryGetProperty("name", out JsonElement name) ? TextOf(name) : "";

    private static string TextOf(JsonElement value)
    {
        try
        {
            return value.ValueKind == JsonValueKind.String ? value.GetString() ?? "" : value.GetRawText();
        }
        catch (InvalidOperationException)
        {
            return value.GetRawText(); // half a surrogate pair is JSON, but no text
        }
    }

    private static void SetMember(UserProgram program, string name, JsonElement value)
    {
        switch (name)
        {
            case "name":
                program.Name = TextOf(value);
                break;
            case "base":
                program.Base = ExecNumber.Of(name, value);
                break;
            case "code":
                program.Code = ExecNumber.Bytes(name, value);
                break;
            case "map":
                ForEachPair(name, value, (start, length) => program.Maps.Add((ExecNumber.Of("map", start), ExecNumber.Of("map", length))));
                break;
            case "mem":
                ForEachPair(name, value, (address, bytes) => program.Contents.Add((ExecNumber.Of("mem", address), ExecNumber.Bytes("mem", bytes))));
                break;
            case "regs":
                SetRegisters(program, value);
                break;
            case "limit":
                program.Limit = ExecNumber.Of(name, value);
                break;
            case "ymm":
                ExecRegisters.SetVectors(program.Registers, value);
                break;
            case "x87":
                ExecRegisters.SetX87(program.Registers, value);
                break;
            case "fcw" or "fsw" or "ftw" or "mxcsr":
                ExecRegisters.Set(program, name, value);
                break;
            default:
                break; // "mode" was read before; what else a case says is its own business
        }
    }

    private static void SetRegisters(UserProgram program, JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Object)
        {
            throw new InputException($"regs: {ExecNumber.Shown(value)} is no object");
        }

        foreach (JsonProperty register in value.EnumerateObject())
        {
            ExecRegisters.Set(program, register.Name, register.Value);
        }
    }

    private static void ForEachPair(string what, JsonElement value, Action<JsonElement, JsonElement> use)
    {
        if (value.ValueKind != JsonValueKind.Array)
        {
            throw new InputException($"{what}: {ExecNumber.Shown(value)} is no array");
        }

        foreach (JsonElement pair in value.EnumerateArray())
        {
            if (pair.ValueKind != JsonValueKind.Array || pair.GetArrayLength() != 2)
            {
                throw new InputException($"{what}: {ExecNumber.Shown(pair)} is no pair");
            }

            use(pair[0], pair[1]);
        }
    }
}
