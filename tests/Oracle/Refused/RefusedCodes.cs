using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;

using Iced.Intel;

using Xenolith.Cpu;

namespace Xenolith.Oracle.Refused;

/// <summary>The opcodes that the decoder knows and the processor answers with #UD, as the text of docs/REFUSED.md.</summary>
public static class RefusedCodes
{
    private const int Columns = 138;

    /// <summary>Why, by the start of the name of the CPUID features that an opcode needs; the first that fits.</summary>
    private static readonly (string Prefix, string Reason)[] s_reasons =
    [
        ("AVX512", "AVX-512 is not offered"),
        ("AMX", "AMX is not offered"),
        ("AVX_IFMA", "came after AVX2; not offered"),
        ("AVX_NE_CONVERT", "came after AVX2; not offered"),
        ("AVX_VNNI", "came after AVX2; not offered"),
        ("AVX+", "came after AVX2; not offered"),
        ("GFNI", "came with AVX-512; not offered"),
        ("AESKLE", "Key Locker is not offered"),
        ("KL", "Key Locker is not offered"),
        ("CET", "CET is not offered; what was a no-operation before it still is"),
        ("FPU387SL", "on one old processor only"),
        ("FPU287XL", "on one old processor only"),
        ("FPU", "no opcodes of their own (WAIT and another instruction, which are decoded one by one), or of the 8087 and 80287 only"),
        ("INTEL8086_ONLY", "on the 8086 only"),
        ("INTEL286_ONLY", "on the 80286 only"),
        ("INTEL386", "on the 80386 only"),
        ("MOV_TR", "test registers: on the 80386 and 80486 only"),
        ("UMOV", "on the 80386 and 80486 only"),
        ("CYRIX", "of another vendor"),
        ("CENTAUR", "of another vendor"),
        ("PADLOCK", "of another vendor"),
        ("D3NOW", "of another vendor, which has dropped it"),
        ("FMA4", "of another vendor, which has dropped it"),
        ("XOP", "of another vendor, which has dropped it"),
        ("TBM", "of another vendor, which has dropped it"),
        ("LWP", "of another vendor, which has dropped it"),
        ("SVM", "the other vendor's virtualization"),
        ("SKINIT", "the other vendor's virtualization"),
        ("SEV", "the other vendor's virtualization"),
        ("RMPQUERY", "the other vendor's virtualization"),
        ("INVLPGB", "of another vendor"),
        ("CLZERO", "of another vendor"),
        ("MCOMMIT", "of another vendor"),
        ("MONITORX", "of another vendor"),
        ("RDPRU", "of another vendor"),
        ("CL1INVMB", "of a coprocessor"),
        ("KNC", "of a coprocessor"),
        ("IA64", "of another architecture"),
        ("SMM", "RSM is #UD outside system-management mode, and there is none"),
        ("SMX", "SMX is not offered"),
        ("SGX", "SGX is not offered"),
        ("OSS", "SGX is not offered"),
        ("TDX", "TDX is not offered"),
        ("VMX", "VM functions are not offered"),
        ("HLE", "TSX is not offered"),
        ("RTM", "TSX is not offered"),
        ("TSXLDTRK", "TSX is not offered"),
        ("XSAVE", "compacted areas are not offered"),
    ];

    private const string Newer = "came after AVX2; CPUID bit clear";

    /// <summary>Every refused opcode.</summary>
    public static IEnumerable<Code> All => Enum.GetValues<Code>().Where(code => code.ToOpCode().IsInstruction && !ColdTable.Instance.Has(code));

    /// <summary>The document.</summary>
    public static string Text()
    {
        StringBuilder text = new();
        int known = Enum.GetValues<Code>().Count(code => code.ToOpCode().IsInstruction);
        _ = text.Append("# Opcodes that are refused\n\n")
            .Append("Each opcode that the decoder (Iced) knows and that this processor answers with #UD, by the CPUID features that it needs. A test\n")
            .Append("(`RefusedCodesTests`) keeps this list and the code equal; it is written by\n")
            .Append("`dotnet run -c Release --project tests/Oracle -- refused docs/REFUSED.md`. Why: see [UNIMPLEMENTED.md](UNIMPLEMENTED.md).\n\n")
            .Append($"{All.Count()} of {known} opcodes.\n");
        foreach (IGrouping<string, Code> group in All.GroupBy(Features).OrderBy(g => g.Key, StringComparer.Ordinal))
        {
            _ = text.Append($"\n## {group.Key}\n\n{Reason(group.Key)}:\n");
            int column = Columns;
            foreach (string name in group.Select(code => code.ToString()))
            {
                _ = text.Append(column + name.Length + 1 > Columns ? "\n" : " ");
                column = column + name.Length + 1 > Columns ? name.Length : column + name.Length + 1;
                _ = text.Append(name);
            }

            _ = text.Append('\n');
        }

        return text.ToString();
    }

    private static string Features(Code code) => string.Join(" + ", code.CpuidFeatures());

    private static string Reason(string features)
    {
        foreach ((string prefix, string reason) in s_reasons)
        {
            if (features.StartsWith(prefix, StringComparison.Ordinal) || features.Replace(" ", "", StringComparison.Ordinal).StartsWith(prefix, StringComparison.Ordinal))
            {
                return char.ToUpperInvariant(reason[0]) + reason[1..];
            }
        }

        return char.ToUpperInvariant(Newer[0]) + Newer[1..];
    }
}
