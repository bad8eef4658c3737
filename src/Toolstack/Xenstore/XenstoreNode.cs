using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;

namespace Xenolith.Toolstack.Xenstore;

/// <summary>What a domain may do with a node.</summary>
[Flags]
public enum XenstoreAccess : byte
{
    None = 0,
    Read = 1,
    Write = 2,
    Both = Read | Write,
}

/// <summary>
/// One entry of a node's permissions. In the first one the domain is the owner, and the access is everybody else's default.
/// </summary>
public readonly record struct XenstorePermission(ushort Domain, XenstoreAccess Access)
{
    /// <summary>Reads the wire form: n, r, w or b, then the domain number.</summary>
    public static bool TryParse(string text, out XenstorePermission permission)
    {
        permission = default;
        XenstoreAccess? access = text.Length < 2 ? null : text[0] switch
        {
            'n' => XenstoreAccess.None,
            'r' => XenstoreAccess.Read,
            'w' => XenstoreAccess.Write,
            'b' => XenstoreAccess.Both,
            _ => null,
        };
        if (access is not { } known || !ushort.TryParse(text.AsSpan(1), NumberStyles.None, CultureInfo.InvariantCulture, out ushort domain))
        {
            return false;
        }

        permission = new XenstorePermission(domain, known);
        return true;
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{"nrwb"[(int)Access]}{Domain}");
}

/// <summary>A node as it was at one moment; it never changes, so that transactions can keep it.</summary>
/// <param name="Generation">Rises with each change of any node: how a transaction notices that it was overtaken.</param>
internal sealed record XenstoreNode(
    byte[] Value, IReadOnlyList<XenstorePermission> Permissions, IReadOnlyList<string> Children, ulong Generation)
{
    public ushort Owner => Permissions[0].Domain;

    public XenstoreAccess RightsOf(ushort domain)
    {
        if (domain == 0 || domain == Owner)
        {
            return XenstoreAccess.Both;
        }

        for (int i = 1; i < Permissions.Count; i++)
        {
            if (Permissions[i].Domain == domain)
            {
                return Permissions[i].Access;
            }
        }

        return Permissions[0].Access;
    }

    public string PermissionText()
    {
        StringBuilder text = new();
        foreach (XenstorePermission permission in Permissions)
        {
            text.Append(permission).Append('\0');
        }

        return text.ToString();
    }

    public XenstoreNode WithChild(string name) => this with { Children = [.. Children, name] };

    public XenstoreNode WithoutChild(string name)
    {
        List<string> children = [.. Children];
        children.Remove(name);
        return this with { Children = children };
    }
}
