using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <summary>A 256-bit vector register; XMM is its low half.</summary>
[StructLayout(LayoutKind.Sequential, Size = 32)]
public unsafe struct VectorRegister
{
    public fixed ulong U64[4];
}

[InlineArray(16)]
public struct VectorRegisters
{
    private VectorRegister _first;
}

/// <summary>One x87 data register: 64-bit significand, sign and exponent. By physical number, not by ST(i).</summary>
[StructLayout(LayoutKind.Sequential, Size = 16)]
public struct X87Register
{
    public ulong Significand;
    public ushort SignExponent;
}

[InlineArray(8)]
public struct X87Registers
{
    private X87Register _first;
}

/// <summary>Guest activity (SDM 3C "Guest Non-Register State").</summary>
public enum ActivityState : uint
{
    Active = 0,
    Hlt = 1,
    Shutdown = 2,
    WaitForSipi = 3,
}

/// <summary>
/// The architectural state of one logical processor, unmanaged and of fixed layout, so that the engines share it. It is the only
/// copy: control registers that paging depends on live in <see cref="Paging"/>; between instructions <see cref="Rip"/> is exact.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
public unsafe struct CpuState
{
    /// <summary>RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8-R15; [16] is always zero: the base or index of an address without one.</summary>
    public fixed ulong Gpr[17];

    public ulong Rip;

    // Lazy arithmetic flags: see LazyFlags for what the two words mean. The rest of RFLAGS is exact in RflagsSystem.
    public ulong FlagsResult;
    public ulong FlagsCarry;

    /// <summary>
    /// Not zero while the two words are not up to date: what they follow from (<see cref="DeferredFlags"/>), and its operands.
    /// </summary>
    internal uint FlagsDeferred;
    internal ulong FlagsA;
    internal ulong FlagsB;

    /// <summary>RFLAGS without CF, PF, AF, ZF, SF, OF; bit 1 is set.</summary>
    public uint RflagsSystem;

    /// <summary>The fast TLB table of the current access mode: 64K entries.</summary>
    public FastTlbEntry* Tlb;

    /// <summary>The fast TLB table that instruction fetches use: fetches know no EFLAGS.AC.</summary>
    public FastTlbEntry* FetchTlb;

    /// <summary>
    /// What decoded code depends on besides its bytes and address (<see cref="ExecutionMode"/>), refreshed by <see
    /// cref="Processor.RefreshMode"/>.
    /// </summary>
    public ExecutionMode Mode;

    /// <summary>The right of explicit data accesses at the current CPL and EFLAGS.AC.</summary>
    public AccessMode DataAccess;

    /// <summary>Instructions that may still retire in this slice; the engine stops at zero.</summary>
    public long Budget;

    /// <summary>The exit by which the engine was left, when the next block shall be linked to it.</summary>
    internal Op* LastExit;

    /// <summary>The op at which a chain could not go on (<see cref="ChainShells"/>).</summary>
    internal Op* Unchained;

    /// <summary>Targets of indirect branches (<see cref="Cpu.JumpCache"/>).</summary>
    internal void* JumpCache;

    /// <summary>Data accesses to memory (the counting rule: TLB hits = accesses - misses).</summary>
    public ulong DataAccesses;

    /// <summary>GCHandle of the owning <see cref="Processor"/>, for the cold paths of handlers.</summary>
    public nint Self;

    public SegmentRegisters Segments;
    public TableRegister Gdtr;
    public TableRegister Idtr;

    public PagingContext Paging;
    public ulong Cr2;
    public ulong Cr8;
    public fixed ulong Dr[8];
    public ulong Xcr0;

    public VectorRegisters Vector;
    public X87Registers X87;
    public uint Mxcsr;
    public ushort Fcw;
    public ushort Fsw;

    /// <summary>The x87 tag word in its full form: two bits per physical register.</summary>
    public ushort Ftw;
    public ushort Fop;
    public ulong Fip;
    public ulong Fdp;
    public ushort Fcs;
    public ushort Fds;

    /// <summary>Model-specific registers (SDM 4) that have state here.</summary>
    public Msrs Msr;

    public ActivityState Activity;

    /// <summary>Interruptibility (SDM 3C "Guest Non-Register State"): bit 0 STI, bit 1 MOV SS, bit 3 NMI blocking.</summary>
    public uint Interruptibility;

    /// <summary>Pending debug exceptions, in the format of the VMCS field.</summary>
    public ulong PendingDebug;

    /// <summary>Retired instructions since reset, up to the start of this slice; the engine adds the slice's own.</summary>
    public ulong Retired;

    /// <summary>What is added to the clock to give the time-stamp counter that software reads.</summary>
    public ulong TscOffset;

    public readonly int Cpl => Segments[(int)SegmentIndex.SS].Dpl;
}

/// <summary>MSRs with state, named as in SDM 4 without the IA32_ prefix.</summary>
public unsafe struct Msrs
{
    public ulong ApicBase;
    public ulong SysenterCs;
    public ulong SysenterEsp;
    public ulong SysenterEip;
    public ulong Star;
    public ulong Lstar;
    public ulong Cstar;
    public ulong Fmask;
    public ulong KernelGsBase;
    public ulong TscAux;
    public ulong Pat;
    public ulong MiscEnable;
    public ulong MtrrDefType;
    public fixed ulong MtrrPhys[16];
    public fixed ulong MtrrFix[11];
    public ulong DebugCtl;
    public ulong FeatureControl;
    public ulong SpecCtrl;
    public ulong Xss;
    public ulong TscDeadline;
    public ulong TscAdjust;
}
