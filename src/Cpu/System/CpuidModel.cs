using System;

namespace Xenolith.Cpu;

/// <summary>What CPUID returns for one leaf.</summary>
public readonly record struct CpuidLeaf(uint Eax, uint Ebx, uint Ecx, uint Edx);

/// <summary>
/// The processor that software sees through CPUID (SDM 2A "CPUID"): GenuineIntel, family 6, and exactly the features that work here.
/// In non-root operation CPUID exits, and the hypervisor starts from this table.
/// </summary>
public static unsafe class CpuidModel
{
    /// <summary>Family 6, model 6AH, stepping 6 (CPUID.1:EAX; also EDX after reset).</summary>
    public const uint Signature = 0x0006_06A6;

    /// <summary>TSC frequency in Hz: one tick is one nanosecond and one instruction.</summary>
    public const uint TscFrequencyHz = 1_000_000_000;

    public const uint MaxBasicLeaf = 0x16;
    public const uint MaxExtendedLeaf = 0x8000_0008;

    // Leaf 1, ECX.
    private const uint Sse3 = 1u << 0;
    private const uint Pclmulqdq = 1u << 1;
    private const uint Ssse3 = 1u << 9;
    private const uint Sse41 = 1u << 19;
    private const uint Sse42 = 1u << 20;
    private const uint Aes = 1u << 25;
    private const uint Monitor = 1u << 3;
    private const uint Vmx = 1u << 5;
    private const uint Cx16 = 1u << 13;
    private const uint Pcid = 1u << 17;
    private const uint Movbe = 1u << 22;
    private const uint Popcnt = 1u << 23;
    private const uint Xsave = 1u << 26;
    private const uint Osxsave = 1u << 27;
    private const uint Fma = 1u << 12;
    private const uint Avx = 1u << 28;
    private const uint F16c = 1u << 29;
    private const uint Rdrand = 1u << 30;

    /// <summary>Leaf 1, ECX.</summary>
    public const uint FeaturesEcx = Sse3 | Pclmulqdq | Monitor | Vmx | Ssse3 | Fma | Cx16 | Pcid | Sse41 | Sse42 | Movbe | Popcnt | Aes | Xsave
        | Avx | F16c | Rdrand;

    /// <summary>
    /// Leaf 1, EDX: FPU, VME, DE, PSE, TSC, MSR, PAE, MCE, CX8, APIC, SEP, MTRR, PGE, MCA, CMOV, PAT, PSE-36, CLFSH, MMX, FXSR, SSE, SSE2.
    /// </summary>
    public const uint FeaturesEdx = 1u | (1u << 1) | (1u << 2) | (1u << 3) | (1u << 4) | (1u << 5) | (1u << 6) | (1u << 7) | (1u << 8) | (1u << 9) | (1u << 11)
        | (1u << 12) | (1u << 13) | (1u << 14) | (1u << 15) | (1u << 16) | (1u << 17) | (1u << 19) | (1u << 23) | (1u << 24) | (1u << 25) | (1u << 26);

    /// <summary>
    /// Leaf 7, EBX: FSGSBASE, TSC_ADJUST, BMI1, AVX2, SMEP, BMI2, ERMS, INVPCID, RDSEED, ADX, SMAP, CLFLUSHOPT, CLWB, SHA.
    /// </summary>
    public const uint StructuredEbx = 1u | (1u << 1) | (1u << 3) | (1u << 5) | (1u << 7) | (1u << 8) | (1u << 9) | (1u << 10) | (1u << 18) | (1u << 19)
        | (1u << 20) | (1u << 23) | (1u << 24) | (1u << 29);

    private const uint Pku = 1u << 3;
    private const uint Ospke = 1u << 4;

    /// <summary>Leaf 7, ECX: UMIP, PKU, VAES, VPCLMULQDQ, LA57, RDPID.</summary>
    public const uint StructuredEcx = (1u << 2) | Pku | (1u << 9) | (1u << 10) | (1u << 16) | (1u << 22);

    /// <summary>
    /// Leaf 80000001H, ECX: LAHF/SAHF in 64-bit mode, LZCNT, SSE4a, PREFETCHW. No processor of Intel's has SSE4a; it is promised because it
    /// works, and programs look at the bit, not at the vendor.
    /// </summary>
    public const uint ExtendedEcx = 1u | (1u << 5) | (1u << 6) | (1u << 8);

    /// <summary>Leaf 80000001H, EDX: SYSCALL, NX, 1-GiB pages, RDTSCP, Intel 64.</summary>
    public const uint ExtendedEdx = (1u << 11) | (1u << 20) | (1u << 26) | (1u << 27) | (1u << 29);

    private const uint CacheLineSize = 64;

    private static readonly byte[] s_brand = "Xenolith emulated processor @ 1.00GHz\0\0\0\0\0\0\0\0\0\0\0"u8.ToArray();

    /// <summary>
    /// One leaf, as the processor in the given state reports it; leaves beyond the last basic one repeat the last basic one.
    /// </summary>
    /// <param name="leaf">EAX.</param>
    /// <param name="subleaf">ECX.</param>
    /// <param name="state">For the bits that follow CR4 and XCR0; null reports them as clear.</param>
    public static CpuidLeaf Query(uint leaf, uint subleaf, CpuState* state)
    {
        ulong cr4 = state == null ? 0 : state->Paging.Cr4;
        bool hasMonitor = state == null || (state->Msr.MiscEnable & ModelSpecificRegisters.MiscEnableMonitor) != 0;
        ulong xcr0 = state == null ? ControlRegisters.Xcr0X87 : state->Xcr0;
        if (leaf is > MaxBasicLeaf and (< 0x8000_0000 or > MaxExtendedLeaf))
        {
            leaf = MaxBasicLeaf;
        }

        return leaf switch
        {
            0 => new CpuidLeaf(MaxBasicLeaf, 0x756E_6547, 0x6C65_746E, 0x4965_6E69), // "GenuineIntel"
            1 => new CpuidLeaf(
                Signature,
                ((CacheLineSize / 8) << 8) | (1u << 16),
                (FeaturesEcx & ~(hasMonitor ? 0 : Monitor)) | ((cr4 & ControlRegisters.Cr4Osxsave) != 0 ? Osxsave : 0),
                FeaturesEdx),
            2 => new CpuidLeaf(0x00FF_FF01, 0, 0, 0), // descriptors FFH: see leaf 4
            4 => Caches(subleaf),
            5 => new CpuidLeaf(CacheLineSize, CacheLineSize, 3, 0),
            7 when subleaf == 0 => new CpuidLeaf(
                0, StructuredEbx, StructuredEcx | ((cr4 & ControlRegisters.Cr4Pke) != 0 ? Ospke : 0), 0),
            0xB => new CpuidLeaf(0, subleaf < 2 ? 1u : 0, subleaf | (subleaf < 2 ? (subleaf + 1) << 8 : 0), 0),
            0xD => ExtendedState(subleaf, xcr0),
            0x15 => new CpuidLeaf(1, 1, TscFrequencyHz, 0),
            0x16 => new CpuidLeaf(TscFrequencyHz / 1_000_000, TscFrequencyHz / 1_000_000, 100, 0),
            0x8000_0000 => new CpuidLeaf(MaxExtendedLeaf, 0, 0, 0),
            0x8000_0001 => new CpuidLeaf(0, 0, ExtendedEcx, ExtendedEdx),
            >= 0x8000_0002 and <= 0x8000_0004 => Brand((int)(leaf - 0x8000_0002) * 16),
            0x8000_0006 => new CpuidLeaf(0, 0, (256u << 16) | (6u << 12) | CacheLineSize, 0),
            0x8000_0007 => new CpuidLeaf(0, 0, 0, 1u << 8), // invariant TSC
            0x8000_0008 => new CpuidLeaf(Processor.MaxPhysicalAddressBits | (57u << 8), 1u << 9, 0, 0), // WBNOINVD
            _ => default,
        };
    }

    /// <summary>Deterministic cache parameters: 32 KiB L1 data and instruction, 256 KiB L2, all nominal.</summary>
    private static CpuidLeaf Caches(uint subleaf)
    {
        const uint Geometry8Ways = (7u << 22) | (CacheLineSize - 1);
        return subleaf switch
        {
            0 => new CpuidLeaf(1 | (1u << 5) | (1u << 8), Geometry8Ways, 63, 0),
            1 => new CpuidLeaf(2 | (1u << 5) | (1u << 8), Geometry8Ways, 63, 0),
            2 => new CpuidLeaf(3 | (2u << 5) | (1u << 8), Geometry8Ways, 511, 0),
            _ => default,
        };
    }

    /// <summary>
    /// XSAVE areas (SDM 1 "XSAVE-Managed Features"): x87 and SSE in the legacy region, AVX behind the header, PKRU behind the places of
    /// absent components.
    /// </summary>
    private static CpuidLeaf ExtendedState(uint subleaf, ulong xcr0) => subleaf switch
    {
        0 => new CpuidLeaf((uint)ControlRegisters.Xcr0Supported, XsaveArea.SizeOf(xcr0), XsaveArea.SizeOf(ControlRegisters.Xcr0Supported), 0),
        1 => new CpuidLeaf(7, XsaveArea.CompactedSizeOf(xcr0), 0, 0), // XSAVEOPT, XSAVEC, XGETBV with ECX = 1
        2 => new CpuidLeaf(XsaveArea.AvxSize, XsaveArea.AvxOffset, 0, 0),
        9 => new CpuidLeaf(XsaveArea.PkruSize, XsaveArea.PkruOffset, 0, 0),
        _ => default,
    };

    private static CpuidLeaf Brand(int offset) => new(
        BitConverter.ToUInt32(s_brand, offset),
        BitConverter.ToUInt32(s_brand, offset + 4),
        BitConverter.ToUInt32(s_brand, offset + 8),
        BitConverter.ToUInt32(s_brand, offset + 12));
}

/// <summary>Layout of an XSAVE area (SDM 1 "XSAVE Area").</summary>
public static class XsaveArea
{
    public const uint LegacySize = 512;
    public const uint HeaderSize = 64;
    public const uint AvxOffset = 576;
    public const uint AvxSize = 256;
    public const uint PkruOffset = 2688;
    public const uint PkruSize = 8;

    /// <summary>Bytes that an area in standard form needs for these components.</summary>
    public static uint SizeOf(ulong components) => (components & ControlRegisters.Xcr0Pkru) != 0 ? PkruOffset + PkruSize
        : (components & ControlRegisters.Xcr0Avx) != 0 ? AvxOffset + AvxSize
        : LegacySize + HeaderSize;

    /// <summary>Bytes that an area in compacted form needs for these components: no component asks to be aligned.</summary>
    public static uint CompactedSizeOf(ulong components) => LegacySize + HeaderSize
        + ((components & ControlRegisters.Xcr0Avx) != 0 ? AvxSize : 0)
        + ((components & ControlRegisters.Xcr0Pkru) != 0 ? PkruSize : 0);

    /// <summary>Where AVX state or PKRU lies in an area that has room for these components.</summary>
    public static uint OffsetOf(ulong component, ulong components, bool compacted) => component == ControlRegisters.Xcr0Avx ? AvxOffset
        : compacted ? CompactedSizeOf(components & ControlRegisters.Xcr0Avx)
        : PkruOffset;
}
