using System.Collections.Generic;
using System.Linq;
using System.Text.RegularExpressions;

using Xenolith.Tidy.Tests.Rules;
using Xenolith.Tidy.Tests.Text;
using Xenolith.Xen;
using Xenolith.Xen.Abi;

using Xunit;

namespace Xenolith.Tidy.Tests;

/// <summary>
/// Method: the table that dispatches hypercalls is compared, row by row, with the tables of docs/UNIMPLEMENTED.md. A refusal that the
/// document does not name, with another errno, or that has since been served, fails; so does a hypercall number without any row.
/// </summary>
public sealed partial class RefusalTests
{
    [Fact]
    public void RefusedHypercallsAreListed() =>
        Compare(HypercallTable.Rows.Where(row => !row.IsServed).Select(row => $"| `{row.Name}` | {row.Refusal} | {row.Why} |"), "Hypercalls");

    [Fact]
    public void RefusedDomctlsAreListed() =>
        Compare(HypercallTable.DomctlRows().Where(row => row.Refusal != Errno.None).Select(row => $"| `{row.Name}` | {row.Refusal} |"), "domctl");

    [Fact]
    public void EveryNumberHasARow()
    {
        IEnumerable<HypercallNumber> known = HypercallTable.Rows.Select(row => row.Number).Distinct().Order();
        Assert.Equal(System.Enum.GetValues<HypercallNumber>().Order(), known);
    }

    private static void Compare(IEnumerable<string> expected, string heading)
    {
        List<string> wanted = [.. expected];
        List<string> listed = [.. Rows(SourceTree.Project.Find(CompletenessRule.Document)!.Text, heading)];
        Assert.True(
            wanted.Order().SequenceEqual(listed.Order()),
            $"under \"{heading}\" of {CompletenessRule.Document}\nmissing:\n{string.Join('\n', wanted.Except(listed))}"
            + $"\nnot so in the code:\n{string.Join('\n', listed.Except(wanted))}");
    }

    private static IEnumerable<string> Rows(string document, string heading)
    {
        string part = Regex.Match(document, $@"^#+ {heading}\n(.*?)(?=^#|\z)", RegexOptions.Multiline | RegexOptions.Singleline).Groups[1].Value;
        return TableRow().Matches(part).Select(match => match.Value);
    }

    [GeneratedRegex(@"^\| `.*\|$", RegexOptions.Multiline)]
    private static partial Regex TableRow();
}
