using System.Runtime.InteropServices;

namespace Xenolith.Cpu;

/// <summary>
/// One lowered instruction (or a fused pair), 32 bytes. Registers are byte offsets into <see cref="CpuState.Gpr"/>, so that AH is
/// one more than AL and "no register" is the word that is always zero.
/// <code>
///  0 Handler            8 Imm: immediate; displacement of a memory operand; block of an exit
/// 16 Small: immediate beside a memory operand     20 Dst  21 Src  22 Base  23 Index
/// 24 Scale  25 Segment  26 Length  27 OpIndex     28 IpOffset  30 InstructionIndex  31 AccessesBefore
/// 16 TargetRip (exits: over Small .. Index)
/// </code>
/// </summary>
[StructLayout(LayoutKind.Explicit, Size = 32)]
internal unsafe struct Op
{
    /// <summary>Executes this op and, tail-threaded, those after it. Null from it leaves the engine.</summary>
    [FieldOffset(0)]
    public delegate*<CpuState*, Op*, Op*> Handler;

    [FieldOffset(8)]
    public ulong Imm;

    /// <summary>Of an exit: the block to go on with, or <see cref="CodeArena.NoBlock"/>, for which no budget suffices.</summary>
    [FieldOffset(8)]
    public Block* Target;

    [FieldOffset(16)]
    public int Small;

    /// <summary>Of an exit: where it leads.</summary>
    [FieldOffset(16)]
    public ulong TargetRip;

    /// <summary>Of an exit into another page: the block, entered after a check of the fetch tag.</summary>
    [FieldOffset(16)]
    public Block* CrossTarget;

    [FieldOffset(20)]
    public byte Dst;

    [FieldOffset(21)]
    public byte Src;

    [FieldOffset(22)]
    public byte Base;

    [FieldOffset(23)]
    public byte Index;

    /// <summary>log2 of the scale of the index.</summary>
    [FieldOffset(24)]
    public byte Scale;

    [FieldOffset(25)]
    public byte Segment;

    /// <summary>Bytes of the instruction; of the pair when fused.</summary>
    [FieldOffset(26)]
    public byte Length;

    /// <summary>Position in the block, which is how an op finds its block.</summary>
    [FieldOffset(27)]
    public byte OpIndex;

    /// <summary>Where the instruction starts, from the start of the block.</summary>
    [FieldOffset(28)]
    public ushort IpOffset;

    /// <summary>How many instructions of the block come before.</summary>
    [FieldOffset(30)]
    public byte InstructionIndex;

    /// <summary>How many data accesses of the block's count come before.</summary>
    [FieldOffset(31)]
    public byte AccessesBefore;
}

/// <summary>
/// A run of instructions that is entered only at its start, in unmanaged memory, its ops behind it. Keyed by where its bytes lie in
/// host-physical memory, by RIP and by mode.
/// </summary>
[StructLayout(LayoutKind.Sequential, Size = 96)]
internal unsafe struct Block
{
    /// <summary>Offset in CS of the first instruction.</summary>
    public ulong Rip;

    /// <summary>Host-physical address of the first byte.</summary>
    public ulong Hpa;

    /// <summary>Instructions in it; what entering it takes from the budget.</summary>
    public long Count;

    /// <summary>Data accesses of its fast ops.</summary>
    public ulong Accesses;

    /// <summary>Host pointer of the first byte: with the addend of a fetch tag it proves that RIP still leads here.</summary>
    public nint HostCode;

    public ExecutionMode Mode;

    /// <summary>Bytes of code.</summary>
    public ushort Length;

    /// <summary>Ops that stand for instructions; exits follow.</summary>
    public byte OpCount;

    public bool IsDead;

    /// <summary>Next block in its bucket of the hash table.</summary>
    public Block* NextInBucket;

    /// <summary>Next block of the same page.</summary>
    public Block* NextInPage;

    /// <summary>Of a dead block: the one that took its place, for those that still link here.</summary>
    public Block* Successor;

    /// <summary>Of a block of one instruction that goes on in another page: where it goes on; else zero.</summary>
    public ulong SecondHpa;

    /// <summary>Exits behind the ops.</summary>
    public byte ExitCount;

    /// <summary>How often a sample met it, and <see cref="HotCode.Hot"/> once its ops have handlers of their own.</summary>
    public byte Heat;

    /// <summary>All flags are overwritten before one is read: blocks before it may leave them to <see cref="DeferredFlags"/>.</summary>
    public bool OverwritesFlags;

    /// <summary>Its branch does so: no exit may be linked to a block that reads flags.</summary>
    public bool DefersFlags;

    /// <summary>The ops of a block.</summary>
    public static Op* Ops(Block* block) => (Op*)(block + 1);

    /// <summary>The block that an op belongs to.</summary>
    public static Block* Of(Op* op) => (Block*)(op - op->OpIndex) - 1;
}

/// <summary>An instruction that a managed method executes.</summary>
internal unsafe struct ColdSite
{
    public delegate*<Processor, in Iced.Intel.Instruction, Outcome> Method;
    public Iced.Intel.Instruction Instruction;
}
