using System;

namespace Xenolith.Mmu;

/// <summary>
/// What the mappings that a translation used allow, all levels taken together. It holds no control register and no mode, so that a
/// TLB can keep it and <see cref="AccessRights"/> can judge it anew (SDM 3A "Details of TLB Use").
/// </summary>
/// <remarks>
/// <code>
///  15   14..12    11..8   7    6    5   4    3   2    1    0
/// +----+--------+-------+----+----+---+---+----+----+----+----+
/// |Page|Iso XWR |  Key  | XU | XS | W | R | D  | XD | RW | US |
/// +----+--------+-------+----+----+---+---+----+----+----+----+
///   |      |        |     `----EPT-----'     `--guest paging--'
///   |      |        protection key of the leaf
///   |      kinds that the isolation unit is known to allow
///   the unit's answer holds for the whole page
/// </code>
/// </remarks>
[Flags]
public enum PageRights : ushort
{
    None = 0,

    /// <summary>U/S is 1 at every level: a user-mode address.</summary>
    US = 1 << 0,

    /// <summary>R/W is 1 at every level.</summary>
    RW = 1 << 1,

    /// <summary>XD is 1 at some level.</summary>
    XD = 1 << 2,

    /// <summary>No dirty bit is left to set, in neither stage: a write needs no walk.</summary>
    Dirty = 1 << 3,

    EptR = 1 << 4,
    EptW = 1 << 5,

    /// <summary>Execute, or supervisor-mode execute under mode-based execute control.</summary>
    EptX = 1 << 6,

    /// <summary>User-mode execute; equal to <see cref="EptX"/> without mode-based execute control.</summary>
    EptXU = 1 << 7,

    /// <summary>The protection key of the leaf, in bits 11:8.</summary>
    KeyMask = 0xF << 8,

    IsolationRead = 1 << 12,
    IsolationWrite = 1 << 13,
    IsolationExecute = 1 << 14,
    IsolationPage = 1 << 15,

    GuestAll = US | RW,
    EptAll = EptR | EptW | EptX | EptXU,
    IsolationAll = IsolationRead | IsolationWrite | IsolationExecute,
}
