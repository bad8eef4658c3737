using System;
using System.Collections.Generic;
using System.IO;
using System.Text;

using Xenolith.Toolstack;

namespace Xenolith.Cli.Output;

/// <summary>
/// Prints the guests' consoles: bytes as they are when there is one guest, whole lines with "name| " before them when there are
/// several. Keeps each
/// guest's text, for summaries.
/// </summary>
internal sealed class ConsolePrinter(Stream? output, bool withNames)
{
    private const int MaxKeptBytes = 1 << 20;
    private const int MaxLineBytes = 4096;

    private readonly Dictionary<ManagedDomain, Log> _logs = [];

    public void Print(ManagedDomain domain, ReadOnlySpan<byte> bytes)
    {
        Log log = LogOf(domain);
        log.Keep(bytes);
        if (output is null)
        {
            return;
        }

        if (!withNames)
        {
            output.Write(bytes);
            output.Flush();
            return;
        }

        foreach (byte b in bytes)
        {
            if (b == '\n' || log.Line.Count >= MaxLineBytes)
            {
                EndLine(domain, log);
            }

            if (b is not ((byte)'\n' or (byte)'\r'))
            {
                log.Line.Add(b);
            }
        }

        output.Flush();
    }

    /// <summary>Prints lines that have not ended.</summary>
    public void Flush()
    {
        foreach ((ManagedDomain domain, Log log) in _logs)
        {
            if (log.Line.Count > 0 && output is not null)
            {
                EndLine(domain, log);
            }
        }

        output?.Flush();
    }

    /// <summary>What a guest has printed, as text; bytes that are no UTF-8 are shown as replacement characters.</summary>
    public string TextOf(ManagedDomain domain) => Encoding.UTF8.GetString([.. LogOf(domain).Kept]);

    /// <summary>True when so much was printed that not all was kept.</summary>
    public bool IsCut(ManagedDomain domain) => LogOf(domain).Kept.Count >= MaxKeptBytes;

    private void EndLine(ManagedDomain domain, Log log)
    {
        output!.Write(Encoding.UTF8.GetBytes(domain.Name + "| "));
        output.Write([.. log.Line]);
        output.WriteByte((byte)'\n');
        log.Line.Clear();
    }

    private Log LogOf(ManagedDomain domain)
    {
        if (!_logs.TryGetValue(domain, out Log? log))
        {
            log = new Log();
            _logs.Add(domain, log);
        }

        return log;
    }

    private sealed class Log
    {
        public List<byte> Kept { get; } = [];

        public List<byte> Line { get; } = [];

        public void Keep(ReadOnlySpan<byte> bytes)
        {
            int room = MaxKeptBytes - Kept.Count;
            Kept.AddRange(bytes.Length > room ? bytes[..room] : bytes);
        }
    }
}
