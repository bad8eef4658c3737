using System.Collections.Generic;
using System.Linq;

using Xenolith.Tidy.Tests.Rules;
using Xenolith.Tidy.Tests.Text;

using Xunit;

namespace Xenolith.Tidy.Tests;

/// <summary>
/// Method: each rule reads every file that git tracks (or would track) and must find nothing. That a rule can find something at all
/// is shown by <see cref="RuleTests"/> on samples that break it.
/// </summary>
public sealed class ProjectTests
{
    [Fact]
    public void ProjectsReferenceOnlyLowerFloors() => Nothing(LayeringRule.References(SourceTree.Project));

    [Fact]
    public void NamespacesNameTheFolder() => Nothing(LayeringRule.Namespaces(SourceTree.Project));

    [Fact]
    public void FilesAreShort() => Nothing(SizeRule.FileLines(SourceTree.Project));

    [Fact]
    public void LinesAreNarrow() => Nothing(SizeRule.Columns(SourceTree.Project));

    [Fact]
    public void MethodsAreShort() => Nothing(SizeRule.MethodLines(SourceTree.Project));

    [Fact]
    public void NoBannedText() => Nothing(BannedTextRule.Check(SourceTree.Project));

    [Fact]
    public void CitationsSurviveANewEdition() => Nothing(CitationRule.Check(SourceTree.Project));

    [Fact]
    public void BinariesStayUnderImages() => Nothing(BlobRule.Check(SourceTree.Project));

    [Fact]
    public void LinksResolve() => Nothing(DocumentRule.Links(SourceTree.Project));

    [Fact]
    public void NamedFilesExist() => Nothing(DocumentRule.NamedPaths(SourceTree.Project));

    [Fact]
    public void TheReadingGuideIsTrue() => Nothing(ReadingGuideRule.Check(SourceTree.Project));

    [Fact]
    public void TestClassesTellTheirMethod() => Nothing(TestMethodRule.Check(SourceTree.Project));

    [Fact]
    public void EveryDecisionIsIndexed() => Nothing(DocumentRule.AdrIndex(SourceTree.Project));

    [Fact]
    public void TheChangelogIsKept() => Nothing(DocumentRule.Changelog(SourceTree.Project));

    [Theory]
    [InlineData("ExitReason")]
    [InlineData("HypercallNumber")]
    public void WhatIsMissingIsListed(string enumName) =>
        Nothing(CompletenessRule.Check(SourceTree.Project, CompletenessRule.Lists.Single(list => list.EnumName == enumName)));

    /// <summary>An exemption whose file has gone, or has become short, would hide the next breach.</summary>
    [Fact]
    public void ExemptionsAreStillNeeded()
    {
        SourceTree tree = SourceTree.Project;
        IEnumerable<string> stale =
            SizeRule.Tables.Keys.Where(path => tree.Find(path) is not { Lines.Length: > SizeRule.MaxFileLines })
                .Concat(SizeRule.LongMethods.Keys.Where(path =>
                    tree.Find(path) is not { } file || Members.In(file.Text).All(member => member.Lines <= SizeRule.MaxMethodLines)));
        Assert.Empty(stale);
    }

    private static void Nothing(IEnumerable<Finding> findings)
    {
        List<Finding> found = [.. findings];
        Assert.True(found.Count == 0, $"{found.Count} breach(es):\n{string.Join('\n', found.Take(50))}");
    }
}
