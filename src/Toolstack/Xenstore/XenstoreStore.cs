using System;
using System.Collections.Generic;

namespace Xenolith.Toolstack.Xenstore;

/// <summary>Nodes as somebody sees them: the store itself, or a transaction over it.</summary>
internal abstract class XenstoreView
{
    public abstract XenstoreNode? Find(string path);

    public abstract void Put(string path, XenstoreNode node);

    public abstract void Delete(string path);

    /// <summary>How many nodes a domain owns, for its quota.</summary>
    public abstract int NodesOwnedBy(ushort domain);
}

/// <summary>The store: nodes by absolute path. The root always exists.</summary>
internal sealed class XenstoreStore : XenstoreView
{
    private readonly Dictionary<string, XenstoreNode> _nodes = new(StringComparer.Ordinal);
    private readonly Dictionary<ushort, int> _owned = [];
    private ulong _generation;

    public XenstoreStore() => Put("/", new XenstoreNode([], [new XenstorePermission(0, XenstoreAccess.None)], [], 0));

    public override XenstoreNode? Find(string path) => _nodes.GetValueOrDefault(path);

    public override void Put(string path, XenstoreNode node)
    {
        Forget(path);
        _nodes[path] = node with { Generation = ++_generation };
        _owned[node.Owner] = NodesOwnedBy(node.Owner) + 1;
    }

    public override void Delete(string path)
    {
        Forget(path);
        _nodes.Remove(path);
    }

    public override int NodesOwnedBy(ushort domain) => _owned.GetValueOrDefault(domain);

    private void Forget(string path)
    {
        if (_nodes.TryGetValue(path, out XenstoreNode? earlier))
        {
            _owned[earlier.Owner]--;
        }
    }
}

/// <summary>
/// A transaction: it sees each node as it was when it first touched it, keeps its changes to itself, and commits only if none of
/// the nodes it touched has changed meanwhile; otherwise the client gets EAGAIN and tries again.
/// </summary>
internal sealed class XenstoreTransaction(XenstoreStore store) : XenstoreView
{
    private readonly Dictionary<string, ulong> _seen = new(StringComparer.Ordinal);
    private readonly Dictionary<string, XenstoreNode?> _nodes = new(StringComparer.Ordinal);
    private readonly List<string> _changed = [];
    private readonly Dictionary<ushort, int> _ownedMore = [];

    /// <summary>What watches shall hear after a commit.</summary>
    public List<XenstoreChange> Changes { get; } = [];

    /// <summary>It has touched so much that it may only end.</summary>
    public bool IsFull => _nodes.Count >= XsLimits.NodesPerTransaction || Changes.Count >= XsLimits.NodesPerTransaction;

    public override XenstoreNode? Find(string path)
    {
        if (!_nodes.TryGetValue(path, out XenstoreNode? node))
        {
            node = store.Find(path);
            _nodes.Add(path, node);
            _seen.Add(path, node?.Generation ?? 0);
        }

        return node;
    }

    public override void Put(string path, XenstoreNode node) => Change(path, node);

    public override void Delete(string path) => Change(path, null);

    public override int NodesOwnedBy(ushort domain) => store.NodesOwnedBy(domain) + _ownedMore.GetValueOrDefault(domain);

    /// <summary>Makes the changes everybody's; false when the transaction was overtaken.</summary>
    public bool TryCommit()
    {
        foreach ((string path, ulong generation) in _seen)
        {
            if ((store.Find(path)?.Generation ?? 0) != generation)
            {
                return false;
            }
        }

        foreach (string path in _changed)
        {
            if (_nodes[path] is { } node)
            {
                store.Put(path, node);
            }
            else
            {
                store.Delete(path);
            }
        }

        return true;
    }

    private void Change(string path, XenstoreNode? node)
    {
        if (Find(path) is { } earlier)
        {
            _ownedMore[earlier.Owner] = _ownedMore.GetValueOrDefault(earlier.Owner) - 1;
        }

        if (node is not null)
        {
            _ownedMore[node.Owner] = _ownedMore.GetValueOrDefault(node.Owner) + 1;
        }

        if (!_changed.Contains(path))
        {
            _changed.Add(path);
        }

        _nodes[path] = node;
    }
}

/// <summary>A changed node, for the watches.</summary>
/// <param name="Node">The node after the change, or as it last was when it was removed: who may read it hears of it.</param>
/// <param name="IsExact">Removed together with a node above it: only watches on this very node hear of it.</param>
internal readonly record struct XenstoreChange(string Path, XenstoreNode Node, bool IsExact);
