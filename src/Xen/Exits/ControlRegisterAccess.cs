using Xenolith.Cpu;
using Xenolith.Mmu;

namespace Xenolith.Xen.Exits;

/// <summary>
/// CR accesses exit only where a guest writes another value than its shadow holds to a bit that VMX operation fixes: CR0.NE and
/// CR4.VMXE (SDM 3C "Exit Qualification for Control-Register Accesses").
/// </summary>
internal readonly struct ControlRegisterAccess : IExitHandler
{
    private const ulong Pe = 1;
    private const ulong Ne = 1 << 5;
    private const ulong Nw = 1 << 29;
    private const ulong Cd = 1 << 30;
    private const ulong Pg = 1UL << 31;
    private const ulong Cr4Pae = 1 << 5;
    private const ulong EferLme = 1 << 8;
    private const ulong EferLma = 1 << 10;
    private const ulong CsLong = 1 << 13;

    public static void Handle(in ExitContext exit)
    {
        ulong qualification = exit.Qualification;
        int register = (int)qualification & 15;
        int access = (int)(qualification >> 4) & 3;
        ulong value = exit.Register((int)(qualification >> 8) & 15);
        if (register == 0 && access == 0)
        {
            WriteCr0(in exit, exit.Is64Bit ? value : (uint)value);
            return;
        }

        if (register == 4 && access == 0)
        {
            exit.InjectGeneralProtection(); // VMXE: guests have no VMX
            return;
        }

        Unexpected.Handle(in exit);
    }

    /// <summary>MOV to CR0, with what follows from a change of PG (SDM 3A "Paging-Mode Enabling", "Initializing IA-32e Mode").</summary>
    private static void WriteCr0(in ExitContext exit, ulong value)
    {
        Vmcs vmcs = exit.Vmcs;
        ulong old = vmcs[VmcsField.GuestCr0];
        ulong efer = vmcs[VmcsField.GuestEfer];
        bool enablesPaging = (value & Pg) != 0 && (old & Pg) == 0;
        bool pae = (vmcs[VmcsField.GuestCr4] & Cr4Pae) != 0;
        if (value >> 32 != 0 || (value & (Pe | Pg)) == Pg || (value & (Nw | Cd)) == Nw
            || (enablesPaging && (efer & EferLme) != 0 && (!pae || (vmcs[VmcsField.GuestCsAccessRights] & CsLong) != 0))
            || ((value & Pg) == 0 && exit.Is64Bit))
        {
            exit.InjectGeneralProtection();
            return;
        }

        bool longMode = (value & Pg) != 0 && (efer & EferLme) != 0;
        if (enablesPaging && pae && !longMode && !TryLoadPdptes(in exit))
        {
            exit.InjectGeneralProtection();
            return;
        }

        vmcs[VmcsField.GuestEfer] = longMode ? efer | EferLma : efer & ~EferLma;
        ulong entry = vmcs[VmcsField.VmEntryControls] & ~(ulong)EntryControls.Ia32eModeGuest;
        vmcs[VmcsField.VmEntryControls] = longMode ? entry | (ulong)EntryControls.Ia32eModeGuest : entry;
        vmcs[VmcsField.GuestCr0] = value | Ne;
        vmcs[VmcsField.Cr0ReadShadow] = value;
        if (((value ^ old) & Pg) != 0)
        {
            exit.Domain.Physmap.NeedsFlush = true; // SDM 3A "Operations that Invalidate TLBs": a change of CR0.PG
        }

        exit.SkipInstruction();
    }

    /// <summary>SDM 3A "PDPTE Registers": four entries at CR3, read as the guest's own, reserved bits clear where present.</summary>
    private static bool TryLoadPdptes(in ExitContext exit)
    {
        const ulong ReservedMask = 0xFFFF_C000_0000_01E6; // bits 2:1, 8:5 and those from MAXPHYADDR (46) up
        exit.Vcpu.DescribeCaller();
        CallerMemory memory = exit.Vcpu.Caller;
        ulong table = (uint)exit.Vmcs[VmcsField.GuestCr3] & ~31u;
        for (uint i = 0; i < 4; i++)
        {
            // Paging is still off: the linear address is the guest-physical one.
            if (!memory.TryRead(table + (i * 8), out ulong entry) || ((entry & 1) != 0 && (entry & ReservedMask) != 0))
            {
                return false;
            }

            exit.Vmcs[VmcsField.GuestPdpte0 + (2 * i)] = entry;
        }

        return true;
    }
}
