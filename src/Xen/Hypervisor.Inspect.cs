using Xenolith.Cpu;
using Xenolith.Mmu;

namespace Xenolith.Xen;

/// <content>Looking at a guest from outside, for tools that explain: a probe on the wires, not a way in. Nothing is read but paging
/// structures.</content>
public sealed unsafe partial class Hypervisor
{
    /// <summary>
    /// Translates an address as the vCPU would at this moment, in its name and through its tables; a probe of the board sees every
    /// step. As in any walk,
    /// accessed and dirty bits are set.
    /// </summary>
    /// <returns>What came of it; a page fault for an address that is not canonical or a domain that has no vCPU.</returns>
    public TranslationStatus Inspect(Domain domain, int vcpu, Gva address, AccessKind kind, AccessMode mode)
    {
        if (domain.FindVcpu((uint)vcpu) is not { } target || domain.State == DomainState.Dead)
        {
            return TranslationStatus.PageFault;
        }

        Unload();
        target.DescribeCaller();
        return target.Caller.Translate(address, kind, mode);
    }

    /// <summary>The linear address of the instruction that the vCPU would execute next; zero when there is none.</summary>
    public Gva NextInstruction(Domain domain, int vcpu)
    {
        if (domain.FindVcpu((uint)vcpu) is not { } target || domain.State == DomainState.Dead)
        {
            return default;
        }

        Unload();
        bool isLongMode = (target.Vmcs[VmcsField.GuestCsAccessRights] & SegmentRegister.LBit) != 0;
        return new Gva(target.Vmcs[VmcsField.GuestRip] + (isLongMode ? 0 : target.Vmcs[VmcsField.GuestCsBase]));
    }
}
