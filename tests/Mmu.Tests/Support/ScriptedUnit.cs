using Xenolith.Mmu;

namespace Xenolith.Mmu.Tests;

/// <summary>
/// An isolation unit whose verdicts a test writes down: one byte per frame, bit = access kind, +4 for the hypervisor's name.
/// </summary>
internal readonly struct ScriptedUnit(byte[] denied) : IIsolationUnit
{
    public static Vmid Hypervisor => new(1);

    public static Vmid Guest => new(2);

    public Verdict Judge(in PhysicalAccess access)
    {
        ulong frame = access.Address.Value >> Pages.Shift;
        int bit = (int)access.Kind + (access.Name == Hypervisor ? 4 : 0);
        return frame < (ulong)denied.Length && (denied[frame] & (1 << bit)) != 0 ? Verdict.Deny(frame, lookups: 1) : Verdict.Allow(frame, lookups: 1);
    }
}
