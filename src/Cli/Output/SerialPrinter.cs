using System;
using System.IO;

using Xenolith.Cli.Input;

namespace Xenolith.Cli.Output;

/// <summary>A serial line's bytes on their way out: as they are, in pieces, and to the script that waits for them.</summary>
internal sealed class SerialPrinter(Stream output, int bufferBytes, InputScript? script)
{
    private readonly byte[] _buffer = new byte[bufferBytes];
    private int _count;

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
            _count = 0;
        }
    }
}
