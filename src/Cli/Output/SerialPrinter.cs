using System;
using System.Collections.Generic;
using System.IO;
using System.Runtime.InteropServices;

using Xenolith.Cli.Input;

namespace Xenolith.Cli.Output;

/// <summary>A serial line's bytes on their way out: as they are, in pieces, and to the script that waits for them.</summary>
internal sealed class SerialPrinter(Stream output, int bufferBytes, InputScript? script)
{
    private readonly byte[] _buffer = new byte[bufferBytes];
    private readonly List<byte> _recent = [];
    private byte[] _awaited = [];
    private Action? _onAwaited;
    private int _count;

    /// <summary>Calls somebody when these bytes have been printed.</summary>
    public void Await(byte[] bytes, Action onPrinted) => (_awaited, _onAwaited) = (bytes, onPrinted);

    public void Print(byte value)
    {
        _buffer[_count++] = value;
        if (value == (byte)'\n' || _count == _buffer.Length)
        {
            Flush();
        }
    }

    public void Flush()
    {
        if (_count != 0)
        {
            script?.OnOutput(_buffer.AsSpan(0, _count));
            output.Write(_buffer, 0, _count);
            output.Flush();
            LookForAwaited();
            _count = 0;
        }
    }

    private void LookForAwaited()
    {
        if (_onAwaited is null)
        {
            return;
        }

        _recent.AddRange(_buffer.AsSpan(0, _count));
        if (CollectionsMarshal.AsSpan(_recent).IndexOf(_awaited) >= 0)
        {
            _onAwaited();
            _onAwaited = null;
        }

        _recent.RemoveRange(0, Math.Max(0, _recent.Count - _awaited.Length + 1)); // what may begin it stays
    }
}
