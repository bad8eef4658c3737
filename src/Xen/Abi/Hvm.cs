using System.Runtime.InteropServices;

namespace Xenolith.Xen.Abi;

/// <summary>HVMOP_* sub-operations (xen/include/public/hvm/hvm_op.h).</summary>
public enum HvmOp : uint
{
    SetParam = 0,
    GetParam = 1,
    SetPciIntxLevel = 2,
    SetIsaIrqLevel = 3,
    SetPciLinkRoute = 4,
    FlushTlbs = 5,
    TrackDirtyVram = 6,
    ModifiedMemory = 7,
    SetMemType = 8,
    PagetableDying = 9,
    GetTime = 10,
    Xentrace = 11,
    SetMemAccess = 12,
    GetMemAccess = 13,
    InjectTrap = 14,
    GetMemType = 15,
    InjectMsi = 16,
    GuestRequestVmEvent = 24,
    SetEvtchnUpcallVector = 23,
    Altp2m = 25,
}

/// <summary>HVM_PARAM_* indices (xen/include/public/hvm/params.h).</summary>
public enum HvmParam : uint
{
    CallbackIrq = 0,
    StorePfn = 1,
    StoreEvtchn = 2,
    PaeEnabled = 4,
    IoreqPfn = 5,
    BufioreqPfn = 6,
    Viridian = 9,
    TimerMode = 10,
    HpetEnabled = 11,
    IdentPt = 12,
    DmDomain = 13,
    AcpiSState = 14,
    Vm86Tss = 15,
    VptAlign = 16,
    ConsolePfn = 17,
    ConsoleEvtchn = 18,
    AcpiIoportsLocation = 19,
    Nestedhvm = 24,
    BufioreqEvtchn = 26,
    PagingRingPfn = 27,
    MonitorRingPfn = 28,
    SharingRingPfn = 29,
    TripleFaultReason = 31,
    IoreqServerPfn = 32,
    NrIoreqServerPages = 33,
    VmGenerationIdAddr = 34,
    Altp2m = 35,
    X87FipWidth = 36,
    Vm86TssSized = 37,
    McaCap = 38,
    Count = 39,
}

/// <summary>struct xen_hvm_param; the same for all callers (xen/include/public/hvm/hvm_op.h).</summary>
[StructLayout(LayoutKind.Sequential, Pack = 8)]
public struct XenHvmParam
{
    public ushort DomId;
    public ushort Pad;
    public HvmParam Index;
    public ulong Value;
}

/// <summary>struct xen_hvm_evtchn_upcall_vector (xen/include/public/hvm/hvm_op.h).</summary>
[StructLayout(LayoutKind.Sequential, Pack = 4, Size = 8)]
public struct XenHvmEvtchnUpcallVector
{
    public uint Vcpu;
    public byte Vector;
}

/// <summary>struct hvm_save_descriptor: heads each record of an HVM context (xen/include/public/hvm/save.h).</summary>
[StructLayout(LayoutKind.Sequential, Pack = 2)]
public struct HvmSaveDescriptor
{
    public HvmSaveType TypeCode;
    public ushort Instance;

    /// <summary>Bytes that follow, without this descriptor.</summary>
    public uint Length;
}

/// <summary>Record types of an HVM context (xen/include/public/arch-x86/hvm/save.h).</summary>
public enum HvmSaveType : ushort
{
    End = 0,
    Header = 1,
    Cpu = 2,
    Pic = 3,
    Ioapic = 4,
    Lapic = 5,
    LapicRegs = 6,
    Mtrr = 14,
    CpuXsave = 16,
    CpuMsr = 20,
}

/// <summary>struct hvm_save_header (xen/include/public/arch-x86/hvm/save.h).</summary>
[StructLayout(LayoutKind.Sequential, Pack = 8)]
public struct HvmSaveHeader
{
    /// <summary>HVM_FILE_MAGIC.</summary>
    public const uint FileMagic = 0x54381286;

    /// <summary>HVM_FILE_VERSION.</summary>
    public const uint FileVersion = 1;

    public uint Magic;
    public uint Version;
    public ulong Changeset;
    public uint Cpuid;
    public uint GtscKhz;
}

/// <summary>struct hvm_hw_cpu: all architectural registers of one vCPU, 1032 bytes (xen/include/public/arch-x86/hvm/save.h).</summary>
[StructLayout(LayoutKind.Sequential, Pack = 8)]
public unsafe struct HvmHwCpu
{
    /// <summary>FXSAVE image.</summary>
    public fixed byte FpuRegs[512];

    public ulong Rax, Rbx, Rcx, Rdx, Rbp, Rsi, Rdi, Rsp;
    public ulong R8, R9, R10, R11, R12, R13, R14, R15;
    public ulong Rip, Rflags;
    public ulong Cr0, Cr2, Cr3, Cr4;
    public ulong Dr0, Dr1, Dr2, Dr3, Dr6, Dr7;
    public uint CsSel, DsSel, EsSel, FsSel, GsSel, SsSel, TrSel, LdtrSel;
    public uint CsLimit, DsLimit, EsLimit, FsLimit, GsLimit, SsLimit, TrLimit, LdtrLimit, IdtrLimit, GdtrLimit;
    public ulong CsBase, DsBase, EsBase, FsBase, GsBase, SsBase, TrBase, LdtrBase, IdtrBase, GdtrBase;

    /// <summary>Access rights in the VMCS's format without its gap: type, S, DPL, P in 7:0; AVL, L, D/B, G in 11:8.</summary>
    public uint CsArbytes, DsArbytes, EsArbytes, FsArbytes, GsArbytes, SsArbytes, TrArbytes, LdtrArbytes;
    public ulong SysenterCs, SysenterEsp, SysenterEip;
    public ulong ShadowGs;
    public ulong MsrFlags, MsrLstar, MsrStar, MsrCstar, MsrSyscallMask, MsrEfer, MsrTscAux;
    public ulong Tsc;
    public uint PendingEvent, ErrorCode;
    public uint Flags, Pad0;
}
