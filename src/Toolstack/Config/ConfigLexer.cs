using System;
using System.Text;

namespace Xenolith.Toolstack;

internal enum ConfigTokenKind
{
    Identifier,
    Text,
    Number,
    Assign,
    Append,
    OpenList,
    CloseList,
    Comma,
    EndOfStatement,
    EndOfFile,
}

internal readonly record struct ConfigToken(ConfigTokenKind Kind, int Line, string Text);

/// <summary>Cuts an xl.cfg file into tokens. Comments (# to the end of the line) and blanks vanish here.</summary>
internal sealed class ConfigLexer(string file, string text)
{
    private int _position;
    private int _line = 1;

    public ConfigToken Next()
    {
        SkipBlanksAndComments();
        if (_position >= text.Length)
        {
            return new ConfigToken(ConfigTokenKind.EndOfFile, _line, "end of file");
        }

        char c = text[_position];
        if (IsIdentifierStart(c))
        {
            return Take(ConfigTokenKind.Identifier, IsIdentifierPart);
        }

        // A number is cut generously ("1.5", "12GB", "-4"), so that the key that wants it can say what is wrong with it.
        if (char.IsAsciiDigit(c) || c == '-')
        {
            return Take(ConfigTokenKind.Number, static d => IsIdentifierPart(d) || d == '+');
        }

        return c is '"' or '\'' ? TakeString(c) : TakePunctuation(c);
    }

    private static bool IsIdentifierStart(char c) => char.IsAsciiLetter(c) || c == '_';

    private static bool IsIdentifierPart(char c) => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' or '.';

    private void SkipBlanksAndComments()
    {
        for (; _position < text.Length; _position++)
        {
            char c = text[_position];
            if (c == '#')
            {
                int end = text.IndexOf('\n', _position);
                _position = (end < 0 ? text.Length : end) - 1;
            }
            else if (c is not (' ' or '\t' or '\r' or '\uFEFF'))
            {
                return;
            }
        }
    }

    private ConfigToken Take(ConfigTokenKind kind, Predicate<char> belongs)
    {
        int start = _position++;
        while (_position < text.Length && belongs(text[_position]))
        {
            _position++;
        }

        return new ConfigToken(kind, _line, text[start.._position]);
    }

    private ConfigToken TakePunctuation(char c)
    {
        int line = _line;
        _position++;
        switch (c)
        {
            case '\n':
                _line++;
                return new ConfigToken(ConfigTokenKind.EndOfStatement, line, "end of line");
            case ';':
                return new ConfigToken(ConfigTokenKind.EndOfStatement, line, ";");
            case '=':
                return new ConfigToken(ConfigTokenKind.Assign, line, "=");
            case '+' when _position < text.Length && text[_position] == '=':
                _position++;
                return new ConfigToken(ConfigTokenKind.Append, line, "+=");
            case '[':
                return new ConfigToken(ConfigTokenKind.OpenList, line, "[");
            case ']':
                return new ConfigToken(ConfigTokenKind.CloseList, line, "]");
            case ',':
                return new ConfigToken(ConfigTokenKind.Comma, line, ",");
            default:
                string shown = char.IsControl(c) || c > '~' ? $"character U+{(int)c:X4}" : $"'{c}'";
                throw new InputException(file, line, $"unexpected {shown}");
        }
    }

    private ConfigToken TakeString(char quote)
    {
        StringBuilder value = new();
        _position++;
        while (_position < text.Length && text[_position] != '\n')
        {
            char c = text[_position++];
            if (c == quote)
            {
                return new ConfigToken(ConfigTokenKind.Text, _line, value.ToString());
            }

            value.Append(c == '\\' ? TakeEscape() : c);
        }

        throw new InputException(file, _line, $"the string has no closing {quote}");
    }

    /// <summary>The escapes that libxlu knows: those of C.</summary>
    private char TakeEscape()
    {
        char c = _position < text.Length ? text[_position++] : '\n';
        switch (c)
        {
            case 'a': return '\a';
            case 'b': return '\b';
            case 'f': return '\f';
            case 'n': return '\n';
            case 'r': return '\r';
            case 't': return '\t';
            case 'v': return '\v';
            case '\\' or '\'' or '"': return c;
            case 'x': return TakeCode(16, 2);
            case >= '0' and <= '7':
                _position--;
                return TakeCode(8, 3);
            default:
                string shown = char.IsControl(c) ? "" : $" '\\{c}'";
                throw new InputException(file, _line, $"unknown escape{shown} in a string");
        }
    }

    private char TakeCode(int radix, int maxDigits)
    {
        int code = 0;
        int digits = 0;
        for (; digits < maxDigits && _position < text.Length && char.IsAsciiHexDigit(text[_position]); digits++)
        {
            int digit = Convert.ToInt32(text[_position].ToString(), 16);
            if (digit >= radix)
            {
                break;
            }

            code = (code * radix) + digit;
            _position++;
        }

        if (digits == 0 || code is 0 or > 0xFF)
        {
            throw new InputException(file, _line, "a numeric escape in a string must stand for a character from 1 to 255");
        }

        return (char)code;
    }
}
