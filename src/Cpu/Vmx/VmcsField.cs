namespace Xenolith.Cpu;

/// <summary>
/// Encodings of the VMCS fields (SDM 3D "Field Encoding in VMCS": bits 14:13 width, 11:10 type, 9:1 index, 0 the high half of a 64-bit
/// field). The ASMI fields use indices from 256 up, which no processor uses; docs/asmi.md tells their meaning.
/// </summary>
public enum VmcsField : uint
{
    // 16-Bit Control Fields (SDM 3D Appendix B).
    VirtualProcessorIdentifier = 0x0000,
    PostedInterruptNotificationVector = 0x0002,
    EptpIndex = 0x0004,
    HlatPrefixSize = 0x0006,
    LastPidPointerIndex = 0x0008,

    // 16-Bit Guest-State Fields (SDM 3D Appendix B).
    GuestEsSelector = 0x0800,
    GuestCsSelector = 0x0802,
    GuestSsSelector = 0x0804,
    GuestDsSelector = 0x0806,
    GuestFsSelector = 0x0808,
    GuestGsSelector = 0x080A,
    GuestLdtrSelector = 0x080C,
    GuestTrSelector = 0x080E,
    GuestInterruptStatus = 0x0810,
    PmlIndex = 0x0812,
    GuestUinv = 0x0814,

    // 16-Bit Host-State Fields (SDM 3D Appendix B).
    HostEsSelector = 0x0C00,
    HostCsSelector = 0x0C02,
    HostSsSelector = 0x0C04,
    HostDsSelector = 0x0C06,
    HostFsSelector = 0x0C08,
    HostGsSelector = 0x0C0A,
    HostTrSelector = 0x0C0C,

    // 64-Bit Control Fields (SDM 3D Appendix B).
    IoBitmapA = 0x2000,
    IoBitmapB = 0x2002,
    MsrBitmaps = 0x2004,
    ExitMsrStoreAddress = 0x2006,
    ExitMsrLoadAddress = 0x2008,
    EntryMsrLoadAddress = 0x200A,
    ExecutiveVmcsPointer = 0x200C,
    PmlAddress = 0x200E,
    TscOffset = 0x2010,
    VirtualApicAddress = 0x2012,
    ApicAccessAddress = 0x2014,
    PostedInterruptDescriptorAddress = 0x2016,
    VmFunctionControls = 0x2018,
    EptPointer = 0x201A,
    EoiExitBitmap0 = 0x201C,
    EoiExitBitmap1 = 0x201E,
    EoiExitBitmap2 = 0x2020,
    EoiExitBitmap3 = 0x2022,
    EptpListAddress = 0x2024,
    VmreadBitmapAddress = 0x2026,
    VmwriteBitmapAddress = 0x2028,
    VirtualizationExceptionInformationAddress = 0x202A,
    XssExitingBitmap = 0x202C,
    EnclsExitingBitmap = 0x202E,
    SubPagePermissionTablePointer = 0x2030,
    TscMultiplier = 0x2032,
    TertiaryProcessorBasedControls = 0x2034,
    EnclvExitingBitmap = 0x2036,
    LowPasidDirectoryAddress = 0x2038,
    HighPasidDirectoryAddress = 0x203A,
    SharedEptPointer = 0x203C,
    PconfigExitingBitmap = 0x203E,
    HlatPointer = 0x2040,
    PidPointerTableAddress = 0x2042,
    SecondaryVmExitControls = 0x2044,
    SpecCtrlMask = 0x204A,
    SpecCtrlShadow = 0x204C,

    // 64-Bit Read-Only Data Field (SDM 3D Appendix B).
    GuestPhysicalAddress = 0x2400,

    // 64-Bit Guest-State Fields (SDM 3D Appendix B).
    VmcsLinkPointer = 0x2800,
    GuestDebugCtl = 0x2802,
    GuestPat = 0x2804,
    GuestEfer = 0x2806,
    GuestPerfGlobalCtrl = 0x2808,
    GuestPdpte0 = 0x280A,
    GuestPdpte1 = 0x280C,
    GuestPdpte2 = 0x280E,
    GuestPdpte3 = 0x2810,
    GuestBndcfgs = 0x2812,
    GuestRtitCtl = 0x2814,
    GuestLbrCtl = 0x2816,
    GuestPkrs = 0x2818,

    // 64-Bit Host-State Fields (SDM 3D Appendix B).
    HostPat = 0x2C00,
    HostEfer = 0x2C02,
    HostPerfGlobalCtrl = 0x2C04,
    HostPkrs = 0x2C06,

    // 32-Bit Control Fields (SDM 3D Appendix B).
    PinBasedControls = 0x4000,
    PrimaryProcessorBasedControls = 0x4002,
    ExceptionBitmap = 0x4004,
    PageFaultErrorCodeMask = 0x4006,
    PageFaultErrorCodeMatch = 0x4008,
    Cr3TargetCount = 0x400A,
    VmExitControls = 0x400C,
    ExitMsrStoreCount = 0x400E,
    ExitMsrLoadCount = 0x4010,
    VmEntryControls = 0x4012,
    EntryMsrLoadCount = 0x4014,
    EntryInterruptionInformation = 0x4016,
    EntryExceptionErrorCode = 0x4018,
    EntryInstructionLength = 0x401A,
    TprThreshold = 0x401C,
    SecondaryProcessorBasedControls = 0x401E,
    PleGap = 0x4020,
    PleWindow = 0x4022,
    InstructionTimeoutControl = 0x4024,

    // 32-Bit Read-Only Data Fields (SDM 3D Appendix B).
    VmInstructionError = 0x4400,
    ExitReason = 0x4402,
    ExitInterruptionInformation = 0x4404,
    ExitInterruptionErrorCode = 0x4406,
    IdtVectoringInformation = 0x4408,
    IdtVectoringErrorCode = 0x440A,
    ExitInstructionLength = 0x440C,
    ExitInstructionInformation = 0x440E,

    // 32-Bit Guest-State Fields (SDM 3D Appendix B).
    GuestEsLimit = 0x4800,
    GuestCsLimit = 0x4802,
    GuestSsLimit = 0x4804,
    GuestDsLimit = 0x4806,
    GuestFsLimit = 0x4808,
    GuestGsLimit = 0x480A,
    GuestLdtrLimit = 0x480C,
    GuestTrLimit = 0x480E,
    GuestGdtrLimit = 0x4810,
    GuestIdtrLimit = 0x4812,
    GuestEsAccessRights = 0x4814,
    GuestCsAccessRights = 0x4816,
    GuestSsAccessRights = 0x4818,
    GuestDsAccessRights = 0x481A,
    GuestFsAccessRights = 0x481C,
    GuestGsAccessRights = 0x481E,
    GuestLdtrAccessRights = 0x4820,
    GuestTrAccessRights = 0x4822,
    GuestInterruptibilityState = 0x4824,
    GuestActivityState = 0x4826,
    GuestSmbase = 0x4828,
    GuestSysenterCs = 0x482A,
    PreemptionTimerValue = 0x482E,

    // 32-Bit Host-State Field (SDM 3D Appendix B).
    HostSysenterCs = 0x4C00,

    // Natural-Width Control Fields (SDM 3D Appendix B).
    Cr0Mask = 0x6000,
    Cr4Mask = 0x6002,
    Cr0ReadShadow = 0x6004,
    Cr4ReadShadow = 0x6006,
    Cr3Target0 = 0x6008,
    Cr3Target1 = 0x600A,
    Cr3Target2 = 0x600C,
    Cr3Target3 = 0x600E,

    // Natural-Width Read-Only Data Fields (SDM 3D Appendix B).
    ExitQualification = 0x6400,
    IoRcx = 0x6402,
    IoRsi = 0x6404,
    IoRdi = 0x6406,
    IoRip = 0x6408,
    GuestLinearAddress = 0x640A,

    // Natural-Width Guest-State Fields (SDM 3D Appendix B).
    GuestCr0 = 0x6800,
    GuestCr3 = 0x6802,
    GuestCr4 = 0x6804,
    GuestEsBase = 0x6806,
    GuestCsBase = 0x6808,
    GuestSsBase = 0x680A,
    GuestDsBase = 0x680C,
    GuestFsBase = 0x680E,
    GuestGsBase = 0x6810,
    GuestLdtrBase = 0x6812,
    GuestTrBase = 0x6814,
    GuestGdtrBase = 0x6816,
    GuestIdtrBase = 0x6818,
    GuestDr7 = 0x681A,
    GuestRsp = 0x681C,
    GuestRip = 0x681E,
    GuestRflags = 0x6820,
    GuestPendingDebugExceptions = 0x6822,
    GuestSysenterEsp = 0x6824,
    GuestSysenterEip = 0x6826,
    GuestSCet = 0x6828,
    GuestSsp = 0x682A,
    GuestInterruptSspTable = 0x682C,

    // Natural-Width Host-State Fields (SDM 3D Appendix B).
    HostCr0 = 0x6C00,
    HostCr3 = 0x6C02,
    HostCr4 = 0x6C04,
    HostFsBase = 0x6C06,
    HostGsBase = 0x6C08,
    HostTrBase = 0x6C0A,
    HostGdtrBase = 0x6C0C,
    HostIdtrBase = 0x6C0E,
    HostSysenterEsp = 0x6C10,
    HostSysenterEip = 0x6C12,
    HostRsp = 0x6C14,
    HostRip = 0x6C16,
    HostSCet = 0x6C18,
    HostSsp = 0x6C1A,
    HostInterruptSspTable = 0x6C1C,

    // ASMI fields of this machine.
    /// <summary>Host-physical address of the reference that the isolation unit refused. Read-only data.</summary>
    AsmiViolationHpa = 0x2600,
    /// <summary>Physical segment of that address, as the unit counts them. Read-only data.</summary>
    AsmiViolationSegment = 0x2602,
    /// <summary>VMID that this VMCS is bound to; zero until the first VMLAUNCH makes a new VM (docs/asmi.md, G7). Control.</summary>
    AsmiVmidBinding = 0x4200,
    /// <summary>Non-zero asks that the VM end when the last VMCS bound to it is cleared (docs/asmi.md, G6). Control.</summary>
    AsmiDestroyRequested = 0x4202,
    /// <summary>VMID that owns the segment; zero when it is free. Read-only data.</summary>
    AsmiViolationOwner = 0x4600,
    /// <summary>VMID in whose name the refused reference was made. Read-only data.</summary>
    AsmiViolationName = 0x4602,
    /// <summary>
    /// What was refused: bits 7:0 the access kind (0 read, 1 write, 2 execute), bits 15:8 its origin (AccessOrigin). Read-only data.
    /// </summary>
    AsmiViolationAccess = 0x4604,
}
