using System;
using System.IO;
using System.Text.Json;

using Xenolith.Toolstack;

namespace Xenolith.Cli.Trace;

/// <summary>A trace on disk: JSON Lines, one record each.</summary>
internal sealed class TraceFile : IDisposable
{
    private readonly FileStream _stream;
    private readonly BufferedStream _buffer;
    private readonly Utf8JsonWriter _json;

    /// <exception cref="InputException">The file cannot be made.</exception>
    public TraceFile(string path)
    {
        try
        {
            _stream = File.Create(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new InputException($"--trace: {path}: cannot be written ({e.Message})", e);
        }

        _buffer = new BufferedStream(_stream, 1 << 20);
        _json = new Utf8JsonWriter(_buffer);
    }

    public void Write(TraceRecord record)
    {
        TraceRecordJson.Write(_json, record);
        _json.Flush();
        _json.Reset();
        _buffer.WriteByte((byte)'\n');
    }

    public void Dispose()
    {
        _json.Dispose();
        _buffer.Dispose();
        _stream.Dispose();
    }

    /// <summary>Finds one record of a trace by its place in the file.</summary>
    /// <param name="line">Counted from 1.</param>
    /// <exception cref="InputException">There is no such file or record.</exception>
    public static TraceRecord Read(string path, long line)
    {
        try
        {
            long number = 0;
            foreach (string text in File.ReadLines(path))
            {
                if (++number == line)
                {
                    return TraceRecordJson.Parse(text);
                }
            }

            throw new InputException($"{path}: has {number} records, there is no record {line}");
        }
        catch (FormatException e)
        {
            throw new InputException($"{path}:{line}: {e.Message}", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new InputException($"{path}: cannot be read ({e.Message})", e);
        }
    }
}
