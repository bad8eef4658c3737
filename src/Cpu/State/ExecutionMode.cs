using System;

namespace Xenolith.Cpu;

/// <summary>
/// What the meaning of code depends on besides its bytes: part of the key of every decoded block. Privilege is not in it: what a
/// privileged instruction may do is judged when it runs. The upper half is a number that stands for the limit of CS.
/// </summary>
[Flags]
public enum ExecutionMode : uint
{
    /// <summary>16-bit code, 16-bit stack, segments with bases or limits: real mode after reset.</summary>
    None = 0,

    /// <summary>Code size 32: CS.D outside 64-bit mode.</summary>
    Code32 = 1 << 0,

    /// <summary>64-bit mode: IA32_EFER.LMA and CS.L.</summary>
    Code64 = 1 << 1,

    /// <summary>The stack pointer is ESP: SS.B outside 64-bit mode.</summary>
    Stack32 = 1 << 2,

    /// <summary>DS, ES and SS are usable, writable, of base 0 and without limit: an effective address is a linear one.</summary>
    Flat = 1 << 3,

    /// <summary>CS has base 0 and no limit.</summary>
    FlatCode = 1 << 4,

    /// <summary>Alignment is checked (CR0.AM, EFLAGS.AC, CPL 3): every data access takes the careful way.</summary>
    AlignmentCheck = 1 << 5,

    /// <summary>CR0.PE is clear, or EFLAGS.VM is set: segment types are not checked.</summary>
    RealOrVirtual8086 = 1 << 6,

    /// <summary>SSE instructions need no check: CR4.OSFXSR is set, CR0.EM and CR0.TS are clear.</summary>
    Sse = 1 << 7,
}
