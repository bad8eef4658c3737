using System;
using System.Collections.Generic;
using System.Linq;

using Xenolith.Tidy.Tests.Rules;
using Xenolith.Tidy.Tests.Text;

using Xunit;

namespace Xenolith.Tidy.Tests;

/// <summary>
/// Method: each rule gets a sample that breaks it and one beside the border that does not. A rule that finds nothing fails here.
/// Samples are put together from parts where this file would break the rule itself.
/// </summary>
public sealed class RuleTests
{
    [Theory]
    [InlineData("src/Mmu/Xenolith.Mmu.csproj", "../Cpu/Xenolith.Cpu.csproj", 1)] // upwards
    [InlineData("src/Xen/Xenolith.Xen.csproj", "../Guests/Xenolith.Guests.csproj", 1)] // sideways
    [InlineData("src/Cli/Xenolith.Cli.csproj", "../../tests/Oracle/Xenolith.Oracle.csproj", 1)] // product on test
    [InlineData("src/Extra/Xenolith.Extra.csproj", "../Mmu/Xenolith.Mmu.csproj", 1)] // no such floor
    [InlineData("src/Cli/Xenolith.Cli.csproj", "../Toolstack/Xenolith.Toolstack.csproj", 0)]
    [InlineData("tests/Oracle/Xenolith.Oracle.csproj", "../../src/Cpu/Xenolith.Cpu.csproj", 0)]
    public void LayeringIsJudged(string project, string reference, int breaches)
    {
        SourceTree tree = new((project, $"""<Project><ItemGroup><ProjectReference Include="{reference}" /></ItemGroup></Project>"""));
        Assert.Equal(breaches, LayeringRule.References(tree).Count());
    }

    [Theory]
    [InlineData("src/Mmu/Ept/Walk.cs", "Xenolith.Cpu", 1)]
    [InlineData("src/Mmu/Ept/Walk.cs", "Xenolith.Mmu.Paging", 1)]
    [InlineData("src/Mmu/Ept/Walk.cs", "Xenolith", 1)]
    [InlineData("src/Mmu/Ept/Walk.cs", "Xenolith.Mmu", 0)]
    [InlineData("src/Mmu/Ept/Walk.cs", "Xenolith.Mmu.Ept", 0)]
    [InlineData("tests/Mmu.Tests/Ept/WalkTests.cs", "Xenolith.Mmu.Tests", 0)]
    [InlineData("tests/Mmu.Tests/Ept/WalkTests.cs", "Xenolith.Mmu", 1)]
    public void NamespacesAreJudged(string path, string name, int breaches) =>
        Assert.Equal(breaches, LayeringRule.Namespaces(new SourceTree((path, $"namespace {name};\n"))).Count());

    [Theory]
    [InlineData(600, 0)]
    [InlineData(601, 1)]
    public void FileLengthIsJudged(int lines, int breaches) =>
        Assert.Equal(breaches, SizeRule.FileLines(new SourceTree(("src/A.cs", Repeat("// x\n", lines)))).Count());

    [Theory]
    [InlineData("/", SizeRule.MaxProseColumns, 0)]
    [InlineData("/", SizeRule.MaxProseColumns + 1, 1)]
    [InlineData("x", SizeRule.MaxCodeColumns, 0)]
    [InlineData("x", SizeRule.MaxCodeColumns + 1, 1)]
    public void LineWidthIsJudged(string character, int columns, int breaches) =>
        Assert.Equal(breaches, SizeRule.Columns(new SourceTree(("src/A.cs", "//\n" + Repeat(character, columns)))).Count());

    [Theory]
    [InlineData("class C\n{\n    void M<T>()\n        where T : struct\n    {\n", 65, 0)] // 4 lines of its own: 70 with the closing brace
    [InlineData("class C\n{\n    void M<T>()\n        where T : struct\n    {\n", 67, 1)]
    [InlineData("class C\n{\n    int P\n    {\n", 70, 1)]
    [InlineData("class C\n{\n    static readonly int[] Table = new int[]\n    {\n", 200, 0)] // data
    [InlineData("class C\n{\n    class D\n    {\n", 200, 0)] // a type is no method
    public void MethodLengthIsJudged(string head, int lines, int breaches)
    {
        string text = head + Repeat("        // \"{\n", lines) + "    }\n}\n";
        Assert.Equal(breaches, SizeRule.MethodLines(new SourceTree(("src/A.cs", text))).Count());
    }

    [Fact]
    public void BracesInsideLiteralsDoNotCount()
    {
        const string Text = """"
            class C
            {
                string A() { return "{" + '{' + @"{""{" + $"{{{(true ? "}" : "{")}" + """{"{""" /* { */; } // {
                void B() { }
            }
            """";
        Assert.Equal(["string A()", "void B()"], Members.In(Text).Select(member => member.Declaration));
    }

    [Theory]
    [InlineData("src/A.cs", "// TO" + "DO: later", 1)]
    [InlineData("docs/a.md", "a HA" + "CK", 1)]
    [InlineData("src/A.cs", "throw new Not" + "ImplementedException();", 1)]
    [InlineData("bench/run", "cd /ro" + "ot/project", 1)]
    [InlineData("a.json", "\"https://api.nu" + "get.org/v3\"", 1)]
    [InlineData("src/A.cs", "va" + "r x = 1;", 1)]
    [InlineData("src/A.cs", "if (TryGet(out va" + "r x))", 1)]
    [InlineData("src/A.cs", "#pra" + "gma warning disable CA1000", 1)]
    [InlineData("src/A.cs", "#pragma warning disable CA1000 // one table", 0)]
    [InlineData("src/A.cs", "// a variable's root/child; https://example.org/home/x", 0)]
    public void BannedTextIsFound(string path, string text, int breaches) =>
        Assert.Equal(breaches, BannedTextRule.Check(new SourceTree((path, text))).Count());

    [Theory]
    [InlineData("% 3A \"Access Rights\"", 0)]
    [InlineData("ADC, Add With Carry (% 2A).", 0)]
    [InlineData("named as in % 4 without the prefix", 0)]
    [InlineData("the reset values of % 4.", 0)]
    [InlineData("the %'s words", 0)]
    [InlineData("% 5 \"Access Rights\"", 1)]
    [InlineData("% 3E \"Access Rights\"", 1)]
    [InlineData("% 3A 4.6", 1)]
    [InlineData("% Vol. 3A", 1)]
    [InlineData("% 3A, section 4.6", 1)]
    [InlineData("% 3C Table 28-3", 1)]
    public void CitationsAreJudged(string text, int breaches) =>
        Assert.Equal(breaches, CitationRule.Check(new SourceTree(("src/A.cs", "// " + text.Replace("%", "SD" + "M", StringComparison.Ordinal)))).Count());

    [Fact]
    public void BlobsAreFound()
    {
        SourceTree tree = new(
            [
                new SourceFile("src/Data.dat", [1, 0, 2]),
                new SourceFile("images/hello/hello.elf", [127, 0, 2]),
                new SourceFile("images/big.elf", new byte[BlobRule.MaxBytes + 1]),
                new SourceFile("docs/a.md", "text"),
            ]);
        Assert.Equal(["src/Data.dat", "images/big.elf"], BlobRule.Check(tree).Select(finding => finding.Path));
    }

    [Theory]
    [InlineData("[a](b.md)", 0)]
    [InlineData("[a](b.md#two-words)", 0)]
    [InlineData("[a](../src)", 0)]
    [InlineData("[a](https://example.org/x)", 0)]
    [InlineData("[a](c.md)", 1)]
    [InlineData("[a](b.md#three-words)", 1)]
    [InlineData("[a](/etc/passwd)", 1)]
    public void LinksAreFollowed(string text, int breaches)
    {
        SourceTree tree = new(("docs/a.md", text), ("docs/b.md", "## Two words"), ("src/Mmu/A.cs", string.Empty));
        Assert.Equal(breaches, DocumentRule.Links(tree).Count());
    }

    [Theory]
    [InlineData("`src/Mmu/A.cs`", 0)]
    [InlineData("`src/Mmu`", 0)]
    [InlineData("`src/Mmu/`", 0)]
    [InlineData("`images/*/build`", 0)]
    [InlineData("`src/Mmu/B.cs`", 1)]
    public void NamedPathsAreChecked(string text, int breaches) =>
        Assert.Equal(breaches, DocumentRule.NamedPaths(new SourceTree(("docs/a.md", text), ("src/Mmu/A.cs", string.Empty))).Count());

    [Fact]
    public void AdrsMustBeIndexed()
    {
        SourceTree tree = new(
            ("docs/adr/README.md", "[one](0001-one.md)"),
            ("docs/adr/0001-one.md", "x"),
            ("docs/adr/0002-two.md", "x"),
            ("docs/adr/Three.md", "x"));
        IEnumerable<string> found = DocumentRule.AdrIndex(tree).Select(finding => finding.Path);
        Assert.Equal(["docs/adr/0002-two.md", "docs/adr/Three.md", "docs/adr/Three.md"], found);
    }

    [Fact]
    public void AMissingChangelogIsFound()
    {
        Assert.Single(DocumentRule.Changelog(new SourceTree(("README.md", "x"))));
        Assert.Single(DocumentRule.Changelog(new SourceTree(("CHANGELOG.md", "# Changelog"))));
        Assert.Empty(DocumentRule.Changelog(new SourceTree(("CHANGELOG.md", "## [Unreleased]"))));
    }

    [Theory]
    [InlineData("case Kind.One: case Kind.Two:", "`Three`", 0)]
    [InlineData("case Kind.One:", "`Three`", 1)] // Two is neither used nor listed
    [InlineData("case Kind.One: // Kind.Two", "`Three`", 1)] // a comment is no use
    [InlineData("case Kind.One: case Kind.Two:", "`Three` `Two`", 1)] // both
    [InlineData("case Kind.One: case Kind.Two:", "`Three` `Four`", 1)] // no such name
    public void UnimplementedNamesMustBeListed(string code, string listed, int breaches)
    {
        NameList list = new("src/Kind.cs", "Kind", "src/", "src/Kind.cs", "Kinds");
        SourceTree tree = new(
            ("src/Kind.cs", "enum Kind : byte\n{\n    One = 1,\n\n    /// <summary>Second.</summary>\n    Two = 1 << 1,\n    Three,\n}\n"),
            ("src/User.cs", code),
            (CompletenessRule.Document, $"# All\n\n## Kinds\n\n{listed}\n\n## Others\n\n`Else`\n"));
        Assert.Equal(breaches, CompletenessRule.Check(tree, list).Count());
    }

    [Theory]
    [InlineData("## 1. `src/A.cs`\n\n`Walk()` and `Judge()`\n", 0)]
    [InlineData("## 1. `src/A.cs`\n\n`Walk()`\n\n## Others\n\n`Gone()`\n", 0)] // below another heading
    [InlineData("## 1. `src/A.cs`\n\n`Run()`\n", 1)] // only a comment speaks of it
    [InlineData("## 1. `src/B.cs`\n\n`Walk()`\n", 1)]
    [InlineData("# no file at all\n", 1)]
    public void TheReadingGuideMustBeTrue(string guide, int breaches)
    {
        SourceTree tree = new(("src/A.cs", "void Walk() { Judge(); } // Run"), (ReadingGuideRule.Document, guide));
        Assert.Equal(breaches, ReadingGuideRule.Check(tree).Count());
    }

    [Theory]
    [InlineData("/// <summary>Method: ...</summary>\n[Collection(1)]\npublic sealed class T\n{\n    [Fact] void M() { }\n}\n", 0)]
    [InlineData("\n[Collection(1)]\npublic sealed class T\n{\n    [Fact] void M() { }\n}\n", 1)]
    [InlineData("\npublic sealed class T\n{\n    void M() { } // no [Fact]\n}\n", 0)]
    public void TestClassesMustTellTheirMethod(string text, int breaches) =>
        Assert.Equal(breaches, TestMethodRule.Check(new SourceTree(("tests/A.Tests/T.cs", text))).Count());

    private static string Repeat(string text, int times) => string.Concat(Enumerable.Repeat(text, times));
}
