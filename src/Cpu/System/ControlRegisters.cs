namespace Xenolith.Cpu;

/// <summary>Bits of CR0, CR4, EFER, XCR0 and what this processor supports of them (SDM 3A "Control Registers").</summary>
public static class ControlRegisters
{
    public const ulong Cr0Pe = 1UL << 0;
    public const ulong Cr0Mp = 1UL << 1;
    public const ulong Cr0Em = 1UL << 2;
    public const ulong Cr0Ts = 1UL << 3;
    public const ulong Cr0Et = 1UL << 4;
    public const ulong Cr0Ne = 1UL << 5;
    public const ulong Cr0Wp = 1UL << 16;
    public const ulong Cr0Am = 1UL << 18;
    public const ulong Cr0Nw = 1UL << 29;
    public const ulong Cr0Cd = 1UL << 30;
    public const ulong Cr0Pg = 1UL << 31;

    /// <summary>Bits of CR0 that can be 1; the others of its low half stay 0 whatever is written.</summary>
    public const ulong Cr0Defined = Cr0Pe | Cr0Mp | Cr0Em | Cr0Ts | Cr0Et | Cr0Ne | Cr0Wp | Cr0Am | Cr0Nw | Cr0Cd | Cr0Pg;

    public const ulong Cr4Vme = 1UL << 0;
    public const ulong Cr4Pvi = 1UL << 1;
    public const ulong Cr4Tsd = 1UL << 2;
    public const ulong Cr4De = 1UL << 3;
    public const ulong Cr4Pse = 1UL << 4;
    public const ulong Cr4Pae = 1UL << 5;
    public const ulong Cr4Mce = 1UL << 6;
    public const ulong Cr4Pge = 1UL << 7;
    public const ulong Cr4Pce = 1UL << 8;
    public const ulong Cr4Osfxsr = 1UL << 9;
    public const ulong Cr4Osxmmexcpt = 1UL << 10;
    public const ulong Cr4Umip = 1UL << 11;
    public const ulong Cr4La57 = 1UL << 12;
    public const ulong Cr4Vmxe = 1UL << 13;
    public const ulong Cr4Fsgsbase = 1UL << 16;
    public const ulong Cr4Pcide = 1UL << 17;
    public const ulong Cr4Osxsave = 1UL << 18;
    public const ulong Cr4Smep = 1UL << 20;
    public const ulong Cr4Smap = 1UL << 21;
    public const ulong Cr4Pke = 1UL << 22;

    /// <summary>Bits of CR4 that this processor supports; setting another one is #GP(0).</summary>
    public const ulong Cr4Supported = Cr4Vme | Cr4Pvi | Cr4Tsd | Cr4De | Cr4Pse | Cr4Pae | Cr4Mce | Cr4Pge | Cr4Pce | Cr4Osfxsr | Cr4Osxmmexcpt
        | Cr4Umip | Cr4La57 | Cr4Vmxe | Cr4Fsgsbase | Cr4Pcide | Cr4Osxsave | Cr4Smep | Cr4Smap | Cr4Pke;

    public const ulong EferSce = 1UL << 0;
    public const ulong EferLme = 1UL << 8;
    public const ulong EferLma = 1UL << 10;
    public const ulong EferNxe = 1UL << 11;

    public const ulong EferSupported = EferSce | EferLme | EferLma | EferNxe;

    public const ulong Xcr0X87 = 1UL << 0;
    public const ulong Xcr0Sse = 1UL << 1;
    public const ulong Xcr0Avx = 1UL << 2;
    public const ulong Xcr0Pkru = 1UL << 9;

    /// <summary>State components that XCR0 can enable.</summary>
    public const ulong Xcr0Supported = Xcr0X87 | Xcr0Sse | Xcr0Avx | Xcr0Pkru;

    /// <summary>PAT entries may be UC, WC, WT, WP, WB, UC- (SDM 3A "IA32_PAT MSR").</summary>
    public static bool IsValidPat(ulong pat)
    {
        for (int entry = 0; entry < 8; entry++)
        {
            if ((byte)(pat >> (entry * 8)) is 2 or 3 or > 7)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>
    /// Reserved bits of a present PDPTE under PAE paging (SDM 3A "PDPTE Registers"): 2:1, 8:5 and above the physical-address width.
    /// </summary>
    public static bool IsValidPdpte(ulong pdpte, int physicalAddressBits) =>
        (pdpte & 1) == 0 || ((pdpte & 0x1E6) == 0 && pdpte >> physicalAddressBits == 0);
}
