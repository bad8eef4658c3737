using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using System.Text;

using Xenolith.Toolstack.Xenstore;

namespace Xenolith.Toolstack.Tests;

/// <summary>A guest's xenstore driver over a fake ring: sends one request, polls, and takes apart what comes back.</summary>
internal sealed class XenstoreClient
{
    private uint _nextId = 100;

    public XenstoreClient(XenstoreServer server, ushort domain) => Ring = new XenstoreRing(server, domain, Page);

    public FakeRingPage Page { get; } = new();

    public XenstoreRing Ring { get; }

    public List<string> Events { get; } = [];

    /// <summary>Sends a request and returns the reply's payload, zero bytes shown as '|'; errors come as "!ENOENT".</summary>
    public string Ask(XsType type, string payload, uint transaction = 0)
    {
        uint id = ++_nextId;
        Send(new XsHeader { Type = type, RequestId = id, TransactionId = transaction, Length = (uint)payload.Length }, payload);
        string? reply = null;
        foreach ((XsHeader header, string text) in Receive())
        {
            if (header.Type == XsType.WatchEvent)
            {
                Events.Add(text);
            }
            else if (header.RequestId == id && reply is null)
            {
                reply = header.Type == XsType.Error ? "!" + text.TrimEnd('|') : header.Type == type ? text : $"?{header.Type}";
            }
        }

        return reply ?? "(no reply)";
    }

    public void Send(XsHeader header, string payload)
    {
        byte[] message = new byte[XsHeader.Size + payload.Length];
        MemoryMarshal.Write(message, header);
        Encoding.Latin1.GetBytes(payload.Replace('|', '\0'), message.AsSpan(XsHeader.Size));
        for (int done = 0; done < message.Length; done += 700)
        {
            Page.Produce(XsRing.RequestOffset, XsRing.RingSize, XsRing.RequestProducerOffset, message.AsSpan(done, Math.Min(700, message.Length - done)));
            Ring.Poll();
        }
    }

    public List<(XsHeader Header, string Text)> Receive()
    {
        List<byte> stream = [];
        byte[] part;
        do
        {
            Ring.Poll();
            part = Page.Consume(XsRing.ResponseOffset, XsRing.RingSize, XsRing.ResponseConsumerOffset, XsRing.ResponseProducerOffset);
            stream.AddRange(part);
        }
        while (part.Length > 0);

        List<(XsHeader, string)> messages = [];
        byte[] bytes = [.. stream];
        for (int at = 0; at < bytes.Length;)
        {
            XsHeader header = MemoryMarshal.Read<XsHeader>(bytes.AsSpan(at));
            messages.Add((header, Encoding.Latin1.GetString(bytes, at + XsHeader.Size, (int)header.Length).Replace('\0', '|')));
            at += XsHeader.Size + (int)header.Length;
        }

        return messages;
    }
}
