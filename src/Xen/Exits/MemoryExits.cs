using Xenolith.Cpu;
using Xenolith.Mmu;
using Xenolith.Xen.Abi;

namespace Xenolith.Xen.Exits;

/// <summary>
/// EPT violation (SDM 3C "Exit Qualification for EPT Violations"). Data accesses to a hole find a bus where nothing answers; code in a
/// hole, and writes to a page that was granted for reading only, cannot go on.
/// </summary>
internal readonly struct EptViolation : IExitHandler
{
    private const ulong Fetch = 1 << 2;
    private const ulong Gib = 1UL << 30;

    public static void Handle(in ExitContext exit)
    {
        Gpa address = new(exit.Vmcs[VmcsField.GuestPhysicalAddress]);
        PhysmapEntry entry = exit.Domain.Physmap.Find(address.Frame);
        if ((exit.Qualification & Fetch) != 0)
        {
            exit.Crash(DomainExitKind.Unemulated, $"instruction fetch from guest-physical address {address}, where there is no memory to execute");
            return;
        }

        if (entry.Type == PhysmapType.GrantReadOnly)
        {
            exit.InjectGeneralProtection();
            return;
        }

        if (entry.IsMapped || exit.Domain.Physmap.FillHole(address.Frame, Nowhere(in exit)) != Errno.None)
        {
            exit.Crash(DomainExitKind.Unemulated, $"EPT violation at guest-physical address {address} with qualification 0x{exit.Qualification:x}");
        }
    }

    /// <summary>The last GiB of host-physical address space: the board puts nothing there.</summary>
    private static unsafe Mfn Nowhere(in ExitContext exit) =>
        new Hpa((1UL << exit.State->Paging.PhysicalAddressBits) - Gib).Frame;
}

/// <summary>ASMI's exit (docs/asmi.md, G15): the domain that reached for another's memory ends; the others never notice.</summary>
internal readonly struct IsolationViolation : IExitHandler
{
    private const ulong PagingStructure = 1 << 3;
    private const ulong LinearAddressValid = 1 << 7;

    public static void Handle(in ExitContext exit)
    {
        Vmcs vmcs = exit.Vmcs;
        ulong qualification = exit.Qualification;
        IsolationFault fault = new(
            (qualification & LinearAddressValid) != 0,
            new Gva(vmcs[VmcsField.GuestLinearAddress]),
            new Gpa(vmcs[VmcsField.GuestPhysicalAddress]),
            new Hpa(vmcs[VmcsField.AsmiViolationHpa]),
            (AccessKind)(byte)vmcs[VmcsField.AsmiViolationAccess],
            (qualification & PagingStructure) != 0,
            vmcs[VmcsField.AsmiViolationSegment],
            new Vmid((uint)vmcs[VmcsField.AsmiViolationOwner]),
            new Vmid((uint)vmcs[VmcsField.AsmiViolationName]));
        string detail = $"{fault.Kind} of GPA {fault.Gpa}, HPA {fault.Hpa}: segment 0x{fault.Segment:x} belongs to VMID {fault.Owner}, not to {fault.Name}";
        exit.Crash(DomainExitKind.IsolationViolation, detail, fault);
    }
}
