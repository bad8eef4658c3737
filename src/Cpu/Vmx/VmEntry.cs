namespace Xenolith.Cpu;

/// <content>VM entry (SDM 3C "VM Entries").</content>
public sealed unsafe partial class VmxUnit
{
    private VmxResult Enter(bool isLaunch) => VmxResult.FailInvalid;
}
