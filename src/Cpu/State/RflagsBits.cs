namespace Xenolith.Cpu;

/// <summary>Bits of RFLAGS (SDM 1 "EFLAGS Register").</summary>
public static class RflagsBits
{
    public const uint CF = 1 << 0;
    public const uint Fixed1 = 1 << 1;
    public const uint PF = 1 << 2;
    public const uint AF = 1 << 4;
    public const uint ZF = 1 << 6;
    public const uint SF = 1 << 7;
    public const uint TF = 1 << 8;
    public const uint IF = 1 << 9;
    public const uint DF = 1 << 10;
    public const uint OF = 1 << 11;
    public const uint IOPL = 3 << 12;
    public const int IoplShift = 12;
    public const uint NT = 1 << 14;
    public const uint RF = 1 << 16;
    public const uint VM = 1 << 17;
    public const uint AC = 1 << 18;
    public const uint VIF = 1 << 19;
    public const uint VIP = 1 << 20;
    public const uint ID = 1 << 21;

    /// <summary>The six status flags, which <see cref="LazyFlags"/> keeps.</summary>
    public const uint Status = CF | PF | AF | ZF | SF | OF;

    /// <summary>Everything that exists; the other bits are zero, bit 1 is one.</summary>
    public const uint Defined = Status | TF | IF | DF | IOPL | NT | RF | VM | AC | VIF | VIP | ID;
}
