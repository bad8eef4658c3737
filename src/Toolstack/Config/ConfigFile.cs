using System;
using System.Collections.Generic;
using System.IO;

namespace Xenolith.Toolstack;

/// <summary>
/// An xl.cfg file as settings (xl.cfg(5) "SYNTAX"): <c>KEY=VALUE</c> lines, <c>;</c> between settings of one line, strings in either
/// quote, numbers, nested lists that may span lines, <c>#</c> comments. A later setting of a key overrides an earlier one; <c>+=</c>
/// adds to it.
/// </summary>
public sealed class ConfigFile
{
    private readonly Dictionary<string, ConfigSetting> _settings = new(StringComparer.Ordinal);
    private readonly ConfigLexer _lexer;
    private ConfigToken _token;

    private ConfigFile(string path, string text)
    {
        Path = path;
        _lexer = new ConfigLexer(path, text);
        _token = _lexer.Next();
        while (_token.Kind != ConfigTokenKind.EndOfFile)
        {
            ParseStatement();
        }
    }

    /// <summary>The name by which the user called the file; messages start with it.</summary>
    public string Path { get; }

    /// <summary>Every key that is set, with its last value.</summary>
    public IReadOnlyCollection<ConfigSetting> Settings => _settings.Values;

    /// <exception cref="InputException">The file cannot be read, or is not an xl.cfg file.</exception>
    public static ConfigFile Load(string path)
    {
        const long MaxSizeBytes = 1 << 20;
        try
        {
            FileInfo info = new(path);
            if (info.Exists && info.Length > MaxSizeBytes)
            {
                throw new InputException($"{path}: this is no domain configuration: {info.Length} bytes");
            }

            return Parse(path, File.ReadAllText(path));
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new InputException($"{path}: no such file", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new InputException($"{path}: cannot be read ({(Directory.Exists(path) ? "it is a folder" : e.Message)})", e);
        }
    }

    /// <summary>Parses text; <paramref name="path"/> is what messages call it.</summary>
    /// <exception cref="InputException">The text is not an xl.cfg file.</exception>
    public static ConfigFile Parse(string path, string text) => new(path, text);

    public ConfigSetting? Find(string key) => _settings.GetValueOrDefault(key);

    /// <summary>The text of a setting that must be a string or a number; null when it is not set.</summary>
    /// <exception cref="InputException">It is a list.</exception>
    public string? FindText(string key) => Find(key) switch
    {
        null => null,
        { Value: ConfigAtom atom } => atom.Text,
        { } setting => throw Error(setting, "wants one value, not a list"),
    };

    /// <summary>The number of a setting; null when it is not set. Decimal, 0x hexadecimal or 0 octal, as strtol takes it.</summary>
    /// <exception cref="InputException">It is no whole number.</exception>
    public long? FindInteger(string key)
    {
        string? text = FindText(key);
        if (text is null)
        {
            return null;
        }

        ConfigSetting setting = Find(key)!;
        if (!ConfigNumber.TryParse(text, out long number))
        {
            throw Error(setting, $"'{text}' is not a whole number");
        }

        return number;
    }

    public InputException Error(ConfigSetting setting, string message) => new(Path, setting.Line, $"{setting.Key}: {message}");

    private void ParseStatement()
    {
        if (_token.Kind == ConfigTokenKind.EndOfStatement)
        {
            Advance();
            return;
        }

        ConfigToken key = Expect(ConfigTokenKind.Identifier, "a key");
        bool append = _token.Kind == ConfigTokenKind.Append;
        if (append)
        {
            Advance();
        }
        else
        {
            Expect(ConfigTokenKind.Assign, $"'=' after '{key.Text}'");
        }

        ConfigValue value = ParseValue(key.Text);
        if (_token.Kind is not (ConfigTokenKind.EndOfStatement or ConfigTokenKind.EndOfFile))
        {
            throw Unexpected("the end of the line");
        }

        if (append && _settings.TryGetValue(key.Text, out ConfigSetting? earlier))
        {
            value = Append(key, earlier.Value, value);
        }

        _settings[key.Text] = new ConfigSetting(key.Text, key.Line, value);
    }

    private ConfigValue Append(ConfigToken key, ConfigValue earlier, ConfigValue added) => (earlier, added) switch
    {
        (ConfigAtom a, ConfigAtom b) => new ConfigAtom(a.Line, a.Text + b.Text, IsQuoted: true),
        (ConfigList a, ConfigList b) => new ConfigList(a.Line, [.. a.Items, .. b.Items]),
        _ => throw new InputException(Path, key.Line, $"{key.Text}: += cannot join a list and a string"),
    };

    /// <summary>A value; lists are nested by an explicit stack, so that no input can exhaust the host's.</summary>
    private ConfigValue ParseValue(string key)
    {
        Stack<(int Line, List<ConfigValue> Items)> open = new();
        while (true)
        {
            if (open.Count > 0)
            {
                SkipLineEnds();
            }

            ConfigValue? complete;
            if (_token.Kind == ConfigTokenKind.OpenList)
            {
                open.Push((_token.Line, []));
                Advance();
                continue;
            }

            if (_token.Kind == ConfigTokenKind.CloseList && open.Count > 0)
            {
                complete = Close(open);
            }
            else if (_token.Kind is ConfigTokenKind.Text or ConfigTokenKind.Number)
            {
                complete = new ConfigAtom(_token.Line, _token.Text, _token.Kind == ConfigTokenKind.Text);
                Advance();
            }
            else
            {
                throw Unexpected(open.Count > 0 ? "a value or ']' in the list" : $"a value for '{key}' (strings need quotes)");
            }

            if (Attach(open, complete) is { } value)
            {
                return value;
            }
        }
    }

    /// <summary>Puts a complete value into the list around it; returns the outermost value when there is none.</summary>
    private ConfigValue? Attach(Stack<(int Line, List<ConfigValue> Items)> open, ConfigValue complete)
    {
        while (open.Count > 0)
        {
            open.Peek().Items.Add(complete);
            SkipLineEnds();
            if (_token.Kind == ConfigTokenKind.Comma)
            {
                Advance();
                return null;
            }

            if (_token.Kind != ConfigTokenKind.CloseList)
            {
                throw Unexpected("',' or ']' in the list");
            }

            complete = Close(open);
        }

        return complete;
    }

    private ConfigList Close(Stack<(int Line, List<ConfigValue> Items)> open)
    {
        Advance();
        (int line, List<ConfigValue> items) = open.Pop();
        return new ConfigList(line, items);
    }

    private void SkipLineEnds()
    {
        while (_token is { Kind: ConfigTokenKind.EndOfStatement, Text: not ";" })
        {
            Advance();
        }
    }

    private ConfigToken Expect(ConfigTokenKind kind, string what)
    {
        if (_token.Kind != kind)
        {
            throw Unexpected(what);
        }

        ConfigToken token = _token;
        Advance();
        return token;
    }

    private void Advance() => _token = _lexer.Next();

    private InputException Unexpected(string wanted)
    {
        string found = _token.Kind switch
        {
            ConfigTokenKind.EndOfFile or ConfigTokenKind.EndOfStatement => _token.Text,
            ConfigTokenKind.Text => "a string",
            _ => $"'{_token.Text}'",
        };
        return new InputException(Path, _token.Line, $"expected {wanted}, found {found}");
    }
}
