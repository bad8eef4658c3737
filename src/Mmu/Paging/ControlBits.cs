namespace Xenolith.Mmu;

/// <summary>Bits of CR0 that translation asks for (SDM 3A "Control Registers").</summary>
public static class Cr0
{
    public const ulong WP = 1UL << 16;
    public const ulong PG = 1UL << 31;
}

/// <summary>Bits of CR3.</summary>
public static class Cr3
{
    public const ulong PcidMask = 0xFFF;

    /// <summary>In the operand of MOV to CR3 with CR4.PCIDE = 1: keep the TLB entries of the new PCID.</summary>
    public const ulong KeepTranslations = 1UL << 63;
}

/// <summary>Bits of CR4 that translation asks for.</summary>
public static class Cr4
{
    public const ulong PSE = 1UL << 4;
    public const ulong PAE = 1UL << 5;
    public const ulong PGE = 1UL << 7;
    public const ulong LA57 = 1UL << 12;
    public const ulong PCIDE = 1UL << 17;
    public const ulong SMEP = 1UL << 20;
    public const ulong SMAP = 1UL << 21;
    public const ulong PKE = 1UL << 22;
    public const ulong PKS = 1UL << 24;
}

/// <summary>Bits of IA32_EFER that translation asks for.</summary>
public static class Efer
{
    public const ulong LME = 1UL << 8;
    public const ulong LMA = 1UL << 10;
    public const ulong NXE = 1UL << 11;
}
