using Xenolith.Cpu;

namespace Xenolith.Machine;

/// <content>Time and turns: one processor runs at a time, for a slice; when none can, time jumps to the next timer.</content>
public sealed partial class BareMachine
{
    /// <summary>The slice of the only processor.</summary>
    private const long LoneSlice = 1L << 40;

    /// <summary>The slice of a processor while all others are halted: a store may wake one that waits by MWAIT.</summary>
    private const long QuietSlice = 50_000;

    private ulong _idleTicks;
    private ulong _otherRetired; // by all processors but the current one
    private ulong _idleSince;
    private RunEnd? _end;
    private int _status;

    /// <summary>Whose slice it is; null between slices.</summary>
    public Vcpu? Current { get; private set; }

    /// <summary>Instructions retired since reset, by all processors together.</summary>
    public ulong RetiredInstructions => Clock.Now - _idleTicks;

    /// <summary>Runs until the limit or something else ends it; may be called again to go on.</summary>
    public RunResult Run(ulong maxInstructions)
    {
        ulong start = RetiredInstructions;
        _idleSince = Clock.Now;
        _end = null;
        while (_end is null)
        {
            ulong done = RetiredInstructions - start;
            if (done >= maxInstructions)
            {
                _end = RunEnd.Limit;
            }
            else if (_scheduler.Pick(out long slice) is { } vcpu)
            {
                RunSlice(vcpu, (long)ulong.Min((ulong)(OthersCanRun(vcpu) ? slice : _vcpus.Count > 1 ? QuietSlice : LoneSlice), maxInstructions - done));
            }
            else
            {
                SkipIdle();
            }
        }

        return new RunResult(_end.Value, _status, RetiredInstructions - start);
    }

    /// <summary>The program leaves through an exit device.</summary>
    public void RequestExit(int status)
    {
        _status = status;
        RequestEnd(RunEnd.GuestExit);
    }

    /// <summary>Makes <see cref="Run"/> come back after the present instruction, with this end.</summary>
    public void RequestEnd(RunEnd end)
    {
        _end ??= end;
        Current?.Processor.RequestStop();
    }

    internal bool OthersCanRun(Vcpu vcpu)
    {
        foreach (Vcpu other in _vcpus)
        {
            if (other != vcpu && other.IsRunnable)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>
    /// Something came for a processor: whoever runs ends his slice, so that it is taken soon; often enough the sender waits for it.
    /// </summary>
    internal void OnPoked(Vcpu vcpu)
    {
        if (Current is not null && Current != vcpu)
        {
            Current.Processor.RequestStop();
        }
    }

    private void RunSlice(Vcpu vcpu, long instructions)
    {
        vcpu.IsPoked = false;
        ulong before = vcpu.Processor.RetiredInstructions;
        _otherRetired -= before;
        Current = vcpu;
        StopReason reason = vcpu.Processor.Run(instructions);
        Current = null;
        ulong after = vcpu.Processor.RetiredInstructions;
        _otherRetired += after;
        if (after != before)
        {
            _idleSince = Clock.Now;
        }

        if (reason == StopReason.Shutdown)
        {
            _end ??= RunEnd.Shutdown;
        }
    }

    /// <summary>Nobody can run: the clock jumps to the next timer.</summary>
    private void SkipIdle()
    {
        ulong next = Clock.NextDeadline;
        if (!IoApic.MaySignal && _vcpus.TrueForAll(vcpu => vcpu.IsDeaf))
        {
            _end = RunEnd.Halted;
            return;
        }

        ulong patience = _idleSince + Options.IdleTicks;
        ulong target = ulong.Min(next, patience);
        _idleTicks += target > Clock.Now ? target - Clock.Now : 0;
        if (next > patience)
        {
            _end = RunEnd.Idle;
        }
        else
        {
            Clock.RunDue();
        }
    }
}
