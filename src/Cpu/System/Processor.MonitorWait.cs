using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <content>
/// MONITOR and MWAIT (SDM 3A "MONITOR/MWAIT Instruction"). The page with the monitored line is marked as if it held code, so that every
/// store to it, by any processor or device, comes by the bus.
/// </content>
public sealed unsafe partial class Processor
{
    /// <summary>Bytes that MONITOR watches (CPUID 5).</summary>
    internal const uint MonitorLineSize = 64;

    private Hpa _monitoredLine;
    private bool _waitsForStore;
    private bool _maskedInterruptsWake;

    /// <summary>A line is monitored, and nobody has stored to it since.</summary>
    internal bool IsMonitorArmed { get; private set; }

    /// <summary>MWAIT waits, and even an interrupt that RFLAGS.IF masks will end it.</summary>
    public bool WaitsForAnyInterrupt => _waitsForStore && _maskedInterruptsWake;

    /// <summary>MONITOR: what lies behind an address that has just been read is watched; what is no memory is not.</summary>
    internal void ArmMonitor(ulong linear)
    {
        IsMonitorArmed = false;
        if (!TryTranslate(linear, AccessKind.Read, State->DataAccess, out Hpa address) || !Memory.Bus.IsRam(address, 1))
        {
            return;
        }

        _monitoredLine = new Hpa(address.Value & ~(ulong)(MonitorLineSize - 1));
        IsMonitorArmed = true;
        Memory.Bus.MarkCode(address.Frame);
    }

    /// <summary>
    /// MWAIT: the processor stops until somebody stores to the line, or an interrupt comes. In non-root operation it goes on at once, as
    /// the manual lets it at any time: a hypervisor that lets MWAIT pass does not expect a halted guest.
    /// </summary>
    internal void WaitForStore(bool maskedInterruptsWake)
    {
        if (IsMonitorArmed && !State->Paging.NonRoot)
        {
            _waitsForStore = true;
            _maskedInterruptsWake = maskedInterruptsWake;
            State->Activity = ActivityState.Hlt;
        }
    }

    /// <summary>A store, before it is made. True while the page must stay marked for the monitor's sake.</summary>
    private bool MeetsMonitor(Hpa address, ulong sizeBytes)
    {
        if (!IsMonitorArmed || (address.Value ^ _monitoredLine.Value) >> Pages.Shift != 0)
        {
            return false;
        }

        ulong line = _monitoredLine.Value;
        if (address.Value >= line + MonitorLineSize || address.Value + sizeBytes <= line)
        {
            return true;
        }

        IsMonitorArmed = false;
        if (_waitsForStore)
        {
            EndWait();
            RequestBoundary();
        }

        return false;
    }

    /// <summary>At a boundary, while waiting: is there an event that ends it?</summary>
    private void PollWait()
    {
        bool interrupts = (State->RflagsSystem & RflagsBits.IF) != 0 || _maskedInterruptsWake;
        if (_nmiPending || _initPending || (interrupts && Platform.InterruptPending) || State->Activity != ActivityState.Hlt)
        {
            IsMonitorArmed = false;
            EndWait();
        }
    }

    private void EndWait()
    {
        _waitsForStore = false;
        if (State->Activity == ActivityState.Hlt)
        {
            State->Activity = ActivityState.Active;
        }
    }
}
