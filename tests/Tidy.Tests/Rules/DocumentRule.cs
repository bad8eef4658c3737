using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text.RegularExpressions;

using Xenolith.Tidy.Tests.Text;

namespace Xenolith.Tidy.Tests.Rules;

/// <summary>Documents that a stranger can follow: links lead somewhere, named files exist, every decision is in the index.</summary>
internal static partial class DocumentRule
{
    private const string AdrFolder = "docs/adr";

    public static IEnumerable<Finding> Links(SourceTree tree) =>
        from document in tree.Markdown
        from line in Enumerable.Range(0, document.Lines.Length)
        from link in Link().Matches(document.Lines[line])
        let target = link.Groups[1].Value
        where !target.Contains("://", StringComparison.Ordinal) && !target.StartsWith("mailto:", StringComparison.Ordinal)
        where !Resolves(tree, document, target)
        select new Finding(document.Path, line + 1, $"link to {target} leads nowhere");

    /// <summary>A path in back quotes that starts at a top folder names a file or folder that exists, unless it has a wildcard.</summary>
    public static IEnumerable<Finding> NamedPaths(SourceTree tree) =>
        from document in tree.Markdown
        where document.Path != "CHANGELOG.md"
        from line in Enumerable.Range(0, document.Lines.Length)
        from named in NamedPath().Matches(document.Lines[line])
        let path = named.Groups[1].Value
        where !tree.Exists(path)
        select new Finding(document.Path, line + 1, $"names {path}, which does not exist");

    public static IEnumerable<Finding> AdrIndex(SourceTree tree)
    {
        SourceFile? index = tree.Find(AdrFolder + "/README.md");
        foreach (SourceFile adr in tree.Markdown.Where(file => file.Folder == AdrFolder && file != index))
        {
            string name = Path.GetFileName(adr.Path);
            if (!AdrName().IsMatch(name))
            {
                yield return new Finding(adr.Path, 0, "an ADR is named NNNN-words-like-this.md");
            }

            if (index is null || !index.Text.Contains($"({name})", StringComparison.Ordinal))
            {
                yield return new Finding(adr.Path, 0, "is not linked from docs/adr/README.md");
            }
        }
    }

    public static IEnumerable<Finding> Changelog(SourceTree tree)
    {
        SourceFile? changelog = tree.Find("CHANGELOG.md");
        if (changelog is null || !changelog.Text.Contains("## [Unreleased]", StringComparison.Ordinal))
        {
            yield return new Finding("CHANGELOG.md", 0, "must exist and have a part \"## [Unreleased]\" (Keep a Changelog)");
        }
    }

    private static bool Resolves(SourceTree tree, SourceFile document, string target)
    {
        string[] parts = target.Split('#', 2);
        string path = parts[0].Length == 0
            ? document.Path
            : Path.GetFullPath(Path.Combine("/", document.Folder, parts[0])).TrimStart('/');
        if (!tree.Exists(path))
        {
            return false;
        }

        return parts.Length == 1 || tree.Find(path) is not { Extension: ".md" } linked || Anchors(linked).Contains(parts[1]);
    }

    /// <summary>The anchors that a Markdown page offers: each heading in lower case, punctuation dropped, blanks as hyphens.</summary>
    private static IEnumerable<string> Anchors(SourceFile document) =>
        from line in document.Lines
        where line.StartsWith('#')
        let heading = line.TrimStart('#').Trim()
        select new string([.. heading.ToLowerInvariant().Where(c => char.IsLetterOrDigit(c) || c is ' ' or '-' or '_')]).Replace(' ', '-');

    [GeneratedRegex(@"(?<!\\)\]\(([^()\s]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"`((?:src|tests|docs|images|bench)/[\w./-]*\w/?)`")]
    private static partial Regex NamedPath();

    [GeneratedRegex(@"^\d{4}-[a-z0-9-]+\.md$")]
    private static partial Regex AdrName();
}
