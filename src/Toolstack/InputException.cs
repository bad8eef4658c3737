using System;

namespace Xenolith.Toolstack;

/// <summary>
/// Bad input from the host side: a configuration, an image, an option. The message is one line for the user, with file and line
/// where there are any; the Cli prints it and ends with exit code 2. Guests can never cause one.
/// </summary>
public sealed class InputException : Exception
{
    public InputException(string message)
        : base(OneLine(message))
    {
    }

    public InputException(string message, Exception cause)
        : base(OneLine(message), cause)
    {
    }

    public InputException(string file, int line, string message)
        : this($"{file}:{line}: {message}")
    {
    }

    /// <summary>Messages quote what they found: control characters in it must not break the line, nor reach a terminal.</summary>
    private static string OneLine(string message) =>
        string.Create(message.Length, message, static (line, source) =>
        {
            for (int i = 0; i < source.Length; i++)
            {
                line[i] = char.IsControl(source[i]) ? '?' : source[i];
            }
        });
}
