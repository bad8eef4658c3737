using System;
using System.IO;

namespace Xenolith.Shared;

/// <summary>Where the repository's own files are, seen from a test's output folder.</summary>
internal static class Repository
{
    /// <summary>The folder that holds Xenolith.slnx.</summary>
    public static string Root { get; } = FindRoot();

    public static string Image(string relative) => Path.Combine(Root, "images", relative);

    private static string FindRoot()
    {
        DirectoryInfo? at = new(AppContext.BaseDirectory);
        while (at is not null && !File.Exists(Path.Combine(at.FullName, "Xenolith.slnx")))
        {
            at = at.Parent;
        }

        return at?.FullName ?? throw new InvalidOperationException("the tests do not run inside the repository");
    }
}
