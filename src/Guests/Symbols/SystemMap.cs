using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Text;
using Xenolith.Mmu;

namespace Xenolith.Guests;

/// <summary>One line of a System.map: an address, the letter that nm gives the symbol's kind, and a name.</summary>
public readonly record struct Symbol(Gva Address, char Kind, string Name)
{
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Address.Value:x16} {Kind} {Name}");
}

/// <summary>
/// The symbols of a kernel in the format of Linux's System.map: lines "address kind name", sorted by address. Answers both
/// questions: where is this name, and what is at this address.
/// </summary>
public sealed class SystemMap
{
    private readonly Symbol[] _symbols;
    private readonly Dictionary<string, int> _byName = [];

    /// <param name="symbols">Any order; those of one address stay in the order given.</param>
    public SystemMap(IEnumerable<Symbol> symbols)
    {
        List<(Symbol Symbol, int Order)> sorted = [];
        foreach (Symbol symbol in symbols)
        {
            sorted.Add((symbol, sorted.Count));
        }

        sorted.Sort(static (a, b) =>
        {
            int byAddress = a.Symbol.Address.Value.CompareTo(b.Symbol.Address.Value);
            return byAddress != 0 ? byAddress : a.Order.CompareTo(b.Order);
        });
        _symbols = new Symbol[sorted.Count];
        for (int i = 0; i < _symbols.Length; i++)
        {
            _symbols[i] = sorted[i].Symbol;
            _ = _byName.TryAdd(_symbols[i].Name, i); // static functions may share a name: the lowest address answers
        }
    }

    /// <summary>Sorted by address.</summary>
    public IReadOnlyList<Symbol> Symbols => _symbols;

    /// <exception cref="ImageFormatException">The file cannot be read, or a line is not "address kind name".</exception>
    public static SystemMap Load(string path)
    {
        ImageBytes bytes = ImageBytes.Load(path);
        return Parse(path, Encoding.UTF8.GetString(bytes.Slice(0, bytes.Length, "the file").Span));
    }

    /// <param name="name">What messages call the file.</param>
    /// <param name="text">The file's text.</param>
    /// <exception cref="ImageFormatException">A line is not "address kind name".</exception>
    public static SystemMap Parse(string name, string text)
    {
        List<Symbol> symbols = [];
        int line = 0;
        foreach (ReadOnlySpan<char> raw in text.AsSpan().EnumerateLines())
        {
            line++;
            ReadOnlySpan<char> trimmed = raw.Trim();
            if (trimmed.Length != 0)
            {
                symbols.Add(ParseLine(name, line, trimmed));
            }
        }

        return new SystemMap(symbols);
    }

    /// <summary>The symbols of an ELF file that name places, with the letters that nm would give them where it matters.</summary>
    /// <exception cref="ImageFormatException">The file's symbol table is malformed.</exception>
    public static SystemMap Of(ElfImage image)
    {
        List<Symbol> symbols = [];
        foreach (ElfSymbol symbol in image.ReadSymbols())
        {
            if (symbol.IsPlace)
            {
                char kind = symbol.Section == 0xfff1 ? 'a' : (symbol.Info & 15) == 1 ? 'd' : 't';
                symbols.Add(new Symbol(new Gva(symbol.Value), symbol.IsGlobal ? char.ToUpperInvariant(kind) : kind, symbol.Name));
            }
        }

        return new SystemMap(symbols);
    }

    public bool TryFind(string name, out Gva address)
    {
        bool found = _byName.TryGetValue(name, out int index);
        address = found ? _symbols[index].Address : default;
        return found;
    }

    /// <summary>The last symbol at or before an address; false when the address lies before all of them.</summary>
    /// <param name="address">Any address.</param>
    /// <param name="symbol">Of several symbols at one address, the first.</param>
    /// <param name="offset">How many bytes the address lies behind the symbol.</param>
    public bool TryNearest(Gva address, out Symbol symbol, out ulong offset)
    {
        int low = 0;
        int high = _symbols.Length; // the first symbol behind the address lies in [low, high]
        while (low < high)
        {
            int middle = low + ((high - low) / 2);
            if (_symbols[middle].Address.Value <= address.Value)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        if (low == 0)
        {
            symbol = default;
            offset = 0;
            return false;
        }

        int at = low - 1;
        while (at > 0 && _symbols[at - 1].Address == _symbols[at].Address)
        {
            at--;
        }

        symbol = _symbols[at];
        offset = address.Value - symbol.Address.Value;
        return true;
    }

    /// <summary>"name+0x12", or the bare address when nothing lies before it.</summary>
    public string Describe(Gva address) =>
        !TryNearest(address, out Symbol symbol, out ulong offset) ? address.ToString()
        : offset == 0 ? symbol.Name
        : $"{symbol.Name}+0x{offset:x}";

    /// <summary>The text of a System.map with these symbols.</summary>
    public void Write(TextWriter writer)
    {
        foreach (Symbol symbol in _symbols)
        {
            writer.Write(symbol.ToString());
            writer.Write('\n');
        }
    }

    private static Symbol ParseLine(string file, int line, ReadOnlySpan<char> text)
    {
        int first = text.IndexOf(' ');
        if (first > 0 && first <= 16 && text.Length > first + 3 && text[first + 2] == ' '
            && ulong.TryParse(text[..first], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong address))
        {
            return new Symbol(new Gva(address), text[first + 1], text[(first + 3)..].Trim().ToString());
        }

        string shown = text.Length > 40 ? string.Concat(text[..40], "...") : text.ToString();
        throw new ImageFormatException($"{file}: line {line}: \"{shown}\" is not \"address kind name\"; give a System.map as nm -n writes it");
    }
}
