using System.Collections.Generic;
using System.Linq;
using System.Text.RegularExpressions;

using Xenolith.Tidy.Tests.Text;

namespace Xenolith.Tidy.Tests.Rules;

/// <summary>Words that must not be committed, and what to do instead. Patterns are written so that they do not match themselves.</summary>
internal static class BannedTextRule
{
    private static readonly (Regex Pattern, string Instead)[] Everywhere =
    [
        (new Regex(@"\b(TO[D]O|FIX[M]E|HA[C]K)\b"), "finish it, or describe it in docs/UNIMPLEMENTED.md"),
        (new Regex(@"(?<![\w.$}\])-])/(root|wor[k]|home|mnt)/\w"), "a path of one machine: use one inside the project, or a temporary folder"),
        (new Regex(@"\bnu[g]et\.org|registry\.np[m]js|deb\.deb[i]an\.org|py[p]i\.org|artif[a]ctory"), "a registry's host: name the package only"),
    ];

    private static readonly (Regex Pattern, string Instead)[] InCSharp =
    [
        (new Regex(@"Not[I]mplementedException"), "a guest asked for it: answer as the hardware or Xen would; else document the refusal"),
        (new Regex(@"(?<=^|[\s(])va[r] (\w+ (=|in)|\()|\bout va[r] "), "write the type"),
        (new Regex(@"#pragma warning disable (?!.*//)"), "say why, behind the pragma"),
    ];

    public static IEnumerable<Finding> Check(SourceTree tree)
    {
        foreach (SourceFile file in tree.Files.Where(file => !file.IsBinary))
        {
            IEnumerable<(Regex, string)> rules = file.IsCSharp ? Everywhere.Concat(InCSharp) : Everywhere;
            foreach ((Regex pattern, string instead) in rules)
            {
                if (!pattern.IsMatch(file.Text))
                {
                    continue;
                }

                for (int line = 0; line < file.Lines.Length; line++)
                {
                    Match match = pattern.Match(file.Lines[line]);
                    if (match.Success)
                    {
                        yield return new Finding(file.Path, line + 1, $"\"{match.Value.Trim()}\": {instead}");
                    }
                }
            }
        }
    }
}
