using System;
using System.Collections.Generic;
using System.Text.RegularExpressions;

namespace Xenolith.Tidy.Tests.Text;

/// <summary>A member with a body, by the line (from 1) on which its declaration starts and the lines that it spans.</summary>
internal readonly record struct Member(int Line, int Lines, string Declaration);

/// <summary>Finds the methods, properties and constructors of a file by its braces.</summary>
internal static partial class Members
{
    private enum Scope
    {
        Type,
        Member,
        Other,
    }

    public static List<Member> In(string csharp)
    {
        string code = CSharpText.BlankCommentsAndLiterals(csharp);
        List<Member> members = [];
        Stack<(Scope Scope, int Start, string Declaration)> open = new();
        int headStart = 0;
        for (int i = 0; i < code.Length; i++)
        {
            if (code[i] == '{')
            {
                string head = code[headStart..i].Trim();
                bool inType = open.Count == 0 || open.Peek().Scope == Scope.Type;
                Scope scope = !inType ? Scope.Other : IsType(head) ? Scope.Type : IsInitialiser(head) ? Scope.Other : Scope.Member;
                open.Push((scope, headStart + LeadingBlanks(code, headStart), head));
            }
            else if (code[i] == '}' && open.Count > 0)
            {
                (Scope scope, int start, string declaration) = open.Pop();
                if (scope == Scope.Member)
                {
                    members.Add(new Member(LineOf(code, start), LineOf(code, i) - LineOf(code, start) + 1, Squeeze(declaration)));
                }
            }

            if (code[i] is ';' or '{' or '}')
            {
                headStart = i + 1;
            }
        }

        return members;
    }

    private static bool IsType(string head) => TypeKeyword().IsMatch(Where().Split(head)[0]);

    /// <summary>A field's initialiser is data, not a method: an assignment outside parentheses, neither arrow nor comparison.</summary>
    private static bool IsInitialiser(string head) =>
        !head.Contains("operator", StringComparison.Ordinal) && Assignment().IsMatch(Parenthesised().Replace(head, string.Empty));

    private static int LeadingBlanks(string code, int from)
    {
        int at = from;
        while (at < code.Length && char.IsWhiteSpace(code[at]))
        {
            at++;
        }

        return at - from;
    }

    private static int LineOf(string text, int position) => text.AsSpan(0, position).Count('\n') + 1;

    private static string Squeeze(string head) => Blanks().Replace(head, " ");

    [GeneratedRegex(@"\b(class|struct|interface|record|enum|namespace|extension)\b")]
    private static partial Regex TypeKeyword();

    [GeneratedRegex(@"\bwhere\b")]
    private static partial Regex Where();

    [GeneratedRegex(@"\([^()]*\)|\[[^\[\]]*\]")]
    private static partial Regex Parenthesised();

    [GeneratedRegex("(?<![=!<>])=(?![=>])")]
    private static partial Regex Assignment();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Blanks();
}
