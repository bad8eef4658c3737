using Xenolith.Cli.Trace;
using Xenolith.Toolstack;

namespace Xenolith.Cli.Commands;

/// <summary>Sizes as people type them: 4K, 64M, 2G, or a plain number of bytes.</summary>
internal static class Sizes
{
    /// <exception cref="InputException">The text is no size.</exception>
    public static ulong Parse(string option, string text)
    {
        int shift = text.Length == 0 ? 0 : char.ToUpperInvariant(text[^1]) switch { 'K' => 10, 'M' => 20, 'G' => 30, _ => 0 };
        string digits = shift == 0 ? text : text[..^1];
        if (!TraceFilter.TryParseNumber(digits, out ulong number) || number > ulong.MaxValue >> shift)
        {
            throw new InputException($"{option}: '{text}' is no size; write a whole number with K, M or G, for example 512M");
        }

        return number << shift;
    }
}
