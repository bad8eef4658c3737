using System;
using System.Collections.Generic;
using System.Globalization;

using Xenolith.Mmu;
using Xenolith.Toolstack;

namespace Xenolith.Cli.Trace;

/// <summary>Which records a trace keeps; what is not set keeps all.</summary>
internal sealed record TraceFilter
{
    /// <summary>Names or numbers of domains; "xen" is Xen itself.</summary>
    public IReadOnlyList<string> Domains { get; init; } = [];

    /// <summary>The GVA, GPA or HPA must lie in one of these, ends included.</summary>
    public IReadOnlyList<(ulong First, ulong Last)> Addresses { get; init; } = [];

    public IReadOnlyList<AccessKind> Kinds { get; init; } = [];

    /// <summary>Only translations that ended in a fault or a refusal.</summary>
    public bool FaultsOnly { get; init; }

    /// <summary>What can be decided without knowing the domain.</summary>
    public bool MayKeep(TranslationRecord record)
    {
        if (FaultsOnly && record.Status == TranslationStatus.Ok)
        {
            return false;
        }

        if (Kinds.Count > 0 && !Contains(Kinds, record.Kind))
        {
            return false;
        }

        return Addresses.Count == 0 || Touches(record);
    }

    public bool KeepsDomain(string name, int? number)
    {
        if (Domains.Count == 0)
        {
            return true;
        }

        foreach (string wanted in Domains)
        {
            if (wanted == name || (number is { } id && wanted == id.ToString(CultureInfo.InvariantCulture)))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Reads START-END or START+SIZE or one address; hexadecimal with 0x, or decimal.</summary>
    /// <exception cref="InputException">The text is no range.</exception>
    public static (ulong First, ulong Last) ParseRange(string text)
    {
        int cut = text.AsSpan().IndexOfAny('-', '+');
        if (cut < 0 && TryParseNumber(text, out ulong only))
        {
            return (only, only);
        }

        if (cut > 0 && TryParseNumber(text[..cut], out ulong first) && TryParseNumber(text[(cut + 1)..], out ulong second))
        {
            ulong last = text[cut] == '-' ? second : unchecked(first + second - 1);
            if (last >= first)
            {
                return (first, last);
            }
        }

        throw new InputException($"--trace-address: '{text}' is no range; write 0xSTART-0xEND, 0xSTART+SIZE or one address");
    }

    public static bool TryParseNumber(string text, out ulong number) =>
        text.StartsWith("0x", StringComparison.OrdinalIgnoreCase)
            ? ulong.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out number)
            : ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);

    private static bool Contains(IReadOnlyList<AccessKind> kinds, AccessKind kind)
    {
        foreach (AccessKind wanted in kinds)
        {
            if (wanted == kind)
            {
                return true;
            }
        }

        return false;
    }

    private bool Touches(TranslationRecord record)
    {
        foreach ((ulong first, ulong last) in Addresses)
        {
            if ((record.HasGva && IsIn(record.Gva.Value, first, last))
                || IsIn(record.Result.Gpa.Value, first, last)
                || IsIn(record.Result.Hpa.Value, first, last))
            {
                return true;
            }
        }

        return false;
    }

    private static bool IsIn(ulong address, ulong first, ulong last) => address >= first && address <= last;
}
