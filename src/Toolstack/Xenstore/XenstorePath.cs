using System;
using System.Globalization;

namespace Xenolith.Toolstack.Xenstore;

/// <summary>Names of nodes: what is valid, who is whose parent.</summary>
public static class XenstorePath
{
    public static string OfDomain(ushort domain) => string.Create(CultureInfo.InvariantCulture, $"/local/domain/{domain}");

    /// <summary>Makes a path absolute (relative ones start at the domain's own folder) and checks it. False: EINVAL.</summary>
    /// <param name="allowSpecial">The names of events, "@introduceDomain" and the like, are valid too: for watches.</param>
    public static bool TryResolve(string path, ushort domain, bool allowSpecial, out string absolute)
    {
        absolute = path;
        if (path.StartsWith('@'))
        {
            return allowSpecial && path.Length <= XsLimits.RelativePathMax && HasValidCharacters(path);
        }

        if (!path.StartsWith('/'))
        {
            if (path.Length > XsLimits.RelativePathMax)
            {
                return false;
            }

            absolute = OfDomain(domain) + "/" + path;
        }

        return absolute.Length <= XsLimits.AbsolutePathMax
            && (absolute.Length == 1 || !absolute.EndsWith('/'))
            && !absolute.Contains("//", StringComparison.Ordinal)
            && HasValidCharacters(absolute);
    }

    /// <summary>The node above; the root is its own parent.</summary>
    public static string ParentOf(string path)
    {
        int slash = path.LastIndexOf('/');
        return slash <= 0 ? "/" : path[..slash];
    }

    public static string NameOf(string path) => path[(path.LastIndexOf('/') + 1)..];

    public static string Child(string path, string name) => path == "/" ? "/" + name : path + "/" + name;

    /// <summary>
    /// True when a change of <paramref name="path"/> concerns a watch on <paramref name="watched"/>: the node itself or one above it.
    /// </summary>
    public static bool IsSameOrBelow(string path, string watched) =>
        path == watched
        || (watched == "/" && path.StartsWith('/'))
        || (path.Length > watched.Length && path[watched.Length] == '/' && path.StartsWith(watched, StringComparison.Ordinal));

    private static bool HasValidCharacters(string path)
    {
        foreach (char c in path)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('-' or '/' or '_' or '@'))
            {
                return false;
            }
        }

        return true;
    }
}
