using System;
using System.Collections.Generic;
using System.Linq;
using System.Text.RegularExpressions;

using Xenolith.Tidy.Tests.Text;

namespace Xenolith.Tidy.Tests.Rules;

/// <summary>A class of tests opens with its method: a comment that says what would make it fail.</summary>
internal static partial class TestMethodRule
{
    public static IEnumerable<Finding> Check(SourceTree tree) =>
        from file in tree.CSharp
        where file.Path.StartsWith("tests/", StringComparison.Ordinal)
        where TestAttribute().IsMatch(CSharpText.BlankCommentsAndLiterals(file.Text))
        let line = Array.FindIndex(file.Lines, text => ClassLine().IsMatch(text))
        where line >= 0 && !IsCommented(file.Lines, line)
        select new Finding(file.Path, line + 1, "says nothing about its method: what would make these tests fail?");

    private static bool IsCommented(string[] lines, int classLine)
    {
        int above = classLine - 1;
        while (above >= 0 && lines[above].StartsWith('['))
        {
            above--;
        }

        return above >= 0 && lines[above].StartsWith("//", StringComparison.Ordinal);
    }

    [GeneratedRegex(@"\[(Fact|Theory)\b")]
    private static partial Regex TestAttribute();

    [GeneratedRegex(@"^public [\w ]*class ")]
    private static partial Regex ClassLine();
}
