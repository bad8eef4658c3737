namespace Xenolith.Cpu;

/// <content>Checks on the host-state area, one method per subsection of SDM 3C "Checks on Host-State Area".</content>
public sealed unsafe partial class VmxUnit
{
    private bool HostStateIsValid() => HostControlRegistersAreValid() && HostMsrsAreValid() && HostSegmentsAreValid() && HostAddressSpaceIsValid();

    /// <summary>SDM 3C "Checks on Host Control Registers, MSRs, and SSP": the control registers.</summary>
    private bool HostControlRegistersAreValid()
    {
        ulong cr0 = Read(VmcsField.HostCr0);
        ulong cr4 = Read(VmcsField.HostCr4);
        return IsFixed(cr0, VmxCapabilities.Cr0Fixed0, VmxCapabilities.Cr0Fixed1) && IsFixed(cr4, VmxCapabilities.Cr4Fixed0, ControlRegisters.Cr4Supported)
            && Read(VmcsField.HostCr3) >> State->Paging.PhysicalAddressBits == 0;
    }

    /// <summary>SDM 3C "Checks on Host Control Registers, MSRs, and SSP": the MSRs.</summary>
    private bool HostMsrsAreValid()
    {
        ExitControls exit = (ExitControls)Read32(VmcsField.VmExitControls);
        if (!IsCanonical(Read(VmcsField.HostSysenterEsp)) || !IsCanonical(Read(VmcsField.HostSysenterEip)))
        {
            return false;
        }

        if (exit.HasFlag(ExitControls.LoadPat) && !ControlRegisters.IsValidPat(Read(VmcsField.HostPat)))
        {
            return false;
        }

        if (!exit.HasFlag(ExitControls.LoadEfer))
        {
            return true;
        }

        ulong efer = Read(VmcsField.HostEfer);
        bool longMode = exit.HasFlag(ExitControls.HostAddressSpaceSize);
        return (efer & ~ControlRegisters.EferSupported) == 0 && ((efer & ControlRegisters.EferLma) != 0) == longMode
            && ((efer & ControlRegisters.EferLme) != 0) == longMode;
    }

    /// <summary>SDM 3C "Checks on Host Segment and Descriptor-Table Registers".</summary>
    private bool HostSegmentsAreValid()
    {
        uint cs = Read32(VmcsField.HostCsSelector);
        uint ss = Read32(VmcsField.HostSsSelector);
        uint tr = Read32(VmcsField.HostTrSelector);
        uint all = cs | ss | tr | Read32(VmcsField.HostDsSelector) | Read32(VmcsField.HostEsSelector) | Read32(VmcsField.HostFsSelector)
            | Read32(VmcsField.HostGsSelector);

        // RPL and TI are 0 in every selector.
        if ((all & 7) != 0 || cs == 0 || tr == 0)
        {
            return false;
        }

        if (ss == 0 && !((ExitControls)Read32(VmcsField.VmExitControls)).HasFlag(ExitControls.HostAddressSpaceSize))
        {
            return false;
        }

        return IsCanonical(Read(VmcsField.HostFsBase)) && IsCanonical(Read(VmcsField.HostGsBase)) && IsCanonical(Read(VmcsField.HostGdtrBase))
            && IsCanonical(Read(VmcsField.HostIdtrBase)) && IsCanonical(Read(VmcsField.HostTrBase));
    }

    /// <summary>SDM 3C "Checks Related to Address-Space Size".</summary>
    private bool HostAddressSpaceIsValid()
    {
        bool hostIsLong = ((ExitControls)Read32(VmcsField.VmExitControls)).HasFlag(ExitControls.HostAddressSpaceSize);
        bool guestIsLong = ((EntryControls)Read32(VmcsField.VmEntryControls)).HasFlag(EntryControls.Ia32eModeGuest);
        bool nowLong = (State->Paging.Efer & ControlRegisters.EferLma) != 0;
        ulong cr4 = Read(VmcsField.HostCr4);
        ulong rip = Read(VmcsField.HostRip);
        if (nowLong != hostIsLong)
        {
            return false;
        }

        return hostIsLong
            ? (cr4 & ControlRegisters.Cr4Pae) != 0 && IsCanonical(rip, cr4)
            : !guestIsLong && (cr4 & ControlRegisters.Cr4Pcide) == 0 && rip >> 32 == 0;
    }

    /// <summary>Bits that are 1 in <paramref name="fixed0"/> must be 1; bits that are 0 in <paramref name="fixed1"/> must be 0.</summary>
    private static bool IsFixed(ulong value, ulong fixed0, ulong fixed1) => (value & fixed0) == fixed0 && (value & ~fixed1) == 0;

    /// <summary>Canonical for the processor's maximum linear-address width (57 bits).</summary>
    private static bool IsCanonical(ulong address) => (ulong)((long)(address << 7) >> 7) == address;

    /// <summary>Canonical under the paging mode that CR4.LA57 selects.</summary>
    private static bool IsCanonical(ulong address, ulong cr4)
    {
        int shift = (cr4 & ControlRegisters.Cr4La57) != 0 ? 7 : 16;
        return (ulong)((long)(address << shift) >> shift) == address;
    }
}
