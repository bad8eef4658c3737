namespace Xenolith.Cpu;

/// <summary>
/// What this processor offers of VMX (SDM 3D Appendix A "VMX Capability Reporting Facility"): the one place that says so. The capability
/// MSRs, the entry checks and the intercepts all read it.
/// </summary>
public static class VmxCapabilities
{
    /// <summary>Reserved pin-based controls that read as 1 (default1 class).</summary>
    public const uint PinDefault1 = 0x0000_0016;

    public const uint PinOffered = (uint)(PinControls.ExternalInterruptExiting | PinControls.NmiExiting | PinControls.VirtualNmis
        | PinControls.ActivateVmxPreemptionTimer);

    public const uint PrimaryDefault1 = 0x0401_E172;

    public const uint PrimaryOffered = (uint)(PrimaryControls.InterruptWindowExiting | PrimaryControls.UseTscOffsetting
        | PrimaryControls.HltExiting | PrimaryControls.InvlpgExiting | PrimaryControls.MwaitExiting | PrimaryControls.RdpmcExiting
        | PrimaryControls.RdtscExiting | PrimaryControls.Cr3LoadExiting | PrimaryControls.Cr3StoreExiting | PrimaryControls.Cr8LoadExiting
        | PrimaryControls.Cr8StoreExiting | PrimaryControls.NmiWindowExiting | PrimaryControls.MovDrExiting
        | PrimaryControls.UnconditionalIoExiting | PrimaryControls.UseIoBitmaps | PrimaryControls.UseMsrBitmaps
        | PrimaryControls.MonitorExiting | PrimaryControls.PauseExiting | PrimaryControls.ActivateSecondaryControls);

    /// <summary>Default1 controls that may be 0 all the same, as the TRUE capability MSRs tell.</summary>
    public const uint PrimaryMayBe0 = (uint)(PrimaryControls.Cr3LoadExiting | PrimaryControls.Cr3StoreExiting);

    public const uint SecondaryOffered = (uint)(SecondaryControls.EnableEpt | SecondaryControls.DescriptorTableExiting
        | SecondaryControls.EnableRdtscp | SecondaryControls.EnableVpid | SecondaryControls.WbinvdExiting
        | SecondaryControls.UnrestrictedGuest | SecondaryControls.RdrandExiting | SecondaryControls.EnableInvpcid
        | SecondaryControls.RdseedExiting | SecondaryControls.ModeBasedExecuteControl);

    public const uint ExitDefault1 = 0x0003_6DFF;

    public const uint ExitOffered = (uint)(ExitControls.SaveDebugControls | ExitControls.HostAddressSpaceSize
        | ExitControls.AcknowledgeInterruptOnExit | ExitControls.SavePat | ExitControls.LoadPat | ExitControls.SaveEfer
        | ExitControls.LoadEfer | ExitControls.SavePreemptionTimer);

    public const uint ExitMayBe0 = (uint)ExitControls.SaveDebugControls;

    public const uint EntryDefault1 = 0x0000_11FF;

    public const uint EntryOffered = (uint)(EntryControls.LoadDebugControls | EntryControls.Ia32eModeGuest | EntryControls.LoadPat
        | EntryControls.LoadEfer);

    public const uint EntryMayBe0 = (uint)EntryControls.LoadDebugControls;

    /// <summary>Number of CR3-target values (IA32_VMX_MISC bits 24:16).</summary>
    public const uint Cr3TargetCount = 4;

    /// <summary>Recommended maximum length of an MSR area (IA32_VMX_MISC bits 27:25 = 0).</summary>
    public const uint MaxMsrAreaCount = 512;

    /// <summary>The preemption timer counts down by 1 for each tick of the TSC (IA32_VMX_MISC bits 4:0 = 0).</summary>
    public const int PreemptionTimerShift = 0;

    // CR0.PE, NE and PG must be 1 in VMX operation; no bit of the low half must be 0. CR4.VMXE must be 1.
    public const ulong Cr0Fixed0 = 0x8000_0021;
    public const ulong Cr0Fixed1 = 0xFFFF_FFFF;
    public const ulong Cr4Fixed0 = 0x2000;

    private const ulong Basic = VmcsLayout.RevisionId | ((ulong)VmcsLayout.RegionSize << 32) | (6UL << 50) | (1UL << 54) | (1UL << 55);

    // Bit 5: VM exits store EFER.LMA in the IA-32e mode guest control. Bits 6, 7: HLT and shutdown are supported activity states.
    private const ulong Misc = PreemptionTimerShift | (1UL << 5) | (1UL << 6) | (1UL << 7) | ((ulong)Cr3TargetCount << 16);

    // Execute-only; walk lengths 4 and 5; UC and WB; 2-MiB and 1-GiB pages; INVEPT, accessed and dirty flags, both INVEPT types;
    // INVVPID with its four types.
    private const ulong EptVpid = (1UL << 0) | (1UL << 6) | (1UL << 7) | (1UL << 8) | (1UL << 14) | (1UL << 16) | (1UL << 17)
        | (1UL << 20) | (1UL << 21) | (1UL << 25) | (1UL << 26) | (1UL << 32) | (0xFUL << 40);

    // Bits 9:1: the highest index of any field, which an ASMI field has.
    private const ulong VmcsEnumeration = 0x102 << 1;

    /// <summary>The capability MSR with this number; false for a number that does not exist.</summary>
    public static bool TryReadMsr(uint msr, out ulong value)
    {
        value = msr switch
        {
            0x480 => Basic,
            0x481 => Pair(PinDefault1, PinOffered),
            0x482 => Pair(PrimaryDefault1, PrimaryOffered),
            0x483 => Pair(ExitDefault1, ExitOffered),
            0x484 => Pair(EntryDefault1, EntryOffered),
            0x485 => Misc,
            0x486 => Cr0Fixed0,
            0x487 => Cr0Fixed1,
            0x488 => Cr4Fixed0,
            0x489 => ControlRegisters.Cr4Supported,
            0x48A => VmcsEnumeration,
            0x48B => Pair(0, SecondaryOffered),
            0x48C => EptVpid,
            0x48D => Pair(PinDefault1, PinOffered),
            0x48E => TruePair(PrimaryDefault1, PrimaryOffered, PrimaryMayBe0),
            0x48F => TruePair(ExitDefault1, ExitOffered, ExitMayBe0),
            0x490 => TruePair(EntryDefault1, EntryOffered, EntryMayBe0),
            _ => 0,
        };

        return msr is >= 0x480 and <= 0x490;
    }

    internal static bool AllowsPin(uint controls) => Allows(controls, PinDefault1, PinOffered);

    internal static bool AllowsPrimary(uint controls) => Allows(controls, PrimaryDefault1 & ~PrimaryMayBe0, PrimaryDefault1 | PrimaryOffered);

    internal static bool AllowsSecondary(uint controls) => (controls & ~SecondaryOffered) == 0;

    internal static bool AllowsExit(uint controls) => Allows(controls, ExitDefault1 & ~ExitMayBe0, ExitDefault1 | ExitOffered);

    internal static bool AllowsEntry(uint controls) => Allows(controls, EntryDefault1 & ~EntryMayBe0, EntryDefault1 | EntryOffered);

    private static bool Allows(uint controls, uint mustBe1, uint offered) => (controls & mustBe1) == mustBe1 && (controls & ~(mustBe1 | offered)) == 0;

    private static ulong Pair(uint default1, uint offered) => default1 | ((ulong)(default1 | offered) << 32);

    private static ulong TruePair(uint default1, uint offered, uint mayBe0) => (default1 & ~mayBe0) | ((ulong)(default1 | offered) << 32);
}
