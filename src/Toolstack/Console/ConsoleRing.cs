using System;
using System.Collections.Generic;

using Xenolith.Toolstack.Rings;

namespace Xenolith.Toolstack.Console;

/// <summary>
/// The console daemon's side of one PV console: struct xencons_interface, in[1024], out[2048], in_cons, in_prod, out_cons, out_prod
/// (xen/include/public/io/console.h).
/// </summary>
public sealed class ConsoleRing(IRingPage page)
{
    private const int InputSize = 1024;
    private const int OutputSize = 2048;

    private readonly ByteRing _input = new(page, 0, InputSize, 3072, 3076);
    private readonly ByteRing _output = new(page, InputSize, OutputSize, 3080, 3084);
    private readonly Queue<byte> _typed = new();
    private readonly byte[] _buffer = new byte[OutputSize];

    /// <summary>Times that the guest left indices in the ring which cannot be; what the ring held was dropped.</summary>
    public int ProtocolErrors { get; private set; }

    /// <summary>The page was not reachable when last looked at: the isolation unit refuses Dom0 the ring.</summary>
    public bool IsRefused { get; private set; }

    /// <summary>Typed bytes that the guest has not taken yet.</summary>
    public bool HasInput => _typed.Count > 0;

    /// <summary>Queues bytes as if typed; they go into the ring as the guest makes room.</summary>
    public void Type(ReadOnlySpan<byte> bytes)
    {
        foreach (byte b in bytes)
        {
            _typed.Enqueue(b);
        }
    }

    /// <summary>Moves bytes both ways and tells the guest when any moved.</summary>
    /// <param name="output">Receives what the guest printed.</param>
    public bool Poll(Action<ReadOnlySpan<byte>> output)
    {
        bool moved = TakeOutput(output) | PutInput();
        if (moved)
        {
            page.Notify();
        }

        return moved;
    }

    private bool TakeOutput(Action<ReadOnlySpan<byte>> output)
    {
        RingStatus status = _output.TryTake(_buffer, out int taken);
        IsRefused = status == RingStatus.Unreachable;
        if (status == RingStatus.BadIndex)
        {
            ProtocolErrors++;
            _output.TryClear();
            return true;
        }

        if (taken > 0)
        {
            output(_buffer.AsSpan(0, taken));
        }

        return taken > 0;
    }

    private bool PutInput()
    {
        bool moved = false;
        Span<byte> next = stackalloc byte[1];
        while (_typed.TryPeek(out next[0]))
        {
            if (_input.TryPut(next, out int put) != RingStatus.Ok || put == 0)
            {
                break;
            }

            _typed.Dequeue();
            moved = true;
        }

        return moved;
    }
}
