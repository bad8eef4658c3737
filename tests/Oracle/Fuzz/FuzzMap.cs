namespace Xenolith.Oracle.Fuzz;

/// <summary>Where things lie in the megabyte of a fuzzed machine.</summary>
internal static class FuzzMap
{
    public const ulong MemorySize = 0x10_0000;
    public const ulong Gdt = 0x1000;
    public const ulong Ldt = 0x1800;
    public const ulong Idt = 0x2000;
    public const ulong Tss = 0x3000;
    public const ulong SecondTss = 0x3400;
    public const ulong SmallTss = 0x3800;
    public const ulong Pml4 = 0x4000;
    public const ulong Pdpt = 0x5000;
    public const ulong PageDirectory = 0x6000;
    public const ulong PageTable = 0x7000;
    public const ulong LegacyDirectory = 0x8000;
    public const ulong LegacyTable = 0x9000;
    public const ulong PaePdpt = 0xA000;
    public const ulong TablesEnd = 0xB000;
    public const ulong Code = 0x1_0000;
    public const int CodeBytes = 0x800;
    public const ulong Handlers = 0x3_0000;
    public const int HandlerBytes = 64;
    public const ulong Data = 0x4_0000;
    public const ulong Stack = 0x8_0000;

    // GDT, by index.
    public const int KernelCode = 1;
    public const int KernelData = 2;
    public const int UserCode = 3;
    public const int UserData = 4;
    public const int UserCode32 = 5;
    public const int Task = 6;
    public const int Code16 = 8;
    public const int Data16 = 9;
    public const int GdtEntries = 28;
}

/// <summary>The mode in which a case starts.</summary>
internal enum FuzzMode
{
    Real,
    Virtual8086,
    Protected16,
    Protected32,
    Paged32,
    Pae,
    Long,
    Compatibility32,
    Compatibility16,
}
