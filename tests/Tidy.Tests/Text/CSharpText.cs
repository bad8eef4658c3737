using System.Text;

namespace Xenolith.Tidy.Tests.Text;

/// <summary>Just enough of C#'s lexical grammar to tell code from comments and literals.</summary>
internal static class CSharpText
{
    /// <summary>The text with comments and the insides of literals blanked; line breaks and positions stay.</summary>
    public static string BlankCommentsAndLiterals(string text)
    {
        StringBuilder code = new(text);
        int at = 0;
        while (at < text.Length)
        {
            int end = EndOfBlank(text, at);
            for (int i = at; i < end; i++)
            {
                if (code[i] is not '\n')
                {
                    code[i] = ' ';
                }
            }

            at = end > at ? end : at + 1;
        }

        return code.ToString();
    }

    /// <summary>The position behind the comment or literal that starts here; the same position when none does.</summary>
    private static int EndOfBlank(string text, int at)
    {
        char c = text[at];
        char next = Peek(text, at + 1);
        return (c, next) switch
        {
            ('/', '/') => Until(text, at, "\n"),
            ('/', '*') => Until(text, at + 2, "*/") + 2,
            ('\'', _) => EndOfCharacter(text, at),
            ('"', _) => EndOfString(text, at, verbatim: false, interpolated: false),
            ('$', '"') => EndOfString(text, at + 1, verbatim: false, interpolated: true),
            ('@', '"') => EndOfString(text, at + 1, verbatim: true, interpolated: false),
            ('$', '@') or ('@', '$') when Peek(text, at + 2) == '"' => EndOfString(text, at + 2, verbatim: true, interpolated: true),
            _ => at,
        };
    }

    private static char Peek(string text, int at) => at < text.Length ? text[at] : '\0';

    private static int Until(string text, int from, string mark)
    {
        int found = text.IndexOf(mark, from, System.StringComparison.Ordinal);
        return found < 0 ? text.Length : found;
    }

    private static int EndOfCharacter(string text, int at)
    {
        int end = at + 1;
        while (end < text.Length && text[end] is not ('\'' or '\n'))
        {
            end += text[end] == '\\' ? 2 : 1;
        }

        return System.Math.Min(end + 1, text.Length);
    }

    /// <param name="quote">Position of the opening quotation mark.</param>
    private static int EndOfString(string text, int quote, bool verbatim, bool interpolated)
    {
        if (Peek(text, quote + 1) == '"' && Peek(text, quote + 2) == '"')
        {
            int marks = quote;
            while (Peek(text, marks) == '"')
            {
                marks++;
            }

            return Until(text, marks, new string('"', marks - quote)) + (marks - quote);
        }

        int at = quote + 1;
        while (at < text.Length)
        {
            char c = text[at];
            char next = Peek(text, at + 1);
            if (c == '"' && !(verbatim && next == '"'))
            {
                return at + 1;
            }

            bool pair = (c == '\\' && !verbatim) || (c == '"' && verbatim) || (interpolated && c == '{' && next == '{');
            at = pair ? at + 2 : interpolated && c == '{' ? EndOfHole(text, at) : at + 1;
        }

        return text.Length;
    }

    /// <summary>The position behind an interpolation's closing brace; literals inside may hold braces of their own.</summary>
    private static int EndOfHole(string text, int brace)
    {
        int depth = 0;
        int at = brace;
        while (at < text.Length)
        {
            int end = EndOfBlank(text, at);
            if (end > at)
            {
                at = end;
                continue;
            }

            depth += text[at] switch { '{' => 1, '}' => -1, _ => 0 };
            at++;
            if (depth == 0)
            {
                return at;
            }
        }

        return text.Length;
    }
}
