using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <content>Checks on the guest-state area but its segments, one method per subsection of SDM 3C "Checks on the Guest State
/// Area".</content>
public sealed unsafe partial class VmxUnit
{
    // Exit qualifications of a VM-entry failure due to invalid guest state (SDM 3C "VM-Entry Failures During or After Loading Guest
    // State").
    private const ulong FailurePdpte = 2;
    private const ulong FailureLinkPointer = 4;

    private const uint BlockingBySti = 1 << 0;
    private const uint BlockingByMovSs = 1 << 1;
    private const uint BlockingByNmi = 1 << 3;
    private const ulong PendingDebugBs = 1UL << 14;
    private const ulong PendingDebugDefined = 0xF | (1UL << 12) | PendingDebugBs;
    private const ulong DebugCtlBtf = 1UL << 1;

    private EntryControls GuestEntryControls => (EntryControls)Read32(VmcsField.VmEntryControls);

    private bool GuestIsIa32e => GuestEntryControls.HasFlag(EntryControls.Ia32eModeGuest);

    private bool GuestIsUnrestricted =>
        SecondaryOf((PrimaryControls)Read32(VmcsField.PrimaryProcessorBasedControls)).HasFlag(SecondaryControls.UnrestrictedGuest);

    private bool GuestIsVirtual8086 => (Read(VmcsField.GuestRflags) & RflagsBits.VM) != 0;

    /// <param name="qualification">Exit qualification when the state is invalid.</param>
    private bool GuestStateIsValid(out ulong qualification)
    {
        qualification = 0;
        if (!GuestControlRegistersAreValid() || !GuestMsrsAreValid() || !GuestSegmentsAreValid() || !GuestTablesAreValid()
            || !GuestRipAndRflagsAreValid() || !GuestActivityIsValid() || !GuestInterruptibilityIsValid() || !GuestPendingDebugIsValid())
        {
            return false;
        }

        if (!GuestLinkPointerIsValid())
        {
            qualification = FailureLinkPointer;
            return false;
        }

        if (!GuestPdptesAreValid())
        {
            qualification = FailurePdpte;
            return false;
        }

        return true;
    }

    /// <summary>SDM 3C "Checks on Guest Control Registers, Debug Registers, and MSRs": CR0, CR3, CR4, DR7.</summary>
    private bool GuestControlRegistersAreValid()
    {
        ulong cr0 = Read(VmcsField.GuestCr0);
        ulong cr4 = Read(VmcsField.GuestCr4);
        bool paging = (cr0 & ControlRegisters.Cr0Pg) != 0;
        bool protection = (cr0 & ControlRegisters.Cr0Pe) != 0;

        // NW and CD are never checked; an unrestricted guest may clear PE and PG.
        ulong fixed0 = GuestIsUnrestricted
            ? VmxCapabilities.Cr0Fixed0 & ~(ControlRegisters.Cr0Pe | ControlRegisters.Cr0Pg)
            : VmxCapabilities.Cr0Fixed0;
        if (!IsFixed(cr0, fixed0, VmxCapabilities.Cr0Fixed1) || !IsFixed(cr4, VmxCapabilities.Cr4Fixed0, ControlRegisters.Cr4Supported)
            || (paging && !protection))
        {
            return false;
        }

        if (GuestIsIa32e ? !paging || (cr4 & ControlRegisters.Cr4Pae) == 0 : (cr4 & ControlRegisters.Cr4Pcide) != 0)
        {
            return false;
        }

        return Read(VmcsField.GuestCr3) >> State->Paging.PhysicalAddressBits == 0
            && (!GuestEntryControls.HasFlag(EntryControls.LoadDebugControls) || Read(VmcsField.GuestDr7) >> 32 == 0);
    }

    /// <summary>SDM 3C "Checks on Guest Control Registers, Debug Registers, and MSRs": the MSRs.</summary>
    private bool GuestMsrsAreValid()
    {
        EntryControls entry = GuestEntryControls;
        if (entry.HasFlag(EntryControls.LoadDebugControls) && (Read(VmcsField.GuestDebugCtl) & ~ModelSpecificRegisters.DebugCtlSupported) != 0)
        {
            return false;
        }

        if (!IsCanonical(Read(VmcsField.GuestSysenterEsp)) || !IsCanonical(Read(VmcsField.GuestSysenterEip))
            || (entry.HasFlag(EntryControls.LoadPat) && !ControlRegisters.IsValidPat(Read(VmcsField.GuestPat))))
        {
            return false;
        }

        if (!entry.HasFlag(EntryControls.LoadEfer))
        {
            return true;
        }

        ulong efer = Read(VmcsField.GuestEfer);
        bool lma = (efer & ControlRegisters.EferLma) != 0;
        bool lme = (efer & ControlRegisters.EferLme) != 0;
        bool paging = (Read(VmcsField.GuestCr0) & ControlRegisters.Cr0Pg) != 0;
        return (efer & ~ControlRegisters.EferSupported) == 0 && lma == GuestIsIa32e && (!paging || lma == lme);
    }

    /// <summary>SDM 3C "Checks on Guest Descriptor-Table Registers".</summary>
    private bool GuestTablesAreValid() => IsCanonical(Read(VmcsField.GuestGdtrBase)) && IsCanonical(Read(VmcsField.GuestIdtrBase))
        && Read32(VmcsField.GuestGdtrLimit) <= ushort.MaxValue && Read32(VmcsField.GuestIdtrLimit) <= ushort.MaxValue;

    /// <summary>SDM 3C "Checks on Guest RIP, RFLAGS, and SSP".</summary>
    private bool GuestRipAndRflagsAreValid()
    {
        ulong rip = Read(VmcsField.GuestRip);
        ulong flags = Read(VmcsField.GuestRflags);
        bool is64Bit = GuestIsIa32e && (Read32(VmcsField.GuestCsAccessRights) & SegmentRegister.LBit) != 0;
        if (is64Bit ? !IsCanonical(rip, Read(VmcsField.GuestCr4)) : rip >> 32 != 0)
        {
            return false;
        }

        if ((flags & ~(ulong)(RflagsBits.Defined | RflagsBits.Fixed1)) != 0 || (flags & RflagsBits.Fixed1) == 0)
        {
            return false;
        }

        if ((flags & RflagsBits.VM) != 0 && (GuestIsIa32e || (Read(VmcsField.GuestCr0) & ControlRegisters.Cr0Pe) == 0))
        {
            return false;
        }

        return !Injects(EventType.ExternalInterrupt) || (flags & RflagsBits.IF) != 0;
    }

    /// <summary>SDM 3C "Checks on Guest Non-Register State": activity state.</summary>
    private bool GuestActivityIsValid()
    {
        uint activity = Read32(VmcsField.GuestActivityState);
        if (activity > (uint)ActivityState.Shutdown)
        {
            return false;
        }

        if (activity == (uint)ActivityState.Active)
        {
            return true;
        }

        bool blocked = (Read32(VmcsField.GuestInterruptibilityState) & (BlockingBySti | BlockingByMovSs)) != 0;
        bool halted = activity == (uint)ActivityState.Hlt;
        if (blocked || (halted && ((Read32(VmcsField.GuestSsAccessRights) >> 5) & 3) != 0))
        {
            return false;
        }

        uint info = Read32(VmcsField.EntryInterruptionInformation);
        if ((info & ValidBit) == 0)
        {
            return true;
        }

        uint vector = info & 0xFF;
        bool machineCheck = Injects(EventType.HardwareException) && vector == (uint)Vector.MC;
        bool debug = Injects(EventType.HardwareException) && vector == (uint)Vector.DB;
        return Injects(EventType.Nmi) || machineCheck || (halted && (debug || Injects(EventType.ExternalInterrupt)));
    }

    /// <summary>SDM 3C "Checks on Guest Non-Register State": interruptibility state.</summary>
    private bool GuestInterruptibilityIsValid()
    {
        uint state = Read32(VmcsField.GuestInterruptibilityState);
        bool sti = (state & BlockingBySti) != 0;
        bool movSs = (state & BlockingByMovSs) != 0;

        // Blocking by SMI (bit 2) and enclave interruption (bit 4) cannot be on this processor.
        if ((state & ~(BlockingBySti | BlockingByMovSs | BlockingByNmi)) != 0 || (sti && movSs)
            || (sti && (Read(VmcsField.GuestRflags) & RflagsBits.IF) == 0))
        {
            return false;
        }

        if ((sti || movSs) && Injects(EventType.ExternalInterrupt))
        {
            return false;
        }

        if (!Injects(EventType.Nmi))
        {
            return true;
        }

        bool virtualNmis = ((PinControls)Read32(VmcsField.PinBasedControls)).HasFlag(PinControls.VirtualNmis);
        return !movSs && (!virtualNmis || (state & BlockingByNmi) == 0);
    }

    /// <summary>SDM 3C "Checks on Guest Non-Register State": pending debug exceptions.</summary>
    private bool GuestPendingDebugIsValid()
    {
        ulong pending = Read(VmcsField.GuestPendingDebugExceptions);
        if ((pending & ~PendingDebugDefined) != 0)
        {
            return false;
        }

        bool blocked = (Read32(VmcsField.GuestInterruptibilityState) & (BlockingBySti | BlockingByMovSs)) != 0;
        if (!blocked && Read32(VmcsField.GuestActivityState) != (uint)ActivityState.Hlt)
        {
            return true;
        }

        bool stepping = (Read(VmcsField.GuestRflags) & RflagsBits.TF) != 0 && (Read(VmcsField.GuestDebugCtl) & DebugCtlBtf) == 0;
        return ((pending & PendingDebugBs) != 0) == stepping;
    }

    /// <summary>SDM 3C "Checks on Guest Non-Register State": VMCS link pointer.</summary>
    private bool GuestLinkPointerIsValid()
    {
        ulong pointer = Read(VmcsField.VmcsLinkPointer);
        return pointer == NoVmcs || (IsPageAddress(pointer) && pointer != _currentPointer
            && TryStructure(State->Paging.Name, pointer, AccessKind.Read, out byte* region) && *(uint*)region == VmcsLayout.RevisionId);
    }

    /// <summary>SDM 3C "Checks on Guest Page-Directory-Pointer-Table Entries", from the VMCS with EPT, from the table without.</summary>
    private bool GuestPdptesAreValid()
    {
        if (!GuestUsesPae())
        {
            return true;
        }

        SecondaryControls secondary = SecondaryOf((PrimaryControls)Read32(VmcsField.PrimaryProcessorBasedControls));
        ulong* table = null;
        if (!secondary.HasFlag(SecondaryControls.EnableEpt))
        {
            ulong address = Read(VmcsField.GuestCr3) & 0xFFFF_FFE0;
            if (!TryStructure(State->Paging.Name, address, AccessKind.Read, out byte* pointer))
            {
                return false;
            }

            table = (ulong*)pointer;
        }

        for (int entry = 0; entry < 4; entry++)
        {
            ulong pdpte = table == null ? Read(VmcsField.GuestPdpte0 + (uint)(2 * entry)) : table[entry];
            if (!ControlRegisters.IsValidPdpte(pdpte, State->Paging.PhysicalAddressBits))
            {
                return false;
            }
        }

        return true;
    }

    private bool GuestUsesPae() => (Read(VmcsField.GuestCr0) & ControlRegisters.Cr0Pg) != 0
        && (Read(VmcsField.GuestCr4) & ControlRegisters.Cr4Pae) != 0 && !GuestIsIa32e;

    private bool Injects(EventType type)
    {
        uint info = Read32(VmcsField.EntryInterruptionInformation);
        return (info & ValidBit) != 0 && (EventType)((info >> 8) & 7) == type;
    }
}
