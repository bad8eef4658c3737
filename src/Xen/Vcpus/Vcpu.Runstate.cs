using Xenolith.Xen.Abi;

namespace Xenolith.Xen;

/// <content>Runstate: how the vCPU has spent its time (xen/include/public/vcpu.h).</content>
internal sealed partial class Vcpu
{
    private VcpuRunstateInfo _runstate = new() { State = VcpuRunstateInfo.Offline };

    /// <summary>What the vCPU does now, as far as its flags tell; running is what the scheduler says.</summary>
    public int IdleRunstate => !IsOnline || Domain.PauseCount > 0 ? VcpuRunstateInfo.Offline
        : IsBlocked ? VcpuRunstateInfo.Blocked
        : VcpuRunstateInfo.Runnable;

    /// <summary>Books the time since the last change and changes the state.</summary>
    public void ChangeRunstate(int state, ulong now)
    {
        ulong spent = now - _runstate.StateEntryTime;
        switch (_runstate.State)
        {
            case VcpuRunstateInfo.Running:
                _runstate.TimeRunning += spent;
                break;
            case VcpuRunstateInfo.Runnable:
                _runstate.TimeRunnable += spent;
                break;
            case VcpuRunstateInfo.Blocked:
                _runstate.TimeBlocked += spent;
                break;
            default:
                _runstate.TimeOffline += spent;
                break;
        }

        _runstate.State = state;
        _runstate.StateEntryTime = now;
    }

    /// <summary>
    /// Before the vCPU runs: the area that it has registered is brought up to date. An address that leads nowhere by now is the guest's
    /// affair, as in Xen.
    /// </summary>
    public void RefreshRunstateArea()
    {
        if (RunstateArea != 0)
        {
            DescribeCaller();
            _ = WriteRunstate(Call, RunstateArea);
        }
    }

    /// <summary>Copies the runstate to the caller's memory, in the caller's layout.</summary>
    public bool WriteRunstate(HypercallContext call, ulong handle)
    {
        VcpuRunstateInfo info = _runstate;
        if (!call.Is32Bit)
        {
            return call.TryCopyOut(handle, in info);
        }

        CompatRunstateInfo compat = new()
        {
            State = info.State,
            StateEntryTime = info.StateEntryTime,
            TimeRunning = info.TimeRunning,
            TimeRunnable = info.TimeRunnable,
            TimeBlocked = info.TimeBlocked,
            TimeOffline = info.TimeOffline,
        };
        return call.TryCopyOut(handle, in compat);
    }
}
