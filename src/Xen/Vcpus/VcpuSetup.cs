using Xenolith.Cpu;
using Xenolith.Mmu;

namespace Xenolith.Xen;

/// <summary>The controls and the host state that every VMCS of this Xen has.</summary>
internal static class VcpuSetup
{
    private const ulong HostCr0 = 0x8005_0033; // PE MP ET NE WP AM PG
    private const ulong HostCr4 = 0x0000_26F8; // DE PSE PAE MCE PGE OSFXSR OSXMMEXCPT VMXE
    private const ulong HostEfer = 0xD01; // SCE LME LMA NXE
    private const ulong Cr0Ne = 1 << 5;
    private const ulong Cr4Vmxe = 1 << 13;
    private const ulong NoLink = ulong.MaxValue;

    public const PinControls Pin = PinControls.ExternalInterruptExiting | PinControls.NmiExiting;

    public const PrimaryControls Primary = PrimaryControls.HltExiting | PrimaryControls.UnconditionalIoExiting
        | PrimaryControls.UseMsrBitmaps | PrimaryControls.UseTscOffsetting | PrimaryControls.ActivateSecondaryControls;

    public const SecondaryControls Secondary = SecondaryControls.EnableEpt | SecondaryControls.EnableVpid
        | SecondaryControls.UnrestrictedGuest | SecondaryControls.EnableRdtscp | SecondaryControls.EnableInvpcid;

    public const ExitControls Exit = ExitControls.HostAddressSpaceSize | ExitControls.AcknowledgeInterruptOnExit
        | ExitControls.SaveDebugControls | ExitControls.SaveEfer | ExitControls.LoadEfer | ExitControls.SavePat | ExitControls.LoadPat;

    public const EntryControls Entry = EntryControls.LoadDebugControls | EntryControls.LoadEfer | EntryControls.LoadPat;

    // Default1 bits of the capability MSRs (SDM 3D Appendix A "Reserved Controls and Default Settings"): reserved, and one.
    private const ulong PinDefault1 = 0x16;
    private const ulong PrimaryDefault1 = 0x0401_E172 & ~0x0001_8000UL; // CR3 accesses need not exit: IA32_VMX_TRUE_PROCBASED_CTLS
    private const ulong ExitDefault1 = 0x3_6DFF & ~0x4UL;
    private const ulong EntryDefault1 = 0x11FF & ~0x4UL;

    public static void Write(Vmcs vmcs, ulong eptp, ushort vpid, Hpa msrBitmap)
    {
        vmcs[VmcsField.PinBasedControls] = (ulong)Pin | PinDefault1;
        vmcs[VmcsField.PrimaryProcessorBasedControls] = (ulong)Primary | PrimaryDefault1;
        vmcs[VmcsField.SecondaryProcessorBasedControls] = (ulong)Secondary;
        vmcs[VmcsField.VmExitControls] = (ulong)Exit | ExitDefault1;
        vmcs[VmcsField.VmEntryControls] = (ulong)Entry | EntryDefault1;
        vmcs[VmcsField.EptPointer] = eptp;
        vmcs[VmcsField.VirtualProcessorIdentifier] = vpid;
        vmcs[VmcsField.MsrBitmaps] = msrBitmap.Value;
        vmcs[VmcsField.VmcsLinkPointer] = NoLink;
        vmcs[VmcsField.ExceptionBitmap] = 0;
        vmcs[VmcsField.TscOffset] = 0;

        // NE and VMXE are fixed by VMX operation: the guest sees its own values in the shadows.
        vmcs[VmcsField.Cr0Mask] = Cr0Ne;
        vmcs[VmcsField.Cr4Mask] = Cr4Vmxe;
        vmcs[VmcsField.GuestPat] = VcpuState.PatAfterReset;
        vmcs[VmcsField.GuestDebugCtl] = 0;
        WriteHostState(vmcs);
    }

    /// <summary>
    /// The emulated Xen executes no instructions, but the processor checks and loads a host state all the same (SDM 3C "Checks on
    /// Host Control Registers, MSRs, and SSP"): that of a 64-bit hypervisor.
    /// </summary>
    private static void WriteHostState(Vmcs vmcs)
    {
        vmcs[VmcsField.HostCr0] = HostCr0;
        vmcs[VmcsField.HostCr3] = 0;
        vmcs[VmcsField.HostCr4] = HostCr4;
        vmcs[VmcsField.HostEfer] = HostEfer;
        vmcs[VmcsField.HostPat] = VcpuState.PatAfterReset;
        vmcs[VmcsField.HostCsSelector] = 0x08;
        vmcs[VmcsField.HostSsSelector] = 0x10;
        vmcs[VmcsField.HostDsSelector] = 0x10;
        vmcs[VmcsField.HostEsSelector] = 0x10;
        vmcs[VmcsField.HostTrSelector] = 0x18;
        vmcs[VmcsField.HostRip] = 0x1000;
        vmcs[VmcsField.HostRsp] = 0x1000;
    }
}
