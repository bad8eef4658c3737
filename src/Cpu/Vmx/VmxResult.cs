namespace Xenolith.Cpu;

/// <summary>VM-instruction error numbers (SDM 3C "VM Instruction Error Numbers").</summary>
public enum VmInstructionError : uint
{
    None = 0,
    VmcallInRootOperation = 1,
    VmclearInvalidAddress = 2,
    VmclearVmxonPointer = 3,
    VmlaunchNonClearVmcs = 4,
    VmresumeNonLaunchedVmcs = 5,
    VmresumeAfterVmxoff = 6,
    EntryInvalidControlFields = 7,
    EntryInvalidHostStateFields = 8,
    VmptrldInvalidAddress = 9,
    VmptrldVmxonPointer = 10,
    VmptrldIncorrectRevisionIdentifier = 11,
    UnsupportedVmcsComponent = 12,
    VmwriteReadOnlyComponent = 13,
    VmxonInRootOperation = 15,
    EntryInvalidExecutiveVmcsPointer = 16,
    EntryNonLaunchedExecutiveVmcs = 17,
    EntryExecutiveVmcsNotVmxonPointer = 18,
    VmcallNonClearVmcs = 19,
    VmcallInvalidVmExitControls = 20,
    VmcallIncorrectMsegRevision = 22,
    VmxoffUnderDualMonitor = 23,
    VmcallInvalidSmmMonitor = 24,
    EntryInvalidExecutiveControls = 25,
    EntryBlockedByMovSs = 26,
    InvalidOperandToInveptOrInvvpid = 28,

    /// <summary>ASMI: the isolation unit refused the identity (none left, or no such VM; docs/asmi.md, G16).</summary>
    AsmiIdentityRefused = 0xA5,
}

/// <summary>How a VMX instruction ended (SDM 3C "Conventions": VMsucceed, VMfailInvalid, VMfailValid).</summary>
public readonly record struct VmxResult
{
    private const uint Invalid = uint.MaxValue;

    private readonly uint _code;

    private VmxResult(uint code) => _code = code;

    /// <summary>VMsucceed. For VMLAUNCH and VMRESUME: the entry was made, which may have ended in an entry-failure exit already.</summary>
    public static VmxResult Succeed => default;

    /// <summary>VMfailInvalid: there is no current VMCS to hold an error number.</summary>
    public static VmxResult FailInvalid => new(Invalid);

    /// <summary>VMfailValid(error): the number is also in the VM-instruction error field of the current VMCS.</summary>
    public static VmxResult FailValid(VmInstructionError error) => new((uint)error);

    public bool IsSuccess => _code == 0;

    public bool IsFailInvalid => _code == Invalid;

    /// <summary>The error number of VMfailValid; None otherwise.</summary>
    public VmInstructionError Error => _code == Invalid ? VmInstructionError.None : (VmInstructionError)_code;

    public override string ToString() => IsSuccess ? "VMsucceed" : IsFailInvalid ? "VMfailInvalid" : $"VMfailValid({Error})";
}
