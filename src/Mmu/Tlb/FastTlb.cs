using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Xenolith.Mmu;

/// <summary>
/// One entry of the engine's direct-mapped TLB. A tag is the linear page address when that kind of access may go straight to
/// memory at <c>linear address + Addend</c>, otherwise <see cref="NoTag"/>. The write tag is set only when the page is dirty and
/// holds no decoded code; device pages have no tags at all.
/// </summary>
[StructLayout(LayoutKind.Sequential, Size = 32)]
public struct FastTlbEntry
{
    /// <summary>No linear page address: its offset bits are not zero.</summary>
    public const ulong NoTag = ulong.MaxValue;

    public ulong ReadTag;
    public ulong WriteTag;
    public ulong FetchTag;
    public nint Addend;
}
