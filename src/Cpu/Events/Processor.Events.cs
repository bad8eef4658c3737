namespace Xenolith.Cpu;

/// <content>What the engine asks of event handling, at instruction boundaries.</content>
public sealed unsafe partial class Processor
{
    /// <summary>Interruptibility: blocking by STI or by MOV SS, each for one instruction.</summary>
    internal const uint InterruptShadow = 3;

    /// <summary>
    /// Delivers <see cref="PendingFault"/> (RIP is at the faulting instruction), or takes the VM exit that it causes.
    /// Branched when the handler is about to run, VmExit when an exit was taken; a triple fault leaves Activity = Shutdown.
    /// </summary>
    internal Outcome DeliverFault()
    {
        State->Activity = ActivityState.Shutdown;
        return Outcome.Branched;
    }

    /// <summary>
    /// At a boundary: wakes a halted processor and delivers what is pending and not blocked. Branched when something was
    /// delivered, VmExit when an exit was taken, else Retired. Called whenever something may have changed, often in vain.
    /// </summary>
    internal Outcome PollEvents() => Outcome.Retired;

    /// <summary>After an instruction that began with RFLAGS.TF set.</summary>
    internal Outcome DeliverSingleStep() => Outcome.Branched;

    /// <summary>RESET# (SDM 3A "Processor State After Reset"), as the constructor calls it.</summary>
    private void Reset()
    {
    }
}
