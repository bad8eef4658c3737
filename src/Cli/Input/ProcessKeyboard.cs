using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.IO;
using System.Threading;

namespace Xenolith.Cli.Input;

/// <summary>
/// The process's own input: keys as a serial terminal sends them when a person types (nothing is echoed, the guest does that), bytes as
/// they are when
/// it is a pipe or a file. Ctrl-] ends the run.
/// </summary>
internal sealed class ProcessKeyboard : IKeyboard, IDisposable
{
    private const char EndKey = '\x1D';

    private readonly BlockingCollection<byte> _bytes = [];
    private readonly Action _end;

    /// <param name="end">Called when the person asks to end the run.</param>
    public ProcessKeyboard(Action end) => _end = end;

    public void Start()
    {
        Thread reader = new(Console.IsInputRedirected ? ReadPipe : ReadKeys) { IsBackground = true, Name = "keyboard" };
        reader.Start();
    }

    public byte[] Take()
    {
        List<byte> taken = [];
        while (_bytes.TryTake(out byte next))
        {
            taken.Add(next);
        }

        return [.. taken];
    }

    public bool WaitForMore()
    {
        const int PollMilliseconds = 20;
        while (!_bytes.IsCompleted)
        {
            if (_bytes.Count > 0)
            {
                return true;
            }

            Thread.Sleep(PollMilliseconds);
        }

        return false;
    }

    public void Dispose() => _bytes.Dispose();

    private void ReadPipe()
    {
        try
        {
            using Stream input = Console.OpenStandardInput();
            byte[] buffer = new byte[4096];
            int count;
            while ((count = input.Read(buffer)) > 0)
            {
                for (int i = 0; i < count; i++)
                {
                    _bytes.Add(buffer[i] == '\n' ? (byte)'\r' : buffer[i]);
                }
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or UnauthorizedAccessException)
        {
            // Nothing more can be read: that is the end of the input.
        }

        _bytes.CompleteAdding();
    }

    private void ReadKeys()
    {
        while (true)
        {
            ConsoleKeyInfo key = Console.ReadKey(intercept: true);
            if (key.KeyChar == EndKey)
            {
                _bytes.CompleteAdding();
                _end();
                return;
            }

            foreach (byte code in Codes(key))
            {
                _bytes.Add(code);
            }
        }
    }

    private static byte[] Codes(ConsoleKeyInfo key) => key.Key switch
    {
        ConsoleKey.Enter => "\r"u8.ToArray(),
        ConsoleKey.Backspace => [0x7F],
        ConsoleKey.UpArrow => "\e[A"u8.ToArray(),
        ConsoleKey.DownArrow => "\e[B"u8.ToArray(),
        ConsoleKey.RightArrow => "\e[C"u8.ToArray(),
        ConsoleKey.LeftArrow => "\e[D"u8.ToArray(),
        ConsoleKey.Home => "\e[H"u8.ToArray(),
        ConsoleKey.End => "\e[F"u8.ToArray(),
        ConsoleKey.Delete => "\e[3~"u8.ToArray(),
        _ => key.KeyChar == '\0' ? [] : System.Text.Encoding.UTF8.GetBytes(key.KeyChar.ToString()),
    };
}
