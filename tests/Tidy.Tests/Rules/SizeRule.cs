using System;
using System.Collections.Generic;
using System.Linq;

using Xenolith.Tidy.Tests.Text;

namespace Xenolith.Tidy.Tests.Rules;

/// <summary>Sizes that a reader can hold in the head: a file, a line, a method.</summary>
internal static class SizeRule
{
    public const int MaxFileLines = 600;
    public const int MaxProseColumns = 140;

    /// <summary>Rows of tables and signatures read better unbroken; beyond this they do not fit a screen.</summary>
    public const int MaxCodeColumns = 170;
    public const int MaxMethodLines = 70;

    /// <summary>Files that are one table and read by look-up, not from top to bottom. Each with its reason.</summary>
    public static readonly Dictionary<string, string> Tables = [];

    /// <summary>Methods that were longer when the rule came. A ratchet: entries leave, none come.</summary>
    public static readonly Dictionary<string, int> LongMethods = new()
    {
        ["tests/Cpu.Tests/Vmx/EntryCheckTests.cs"] = 85, // lists of cases
    };

    public static IEnumerable<Finding> FileLines(SourceTree tree) =>
        from file in tree.CSharp
        where file.Lines.Length > MaxFileLines && !Tables.ContainsKey(file.Path)
        let lines = file.Lines.Length
        select new Finding(file.Path, 0, $"{lines} lines, at most {MaxFileLines}: it wants one subject (a table goes into SizeRule.Tables)");

    public static IEnumerable<Finding> Columns(SourceTree tree) =>
        from file in tree.CSharp
        from line in Enumerable.Range(0, file.Lines.Length)
        let text = file.Lines[line]
        let limit = text.TrimStart().StartsWith("//", StringComparison.Ordinal) ? MaxProseColumns : MaxCodeColumns
        where text.Length > limit
        select new Finding(file.Path, line + 1, $"{text.Length} columns, at most {limit}");

    public static IEnumerable<Finding> MethodLines(SourceTree tree) =>
        from file in tree.CSharp
        from member in Members.In(file.Text)
        where member.Lines > Math.Max(MaxMethodLines, LongMethods.GetValueOrDefault(file.Path))
        select new Finding(file.Path, member.Line, $"{member.Lines} lines, at most {MaxMethodLines}: {member.Declaration}");
}
