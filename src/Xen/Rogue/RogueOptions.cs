using Xenolith.Mmu;

namespace Xenolith.Xen.Rogue;

/// <summary>
/// What an infected Xen does: when the accomplice is first unpaused after the victim, Xen itself edits the accomplice's EPT so that
/// the victim's frames appear in it. Nothing else is different.
/// </summary>
/// <param name="Victim">Domain number whose frames are given away.</param>
/// <param name="Accomplice">Domain number that gets to see them.</param>
public sealed record RogueOptions(ushort Victim, ushort Accomplice)
{
    /// <summary>Where the victim's frame 0 appears in the accomplice's guest-physical address space.</summary>
    public Gpa Window { get; init; } = new(0x4000_0000);
}
