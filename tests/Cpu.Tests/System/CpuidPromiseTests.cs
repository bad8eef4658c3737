using System.Collections.Generic;

using Iced.Intel;

using Xunit;

namespace Xenolith.Cpu.Tests;

/// <summary>
/// Method: every opcode that the decoder knows names the CPUID feature that it needs; for each feature whose bit is set in CpuidModel, all
/// its opcodes must be executable. It fails when CPUID promises an instruction that raises #UD.
/// </summary>
public sealed class CpuidPromiseTests
{
    /// <summary>CPUID leaf, register (0 EAX to 3 EDX) and bit of each feature that Iced tells apart.</summary>
    private static readonly Dictionary<CpuidFeature, (uint Leaf, int Register, int Bit)> s_bits = new()
    {
        [CpuidFeature.CX8] = (1, 3, 8),
        [CpuidFeature.CMOV] = (1, 3, 15),
        [CpuidFeature.CLFSH] = (1, 3, 19),
        [CpuidFeature.MMX] = (1, 3, 23),
        [CpuidFeature.FXSR] = (1, 3, 24),
        [CpuidFeature.SSE] = (1, 3, 25),
        [CpuidFeature.SSE2] = (1, 3, 26),
        [CpuidFeature.SSE3] = (1, 2, 0),
        [CpuidFeature.PCLMULQDQ] = (1, 2, 1),
        [CpuidFeature.MONITOR] = (1, 2, 3),
        [CpuidFeature.SSSE3] = (1, 2, 9),
        [CpuidFeature.FMA] = (1, 2, 12),
        [CpuidFeature.CMPXCHG16B] = (1, 2, 13),
        [CpuidFeature.SSE4_1] = (1, 2, 19),
        [CpuidFeature.SSE4_2] = (1, 2, 20),
        [CpuidFeature.MOVBE] = (1, 2, 22),
        [CpuidFeature.POPCNT] = (1, 2, 23),
        [CpuidFeature.AES] = (1, 2, 25),
        [CpuidFeature.XSAVE] = (1, 2, 26),
        [CpuidFeature.AVX] = (1, 2, 28),
        [CpuidFeature.F16C] = (1, 2, 29),
        [CpuidFeature.RDRAND] = (1, 2, 30),
        [CpuidFeature.FSGSBASE] = (7, 1, 0),
        [CpuidFeature.BMI1] = (7, 1, 3),
        [CpuidFeature.AVX2] = (7, 1, 5),
        [CpuidFeature.BMI2] = (7, 1, 8),
        [CpuidFeature.INVPCID] = (7, 1, 10),
        [CpuidFeature.RDSEED] = (7, 1, 18),
        [CpuidFeature.ADX] = (7, 1, 19),
        [CpuidFeature.CLFLUSHOPT] = (7, 1, 23),
        [CpuidFeature.CLWB] = (7, 1, 24),
        [CpuidFeature.SHA] = (7, 1, 29),
        [CpuidFeature.PKU] = (7, 2, 3),
        [CpuidFeature.VAES] = (7, 2, 9),
        [CpuidFeature.VPCLMULQDQ] = (7, 2, 10),
        [CpuidFeature.RDPID] = (7, 2, 22),
        [CpuidFeature.LZCNT] = (0x8000_0001, 2, 5),
        [CpuidFeature.SSE4A] = (0x8000_0001, 2, 6),
        [CpuidFeature.PREFETCHW] = (0x8000_0001, 2, 8),
        [CpuidFeature.SYSCALL] = (0x8000_0001, 3, 11),
        [CpuidFeature.RDTSCP] = (0x8000_0001, 3, 27),
        [CpuidFeature.SMAP] = (7, 1, 20),
        [CpuidFeature.HLE_or_RTM] = (7, 1, 11),
        [CpuidFeature.RTM] = (7, 1, 11),
        [CpuidFeature.MPX] = (7, 1, 14),
        [CpuidFeature.PREFETCHWT1] = (7, 2, 0),
        [CpuidFeature.WAITPKG] = (7, 2, 5),
        [CpuidFeature.CET_SS] = (7, 2, 7),
        [CpuidFeature.GFNI] = (7, 2, 8),
        [CpuidFeature.CLDEMOTE] = (7, 2, 25),
        [CpuidFeature.MOVDIRI] = (7, 2, 27),
        [CpuidFeature.MOVDIR64B] = (7, 2, 28),
        [CpuidFeature.ENQCMD] = (7, 2, 29),
        [CpuidFeature.UINTR] = (7, 3, 5),
        [CpuidFeature.SERIALIZE] = (7, 3, 14),
        [CpuidFeature.PCONFIG] = (7, 3, 18),
        [CpuidFeature.CET_IBT] = (7, 3, 20),
        [CpuidFeature.AVX512F] = (7, 1, 16),
        [CpuidFeature.VMX] = (1, 2, 5),
        [CpuidFeature.SMX] = (1, 2, 6),
        [CpuidFeature.TSC] = (1, 3, 4),
        [CpuidFeature.MSR] = (1, 3, 5),
        [CpuidFeature.SEP] = (1, 3, 11),
        [CpuidFeature.SVM] = (0x8000_0001, 2, 2),
        [CpuidFeature.SKINIT] = (0x8000_0001, 2, 12),
        [CpuidFeature.XOP] = (0x8000_0001, 2, 11),
        [CpuidFeature.LWP] = (0x8000_0001, 2, 15),
        [CpuidFeature.FMA4] = (0x8000_0001, 2, 16),
        [CpuidFeature.TBM] = (0x8000_0001, 2, 21),
        [CpuidFeature.MONITORX] = (0x8000_0001, 2, 29),
        [CpuidFeature.D3NOW] = (0x8000_0001, 3, 31),
        [CpuidFeature.D3NOWEXT] = (0x8000_0001, 3, 30),
        [CpuidFeature.CLZERO] = (0x8000_0008, 1, 0),
        [CpuidFeature.RDPRU] = (0x8000_0008, 1, 4),
        [CpuidFeature.WBNOINVD] = (0x8000_0008, 1, 9),
    };

    /// <summary>Opcodes that processors without the feature execute as a no-operation.</summary>
    private static readonly HashSet<CpuidFeature> s_nothingWithout =
        [CpuidFeature.CET_IBT, CpuidFeature.CET_SS, CpuidFeature.MPX, CpuidFeature.PREFETCHWT1, CpuidFeature.CLDEMOTE];

    [Fact]
    public unsafe void WhatCpuidPromisesWorks()
    {
        List<string> wrong = [];
        foreach (Code code in System.Enum.GetValues<Code>())
        {
            foreach (CpuidFeature feature in code.CpuidFeatures())
            {
                if (!s_bits.TryGetValue(feature, out (uint Leaf, int Register, int Bit) place) || code.CpuidFeatures().Length != 1)
                {
                    continue;
                }

                CpuidLeaf leaf = CpuidModel.Query(place.Leaf, 0, null);
                uint register = place.Register switch { 0 => leaf.Eax, 1 => leaf.Ebx, 2 => leaf.Ecx, _ => leaf.Edx };
                bool promised = (register & (1u << place.Bit)) != 0;
                if (promised && !ColdTable.Instance.Has(code) && feature != CpuidFeature.VMX)
                {
                    wrong.Add($"{feature}: {code} is promised and missing");
                }

                if (!promised && ColdTable.Instance.Has(code) && !s_nothingWithout.Contains(feature))
                {
                    wrong.Add($"{feature}: {code} works and is not promised");
                }
            }
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }
}
