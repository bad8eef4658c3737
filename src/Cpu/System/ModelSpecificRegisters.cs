using System;

namespace Xenolith.Cpu;

/// <summary>Numbers and rules of the model-specific registers (SDM 4 "Model-Specific Registers (MSRs)").</summary>
public static class ModelSpecificRegisters
{
    public const uint TimeStampCounter = 0x10;
    public const uint ApicBase = 0x1B;
    public const uint FeatureControl = 0x3A;
    public const uint TscAdjust = 0x3B;
    public const uint BiosSignature = 0x8B;
    public const uint SmmMonitorControl = 0x9B;
    public const uint MtrrCap = 0xFE;
    public const uint SysenterCs = 0x174;
    public const uint SysenterEsp = 0x175;
    public const uint SysenterEip = 0x176;
    public const uint McgCap = 0x179;
    public const uint McgStatus = 0x17A;
    public const uint MiscEnable = 0x1A0;
    public const uint DebugCtl = 0x1D9;
    public const uint MtrrPhysBase0 = 0x200;
    public const uint MtrrPhysLast = 0x20F;
    public const uint Pat = 0x277;
    public const uint MtrrDefType = 0x2FF;
    public const uint VmxFirst = 0x480;
    public const uint VmxLast = 0x490;
    public const uint TscDeadline = 0x6E0;
    public const uint X2ApicFirst = 0x800;
    public const uint X2ApicLast = 0x8FF;
    public const uint Efer = 0xC000_0080;
    public const uint Star = 0xC000_0081;
    public const uint Lstar = 0xC000_0082;
    public const uint Cstar = 0xC000_0083;
    public const uint Fmask = 0xC000_0084;
    public const uint FsBase = 0xC000_0100;
    public const uint GsBase = 0xC000_0101;
    public const uint KernelGsBase = 0xC000_0102;
    public const uint TscAux = 0xC000_0103;

    // Bits of IA32_MISC_ENABLE.
    public const ulong MiscEnableFastStrings = 1;
    public const ulong MiscEnableMonitor = 1 << 18;

    /// <summary>Bits of IA32_DEBUGCTL that can be set: LBR and BTF. There are no last-branch records to enable; the bit is kept.</summary>
    public const ulong DebugCtlSupported = 3;

    /// <summary>The eleven fixed-range MTRRs, in the order of their place in the state.</summary>
    private static readonly uint[] s_fixedMtrrs = [0x250, 0x258, 0x259, 0x268, 0x269, 0x26A, 0x26B, 0x26C, 0x26D, 0x26E, 0x26F];

    internal static int FixedMtrrIndex(uint msr) => Array.IndexOf(s_fixedMtrrs, msr);
}
