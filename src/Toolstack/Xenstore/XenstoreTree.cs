using System.Collections.Generic;

namespace Xenolith.Toolstack.Xenstore;

/// <summary>
/// What one domain may do to nodes: the rules of permissions, inheritance and quota, over a view. Paths are absolute and valid.
/// A node that the caller may not know of answers EACCES, not ENOENT.
/// </summary>
internal readonly struct XenstoreTree(XenstoreView view, ushort caller, List<XenstoreChange> changes)
{
    public XsError Get(string path, XenstoreAccess wanted, out XenstoreNode? node)
    {
        node = view.Find(path);
        if (node is null)
        {
            return Nearest(path, out _).RightsOf(caller).HasFlag(wanted) ? XsError.ENOENT : XsError.EACCES;
        }

        return node.RightsOf(caller).HasFlag(wanted) ? XsError.None : XsError.EACCES;
    }

    public XsError Write(string path, byte[] value)
    {
        XsError error = Get(path, XenstoreAccess.Write, out XenstoreNode? node);
        if (caller != 0 && value.Length > XsLimits.NodeSizeMax)
        {
            return XsError.ENOSPC;
        }

        return error switch
        {
            XsError.None => Change(path, node! with { Value = value }),
            XsError.ENOENT => Create(path, value),
            _ => error,
        };
    }

    public XsError Mkdir(string path)
    {
        XsError error = Get(path, XenstoreAccess.Write, out _);
        return error == XsError.ENOENT ? Create(path, []) : error;
    }

    /// <summary>Removes a node and all below it. Removing what is not there succeeds as long as its parent is.</summary>
    public XsError Remove(string path)
    {
        if (path == "/")
        {
            return XsError.EINVAL;
        }

        string parentPath = XenstorePath.ParentOf(path);
        XsError error = Get(path, XenstoreAccess.Write, out _);
        if (error != XsError.None)
        {
            return error == XsError.ENOENT && view.Find(parentPath) is not null ? XsError.None : error;
        }

        view.Put(parentPath, view.Find(parentPath)!.WithoutChild(XenstorePath.NameOf(path)));
        Stack<string> pending = new([path]);
        while (pending.TryPop(out string? next))
        {
            XenstoreNode node = view.Find(next)!;
            foreach (string child in node.Children)
            {
                pending.Push(XenstorePath.Child(next, child));
            }

            view.Delete(next);
            changes.Add(new XenstoreChange(next, node, IsExact: next.Length != path.Length));
        }

        return XsError.None;
    }

    /// <summary>Only the owner (and Dom0) sets permissions; only Dom0 gives a node away.</summary>
    public XsError SetPermissions(string path, IReadOnlyList<XenstorePermission> permissions)
    {
        XsError error = Get(path, XenstoreAccess.Write, out XenstoreNode? node);
        if (error != XsError.None)
        {
            return error;
        }

        if (caller != 0 && node!.Owner != caller)
        {
            return XsError.EACCES;
        }

        if (caller != 0 && permissions[0].Domain != caller)
        {
            return XsError.EPERM;
        }

        return permissions.Count > XsLimits.PermissionsPerNode && caller != 0
            ? XsError.ENOSPC
            : Change(path, node! with { Permissions = permissions });
    }

    private XsError Change(string path, XenstoreNode node)
    {
        view.Put(path, node);
        changes.Add(new XenstoreChange(path, node, IsExact: false));
        return XsError.None;
    }

    /// <summary>
    /// Makes a node and those missing above it; they inherit the permissions of the nearest one that exists, and belong to their maker.
    /// </summary>
    private XsError Create(string path, byte[] value)
    {
        XenstoreNode nearest = Nearest(path, out string nearestPath);
        List<XenstorePermission> permissions = [.. nearest.Permissions];
        if (caller != 0)
        {
            permissions[0] = permissions[0] with { Domain = caller };
        }

        string rest = nearestPath == "/" ? path[1..] : path[(nearestPath.Length + 1)..];
        string[] names = rest.Split('/');
        if (caller != 0 && view.NodesOwnedBy(caller) + names.Length > XsLimits.NodesPerDomain)
        {
            return XsError.ENOSPC;
        }

        string above = nearestPath;
        for (int i = 0; i < names.Length; i++)
        {
            view.Put(above, view.Find(above)!.WithChild(names[i]));
            above = XenstorePath.Child(above, names[i]);
            view.Put(above, new XenstoreNode(i == names.Length - 1 ? value : [], permissions, [], 0));
        }

        changes.Add(new XenstoreChange(path, view.Find(path)!, IsExact: false));
        return XsError.None;
    }

    private XenstoreNode Nearest(string path, out string nearestPath)
    {
        nearestPath = path;
        XenstoreNode? node;
        do
        {
            nearestPath = XenstorePath.ParentOf(nearestPath);
            node = view.Find(nearestPath);
        }
        while (node is null);
        return node;
    }
}
