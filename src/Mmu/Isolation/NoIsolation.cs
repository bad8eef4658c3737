using System.Runtime.CompilerServices;

namespace Xenolith.Mmu;

/// <summary>The unit named <c>none</c>: today's machines. Whoever can form a physical address may use it.</summary>
public readonly struct NoIsolation : IIsolationUnit
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Verdict Judge(in PhysicalAccess access) => Verdict.Allow(segment: access.Address.Value >> Pages.Shift);
}
