using System;
using System.Runtime.InteropServices;

using Xenolith.Toolstack.Rings;

namespace Xenolith.Toolstack.Xenstore;

/// <summary>
/// Carries one domain's messages between its ring and the server. A guest that breaks the protocol (a payload longer than allowed,
/// impossible indices) gets the error noted in its ring and is heard no more until it asks for a new connection.
/// </summary>
public sealed class XenstoreRing
{
    private readonly XenstoreServer _server;
    private readonly IRingPage _page;
    private readonly ByteRing _requests;
    private readonly ByteRing _responses;
    private readonly byte[] _input = new byte[XsHeader.Size + XsLimits.PayloadMax];
    private int _inputCount;
    private byte[] _output = [];
    private int _outputDone;

    public XenstoreRing(XenstoreServer server, ushort domain, IRingPage page)
    {
        _server = server;
        _page = page;
        _requests = new ByteRing(page, XsRing.RequestOffset, XsRing.RingSize, XsRing.RequestConsumerOffset, XsRing.RequestProducerOffset);
        _responses = new ByteRing(page, XsRing.ResponseOffset, XsRing.RingSize, XsRing.ResponseConsumerOffset, XsRing.ResponseProducerOffset);
        Connection = server.Connect(domain);
        page.TryWrite(XsRing.ServerFeaturesOffset, BitConverter.GetBytes(XsRing.ServerFeatures));
    }

    public XenstoreConnection Connection { get; }

    /// <summary>The guest broke the protocol; nothing is read from it any more.</summary>
    public bool IsIgnored { get; private set; }

    /// <summary>Serves what can be served now. True when anything moved.</summary>
    public bool Poll()
    {
        bool moved = ServeReconnect();
        while (!IsIgnored && !Connection.IsCongested && PumpRequests())
        {
            moved = true;
        }

        moved |= PumpResponses();
        if (moved)
        {
            _page.Notify();
        }

        return moved;
    }

    public void Close() => _server.Disconnect(Connection);

    /// <summary>
    /// The guest (a boot loader that hands over to a kernel, say) asks to begin anew: nothing of the old connection survives.
    /// </summary>
    private bool ServeReconnect()
    {
        Span<byte> connection = stackalloc byte[4];
        if (!_page.TryRead(XsRing.ConnectionOffset, connection) || BitConverter.ToUInt32(connection) != XsRing.Reconnect)
        {
            return false;
        }

        Connection.Reset();
        _inputCount = 0;
        _output = [];
        _outputDone = 0;
        IsIgnored = false;
        Span<byte> zeros = stackalloc byte[16];
        zeros.Clear();
        return _page.TryWrite(XsRing.RequestConsumerOffset, zeros)
            && _page.TryWrite(XsRing.ErrorOffset, zeros[..4])
            && _page.TryWrite(XsRing.ConnectionOffset, zeros[..4]);
    }

    private bool PumpRequests()
    {
        int wanted = _inputCount < XsHeader.Size ? XsHeader.Size : XsHeader.Size + (int)InputHeader.Length;
        RingStatus status = _requests.TryTake(_input.AsSpan(_inputCount, wanted - _inputCount), out int taken);
        if (status == RingStatus.BadIndex)
        {
            Ignore(XsRing.ErrorRingIndex);
            return false;
        }

        _inputCount += taken;
        if (_inputCount < XsHeader.Size || status != RingStatus.Ok)
        {
            return taken > 0;
        }

        XsHeader header = InputHeader;
        if (header.Length > XsLimits.PayloadMax)
        {
            Ignore(XsRing.ErrorProtocol);
            return false;
        }

        if (_inputCount == XsHeader.Size + (int)header.Length)
        {
            _inputCount = 0;
            _server.Handle(Connection, header, _input.AsSpan(XsHeader.Size, (int)header.Length));
            return true;
        }

        return taken > 0;
    }

    private XsHeader InputHeader => MemoryMarshal.Read<XsHeader>(_input);

    private bool PumpResponses()
    {
        bool moved = false;
        while (!IsIgnored)
        {
            if (_outputDone == _output.Length)
            {
                if (!Connection.HasOutput)
                {
                    break;
                }

                _output = Connection.TakeOutput();
                _outputDone = 0;
            }

            RingStatus status = _responses.TryPut(_output.AsSpan(_outputDone), out int put);
            if (status == RingStatus.BadIndex)
            {
                Ignore(XsRing.ErrorRingIndex);
            }

            if (put == 0)
            {
                break;
            }

            _outputDone += put;
            moved = true;
        }

        return moved;
    }

    private void Ignore(uint error)
    {
        IsIgnored = true;
        _page.TryWrite(XsRing.ErrorOffset, BitConverter.GetBytes(error));
        _page.Notify();
    }
}
