using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text.RegularExpressions;
using System.Xml.Linq;

using Xenolith.Tidy.Tests.Text;

namespace Xenolith.Tidy.Tests.Rules;

/// <summary>
/// The floors of docs/ARCHITECTURE.md: a project references only floors below its own, so that the compiler refuses everything else,
/// and a namespace says which folder a file lies in.
/// </summary>
internal static partial class LayeringRule
{
    private static readonly Dictionary<string, int> Floors = new()
    {
        ["src/Mmu"] = 0,
        ["src/Cpu"] = 1,
        ["src/Machine"] = 2,
        ["src/Xen"] = 3,
        ["src/Guests"] = 3,
        ["src/Toolstack"] = 4,
        ["src/Cli"] = 5,
    };

    public static IEnumerable<Finding> References(SourceTree tree)
    {
        foreach (SourceFile project in tree.Files.Where(file => file.Extension == ".csproj"))
        {
            bool isFloor = Floors.TryGetValue(project.Folder, out int floor);
            if (!isFloor && project.Path.StartsWith("src/", StringComparison.Ordinal))
            {
                yield return new Finding(project.Path, 0, "is on no floor: add it to docs/ARCHITECTURE.md and to LayeringRule");
            }

            foreach (string target in ReferencedFolders(project))
            {
                if (isFloor && !(Floors.TryGetValue(target, out int lower) && lower < floor))
                {
                    yield return new Finding(project.Path, 0, $"references {target}, which is not on a floor below it");
                }
            }
        }
    }

    public static IEnumerable<Finding> Namespaces(SourceTree tree)
    {
        foreach (SourceFile file in tree.CSharp)
        {
            string[] folders = file.Path.Split('/');
            Match match = NamespaceLine().Match(file.Text);
            if (folders.Length < 3 || folders[0] is not ("src" or "tests") || !match.Success)
            {
                continue;
            }

            string[] expected = ["Xenolith", .. folders[1].Split('.'), .. folders[2..^1]];
            string[] actual = match.Groups[1].Value.Split('.');
            int required = 1 + folders[1].Split('.').Length;
            if (actual.Length < required || !expected.Take(actual.Length).SequenceEqual(actual))
            {
                string wanted = string.Join('.', expected);
                yield return new Finding(file.Path, 0, $"namespace {match.Groups[1].Value}: should be {wanted}, or its start down to the project");
            }
        }
    }

    private static IEnumerable<string> ReferencedFolders(SourceFile project)
    {
        foreach (XElement reference in XDocument.Parse(project.Text).Descendants("ProjectReference"))
        {
            string include = reference.Attribute("Include")!.Value.Replace('\\', '/');
            string full = Path.GetFullPath(Path.Combine("/", project.Folder, include));
            yield return Path.GetDirectoryName(full)!.TrimStart('/');
        }
    }

    [GeneratedRegex(@"^namespace ([\w.]+)", RegexOptions.Multiline)]
    private static partial Regex NamespaceLine();
}
