using System.Runtime.InteropServices;

namespace Xenolith.Toolstack.Xenstore;

/// <summary>Message types of the xenstore protocol, XS_* (xen/include/public/io/xs_wire.h).</summary>
public enum XsType : uint
{
    Control = 0,
    Directory = 1,
    Read = 2,
    GetPerms = 3,
    Watch = 4,
    Unwatch = 5,
    TransactionStart = 6,
    TransactionEnd = 7,
    Introduce = 8,
    Release = 9,
    GetDomainPath = 10,
    Write = 11,
    Mkdir = 12,
    Rm = 13,
    SetPerms = 14,
    WatchEvent = 15,
    Error = 16,
    IsDomainIntroduced = 17,
    Resume = 18,
    SetTarget = 19,
    ResetWatches = 21,
    DirectoryPart = 22,
}

/// <summary>The errors that the protocol has words for, xsd_errors (xen/include/public/io/xs_wire.h). They travel as their names.</summary>
public enum XsError
{
    None,
    EINVAL,
    EACCES,
    EEXIST,
    ENOENT,
    ENOSPC,
    ENOSYS,
    EBUSY,
    EAGAIN,
    E2BIG,
    EPERM,
}

/// <summary>struct xsd_sockmsg: what heads each message (xen/include/public/io/xs_wire.h).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct XsHeader
{
    public const int Size = 16;

    public XsType Type;

    /// <summary>Chosen by the asker, echoed in the reply.</summary>
    public uint RequestId;

    /// <summary>Zero outside transactions.</summary>
    public uint TransactionId;

    /// <summary>Bytes that follow.</summary>
    public uint Length;
}

/// <summary>Layout of struct xenstore_domain_interface: one page, two rings (xen/include/public/io/xs_wire.h).</summary>
public static class XsRing
{
    public const int RingSize = 1024;
    public const int RequestOffset = 0;
    public const int ResponseOffset = 1024;
    public const int RequestConsumerOffset = 2048;
    public const int RequestProducerOffset = 2052;
    public const int ResponseConsumerOffset = 2056;
    public const int ResponseProducerOffset = 2060;
    public const int ServerFeaturesOffset = 2064;
    public const int ConnectionOffset = 2068;
    public const int ErrorOffset = 2072;

    /// <summary>XENSTORE_SERVER_FEATURE_RECONNECTION and XENSTORE_SERVER_FEATURE_ERROR.</summary>
    public const uint ServerFeatures = 3;

    /// <summary>XENSTORE_RECONNECT: the guest asks to begin anew.</summary>
    public const uint Reconnect = 1;

    public const uint ErrorCommunication = 1;
    public const uint ErrorRingIndex = 2;
    public const uint ErrorProtocol = 3;
}

/// <summary>Limits of the protocol (xs_wire.h), and quotas that keep one guest from starving others (xenstored's defaults).</summary>
public static class XsLimits
{
    public const int PayloadMax = 4096;
    public const int AbsolutePathMax = 3072;
    public const int RelativePathMax = 2048;
    public const int NodesPerDomain = 1000;
    public const int WatchesPerDomain = 128;
    public const int TransactionsPerDomain = 10;

    /// <summary>Nodes that one transaction may touch, and changes that it may collect.</summary>
    public const int NodesPerTransaction = 1024;
    public const int NodeSizeMax = 2048;
    public const int PermissionsPerNode = 5;

    /// <summary>Messages that may wait for a guest which does not read; watch events beyond are dropped, requests beyond wait.</summary>
    public const int PendingMessages = 1024;
}
