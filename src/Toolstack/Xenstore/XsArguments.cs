using System;
using System.Text;

namespace Xenolith.Toolstack.Xenstore;

/// <summary>Takes a message's payload apart: strings that end in a zero byte, and for writes the bytes after them.</summary>
internal ref struct XsArguments(ReadOnlySpan<byte> payload)
{
    public ReadOnlySpan<byte> Rest { get; private set; } = payload;

    /// <summary>False after a string was asked for that was not there or did not end.</summary>
    public bool IsValid { get; private set; } = true;

    public string TakeString()
    {
        int end = Rest.IndexOf((byte)0);
        if (end < 0)
        {
            IsValid = false;
            Rest = default;
            return "";
        }

        string text = Encoding.Latin1.GetString(Rest[..end]);
        Rest = Rest[(end + 1)..];
        return text;
    }

    /// <summary>The payload must be exactly so many strings.</summary>
    public bool TryStrings(int count, out string[] strings)
    {
        strings = new string[count];
        for (int i = 0; i < count; i++)
        {
            strings[i] = TakeString();
        }

        return IsValid && Rest.IsEmpty;
    }
}
