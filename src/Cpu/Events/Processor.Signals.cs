using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <content>What other processors and the board's chips send by message: NMI, INIT, startup (SDM 3A "Multiple-Processor
/// Initialization").</content>
public sealed unsafe partial class Processor
{
    private const ulong ApicBaseBsp = 1 << 8;

    private bool _nmiPending;
    private bool _initPending;
    private int _startupVector = -1;

    /// <summary>A message waits that may end a halt or the wait for a startup message.</summary>
    public bool HasSignal => _nmiPending || _initPending || _startupVector >= 0;

    /// <summary>An NMI arrives; it is delivered at the next boundary where it is not blocked. One is latched, no more.</summary>
    public void SignalNmi()
    {
        _nmiPending = true;
        RequestBoundary();
    }

    /// <summary>INIT arrives. It is held back in VMX root operation, and is a VM exit in non-root operation.</summary>
    public void SignalInit()
    {
        _initPending = true;
        _startupVector = -1; // one that came before is lost
        RequestBoundary();
    }

    /// <summary>A startup message arrives: lost unless the processor waits for one, or is about to.</summary>
    public void SignalStartup(byte vector)
    {
        if (State->Activity == ActivityState.WaitForSipi || _initPending)
        {
            _startupVector = vector;
            RequestBoundary();
        }
    }

    /// <summary>True when an INIT or startup message was taken, or all that there is to do is wait for one.</summary>
    private bool TryTakeInitOrStartup(out Outcome outcome)
    {
        outcome = Outcome.Retired;
        if (_initPending && State->Activity != ActivityState.WaitForSipi)
        {
            if (State->Paging.NonRoot)
            {
                _initPending = false;
                outcome = Vmx.Exit(ExitReason.InitSignal);
                return true;
            }

            if (!Vmx.InOperation)
            {
                TakeInit();
                outcome = Outcome.Branched;
            }
        }

        if (State->Activity != ActivityState.WaitForSipi)
        {
            return outcome != Outcome.Retired;
        }

        _initPending = false;
        if (_startupVector >= 0)
        {
            byte vector = (byte)_startupVector;
            _startupVector = -1;
            outcome = State->Paging.NonRoot ? Vmx.Exit(ExitReason.StartupIpi, vector) : StartUp(vector);
        }

        return true;
    }

    /// <summary>The bootstrap processor starts at its reset vector again; the others wait for a startup message.</summary>
    private void TakeInit()
    {
        _initPending = false;
        _nmiPending = false;
        Platform.OnInit();
        bool isBootstrap = !Platform.HasLocalApic
            || (Platform.TryReadApicMsr(ModelSpecificRegisters.ApicBase, out ulong apicBase) && (apicBase & ApicBaseBsp) != 0);
        Init();
        State->Activity = isBootstrap ? ActivityState.Active : ActivityState.WaitForSipi;
    }

    /// <summary>SDM 3A "MP Initialization Protocol": execution begins at VV000H in real-address mode.</summary>
    private Outcome StartUp(byte vector)
    {
        Segment(SegmentIndex.CS).Selector = (ushort)(vector << 8);
        Segment(SegmentIndex.CS).Base = (ulong)vector << 12;
        State->Rip = 0;
        State->Activity = ActivityState.Active;
        OnContextReplaced();
        return Outcome.Branched;
    }
}
