using System;

using Xenolith.Cpu;
using Xenolith.Mmu;
using Xenolith.Xen.Abi;

namespace Xenolith.Xen;

/// <content>Running the guests.</content>
public sealed unsafe partial class Hypervisor
{
    /// <summary>The vector of the board's timer, whose interrupt ends a time slice.</summary>
    private const byte TimerVector = 0xF0;

    /// <summary>An interrupt waits at most for the end of a shadow of MOV SS: a few instructions.</summary>
    private const long InterruptGrace = 64;

    private bool _stopRequested;
    private bool _sliceEnded;

    /// <summary>Whose registers the processor holds.</summary>
    private Vcpu? _loaded;

    /// <summary>Makes <see cref="Run"/> come back at the next slice boundary.</summary>
    public void RequestStop()
    {
        _stopRequested = true;
        _sliceEnded = true;
    }

    /// <summary>
    /// Runs the guests until all have ended, nothing can run any more, or the machine has retired so many instructions since reset.
    /// Dom0's <see cref="Dom0Context.Tick"/> and <see cref="Dom0Context.Upcall"/> are called in between.
    /// </summary>
    public RunStop Run(ulong instructionLimit)
    {
        _stopRequested = false;
        try
        {
            while (true)
            {
                FireTimers();
                RunDom0();
                if (_stopRequested)
                {
                    return RunStop.Requested;
                }

                if (Board.RetiredInstructions >= instructionLimit)
                {
                    return RunStop.InstructionLimit;
                }

                Vcpu? vcpu = Scheduler.Pick(out long slice);
                if (vcpu is not null)
                {
                    RunSlice(vcpu, LimitSlice(slice, instructionLimit));
                }
                else if (!SkipIdle())
                {
                    return HasLivingGuest() ? RunStop.Idle : RunStop.AllEnded;
                }
            }
        }
        catch (XenPanicException panic)
        {
            PanicMessage = panic.Message;
            return RunStop.Panic;
        }
    }

    /// <summary>The running vCPU gives its slice up.</summary>
    internal void EndSlice() => _sliceEnded = true;

    /// <summary>The processor holds nobody's registers any more.</summary>
    internal void Unload()
    {
        _loaded?.SaveRegisters();
        _loaded = null;
    }

    /// <summary>The vCPU's registers are in its own page.</summary>
    internal void Unload(Vcpu vcpu)
    {
        if (_loaded == vcpu)
        {
            Unload();
        }
    }

    private void Load(Vcpu vcpu)
    {
        if (_loaded != vcpu)
        {
            Unload();
            vcpu.LoadRegisters();
            _loaded = vcpu;
        }
    }

    /// <summary>Dom0's software: its daemons' tick, then its interrupt handler while events are pending.</summary>
    private void RunDom0()
    {
        const int MaxUpcalls = 1000; // a guest cannot keep Dom0 busy while it does not run
        bool busy = Dom0.Tick?.Invoke() ?? false;
        for (int i = 0; i < MaxUpcalls && Dom0.Upcall is not null && Dom0.HasPendingEvent; i++)
        {
            Dom0.Upcall();
            busy = true;
        }

        if (busy)
        {
            FireTimers();
        }
    }

    private void FireTimers()
    {
        ulong now = Board.Now;
        for (int i = 0; i < _domains.Count; i++)
        {
            Domain domain = _domains[i];
            if (domain.IsDying || domain.ShutdownReason is not null)
            {
                continue;
            }

            foreach (Vcpu vcpu in domain.Vcpus)
            {
                vcpu.FireTimers(now);
            }

            foreach (ulong deadline in domain.Watchdogs)
            {
                if (deadline != 0 && deadline <= now)
                {
                    ShutDown(domain, ShutdownReason.Watchdog, null);
                }
            }
        }
    }

    /// <summary>The next tick at which time alone changes something.</summary>
    private ulong NextDeadline()
    {
        ulong next = Vcpu.Never;
        foreach (Domain domain in _domains)
        {
            if (!domain.MayRun)
            {
                continue;
            }

            foreach (Vcpu vcpu in domain.Vcpus)
            {
                next = Math.Min(next, vcpu.NextDeadline);
            }

            foreach (ulong deadline in domain.Watchdogs)
            {
                next = deadline == 0 ? next : Math.Min(next, deadline);
            }
        }

        return next;
    }

    private long LimitSlice(long slice, ulong instructionLimit)
    {
        ulong now = Board.Now;
        ulong next = NextDeadline();
        ulong untilDeadline = next <= now ? 1 : next - now;
        return (long)Math.Min((ulong)slice, Math.Min(untilDeadline, instructionLimit - Board.RetiredInstructions));
    }

    /// <summary>Nobody can run: time jumps to the next deadline. False when there is none.</summary>
    private bool SkipIdle()
    {
        ulong next = NextDeadline();
        if (next == Vcpu.Never)
        {
            return Dom0.Upcall is not null && Dom0.HasPendingEvent;
        }

        Board.SkipIdleUntil(next);
        return true;
    }

    private bool HasLivingGuest()
    {
        foreach (Domain domain in _domains)
        {
            if (!domain.IsPrivileged && domain.HasStarted && !domain.IsDying && domain.ShutdownReason is null)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>One vCPU runs until its slice is used up, it waits, or it ends.</summary>
    private void RunSlice(Vcpu vcpu, long instructions)
    {
        _sliceEnded = false;
        ulong start = Board.Now;
        vcpu.ChangeRunstate(VcpuRunstateInfo.Running, start);
        Load(vcpu);
        vcpu.RefreshRunstateArea();
        ulong end = Board.RetiredInstructions + (ulong)instructions;
        while (!_sliceEnded && vcpu.IsRunnable)
        {
            ulong now = Board.RetiredInstructions;
            if (now >= end)
            {
                break;
            }

            EnterOnce(vcpu, (long)(end - now));
        }

        ulong stop = Board.Now;
        vcpu.CpuTimeNs += stop - start;
        vcpu.ChangeRunstate(vcpu.IdleRunstate, stop);
    }

    /// <summary>One VM entry, the guest until its next exit, and the exit's handling.</summary>
    private void EnterOnce(Vcpu vcpu, long budget)
    {
        Processor processor = Board.Processor;
        if (vcpu.Domain.Physmap.NeedsFlush)
        {
            processor.Tlb.Invept(InveptType.SingleContext, vcpu.Domain.Physmap.Eptp);
            vcpu.Domain.Physmap.NeedsFlush = false;
        }

        vcpu.PrepareInjection();
        vcpu.Vmcs.MakeCurrent();
        DomainCounters counters = vcpu.Domain.Counters;
        CounterSnapshot before = CounterSnapshot.Take(Board);
        VmxResult entry = vcpu.IsLaunched ? processor.Vmx.Vmresume() : processor.Vmx.Vmlaunch();
        if (!entry.IsSuccess)
        {
            Crash(vcpu, DomainExitKind.InvalidGuestState, $"VM entry: {entry}");
            return;
        }

        vcpu.IsLaunched = true;
        counters.VmEntries++;
        StopReason stop = processor.Run(budget);
        if (stop == StopReason.Budget)
        {
            // The slice is over: the timer interrupts the guest.
            Board.AssertInterrupt(TimerVector);
            stop = processor.Run(InterruptGrace);
            Board.ClearInterrupt();
        }

        before.AddDifference(Board, counters);
        if (stop != StopReason.VmExit)
        {
            throw new XenPanicException($"the processor stopped with {stop} in domain {vcpu.Domain.Id}");
        }

        Exits.ExitTable.Dispatch(this, vcpu);
    }
}
