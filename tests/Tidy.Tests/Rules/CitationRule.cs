using System.Collections.Generic;
using System.Text.RegularExpressions;

using Xenolith.Tidy.Tests.Text;

namespace Xenolith.Tidy.Tests.Rules;

/// <summary>
/// Citations survive a new edition of the manual: <c>SDM 3A "Title of the Section"</c>, volume and title, never a number of a chapter,
/// section, table or page. The volume alone is enough where a mnemonic or an MSR names the place. docs/REFERENCES.md pins the edition.
/// </summary>
internal static partial class CitationRule
{
    public static IEnumerable<Finding> Check(SourceTree tree)
    {
        foreach (SourceFile file in tree.CSharp)
        {
            for (int line = 0; line < file.Lines.Length; line++)
            {
                string text = file.Lines[line];
                foreach (Match match in Citation().Matches(text))
                {
                    if (!Volume().IsMatch(match.Value.TrimEnd('.')))
                    {
                        string how = "write SDM 1, 2A-2D, 3A-3D or 4, then the section's title in quotes";
                        yield return new Finding(file.Path, line + 1, $"\"{match.Value}\": {how}");
                    }
                }

                Match number = SectionNumber().Match(text);
                if (number.Success)
                {
                    yield return new Finding(file.Path, line + 1, $"\"{number.Value}\": cite by title, numbers change with the edition");
                }
            }
        }
    }

    /// <summary>"SDM" and the word behind it, when that word could name a place.</summary>
    [GeneratedRegex(@"\bSDM,? (?:[Vv]ol|§|[0-9])[\w.]*(?: (?:§ ?)?[0-9]+[0-9.-]*)?")]
    private static partial Regex Citation();

    [GeneratedRegex("^SDM (1|2[A-D]?|3[A-D]?|4)$")]
    private static partial Regex Volume();

    [GeneratedRegex(@"\bSDM\b[^""]*(§|\b[Ss]ection|\b[Tt]able|\b[Ff]igure|\b[Cc]hapter|\bp\.) ?[0-9]+")]
    private static partial Regex SectionNumber();
}
