using System;
using System.Collections.Generic;
using System.IO;
using System.Text.Json;

using Xenolith.Cli.Trace;
using Xenolith.Cpu;
using Xenolith.Machine;

namespace Xenolith.Cli.Exec;

/// <summary>Answers as JSON, one line each: docs/exec.md. Quantities of 64 bits are hexadecimal strings, the rest are numbers.</summary>
internal sealed class ExecAnswerJson(Stream output) : IDisposable
{
    private static readonly JsonWriterOptions s_options = new()
    {
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private readonly MemoryStream _line = new();
    private readonly Utf8JsonWriter _json = new(Stream.Null, s_options);

    public void Dispose()
    {
        _json.Dispose();
        _line.Dispose();
    }

    /// <param name="dumps">Memory that was asked for: the member is left out when there is none.</param>
    public void Write(string name, UserResult result, IReadOnlyList<(ulong Start, byte[] Bytes)> dumps)
    {
        _json.Reset(_line);
        UserRegisters registers = result.Registers;
        _json.WriteStartObject();
        _json.WriteString("name", name);
        _json.WriteString("stop", NameOf(result.Stop));
        if (result.Stop == UserStop.Exception)
        {
            _json.WriteNumber("vector", (int)result.Vector);
        }
        else
        {
            _json.WriteNull("vector");
        }

        _json.WriteNumber("error", result.Error);
        WriteHex("cr2", result.Cr2);
        WriteHex("rip", registers.Rip);
        _json.WriteNumber("instructions", result.Instructions);
        _json.WriteStartObject("regs");
        for (int i = 0; i < UserRegisters.GeneralCount; i++)
        {
            WriteHex(OrderedNames[i], registers.General[UserRegisters.GeneralNames.IndexOf(OrderedNames[i])]);
        }

        WriteHex("rflags", registers.Rflags);
        _json.WriteEndObject();
        WriteVectors(registers);
        _json.WriteStartArray("x87");
        foreach (X87Register register in registers.X87)
        {
            _json.WriteStartArray();
            _json.WriteStringValue(TraceRecordJson.Hex(register.Significand));
            _json.WriteNumberValue(register.SignExponent);
            _json.WriteEndArray();
        }

        _json.WriteEndArray();
        _json.WriteNumber("fcw", registers.Fcw);
        _json.WriteNumber("fsw", registers.Fsw);
        _json.WriteNumber("ftw", registers.Ftw);
        _json.WriteNumber("mxcsr", registers.Mxcsr);
        WriteDumps(dumps);
        _json.WriteEndObject();
        EndLine();
    }

    /// <summary>A case that could not be run, and why.</summary>
    public void WriteError(string name, string message)
    {
        _json.Reset(_line);
        _json.WriteStartObject();
        _json.WriteString("name", name);
        _json.WriteString("error", message);
        _json.WriteEndObject();
        EndLine();
    }

    public static string NameOf(UserStop stop) => stop switch
    {
        UserStop.Hlt => "hlt",
        UserStop.Exception => "exception",
        _ => "limit",
    };

    private static readonly string[] OrderedNames =
        ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"];

    private void WriteVectors(UserRegisters registers)
    {
        _json.WriteStartArray("ymm");
        for (int i = 0; i < UserRegisters.VectorCount; i++)
        {
            _json.WriteStartArray();
            for (int word = 0; word < 4; word++)
            {
                _json.WriteStringValue(TraceRecordJson.Hex(registers.Vector[(4 * i) + word]));
            }

            _json.WriteEndArray();
        }

        _json.WriteEndArray();
    }

    private void WriteDumps(IReadOnlyList<(ulong Start, byte[] Bytes)> dumps)
    {
        if (dumps.Count == 0)
        {
            return;
        }

        _json.WriteStartArray("mem");
        foreach ((ulong start, byte[] bytes) in dumps)
        {
            _json.WriteStartArray();
            _json.WriteStringValue(TraceRecordJson.Hex(start));
            _json.WriteStringValue(Convert.ToHexStringLower(bytes));
            _json.WriteEndArray();
        }

        _json.WriteEndArray();
    }

    private void WriteHex(string name, ulong value) => _json.WriteString(name, TraceRecordJson.Hex(value));

    private void EndLine()
    {
        _json.Flush();
        _line.WriteByte((byte)'\n');
        output.Write(_line.GetBuffer(), 0, (int)_line.Length);
        output.Flush();
        _line.SetLength(0);
    }
}
