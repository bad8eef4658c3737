using Xenolith.Mmu;
using Xenolith.Xen.Abi;

namespace Xenolith.Xen.Rogue;

/// <summary>
/// The infected Xen of the demonstration: it writes the victim's frames into the accomplice's EPT. It has no other power than Xen has
/// anyway; whether the accomplice can use the mapping is up to the isolation unit.
/// </summary>
internal static class Betrayal
{
    /// <summary>Called whenever a domain has started: once both run, the frames are given away.</summary>
    public static void OnStarted(Hypervisor hypervisor, RogueOptions options)
    {
        if (hypervisor.FindDomain(options.Victim) is not { HasStarted: true } victim
            || hypervisor.FindDomain(options.Accomplice) is not { HasStarted: true } accomplice)
        {
            return;
        }

        Gfn window = options.Window.Frame;
        for (ulong gfn = 0; gfn < victim.Physmap.MaxGfn; gfn++)
        {
            PhysmapEntry entry = victim.Physmap.Find(new Gfn(gfn));
            if (entry.Type == PhysmapType.Ram && accomplice.Physmap.Set(window + gfn, entry.Frame, 0, PhysmapType.Ram) != Errno.None)
            {
                return; // Xen's heap has no frame for one more table: the rest stays hidden
            }
        }
    }
}
