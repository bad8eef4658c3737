using System;
using System.Collections.Generic;
using System.Linq;

using Iced.Intel;

namespace Xenolith.Oracle.Silicon;

/// <summary>Which codes are compared, by the CPUID feature that brings them.</summary>
public static class CaseGroups
{
    /// <summary>Group name to the features in it, in the order of the table that is reported.</summary>
    public static readonly IReadOnlyList<(string Name, CpuidFeature[] Features)> All =
    [
        ("integer", [CpuidFeature.INTEL8086, CpuidFeature.INTEL186, CpuidFeature.INTEL286, CpuidFeature.INTEL386, CpuidFeature.INTEL486,
            CpuidFeature.X64, CpuidFeature.CMOV, CpuidFeature.CX8, CpuidFeature.CMPXCHG16B, CpuidFeature.MULTIBYTENOP, CpuidFeature.PAUSE]),
        ("bits", [CpuidFeature.POPCNT, CpuidFeature.LZCNT, CpuidFeature.BMI1, CpuidFeature.BMI2, CpuidFeature.ADX, CpuidFeature.MOVBE]),
        ("mmx", [CpuidFeature.MMX]),
        ("sse", [CpuidFeature.SSE]),
        ("sse2", [CpuidFeature.SSE2]),
        ("sse3", [CpuidFeature.SSE3]),
        ("ssse3", [CpuidFeature.SSSE3]),
        ("sse4.1", [CpuidFeature.SSE4_1]),
        ("sse4.2", [CpuidFeature.SSE4_2]),
        ("avx", [CpuidFeature.AVX]),
        ("avx2", [CpuidFeature.AVX2]),
        ("fma", [CpuidFeature.FMA]),
        ("f16c", [CpuidFeature.F16C]),
        ("fxsr", [CpuidFeature.FXSR]),
        ("xsave", [CpuidFeature.XSAVE, CpuidFeature.XSAVEOPT, CpuidFeature.XSAVEC]),
        ("sse4a", [CpuidFeature.SSE4A]),
        ("aes", [CpuidFeature.AES, CpuidFeature.AVX]),
        ("pclmulqdq", [CpuidFeature.PCLMULQDQ, CpuidFeature.AVX]),
        ("sha", [CpuidFeature.SHA]),
        ("vaes", [CpuidFeature.VAES, CpuidFeature.VPCLMULQDQ]),
        ("x87", [CpuidFeature.FPU, CpuidFeature.FPU287, CpuidFeature.FPU387, CpuidFeature.CMOV, CpuidFeature.SSE3]),
    ];

    /// <summary>Instructions that one user-mode case cannot speak about, with the reason.</summary>
    private static readonly Dictionary<Mnemonic, string> s_excluded = new()
    {
        [Mnemonic.Syscall] = "calls the host's kernel",
        [Mnemonic.Sysenter] = "calls the host's kernel",
        [Mnemonic.Int] = "calls the host's kernel",
        [Mnemonic.Int1] = "the host's kernel answers by a signal that hides the vector",
        [Mnemonic.Int3] = "ends a case",
        [Mnemonic.Into] = "the host's kernel answers by a signal that hides the vector",
        [Mnemonic.Cpuid] = "the models differ on purpose",
        [Mnemonic.Rdtsc] = "the clocks differ on purpose",
        [Mnemonic.Swapgs] = "privileged",
        [Mnemonic.Sgdt] = "the kernel's tables show (or UMIP)",
        [Mnemonic.Sidt] = "the kernel's tables show (or UMIP)",
        [Mnemonic.Sldt] = "the kernel's tables show (or UMIP)",
        [Mnemonic.Str] = "the kernel's tables show (or UMIP)",
        [Mnemonic.Smsw] = "the kernel's registers show (or UMIP)",
        [Mnemonic.Verr] = "reads the kernel's descriptor tables",
        [Mnemonic.Verw] = "reads the kernel's descriptor tables",
        [Mnemonic.Lar] = "reads the kernel's descriptor tables",
        [Mnemonic.Lsl] = "reads the kernel's descriptor tables",
        [Mnemonic.Iret] = "far transfer through the kernel's descriptor tables",
        [Mnemonic.Iretd] = "far transfer through the kernel's descriptor tables",
        [Mnemonic.Iretq] = "far transfer through the kernel's descriptor tables",
        [Mnemonic.Retf] = "far transfer through the kernel's descriptor tables",
        [Mnemonic.Lds] = "reads the kernel's descriptor tables",
        [Mnemonic.Les] = "reads the kernel's descriptor tables",
        [Mnemonic.Lfs] = "reads the kernel's descriptor tables",
        [Mnemonic.Lgs] = "reads the kernel's descriptor tables",
        [Mnemonic.Lss] = "reads the kernel's descriptor tables",
        [Mnemonic.Loadall] = "only on one processor",
        [Mnemonic.Reservednop] = "not an instruction of this list",
        [Mnemonic.Wait] = "needs a pending exception to say anything",
        [Mnemonic.In] = "privileged by IOPL: the kernel may emulate",
        [Mnemonic.Out] = "privileged by IOPL: the kernel may emulate",
    };

    /// <summary>
    /// Cases in which this silicon differs from what the manuals demand, and that are therefore left out. MASKMOVQ: an AMD
    /// processor makes the transition to MMX state before it faults on the store; a fault must leave no trace. MOVSXD with a
    /// 16-bit operand: an AMD processor reads four bytes (as its manual says), an Intel processor two. Page faults of FLDENV and its
    /// like, and of areas of state: an AMD processor asks for the last byte first, which only CR2 shows.
    /// </summary>
    public static bool IsArtefact(Code code, uint vector) => (vector == 14 && StateCases.Is(code.Mnemonic())) || (vector < SiliconReply.EndedAtStop
        && (code == Code.Movsxd_r16_rm16 || code.Mnemonic() is Mnemonic.Maskmovq or Mnemonic.Fldenv or Mnemonic.Fnstenv or Mnemonic.Frstor or Mnemonic.Fnsave));

    public static string? WhyExcluded(Code code) =>
        code is Code.Call_m1664 or Code.Jmp_m1664 ? "AMD processors have no 64-bit far pointers: their manual ignores REX.W here"
        : code.Mnemonic() is Mnemonic.Fclex or Mnemonic.Finit or Mnemonic.Fsave or Mnemonic.Fstenv or Mnemonic.Fstcw or Mnemonic.Fstsw
            or Mnemonic.Fdisi or Mnemonic.Feni or Mnemonic.Fsetpm ? "two instructions: WAIT, then the form without it"
        : s_excluded.GetValueOrDefault(code.Mnemonic());

    /// <summary>The codes of a group that exist in the mode and that a case can speak about.</summary>
    public static IEnumerable<Code> Codes(string group, int bits)
    {
        CpuidFeature[] features = All.First(entry => entry.Name == group).Features;
        foreach (Code code in Enum.GetValues<Code>())
        {
            OpCodeInfo info = code.ToOpCode();
            if (info.IsInstruction && info.Encoding == EncodingKind.Legacy | IsVex(code)
                && (bits == 64 ? info.Mode64 : info.Mode32)
                && code.CpuidFeatures().All(features.Contains) && IsX87(code) == (group == "x87")
                && (group is not ("aes" or "pclmulqdq") || code.CpuidFeatures().Contains(features[0]))
                && !info.MustBeCpl0 && !info.IsPrivileged() && WhyExcluded(code) is null)
            {
                yield return code;
            }
        }
    }

    private static bool IsX87(Code code) =>
        code.CpuidFeatures().Any(f => f is CpuidFeature.FPU or CpuidFeature.FPU287 or CpuidFeature.FPU387);

    private static bool IsPrivileged(this OpCodeInfo info) => info.Code.IsPrivileged();

    /// <summary>VEX-encoded instructions that are not a shape of AVX-512's.</summary>
    private static bool IsVex(Code code) => code.Encoding() == EncodingKind.VEX;
}
