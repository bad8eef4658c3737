using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <content>Checks on the VMX controls, one method per subsection of SDM 3C "Checks on VMX Controls".</content>
public sealed unsafe partial class VmxUnit
{
    private const uint ValidBit = 1u << 31;

    private bool ControlsAreValid() => ExecutionControlsAreValid() && EptControlsAreValid() && ExitControlsAreValid() && EntryControlsAreValid()
        && InjectionIsValid();

    /// <summary>SDM 3C "VM-Execution Control Fields", all but those about EPT.</summary>
    private bool ExecutionControlsAreValid()
    {
        uint pin = Read32(VmcsField.PinBasedControls);
        uint primary = Read32(VmcsField.PrimaryProcessorBasedControls);
        PinControls pinFlags = (PinControls)pin;
        PrimaryControls flags = (PrimaryControls)primary;

        if (!VmxCapabilities.AllowsPin(pin) || !VmxCapabilities.AllowsPrimary(primary) || !VmxCapabilities.AllowsSecondary((uint)SecondaryOf(flags)))
        {
            return false;
        }

        if (Read32(VmcsField.Cr3TargetCount) > VmxCapabilities.Cr3TargetCount)
        {
            return false;
        }

        if (flags.HasFlag(PrimaryControls.UseIoBitmaps)
            && (!IsPageAddress(Read(VmcsField.IoBitmapA)) || !IsPageAddress(Read(VmcsField.IoBitmapB))))
        {
            return false;
        }

        if (flags.HasFlag(PrimaryControls.UseMsrBitmaps) && !IsPageAddress(Read(VmcsField.MsrBitmaps)))
        {
            return false;
        }

        // Virtual NMIs need NMI exiting; the NMI window needs virtual NMIs.
        if (!pinFlags.HasFlag(PinControls.NmiExiting) && pinFlags.HasFlag(PinControls.VirtualNmis))
        {
            return false;
        }

        return pinFlags.HasFlag(PinControls.VirtualNmis) || !flags.HasFlag(PrimaryControls.NmiWindowExiting);
    }

    /// <summary>SDM 3C "VM-Execution Control Fields": VPID, EPT and what needs EPT.</summary>
    private bool EptControlsAreValid()
    {
        SecondaryControls secondary = SecondaryOf((PrimaryControls)Read32(VmcsField.PrimaryProcessorBasedControls));
        if (secondary.HasFlag(SecondaryControls.EnableVpid) && Read(VmcsField.VirtualProcessorIdentifier) == 0)
        {
            return false;
        }

        if (!secondary.HasFlag(SecondaryControls.EnableEpt))
        {
            return (secondary & (SecondaryControls.UnrestrictedGuest | SecondaryControls.ModeBasedExecuteControl)) == 0;
        }

        return IsValidEptp(Read(VmcsField.EptPointer));
    }

    /// <summary>
    /// SDM 3C "Extended-Page-Table Pointer (EPTP)": bits 2:0 memory type (UC or WB), 5:3 walk length minus 1 (4 or 5 levels), 6 accessed
    /// and dirty flags, 11:7 reserved (no supervisor shadow-stack control here), then the table's address.
    /// </summary>
    internal bool IsValidEptp(ulong eptp) =>
        (eptp & 7) is 0 or 6 && ((eptp >> 3) & 7) is 3 or 4 && (eptp & 0xF80) == 0 && eptp >> State->Paging.PhysicalAddressBits == 0;

    /// <summary>SDM 3C "VM-Exit Control Fields".</summary>
    private bool ExitControlsAreValid()
    {
        uint controls = Read32(VmcsField.VmExitControls);
        if (!VmxCapabilities.AllowsExit(controls))
        {
            return false;
        }

        bool timer = ((PinControls)Read32(VmcsField.PinBasedControls)).HasFlag(PinControls.ActivateVmxPreemptionTimer);
        return (timer || !((ExitControls)controls).HasFlag(ExitControls.SavePreemptionTimer))
            && IsMsrArea(VmcsField.ExitMsrStoreCount, VmcsField.ExitMsrStoreAddress)
            && IsMsrArea(VmcsField.ExitMsrLoadCount, VmcsField.ExitMsrLoadAddress);
    }

    /// <summary>SDM 3C "VM-Entry Control Fields", all but event injection.</summary>
    private bool EntryControlsAreValid() =>
        VmxCapabilities.AllowsEntry(Read32(VmcsField.VmEntryControls)) && IsMsrArea(VmcsField.EntryMsrLoadCount, VmcsField.EntryMsrLoadAddress);

    /// <summary>SDM 3C "VM-Entry Control Fields": fields relevant to VM-entry event injection.</summary>
    private bool InjectionIsValid()
    {
        uint info = Read32(VmcsField.EntryInterruptionInformation);
        if ((info & ValidBit) == 0)
        {
            return true;
        }

        uint vector = info & 0xFF;
        EventType type = (EventType)((info >> 8) & 7);
        bool deliversErrorCode = (info & (1 << 11)) != 0;

        // Type 1 is reserved; type 7 (MTF) needs the monitor trap flag, which is not offered.
        if ((info & 0x7FFF_F000) != 0 || type is (EventType)1 or EventType.OtherEvent)
        {
            return false;
        }

        if ((type == EventType.Nmi && vector != 2) || (type == EventType.HardwareException && vector > 31))
        {
            return false;
        }

        bool unrestricted = SecondaryOf((PrimaryControls)Read32(VmcsField.PrimaryProcessorBasedControls)).HasFlag(SecondaryControls.UnrestrictedGuest);
        bool realMode = unrestricted && (Read(VmcsField.GuestCr0) & ControlRegisters.Cr0Pe) == 0;
        bool mustDeliver = type == EventType.HardwareException && !realMode && PushesErrorCode((Vector)vector);
        if (deliversErrorCode != mustDeliver || (deliversErrorCode && Read32(VmcsField.EntryExceptionErrorCode) > ushort.MaxValue))
        {
            return false;
        }

        return type is not (EventType.SoftwareInterrupt or EventType.SoftwareException or EventType.PrivilegedSoftwareException)
            || Read32(VmcsField.EntryInstructionLength) is >= 1 and <= 15;
    }

    /// <summary>Exceptions that push an error code (SDM 3A "Error Code"). #CP does not exist on a processor without CET.</summary>
    internal static bool PushesErrorCode(Vector vector) => vector is Vector.DF or (>= Vector.TS and <= Vector.PF) or Vector.AC;

    /// <summary>Secondary controls count as zero unless the primary ones activate them.</summary>
    private SecondaryControls SecondaryOf(PrimaryControls primary) =>
        primary.HasFlag(PrimaryControls.ActivateSecondaryControls) ? (SecondaryControls)Read32(VmcsField.SecondaryProcessorBasedControls) : SecondaryControls.None;

    private bool IsPageAddress(ulong address) => (address & Pages.OffsetMask) == 0 && address >> State->Paging.PhysicalAddressBits == 0;

    /// <summary>An MSR area: 16-byte aligned, first and last byte within the physical-address width; unused when its count is 0.</summary>
    private bool IsMsrArea(VmcsField countField, VmcsField addressField)
    {
        ulong count = Read32(countField);
        ulong address = Read(addressField);
        int bits = State->Paging.PhysicalAddressBits;
        return count == 0 || ((address & 0xF) == 0 && address >> bits == 0 && (address + (count * 16) - 1) >> bits == 0);
    }
}
