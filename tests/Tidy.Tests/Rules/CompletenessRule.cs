using System;
using System.Collections.Generic;
using System.Linq;
using System.Text.RegularExpressions;

using Xenolith.Tidy.Tests.Text;

namespace Xenolith.Tidy.Tests.Rules;

/// <summary>
/// A list of architectural names, where its enum stands, who must know them, and under which heading the others are listed.
/// </summary>
internal sealed record NameList(string EnumFile, string EnumName, string UserFolder, string NotUserFolder, string Heading);

/// <summary>
/// Every name of the lists below is used by the code that must answer to it, or stands in docs/UNIMPLEMENTED.md; never both, so that
/// the document neither hides nor invents a gap. (<see cref="RefusalTests"/> goes on with the sub-operations of hypercalls.)
/// </summary>
internal static partial class CompletenessRule
{
    public const string Document = "docs/UNIMPLEMENTED.md";

    public static readonly NameList[] Lists =
    [
        new("src/Cpu/Vmx/ExitReason.cs", "ExitReason", "src/Cpu/", "src/Cpu/Vmx/ExitReason.cs", "VM exits"),
        new("src/Xen/Abi/Numbers.cs", "HypercallNumber", "src/Xen/", "src/Xen/Abi/", "Hypercall numbers"),
    ];

    public static IEnumerable<Finding> Check(SourceTree tree, NameList list)
    {
        SourceFile? enumFile = tree.Find(list.EnumFile);
        if (enumFile is null)
        {
            yield return new Finding(list.EnumFile, 0, $"holds {list.EnumName}, and is gone: update CompletenessRule");
            yield break;
        }

        List<string> names = Members(enumFile.Text, list.EnumName);
        HashSet<string> listed = Listed(tree.Find(Document)?.Text ?? string.Empty, list.Heading);
        HashSet<string> used = Used(tree, list);
        if (names.Count == 0)
        {
            yield return new Finding(list.EnumFile, 0, $"enum {list.EnumName} was not found, or is empty");
        }

        foreach (string name in names)
        {
            if (used.Contains(name) == listed.Contains(name))
            {
                string what = used.Contains(name) ? "is listed, but the code uses it" : "is neither used nor listed";
                yield return new Finding(Document, 0, $"\"{list.Heading}\": {list.EnumName}.{name} {what}");
            }
        }

        foreach (string name in listed.Except(names))
        {
            yield return new Finding(Document, 0, $"\"{list.Heading}\" lists {name}, which is no {list.EnumName}");
        }
    }

    private static List<string> Members(string text, string enumName)
    {
        string code = CSharpText.BlankCommentsAndLiterals(text);
        Match body = Regex.Match(code, $@"\benum {enumName}\b[^{{]*\{{([^}}]*)\}}");
        return [.. EnumMember().Matches(body.Groups[1].Value).Select(match => match.Groups[1].Value)];
    }

    private static HashSet<string> Used(SourceTree tree, NameList list)
    {
        Regex use = new($@"\b{list.EnumName}\.(\w+)");
        return
        [
            .. from file in tree.CSharp
               where file.Path.StartsWith(list.UserFolder, StringComparison.Ordinal)
               where !file.Path.StartsWith(list.NotUserFolder, StringComparison.Ordinal)
               from match in use.Matches(CSharpText.BlankCommentsAndLiterals(file.Text))
               select match.Groups[1].Value,
        ];
    }

    /// <summary>The words in back quotes between a heading and the next.</summary>
    private static HashSet<string> Listed(string document, string heading)
    {
        Match part = Regex.Match(document, $@"^#+ {Regex.Escape(heading)}\n(.*?)(?=^#|\z)", RegexOptions.Multiline | RegexOptions.Singleline);
        return [.. QuotedName().Matches(part.Groups[1].Value).Select(match => match.Groups[1].Value)];
    }

    [GeneratedRegex(@"^\s*(\w+)\s*(?:=[^,]*)?,?\s*$", RegexOptions.Multiline)]
    private static partial Regex EnumMember();

    [GeneratedRegex(@"`([A-Z]\w*)`")]
    private static partial Regex QuotedName();
}
