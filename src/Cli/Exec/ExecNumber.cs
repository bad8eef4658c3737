using System;
using System.Globalization;
using System.Text.Json;

using Xenolith.Toolstack;

namespace Xenolith.Cli.Exec;

/// <summary>Numbers and bytes as people and case files write them.</summary>
internal static class ExecNumber
{
    /// <summary>Decimal or 0x...; a sign before it gives the two's complement.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out ulong number)
    {
        bool isNegative = text.StartsWith("-");
        ReadOnlySpan<char> digits = isNegative ? text[1..] : text;
        bool isNumber = digits.StartsWith("0x", StringComparison.OrdinalIgnoreCase)
            ? ulong.TryParse(digits[2..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out number)
            : ulong.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out number);
        number = isNegative ? 0 - number : number;
        return isNumber;
    }

    public static ulong Parse(string what, string text) =>
        TryParse(text, out ulong number) ? number : throw new InputException($"{what}: '{text}' is no number");

    /// <summary>A JSON number without a fraction, or a string as above.</summary>
    public static ulong Of(string what, JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.String)
        {
            return Parse(what, TextOf(value));
        }

        if (value.ValueKind == JsonValueKind.Number)
        {
            if (value.TryGetUInt64(out ulong number))
            {
                return number;
            }

            if (value.TryGetInt64(out long signed))
            {
                return (ulong)signed;
            }
        }

        throw new InputException($"{what}: {Shown(value)} is no number");
    }

    public static ulong Of(string what, JsonElement value, ulong max)
    {
        ulong number = Of(what, value);
        return number <= max ? number : throw new InputException($"{what}: {Shown(value)} is more than 0x{max:x}");
    }

    /// <summary>Bytes in hexadecimal; blanks between them are allowed.</summary>
    public static byte[] Bytes(string what, string text)
    {
        string digits = text.Replace(" ", "", StringComparison.Ordinal);
        try
        {
            return Convert.FromHexString(digits);
        }
        catch (FormatException)
        {
            throw new InputException($"{what}: these are no hexadecimal bytes: '{Shortened(text)}'");
        }
    }

    public static byte[] Bytes(string what, JsonElement value) =>
        value.ValueKind == JsonValueKind.String
            ? Bytes(what, TextOf(value))
            : throw new InputException($"{what}: {Shown(value)} is no string of hexadecimal bytes");

    private static string TextOf(JsonElement value)
    {
        try
        {
            return value.GetString() ?? "";
        }
        catch (InvalidOperationException)
        {
            return value.GetRawText(); // half a surrogate pair is JSON, but no text
        }
    }

    public static string Shown(JsonElement value) => Shortened(value.GetRawText());

    private static string Shortened(string text) => text.Length > 40 ? text[..40] + "..." : text;
}
