using System.Runtime.CompilerServices;

namespace Xenolith.Mmu;

/// <summary>The unit named <c>none</c>: today's machines. Whoever can form a physical address may use it.</summary>
public readonly struct NoIsolation : IIsolationUnit
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Verdict Judge(in PhysicalAccess access) => Verdict.AllowAllKinds(segment: access.Address.Value >> Pages.Shift);
}

/// <summary>Builds machines whose memory nobody guards.</summary>
public sealed class NoIsolationFactory : IsolationFactory<NoIsolation>
{
    public override string Name => "none";

    public override string Summary => "no isolation below EPT: what machines do today";

    protected override NoIsolation CreateUnit(PhysicalBus bus, IsolationOptions options, out IsolationControl control)
    {
        RefuseProfile(options);
        control = new IsolationControl(bus.Memory.SizeBytes, options.SegmentSizeBytes);
        return default;
    }
}
