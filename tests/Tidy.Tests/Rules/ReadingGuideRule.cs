using System.Collections.Generic;
using System.Linq;
using System.Text.RegularExpressions;

using Xenolith.Tidy.Tests.Text;

namespace Xenolith.Tidy.Tests.Rules;

/// <summary>
/// docs/READING_GUIDE.md stays true: each numbered heading names a file, at most six of them, and each method that the text below it
/// names, written <c>Name()</c> in back quotes, is declared or called in that file.
/// </summary>
internal static partial class ReadingGuideRule
{
    public const string Document = "docs/READING_GUIDE.md";
    public const int MaxFiles = 6;

    public static IEnumerable<Finding> Check(SourceTree tree)
    {
        string text = tree.Find(Document)?.Text ?? string.Empty;
        List<Match> parts = [.. Part().Matches(text).Cast<Match>()];
        if (parts.Count is 0 or > MaxFiles)
        {
            yield return new Finding(Document, 0, $"{parts.Count} numbered files; a reader opens at least one and at most {MaxFiles}");
        }

        foreach (Match part in parts)
        {
            string path = part.Groups[1].Value;
            SourceFile? file = tree.Find(path);
            if (file is null)
            {
                yield return new Finding(Document, 0, $"{path} does not exist");
                continue;
            }

            string code = CSharpText.BlankCommentsAndLiterals(file.Text);
            foreach (string method in Method().Matches(part.Groups[2].Value).Select(match => match.Groups[1].Value))
            {
                if (!Regex.IsMatch(code, $@"\b{method}\b"))
                {
                    yield return new Finding(Document, 0, $"{path} has no {method}");
                }
            }
        }
    }

    [GeneratedRegex(@"^## \d+\. `([^`]+)`\n(.*?)(?=^## |\z)", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Part();

    [GeneratedRegex(@"`(\w+)\(\)`")]
    private static partial Regex Method();
}
