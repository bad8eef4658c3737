using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using System.Text;

namespace Xenolith.Toolstack.Xenstore;

/// <summary>A watch: its owner hears of each change of a node and of those below it.</summary>
/// <param name="Path">Absolute.</param>
/// <param name="Prefix">What is cut off the paths of its events: the domain's folder, when the watch was asked for by a relative
/// path.</param>
internal sealed record XenstoreWatch(string Path, string Token, string Prefix);

/// <summary>One client of the store, with what belongs to it: transactions, watches, messages that wait for it.</summary>
public sealed class XenstoreConnection
{
    private readonly Queue<byte[]> _outbox = new();
    private uint _lastTransaction;

    internal XenstoreConnection(ushort domain) => Domain = domain;

    public ushort Domain { get; }

    /// <summary>Watch events dropped because the client did not read.</summary>
    public int DroppedEvents { get; private set; }

    /// <summary>Messages wait to be sent.</summary>
    public bool HasOutput => _outbox.Count > 0;

    /// <summary>So much waits that no further request is taken.</summary>
    internal bool IsCongested => _outbox.Count >= XsLimits.PendingMessages;

    internal List<XenstoreWatch> Watches { get; } = [];

    internal Dictionary<uint, XenstoreTransaction> Transactions { get; } = [];

    /// <summary>The oldest waiting message, header and payload.</summary>
    public byte[] TakeOutput() => _outbox.Dequeue();

    internal uint NextTransaction()
    {
        do
        {
            _lastTransaction++;
        }
        while (_lastTransaction == 0 || Transactions.ContainsKey(_lastTransaction));
        return _lastTransaction;
    }

    internal void Reset()
    {
        Transactions.Clear();
        Watches.Clear();
        _outbox.Clear();
    }

    internal void SendEvent(XenstoreWatch watch, string path)
    {
        if (IsCongested)
        {
            DroppedEvents++;
            return;
        }

        string shown = watch.Prefix.Length > 0 && path.StartsWith(watch.Prefix, StringComparison.Ordinal) ? path[watch.Prefix.Length..] : path;
        Send(new XsHeader { Type = XsType.WatchEvent }, Encoding.Latin1.GetBytes($"{shown}\0{watch.Token}\0"));
    }

    internal void Send(XsHeader header, ReadOnlySpan<byte> payload)
    {
        header.Length = (uint)payload.Length;
        byte[] message = new byte[XsHeader.Size + payload.Length];
        MemoryMarshal.Write(message, header);
        payload.CopyTo(message.AsSpan(XsHeader.Size));
        _outbox.Enqueue(message);
    }
}
