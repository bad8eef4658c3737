using System;
using System.IO;
using Xunit;

namespace Xenolith.Shared;

/// <summary>
/// A test that needs a file which images/debian/fetch brings. When the file is missing the test is skipped, and counted as
/// such, with the command that brings it; .ci/run fetches first, so there nothing is skipped.
/// </summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class DebianFactAttribute : FactAttribute
{
    /// <summary>The file in images/debian/cache that the test needs.</summary>
    public string File { get; }

    /// <param name="file">Name of the file in images/debian/cache.</param>
    public DebianFactAttribute(string file)
    {
        File = file;
        if (!System.IO.File.Exists(Repository.Image(Path.Combine("debian", "cache", file))))
        {
            Skip = $"images/debian/cache/{file} is missing: run images/debian/fetch";
        }
    }
}
