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
        [CpuidFeature.RDPID] = (7, 2, 22),
        [CpuidFeature.LZCNT] = (0x8000_0001, 2, 5),
        [CpuidFeature.SSE4A] = (0x8000_0001, 2, 6),
        [CpuidFeature.PREFETCHW] = (0x8000_0001, 2, 8),
        [CpuidFeature.SYSCALL] = (0x8000_0001, 3, 11),
        [CpuidFeature.RDTSCP] = (0x8000_0001, 3, 27),
    };

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
                if (promised && !ColdTable.Instance.Has(code))
                {
                    wrong.Add($"{feature}: {code} is promised and missing");
                }
            }
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }
}
