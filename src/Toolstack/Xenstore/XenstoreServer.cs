using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text;

namespace Xenolith.Toolstack.Xenstore;

/// <summary>
/// The xenstore daemon without its transport: takes messages, changes nodes, queues replies and watch events. Whatever a client
/// sends is answered, if only by an error. Semantics as in Xen 4.17's xenstored.
/// </summary>
public sealed class XenstoreServer
{
    private readonly XenstoreStore _store = new();
    private readonly List<XenstoreConnection> _connections = [];

    /// <summary>A domain is introduced: its ring is served from now on.</summary>
    public XenstoreConnection Connect(ushort domain)
    {
        XenstoreConnection connection = new(domain);
        _connections.Add(connection);
        FireSpecial("@introduceDomain");
        return connection;
    }

    /// <summary>A domain is gone: its watches and transactions end.</summary>
    public void Disconnect(XenstoreConnection connection)
    {
        connection.Reset();
        if (_connections.Remove(connection))
        {
            FireSpecial("@releaseDomain");
        }
    }

    /// <summary>Dom0's own read; null when there is no such node.</summary>
    public string? Read(string path) => _store.Find(path) is { } node ? Encoding.Latin1.GetString(node.Value) : null;

    /// <summary>The children of a node, in the order of their making; empty when there is no such node.</summary>
    public IReadOnlyList<string> List(string path) => _store.Find(path)?.Children ?? [];

    /// <summary>The permissions of a node in wire form, joined by commas; null when there is no such node.</summary>
    public string? PermissionsOf(string path) => _store.Find(path) is { } node ? string.Join(',', node.Permissions) : null;

    /// <summary>Dom0's own write.</summary>
    /// <param name="permissions">Null leaves or inherits them.</param>
    public void Write(string path, string value, IReadOnlyList<XenstorePermission>? permissions = null)
    {
        List<XenstoreChange> changes = [];
        XenstoreTree tree = new(_store, 0, changes);
        tree.Write(path, Encoding.Latin1.GetBytes(value));
        if (permissions is not null)
        {
            tree.SetPermissions(path, permissions);
        }

        Fire(changes);
    }

    /// <summary>Dom0's own removal of a node and all below it.</summary>
    public void Remove(string path)
    {
        List<XenstoreChange> changes = [];
        new XenstoreTree(_store, 0, changes).Remove(path);
        Fire(changes);
    }

    /// <summary>Serves one request. The reply and the events that it causes wait in the connections' outboxes.</summary>
    public void Handle(XenstoreConnection from, XsHeader header, ReadOnlySpan<byte> payload)
    {
        XenstoreTransaction? transaction = null;
        if (header.TransactionId != 0 && !from.Transactions.TryGetValue(header.TransactionId, out transaction))
        {
            Reply(from, header, XsError.ENOENT);
            return;
        }

        if (transaction is { IsFull: true } && header.Type != XsType.TransactionEnd)
        {
            Reply(from, header, XsError.ENOSPC);
            return;
        }

        List<XenstoreChange> changes = transaction?.Changes ?? [];
        XenstoreTree tree = new((XenstoreView?)transaction ?? _store, from.Domain, changes);
        XsArguments arguments = new(payload);
        switch (header.Type)
        {
            case XsType.Directory or XsType.Read or XsType.GetPerms or XsType.DirectoryPart:
                Query(from, header, tree, arguments);
                break;
            case XsType.Write or XsType.Mkdir or XsType.Rm or XsType.SetPerms:
                Reply(from, header, Modify(from, header.Type, tree, arguments));
                break;
            case XsType.Watch or XsType.Unwatch or XsType.ResetWatches:
                HandleWatch(from, header, arguments);
                break;
            case XsType.TransactionStart or XsType.TransactionEnd:
                HandleTransaction(from, header, transaction, arguments);
                break;
            case XsType.GetDomainPath or XsType.IsDomainIntroduced:
                AnswerAboutDomain(from, header, arguments);
                break;
            case XsType.Control or XsType.Introduce or XsType.Release or XsType.Resume or XsType.SetTarget when from.Domain != 0:
                Reply(from, header, XsError.EACCES);
                break;
            default:
                Reply(from, header, XsError.ENOSYS);
                break;
        }

        if (transaction is null)
        {
            Fire(changes);
        }
    }

    private static void Reply(XenstoreConnection to, XsHeader header, XsError error) => Reply(to, header, error, "OK\0"u8);

    private static void Reply(XenstoreConnection to, XsHeader header, XsError error, ReadOnlySpan<byte> answer)
    {
        if (error == XsError.None && answer.Length > XsLimits.PayloadMax)
        {
            error = XsError.E2BIG;
        }

        if (error == XsError.None)
        {
            to.Send(header, answer);
            return;
        }

        header.Type = XsType.Error;
        to.Send(header, Encoding.Latin1.GetBytes(error + "\0"));
    }

    private static void Reply(XenstoreConnection to, XsHeader header, string answer) => Reply(to, header, XsError.None, Encoding.Latin1.GetBytes(answer));

    private static void Query(XenstoreConnection from, XsHeader header, XenstoreTree tree, XsArguments arguments)
    {
        int wanted = header.Type == XsType.DirectoryPart ? 2 : 1;
        uint offset = 0;
        if (!arguments.TryStrings(wanted, out string[] strings)
            || !XenstorePath.TryResolve(strings[0], from.Domain, allowSpecial: false, out string path)
            || (wanted == 2 && !uint.TryParse(strings[1], NumberStyles.None, CultureInfo.InvariantCulture, out offset)))
        {
            Reply(from, header, XsError.EINVAL);
            return;
        }

        XsError error = tree.Get(path, XenstoreAccess.Read, out XenstoreNode? node);
        if (error != XsError.None)
        {
            Reply(from, header, error);
            return;
        }

        switch (header.Type)
        {
            case XsType.Read:
                Reply(from, header, XsError.None, node!.Value);
                break;
            case XsType.GetPerms:
                Reply(from, header, node!.PermissionText());
                break;
            case XsType.Directory:
                Reply(from, header, string.Concat(node!.Children.Select(static name => name + "\0")));
                break;
            default:
                ReplyDirectoryPart(from, header, node!, offset);
                break;
        }
    }

    /// <summary>
    /// A window of the list of children: the node's generation, whole names from a byte offset on, and an empty name after the last.
    /// </summary>
    private static void ReplyDirectoryPart(XenstoreConnection from, XsHeader header, XenstoreNode node, uint offset)
    {
        StringBuilder answer = new StringBuilder().Append(CultureInfo.InvariantCulture, $"{node.Generation}\0");
        uint position = 0;
        bool complete = true;
        foreach (string child in node.Children)
        {
            if (position >= offset)
            {
                if (answer.Length + child.Length + 2 > XsLimits.PayloadMax)
                {
                    complete = false;
                    break;
                }

                answer.Append(child).Append('\0');
            }

            position += (uint)child.Length + 1;
        }

        Reply(from, header, complete ? answer.Append('\0').ToString() : answer.ToString());
    }

    private static XsError Modify(XenstoreConnection from, XsType type, XenstoreTree tree, XsArguments arguments)
    {
        string first = arguments.TakeString();
        if (!arguments.IsValid || !XenstorePath.TryResolve(first, from.Domain, allowSpecial: false, out string path))
        {
            return XsError.EINVAL;
        }

        switch (type)
        {
            case XsType.Write:
                return tree.Write(path, arguments.Rest.ToArray());
            case XsType.Mkdir:
                return arguments.Rest.IsEmpty ? tree.Mkdir(path) : XsError.EINVAL;
            case XsType.Rm:
                return arguments.Rest.IsEmpty ? tree.Remove(path) : XsError.EINVAL;
            default:
                List<XenstorePermission> permissions = [];
                while (!arguments.Rest.IsEmpty)
                {
                    string text = arguments.TakeString();
                    if (!arguments.IsValid || !XenstorePermission.TryParse(text, out XenstorePermission permission))
                    {
                        return XsError.EINVAL;
                    }

                    permissions.Add(permission);
                }

                return permissions.Count == 0 ? XsError.EINVAL : tree.SetPermissions(path, permissions);
        }
    }

    private static void HandleWatch(XenstoreConnection from, XsHeader header, XsArguments arguments)
    {
        if (header.Type == XsType.ResetWatches)
        {
            from.Watches.Clear();
            from.Transactions.Clear();
            Reply(from, header, XsError.None);
            return;
        }

        if (!arguments.TryStrings(2, out string[] strings)
            || !XenstorePath.TryResolve(strings[0], from.Domain, allowSpecial: true, out string path))
        {
            Reply(from, header, XsError.EINVAL);
            return;
        }

        int known = from.Watches.FindIndex(watch => watch.Path == path && watch.Token == strings[1]);
        if (header.Type == XsType.Unwatch)
        {
            if (known >= 0)
            {
                from.Watches.RemoveAt(known);
            }

            Reply(from, header, known >= 0 ? XsError.None : XsError.ENOENT);
            return;
        }

        if (known >= 0 || (from.Domain != 0 && from.Watches.Count >= XsLimits.WatchesPerDomain))
        {
            Reply(from, header, known >= 0 ? XsError.EEXIST : XsError.E2BIG);
            return;
        }

        bool isRelative = path != strings[0];
        XenstoreWatch added = new(path, strings[1], isRelative ? XenstorePath.OfDomain(from.Domain) + "/" : "");
        from.Watches.Add(added);
        Reply(from, header, XsError.None);

        // A new watch fires once by itself, so that its owner looks at what is there already.
        from.SendEvent(added, path);
    }

    private void HandleTransaction(XenstoreConnection from, XsHeader header, XenstoreTransaction? transaction, XsArguments arguments)
    {
        if (header.Type == XsType.TransactionStart)
        {
            if (transaction is not null || (from.Domain != 0 && from.Transactions.Count >= XsLimits.TransactionsPerDomain))
            {
                Reply(from, header, transaction is not null ? XsError.EBUSY : XsError.ENOSPC);
                return;
            }

            uint id = from.NextTransaction();
            from.Transactions.Add(id, new XenstoreTransaction(_store));
            Reply(from, header, string.Create(CultureInfo.InvariantCulture, $"{id}\0"));
            return;
        }

        if (!arguments.TryStrings(1, out string[] strings) || strings[0] is not ("T" or "F"))
        {
            Reply(from, header, XsError.EINVAL);
            return;
        }

        if (transaction is null)
        {
            Reply(from, header, XsError.ENOENT);
            return;
        }

        from.Transactions.Remove(header.TransactionId);
        bool committed = strings[0] == "T" && transaction.TryCommit();
        Reply(from, header, strings[0] == "T" && !committed ? XsError.EAGAIN : XsError.None);
        if (committed)
        {
            Fire(transaction.Changes);
        }
    }

    private void AnswerAboutDomain(XenstoreConnection from, XsHeader header, XsArguments arguments)
    {
        const ushort Self = 0x7FF0; // DOMID_SELF (xen/include/public/xen.h)
        if (!arguments.TryStrings(1, out string[] strings)
            || !ushort.TryParse(strings[0], NumberStyles.None, CultureInfo.InvariantCulture, out ushort domain))
        {
            Reply(from, header, XsError.EINVAL);
            return;
        }

        domain = domain == Self ? from.Domain : domain;
        Reply(from, header, header.Type == XsType.GetDomainPath
            ? XenstorePath.OfDomain(domain) + "\0"
            : domain == 0 || _connections.Exists(connection => connection.Domain == domain) ? "T\0" : "F\0");
    }

    private void Fire(List<XenstoreChange> changes)
    {
        foreach (XenstoreChange change in changes)
        {
            foreach (XenstoreConnection connection in _connections)
            {
                if (!change.Node.RightsOf(connection.Domain).HasFlag(XenstoreAccess.Read))
                {
                    continue;
                }

                foreach (XenstoreWatch watch in connection.Watches)
                {
                    if (change.IsExact ? change.Path == watch.Path : XenstorePath.IsSameOrBelow(change.Path, watch.Path))
                    {
                        connection.SendEvent(watch, change.Path);
                    }
                }
            }
        }
    }

    /// <summary>Events without a node; as xenstored has it by default, only Dom0 hears of them.</summary>
    private void FireSpecial(string name)
    {
        foreach (XenstoreConnection connection in _connections)
        {
            foreach (XenstoreWatch watch in connection.Watches)
            {
                if (connection.Domain == 0 && watch.Path == name)
                {
                    connection.SendEvent(watch, name);
                }
            }
        }
    }
}
