using System;

namespace Xenolith.Guests;

/// <summary>
/// A guest image or symbol file that cannot be used. The message is one line for the person who gave it: which file, where in
/// it (byte offset, or line), what is wrong, and what to do about it.
/// </summary>
public sealed class ImageFormatException : Exception
{
    public ImageFormatException(string message)
        : base(message)
    {
    }

    /// <param name="file">Name of the file as the user gave it.</param>
    /// <param name="offset">Byte offset in the file at which the trouble was seen.</param>
    /// <param name="problem">What is wrong there.</param>
    /// <param name="advice">What to do about it.</param>
    public ImageFormatException(string file, ulong offset, string problem, string advice)
        : base($"{file}: offset 0x{offset:x}: {problem}; {advice}")
    {
    }
}
