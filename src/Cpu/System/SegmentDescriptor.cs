namespace Xenolith.Cpu;

/// <summary>
/// An entry of the GDT or of an LDT (SDM 3A "Segment Descriptors"); system descriptors of IA-32e mode have a second half.
/// <code>
/// 63:56 base 31:24 | 55 G | 54 D/B | 53 L | 52 AVL | 51:48 limit 19:16 | 47 P | 46:45 DPL | 44 S | 43:40 type | 39:16 base 23:0 | 15:0
/// limit 15:0
/// </code>
/// </summary>
internal readonly struct SegmentDescriptor(ulong low, ulong high = 0)
{
    /// <summary>
    /// System types (SDM 3A "System Descriptor Types"); in IA-32e mode only LDT, 32-bit (there 64-bit) TSSs and gates exist.
    /// </summary>
    public const uint TypeTss16Available = 1;
    public const uint TypeLdt = 2;
    public const uint TypeTss16Busy = 3;
    public const uint TypeCallGate16 = 4;
    public const uint TypeTaskGate = 5;
    public const uint TypeInterruptGate16 = 6;
    public const uint TypeTrapGate16 = 7;
    public const uint TypeTssAvailable = 9;
    public const uint TypeTssBusy = 11;
    public const uint TypeCallGate = 12;
    public const uint TypeInterruptGate = 14;
    public const uint TypeTrapGate = 15;

    public ulong Low => low;

    public ulong High => high;

    public uint Type => (uint)(low >> 40) & 0xF;

    public bool S => (low & (1UL << 44)) != 0;

    public uint Dpl => (uint)(low >> 45) & 3;

    public bool P => (low & (1UL << 47)) != 0;

    public bool L => (low & (1UL << 53)) != 0;

    public bool Db => (low & (1UL << 54)) != 0;

    public bool G => (low & (1UL << 55)) != 0;

    public bool IsCode => S && (Type & 8) != 0;

    public bool IsConforming => (Type & 4) != 0;

    public bool IsWritableData => S && (Type & 0xA) == 2;

    /// <summary>Data, or code that may be read.</summary>
    public bool IsReadable => S && (Type & 0xA) != 8;

    public ulong Base => ((low >> 16) & 0xFF_FFFF) | ((low >> 32) & 0xFF00_0000) | (high << 32);

    /// <summary>Highest offset, in bytes.</summary>
    public uint Limit
    {
        get
        {
            uint raw = (uint)(low & 0xFFFF) | ((uint)(low >> 32) & 0xF_0000);
            return G ? (raw << 12) | 0xFFF : raw;
        }
    }

    /// <summary>Access rights in the format of the VMCS: descriptor bits 47:40 and 55:52.</summary>
    public uint AccessRights => (uint)(low >> 40) & 0xF0FF;

    // As a gate (SDM 3A "Call Gates", "IDT Descriptors").
    public ushort GateSelector => (ushort)(low >> 16);

    public ulong GateOffset => (low & 0xFFFF) | ((low >> 32) & 0xFFFF_0000) | (high << 32);

    public int GateParameterCount => (int)(low >> 32) & 0x1F;

    /// <summary>Interrupt-stack-table index of a 64-bit interrupt or trap gate.</summary>
    public int GateIst => (int)(low >> 32) & 7;

    public SegmentRegister ToRegister(ushort selector) => new()
    {
        Selector = selector,
        Base = Base,
        Limit = Limit,
        AccessRights = AccessRights,
    };
}
