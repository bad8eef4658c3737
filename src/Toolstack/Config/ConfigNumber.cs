using System;
using System.Globalization;

namespace Xenolith.Toolstack;

/// <summary>Numbers as C's strtol with base 0 takes them: decimal, 0x hexadecimal, 0 octal, with an optional minus.</summary>
public static class ConfigNumber
{
    public static bool TryParse(string text, out long number)
    {
        bool negative = text.StartsWith('-');
        ReadOnlySpan<char> digits = text.AsSpan(negative ? 1 : 0);
        bool ok = digits.StartsWith("0x", StringComparison.OrdinalIgnoreCase)
            ? long.TryParse(digits[2..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out number) && number >= 0
            : digits.Length > 1 && digits[0] == '0'
                ? TryParseOctal(digits[1..], out number)
                : long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out number);
        number = negative ? -number : number;
        return ok;
    }

    private static bool TryParseOctal(ReadOnlySpan<char> digits, out long number)
    {
        number = 0;
        foreach (char c in digits)
        {
            if (c is < '0' or > '7' || number > long.MaxValue >> 3)
            {
                return false;
            }

            number = (number << 3) | (uint)(c - '0');
        }

        return true;
    }
}
