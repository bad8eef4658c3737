using System;
using System.Linq;

using Xenolith.Toolstack.Xenstore;

using Xunit;

namespace Xenolith.Toolstack.Tests;

/// <summary>
/// Method: two guests (domains 1 and 2) speak the wire protocol over fake rings to one server, whose tree Dom0 has prepared as libxl does.
/// '|' stands for a zero byte, '!' heads an error. Fails when a rule of permissions, transactions or watches is broken, or when a
/// malformed message is
/// not answered by its error.
/// </summary>
public class XenstoreTests
{
    private readonly XenstoreServer _server = new();
    private readonly XenstoreClient _one;
    private readonly XenstoreClient _two;

    public XenstoreTests()
    {
        foreach (ushort domain in (ushort[])[1, 2])
        {
            string folder = XenstorePath.OfDomain(domain);
            _server.Write(folder, "", [new(0, XenstoreAccess.None), new(domain, XenstoreAccess.Read)]);
            _server.Write(folder + "/name", domain == 1 ? "a" : "b");
            _server.Write(folder + "/data", "", [new(domain, XenstoreAccess.None)]);
        }

        _one = new XenstoreClient(_server, 1);
        _two = new XenstoreClient(_server, 2);
    }

    [Theory]
    [InlineData(XsType.Read, "name|", "a")]
    [InlineData(XsType.Read, "/local/domain/1/name|", "a")]
    [InlineData(XsType.Directory, "/local/domain/1|", "name|data|")]
    [InlineData(XsType.Directory, "name|", "")]
    [InlineData(XsType.GetPerms, "data|", "n1|")]
    [InlineData(XsType.GetPerms, "name|", "n0|r1|")]
    [InlineData(XsType.Write, "data/x|v\x01\xff", "OK|")]
    [InlineData(XsType.Mkdir, "data/y/z|", "OK|")]
    [InlineData(XsType.Mkdir, "data|", "OK|")]
    [InlineData(XsType.Rm, "data|", "OK|")]
    [InlineData(XsType.Rm, "data/nothing|", "OK|")]
    [InlineData(XsType.GetDomainPath, "2|", "/local/domain/2|")]
    [InlineData(XsType.GetDomainPath, "32752|", "/local/domain/1|")]
    [InlineData(XsType.IsDomainIntroduced, "2|", "T|")]
    [InlineData(XsType.IsDomainIntroduced, "3|", "F|")]
    [InlineData(XsType.SetPerms, "data|b1|r2|", "OK|")]
    [InlineData(XsType.ResetWatches, "|", "OK|")]

    // Refusals.
    [InlineData(XsType.Read, "/local/domain/2/name|", "!EACCES")]
    [InlineData(XsType.Read, "/local/domain/2/nothing|", "!EACCES")]
    [InlineData(XsType.Read, "nothing|", "!ENOENT")]
    [InlineData(XsType.Directory, "/|", "!EACCES")]
    [InlineData(XsType.Write, "name|me", "!EACCES")]
    [InlineData(XsType.Write, "new|x", "!EACCES")]
    [InlineData(XsType.Write, "/vm/x|y", "!EACCES")]
    [InlineData(XsType.Rm, "name|", "!EACCES")]
    [InlineData(XsType.Rm, "/|", "!EINVAL")]
    [InlineData(XsType.Rm, "data/no/thing|", "!ENOENT")]
    [InlineData(XsType.SetPerms, "name|n1|", "!EACCES")]
    [InlineData(XsType.SetPerms, "data|n2|", "!EPERM")]
    [InlineData(XsType.SetPerms, "data|n1|r2|r3|r4|r5|r6|", "!ENOSPC")]
    [InlineData(XsType.TransactionEnd, "T|", "!ENOENT")]
    [InlineData(XsType.Unwatch, "name|t|", "!ENOENT")]
    [InlineData(XsType.Introduce, "2|5|6|", "!EACCES")]
    [InlineData(XsType.Release, "2|", "!EACCES")]
    [InlineData(XsType.Control, "print|x|", "!EACCES")]
    [InlineData(XsType.SetTarget, "1|2|", "!EACCES")]
    [InlineData(XsType.WatchEvent, "a|b|", "!ENOSYS")]
    [InlineData((XsType)20, "1|", "!ENOSYS")]
    [InlineData((XsType)0xFFFF, "", "!ENOSYS")]

    // Malformed messages.
    [InlineData(XsType.Read, "name", "!EINVAL")]
    [InlineData(XsType.Read, "", "!EINVAL")]
    [InlineData(XsType.Read, "|", "!EINVAL")]
    [InlineData(XsType.Read, "name|name|", "!EINVAL")]
    [InlineData(XsType.Read, "a b|", "!EINVAL")]
    [InlineData(XsType.Read, "data/|", "!EINVAL")]
    [InlineData(XsType.Read, "/local//domain|", "!EINVAL")]
    [InlineData(XsType.Read, "@introduceDomain|", "!EINVAL")]
    [InlineData(XsType.Write, "data", "!EINVAL")]
    [InlineData(XsType.Mkdir, "data/x|more", "!EINVAL")]
    [InlineData(XsType.SetPerms, "data|", "!EINVAL")]
    [InlineData(XsType.SetPerms, "data|x1|", "!EINVAL")]
    [InlineData(XsType.SetPerms, "data|n|", "!EINVAL")]
    [InlineData(XsType.SetPerms, "data|n99999|", "!EINVAL")]
    [InlineData(XsType.SetPerms, "data|n1", "!EINVAL")]
    [InlineData(XsType.Watch, "data|", "!EINVAL")]
    [InlineData(XsType.Watch, "//|t|", "!EINVAL")]
    [InlineData(XsType.GetDomainPath, "x|", "!EINVAL")]
    [InlineData(XsType.GetDomainPath, "70000|", "!EINVAL")]
    [InlineData(XsType.TransactionEnd, "X|", "!EINVAL")]
    [InlineData(XsType.DirectoryPart, "data|x|", "!EINVAL")]
    public void OneRequest(XsType type, string payload, string expected) => Assert.Equal(expected, _one.Ask(type, payload));

    [Fact]
    public void WrittenBytesComeBackAndNewNodesBelongToTheirMaker()
    {
        Assert.Equal("OK|", _one.Ask(XsType.Write, "data/a/b|v\x01\xff"));
        Assert.Equal("v\x01\xff", _one.Ask(XsType.Read, "data/a/b|"));
        Assert.Equal("n1|", _one.Ask(XsType.GetPerms, "data/a|"));
        Assert.Equal("a|", _one.Ask(XsType.Directory, "data|"));
        Assert.Equal("!EACCES", _two.Ask(XsType.Read, "/local/domain/1/data/a/b|"));
        Assert.Equal("OK|", _one.Ask(XsType.SetPerms, "data/a/b|n1|r2|"));
        Assert.Equal("v\x01\xff", _two.Ask(XsType.Read, "/local/domain/1/data/a/b|"));
        Assert.Equal("!EACCES", _two.Ask(XsType.Write, "/local/domain/1/data/a/b|x"));
    }

    [Fact]
    public void RemovalTakesTheWholeTree()
    {
        _one.Ask(XsType.Write, "data/a/b/c|1");
        Assert.Equal("OK|", _one.Ask(XsType.Rm, "data/a|"));
        Assert.Equal("!ENOENT", _one.Ask(XsType.Read, "data/a/b/c|"));
        Assert.Equal("", _one.Ask(XsType.Directory, "data|"));
    }

    [Fact]
    public void TransactionsAreInvisibleUntilTheyCommit()
    {
        string id = _one.Ask(XsType.TransactionStart, "|");
        uint transaction = uint.Parse(id.TrimEnd('|'));
        Assert.Equal("OK|", _one.Ask(XsType.Write, "data/x|1", transaction));
        Assert.Equal("1", _one.Ask(XsType.Read, "data/x|", transaction));
        Assert.Equal("!ENOENT", _one.Ask(XsType.Read, "data/x|"));
        Assert.Equal("!EBUSY", _one.Ask(XsType.TransactionStart, "|", transaction));
        Assert.Equal("OK|", _one.Ask(XsType.TransactionEnd, "T|", transaction));
        Assert.Equal("1", _one.Ask(XsType.Read, "data/x|"));
        Assert.Equal("!ENOENT", _one.Ask(XsType.Read, "data/x|", transaction));
    }

    [Theory]
    [InlineData(XsType.Read, "data/x|", "data/x", "!EAGAIN")]
    [InlineData(XsType.Read, "data/absent|", "data/absent", "!EAGAIN")]
    [InlineData(XsType.Directory, "data|", "data/new", "!EAGAIN")]
    [InlineData(XsType.Write, "data/x|3", "data/x", "!EAGAIN")]
    [InlineData(XsType.Read, "data/x|", "other", "OK|")]
    public void AnOvertakenTransactionMustTryAgain(XsType touch, string payload, string changed, string expected)
    {
        _one.Ask(XsType.Write, "data/x|1");
        uint transaction = uint.Parse(_one.Ask(XsType.TransactionStart, "|").TrimEnd('|'));
        _one.Ask(touch, payload, transaction);
        _server.Write("/local/domain/1/" + changed, "2");
        Assert.Equal(expected, _one.Ask(XsType.TransactionEnd, "T|", transaction));
    }

    [Fact]
    public void AnAbandonedTransactionLeavesNothing()
    {
        uint transaction = uint.Parse(_one.Ask(XsType.TransactionStart, "|").TrimEnd('|'));
        _one.Ask(XsType.Rm, "data|", transaction);
        Assert.Equal("OK|", _one.Ask(XsType.TransactionEnd, "F|", transaction));
        Assert.Equal("n1|", _one.Ask(XsType.GetPerms, "data|"));
    }

    [Fact]
    public void WatchesFireAtOnceAndOnChangesAtAndBelow()
    {
        Assert.Equal("OK|", _one.Ask(XsType.Watch, "data|tok|"));
        Assert.Equal("!EEXIST", _one.Ask(XsType.Watch, "data|tok|"));
        Assert.Equal(["data|tok|"], _one.Events);
        _server.Write("/local/domain/1/data", "1");
        _server.Write("/local/domain/1/data/x/y", "1");
        _server.Write("/local/domain/1/datax", "1");
        _one.Ask(XsType.Write, "data/own|1");
        Assert.Equal(["data|tok|", "data|tok|", "data/x/y|tok|", "data/own|tok|"], _one.Events);
        Assert.Equal("OK|", _one.Ask(XsType.Unwatch, "data|tok|"));
        _server.Write("/local/domain/1/data", "2");
        _one.Ask(XsType.Read, "name|");
        Assert.Equal(4, _one.Events.Count);
    }

    [Fact]
    public void AbsoluteWatchesGetAbsolutePathsAndRemovalIsHeardBelow()
    {
        _one.Ask(XsType.Write, "data/a/b|1");
        _one.Ask(XsType.Watch, "/local/domain/1/data/a/b|t|");
        _one.Ask(XsType.Rm, "data/a|");
        _one.Ask(XsType.Read, "name|");
        Assert.Equal(["/local/domain/1/data/a/b|t|", "/local/domain/1/data/a/b|t|"], _one.Events);
    }

    [Fact]
    public void NobodyHearsOfWhatTheyMayNotRead()
    {
        _two.Ask(XsType.Watch, "/local/domain/1|t|");
        _two.Events.Clear();
        _one.Ask(XsType.Write, "data/private|1");
        _two.Ask(XsType.Read, "name|");
        Assert.Empty(_two.Events);
        _one.Ask(XsType.SetPerms, "data/private|n1|r2|");
        _two.Ask(XsType.Read, "name|");
        Assert.Equal(["/local/domain/1/data/private|t|"], _two.Events);
    }

    [Fact]
    public void ATransactionFiresWhenItCommits()
    {
        _one.Ask(XsType.Watch, "data|t|");
        uint transaction = uint.Parse(_one.Ask(XsType.TransactionStart, "|").TrimEnd('|'));
        _one.Ask(XsType.Write, "data/x|1", transaction);
        Assert.Single(_one.Events);
        _one.Ask(XsType.TransactionEnd, "T|", transaction);
        _one.Ask(XsType.Read, "name|");
        Assert.Equal(["data|t|", "data/x|t|"], _one.Events);
    }

    [Fact]
    public void QuotasHold()
    {
        Assert.Equal("!ENOSPC", _one.Ask(XsType.Write, "data/big|" + new string('x', 2049)));
        string last = "";
        for (int i = 0; i < 1200; i++)
        {
            last = _one.Ask(XsType.Mkdir, $"data/n{i}|");
        }

        Assert.Equal("!ENOSPC", last);
        Assert.Equal("!E2BIG", _one.Ask(XsType.Directory, "data|"));
        Assert.Equal("OK|", _two.Ask(XsType.Mkdir, "data/n|"));
        string[] watches = [.. Enumerable.Range(0, 129).Select(i => _two.Ask(XsType.Watch, $"data|{i}|"))];
        Assert.Equal("!E2BIG", watches[^1]);
        Assert.Equal("OK|", watches[^2]);
        string[] transactions = [.. Enumerable.Range(0, 11).Select(_ => _two.Ask(XsType.TransactionStart, "|"))];
        Assert.Equal("!ENOSPC", transactions[^1]);
    }

    [Fact]
    public void ABigDirectoryIsReadInParts()
    {
        for (int i = 0; i < 600; i++)
        {
            _one.Ask(XsType.Mkdir, $"data/node{i}|");
        }

        int offset = 0;
        int names = 0;
        while (true)
        {
            string[] parts = _one.Ask(XsType.DirectoryPart, $"data|{offset}|").Split('|');
            string[] here = [.. parts.Skip(1).TakeWhile(part => part.Length > 0)];
            names += here.Length;
            offset += here.Sum(name => name.Length + 1);
            if (parts.Length > here.Length + 2)
            {
                break;
            }
        }

        Assert.Equal(600, names);
    }

    [Fact]
    public void AnOverlongPayloadEndsTheConversationUntilReconnect()
    {
        _one.Send(new XsHeader { Type = XsType.Read, Length = 4097 }, "");
        Assert.True(_one.Ring.IsIgnored);
        Assert.Equal(XsRing.ErrorProtocol, _one.Page.Get(XsRing.ErrorOffset));
        Assert.Equal("(no reply)", _one.Ask(XsType.Read, "name|"));
        Assert.Equal("b", _two.Ask(XsType.Read, "name|"));
        _one.Page.Set(XsRing.ConnectionOffset, XsRing.Reconnect);
        _one.Page.Set(XsRing.RequestProducerOffset, 0);
        _one.Ring.Poll();
        Assert.Equal(0u, _one.Page.Get(XsRing.ConnectionOffset));
        Assert.Equal("a", _one.Ask(XsType.Read, "name|"));
    }

    [Theory]
    [InlineData(XsRing.RequestProducerOffset)]
    [InlineData(XsRing.ResponseConsumerOffset)]
    public void WildIndicesEndTheConversation(int index)
    {
        _one.Page.Set(index, 0x12345678);
        _one.Ring.Connection.Send(new XsHeader { Type = XsType.WatchEvent }, "x\0y\0"u8);
        _one.Ring.Poll();
        Assert.True(_one.Ring.IsIgnored);
        Assert.Equal(XsRing.ErrorRingIndex, _one.Page.Get(XsRing.ErrorOffset));
        Assert.Equal("b", _two.Ask(XsType.Read, "name|"));
    }

    [Fact]
    public void AGuestThatDoesNotReadLosesEventsOnly()
    {
        _one.Ask(XsType.Watch, "data|t|");
        for (int i = 0; i < 3000; i++)
        {
            _server.Write("/local/domain/1/data", "x");
            _one.Ring.Poll();
        }

        Assert.True(_one.Ring.Connection.DroppedEvents > 0);
        _one.Receive();
        Assert.Equal("a", _one.Ask(XsType.Read, "name|"));
    }

    [Fact]
    public void RandomMessagesAreAllAnswered()
    {
        Random random = new(7);
        string[] words = ["data", "name", "/local/domain/2/name", "T", "F", "1", "n1", "b0", "", "|", "|", "|", "@introduceDomain", "x/y", "\xff"];
        for (int i = 0; i < 5000; i++)
        {
            string payload = string.Concat(Enumerable.Range(0, random.Next(5)).Select(_ => words[random.Next(words.Length)] + (random.Next(3) == 0 ? "" : "|")));
            XsType type = (XsType)random.Next(1, 25);
            Assert.NotEqual("(no reply)", _one.Ask(type, payload, (uint)random.Next(6) / 4));
        }

        Assert.Equal("b", _two.Ask(XsType.Read, "name|"));
    }
}
