using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;

using Iced.Intel;

using Xenolith.Oracle.Refused;

using Xunit;

namespace Xenolith.Cpu.Tests;

/// <summary>
/// Method: docs/REFUSED.md is written again from the processor's table of instructions and compared. It fails when an opcode that is
/// refused is not listed, or a listed one works; and when one of the sets up to AVX2 that every system relies on is refused.
/// </summary>
public sealed class RefusedCodesTests
{
    private static readonly HashSet<CpuidFeature> s_always =
    [
        CpuidFeature.INTEL8086, CpuidFeature.INTEL186, CpuidFeature.INTEL286, CpuidFeature.INTEL386, CpuidFeature.INTEL486, CpuidFeature.X64,
        CpuidFeature.CMOV, CpuidFeature.CX8, CpuidFeature.CMPXCHG16B, CpuidFeature.MMX, CpuidFeature.SSE, CpuidFeature.SSE2, CpuidFeature.SSE3,
        CpuidFeature.SSSE3, CpuidFeature.SSE4_1, CpuidFeature.SSE4_2, CpuidFeature.BMI1, CpuidFeature.BMI2, CpuidFeature.ADX, CpuidFeature.MOVBE,
        CpuidFeature.POPCNT, CpuidFeature.LZCNT, CpuidFeature.AES, CpuidFeature.PCLMULQDQ, CpuidFeature.SHA, CpuidFeature.AVX, CpuidFeature.AVX2,
        CpuidFeature.FMA, CpuidFeature.F16C, CpuidFeature.XSAVE, CpuidFeature.XSAVEOPT, CpuidFeature.FXSR, CpuidFeature.RDRAND, CpuidFeature.RDSEED,
        CpuidFeature.RDPID, CpuidFeature.FSGSBASE, CpuidFeature.PKU, CpuidFeature.SMAP, CpuidFeature.SYSCALL, CpuidFeature.MONITOR,
        CpuidFeature.CLFLUSHOPT, CpuidFeature.CLWB, CpuidFeature.CLFSH, CpuidFeature.INVPCID, CpuidFeature.RDTSCP, CpuidFeature.TSC, CpuidFeature.SEP,
    ];

    [Fact]
    public void ListAndProcessorAreEqual()
    {
        string path = Path.Combine(Root(), "docs", "REFUSED.md");
        Assert.True(
            File.ReadAllText(path) == RefusedCodes.Text(),
            "docs/REFUSED.md is not what the processor refuses: dotnet run -c Release --project tests/Oracle -- refused docs/REFUSED.md");
    }

    [Fact]
    public void NothingUpToAvx2IsRefused()
    {
        Code[] missing = [.. RefusedCodes.All.Where(code => code.CpuidFeatures().All(s_always.Contains))];
        Assert.Empty(missing);
    }

    private static string Root()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "Xenolith.slnx")))
        {
            folder = Path.GetDirectoryName(folder);
        }

        return folder ?? throw new DirectoryNotFoundException("the tests run outside the repository");
    }
}
