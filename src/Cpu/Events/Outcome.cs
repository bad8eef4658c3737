using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <summary>How an instruction that runs outside the engine's fast handlers ended.</summary>
public enum Outcome : byte
{
    /// <summary>Retired; RIP has advanced to the next instruction.</summary>
    Retired,

    /// <summary>Retired; RIP, mode, privilege or mapping may have changed: the engine looks up its next block anew.</summary>
    Branched,

    /// <summary>Did not retire: <see cref="Processor.PendingFault"/> says why, and nothing was changed.</summary>
    Fault,

    /// <summary>Did not retire: a VM exit has been taken (state saved and host state loaded).</summary>
    VmExit,

    /// <summary>An iteration of a repeated string instruction retired and RIP stays: interrupts may be taken here.</summary>
    Repeat,
}

/// <summary>Why <see cref="Processor.Run"/> came back.</summary>
public enum StopReason : byte
{
    /// <summary>The budget is used up, at an instruction boundary.</summary>
    Budget,

    /// <summary>A VM exit was taken, and the hypervisor is hosted (the emulated Xen): it must handle the exit.</summary>
    VmExit,

    /// <summary>HLT, with nothing to wake the processor yet.</summary>
    Halted,

    /// <summary>Triple fault in root operation: the processor has shut down.</summary>
    Shutdown,

    /// <summary>The platform asked the processor to stop (power off, exit device, break point of a client).</summary>
    Requested,
}

/// <summary>An exception before delivery (SDM 3A "Interrupt and Exception Handling").</summary>
public struct Fault
{
    public Vector Vector;
    public bool HasErrorCode;
    public uint ErrorCode;

    /// <summary>Linear address for #PF (goes to CR2), DR6 bits for #DB (SDM 3C exit qualification format).</summary>
    public ulong Qualification;

    /// <summary>
    /// Not <see cref="TranslationStatus.Ok"/> when a translation failed; then <see cref="Processor.FailedTranslation"/> has it, and
    /// unless it is PageFault the delivery is a VM exit (or, in root operation, as docs/asmi.md G15 says).
    /// </summary>
    public TranslationStatus Cause;
}

/// <summary>Exception vectors (SDM 3A "Exceptions and Interrupts").</summary>
public enum Vector : byte
{
    DE = 0,
    DB = 1,
    NMI = 2,
    BP = 3,
    OF = 4,
    BR = 5,
    UD = 6,
    NM = 7,
    DF = 8,
    TS = 10,
    NP = 11,
    SS = 12,
    GP = 13,
    PF = 14,
    MF = 16,
    AC = 17,
    MC = 18,
    XM = 19,
    VE = 20,
    CP = 21,
}
