using System;

namespace Xenolith.Cpu;

/// <summary>Pin-based VM-execution controls (SDM 3C "Pin-Based VM-Execution Controls").</summary>
[Flags]
public enum PinControls : uint
{
    None = 0,
    ExternalInterruptExiting = 1 << 0,
    NmiExiting = 1 << 3,
    VirtualNmis = 1 << 5,
    ActivateVmxPreemptionTimer = 1 << 6,
    ProcessPostedInterrupts = 1 << 7,
}

/// <summary>Primary processor-based VM-execution controls (SDM 3C "Processor-Based VM-Execution Controls").</summary>
[Flags]
public enum PrimaryControls : uint
{
    None = 0,
    InterruptWindowExiting = 1 << 2,
    UseTscOffsetting = 1 << 3,
    HltExiting = 1 << 7,
    InvlpgExiting = 1 << 9,
    MwaitExiting = 1 << 10,
    RdpmcExiting = 1 << 11,
    RdtscExiting = 1 << 12,
    Cr3LoadExiting = 1 << 15,
    Cr3StoreExiting = 1 << 16,
    ActivateTertiaryControls = 1 << 17,
    Cr8LoadExiting = 1 << 19,
    Cr8StoreExiting = 1 << 20,
    UseTprShadow = 1 << 21,
    NmiWindowExiting = 1 << 22,
    MovDrExiting = 1 << 23,
    UnconditionalIoExiting = 1 << 24,
    UseIoBitmaps = 1 << 25,
    MonitorTrapFlag = 1 << 27,
    UseMsrBitmaps = 1 << 28,
    MonitorExiting = 1 << 29,
    PauseExiting = 1 << 30,
    ActivateSecondaryControls = 1u << 31,
}

/// <summary>Secondary processor-based VM-execution controls (SDM 3C "Processor-Based VM-Execution Controls").</summary>
[Flags]
public enum SecondaryControls : uint
{
    None = 0,
    VirtualizeApicAccesses = 1 << 0,
    EnableEpt = 1 << 1,
    DescriptorTableExiting = 1 << 2,
    EnableRdtscp = 1 << 3,
    VirtualizeX2ApicMode = 1 << 4,
    EnableVpid = 1 << 5,
    WbinvdExiting = 1 << 6,
    UnrestrictedGuest = 1 << 7,
    ApicRegisterVirtualization = 1 << 8,
    VirtualInterruptDelivery = 1 << 9,
    PauseLoopExiting = 1 << 10,
    RdrandExiting = 1 << 11,
    EnableInvpcid = 1 << 12,
    EnableVmFunctions = 1 << 13,
    VmcsShadowing = 1 << 14,
    EnableEnclsExiting = 1 << 15,
    RdseedExiting = 1 << 16,
    EnablePml = 1 << 17,
    EptViolationVe = 1 << 18,
    ConcealVmxFromPt = 1 << 19,
    EnableXsaves = 1 << 20,
    ModeBasedExecuteControl = 1 << 22,
    SubPageWritePermissions = 1 << 23,
    IntelPtUsesGuestPhysical = 1 << 24,
    UseTscScaling = 1 << 25,
    EnableUserWaitAndPause = 1 << 26,
    EnableEnclvExiting = 1 << 28,
}

/// <summary>Primary VM-exit controls (SDM 3C "VM-Exit Controls").</summary>
[Flags]
public enum ExitControls : uint
{
    None = 0,
    SaveDebugControls = 1 << 2,
    HostAddressSpaceSize = 1 << 9,
    LoadPerfGlobalCtrl = 1 << 12,
    AcknowledgeInterruptOnExit = 1 << 15,
    SavePat = 1 << 18,
    LoadPat = 1 << 19,
    SaveEfer = 1 << 20,
    LoadEfer = 1 << 21,
    SavePreemptionTimer = 1 << 22,
    ClearBndcfgs = 1 << 23,
    ConcealVmxFromPt = 1 << 24,
    ClearRtitCtl = 1 << 25,
    LoadCet = 1 << 28,
    LoadPkrs = 1 << 29,
    SavePerfGlobalCtrl = 1 << 30,
    ActivateSecondaryControls = 1u << 31,
}

/// <summary>VM-entry controls (SDM 3C "VM-Entry Controls").</summary>
[Flags]
public enum EntryControls : uint
{
    None = 0,
    LoadDebugControls = 1 << 2,
    Ia32eModeGuest = 1 << 9,
    EntryToSmm = 1 << 10,
    DeactivateDualMonitor = 1 << 11,
    LoadPerfGlobalCtrl = 1 << 13,
    LoadPat = 1 << 14,
    LoadEfer = 1 << 15,
    LoadBndcfgs = 1 << 16,
    ConcealVmxFromPt = 1 << 17,
    LoadRtitCtl = 1 << 18,
    LoadCet = 1 << 20,
    LoadPkrs = 1 << 22,
}

/// <summary>Event types of the interruption-information fields (SDM 3C "VM-Entry Controls for Event Injection").</summary>
public enum EventType : byte
{
    ExternalInterrupt = 0,
    Nmi = 2,
    HardwareException = 3,
    SoftwareInterrupt = 4,
    PrivilegedSoftwareException = 5,
    SoftwareException = 6,
    OtherEvent = 7,
}
