using System;
using System.Collections.Generic;
using System.IO;
using System.Text;

using Xenolith.Toolstack;

namespace Xenolith.Cli.Input;

/// <summary>
/// What <c>--input</c> types: text with the escapes \n (Enter), \r, \t, \e, \\ and \xHH, or @FILE for a file's bytes as they are.
/// <c>\p{TEXT}</c> waits
/// until the guest has printed TEXT since the last wait. Enter is sent as a carriage return, as a keyboard does.
/// </summary>
internal sealed class InputScript
{
    private readonly Queue<(string? WaitFor, byte[] Bytes)> _parts = new();
    private readonly StringBuilder _printed = new();

    private InputScript()
    {
    }

    /// <exception cref="InputException">An escape is malformed, or the file cannot be read.</exception>
    public static InputScript Parse(string text)
    {
        InputScript script = new();
        if (text.StartsWith('@'))
        {
            script.Add(null, ReadFile(text[1..]));
            return script;
        }

        string? waitFor = null;
        List<byte> bytes = [];
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] != '\\')
            {
                bytes.AddRange(Encoding.UTF8.GetBytes(text[i].ToString()));
                continue;
            }

            char escape = i + 1 < text.Length ? text[i + 1] : '\0';
            if (escape == 'p')
            {
                script.Add(waitFor, [.. bytes]);
                bytes.Clear();
                waitFor = TakePrompt(text, ref i);
                continue;
            }

            bytes.Add(TakeEscape(text, escape, ref i));
        }

        script.Add(waitFor, [.. bytes]);
        return script;
    }

    /// <summary>The guest has printed something.</summary>
    public void OnOutput(ReadOnlySpan<byte> bytes)
    {
        const int Enough = 1 << 16;
        if (_parts.TryPeek(out (string? WaitFor, byte[] Bytes) next) && next.WaitFor is not null)
        {
            _printed.Append(Encoding.Latin1.GetString(bytes));
            if (_printed.Length > Enough)
            {
                _printed.Remove(0, _printed.Length - (Enough / 2));
            }
        }
    }

    /// <summary>What is to be typed now; empty while the script waits, or when it is at its end.</summary>
    public byte[] Take()
    {
        if (!_parts.TryPeek(out (string? WaitFor, byte[] Bytes) next))
        {
            return [];
        }

        if (next.WaitFor is not null && !_printed.ToString().Contains(next.WaitFor, StringComparison.Ordinal))
        {
            return [];
        }

        _printed.Clear();
        return _parts.Dequeue().Bytes;
    }

    private static byte[] ReadFile(string path)
    {
        try
        {
            return File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new InputException($"--input: {path}: cannot be read ({e.Message})", e);
        }
    }

    private static string TakePrompt(string text, ref int i)
    {
        int end = text.IndexOf('}', i);
        if (i + 2 >= text.Length || text[i + 2] != '{' || end < 0 || end == i + 3)
        {
            throw new InputException("--input: \\p wants the text to wait for in braces, for example \\p{grub>}");
        }

        string prompt = text[(i + 3)..end];
        i = end;
        return prompt;
    }

    private static byte TakeEscape(string text, char escape, ref int i)
    {
        i++;
        switch (escape)
        {
            case 'n' or 'r': return (byte)'\r';
            case 't': return (byte)'\t';
            case 'e': return 0x1B;
            case '\\': return (byte)'\\';
            case 'x' when i + 2 < text.Length && char.IsAsciiHexDigit(text[i + 1]) && char.IsAsciiHexDigit(text[i + 2]):
                i += 2;
                return Convert.ToByte(text.Substring(i - 1, 2), 16);
            default:
                throw new InputException("--input: unknown escape; known are \\n \\r \\t \\e \\\\ \\xHH \\p{TEXT}");
        }
    }

    private void Add(string? waitFor, byte[] bytes)
    {
        if (waitFor is not null || bytes.Length > 0)
        {
            _parts.Enqueue((waitFor, bytes));
        }
    }
}
