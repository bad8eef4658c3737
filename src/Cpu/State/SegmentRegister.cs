using System.Runtime.CompilerServices;

namespace Xenolith.Cpu;

/// <summary>
/// Index of a segment register, in the order of instruction encoding (SDM 2A "Segment Register Encoding"), then LDTR and TR.
/// </summary>
public enum SegmentIndex : byte
{
    ES = 0,
    CS = 1,
    SS = 2,
    DS = 3,
    FS = 4,
    GS = 5,
    LDTR = 6,
    TR = 7,
}

/// <summary>
/// A segment register with its hidden part (SDM 3A "Segment Registers"). Access rights are kept in the format of the VMCS
/// (SDM 3C "Guest Register State"): type 3:0, S 4, DPL 6:5, P 7, AVL 12, L 13, D/B 14, G 15, unusable 16.
/// </summary>
public struct SegmentRegister
{
    public ulong Base;
    public uint Limit;
    public uint AccessRights;
    public ushort Selector;

    public const uint AccessedBit = 1 << 0;
    public const uint WritableOrReadableBit = 1 << 1;
    public const uint ExpandDownOrConformingBit = 1 << 2;
    public const uint CodeBit = 1 << 3;
    public const uint SBit = 1 << 4;
    public const uint PBit = 1 << 7;
    public const uint LBit = 1 << 13;
    public const uint DbBit = 1 << 14;
    public const uint GBit = 1 << 15;
    public const uint UnusableBit = 1 << 16;

    public readonly uint Type => AccessRights & 0xF;

    public readonly int Dpl => (int)(AccessRights >> 5) & 3;

    public readonly bool S => (AccessRights & SBit) != 0;

    public readonly bool P => (AccessRights & PBit) != 0;

    public readonly bool L => (AccessRights & LBit) != 0;

    public readonly bool Db => (AccessRights & DbBit) != 0;

    public readonly bool Unusable => (AccessRights & UnusableBit) != 0;
}

/// <summary>The eight segment registers, indexed by <see cref="SegmentIndex"/>.</summary>
[InlineArray(8)]
public struct SegmentRegisters
{
    private SegmentRegister _first;
}

/// <summary>GDTR or IDTR.</summary>
public struct TableRegister
{
    public ulong Base;
    public ushort Limit;
}
