using System;

using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>
/// Instructions as managed methods, by opcode: the complete semantics of every instruction that the processor has. What the engine
/// has no fast handler for (rare instructions, careful modes) runs from here; an opcode without an entry raises #UD.
/// Each instruction-group file has a <c>Register(ColdTable)</c>, listed in <see cref="InstructionGroups"/>.
/// </summary>
/// <remarks>
/// A method finds <see cref="CpuState.Rip"/> at its own address and <see cref="Processor.NextRip"/> behind it. It returns
/// <see cref="Outcome.Retired"/> (the engine advances RIP), <see cref="Outcome.Branched"/> (it has set RIP itself),
/// <see cref="Outcome.Fault"/> after a Try... member said false or with <c>Raise</c>, and must then have changed nothing.
/// </remarks>
public sealed unsafe class ColdTable
{
    private static readonly int CodeCount = Enum.GetValues<Code>().Length;

    private readonly nint[] _methods = new nint[CodeCount];
    private readonly bool[] _endsBlock = new bool[CodeCount];

    /// <summary>The one table of the process: it never changes after it was built.</summary>
    public static ColdTable Instance { get; } = Build();

    /// <param name="endsBlock">The method may return something else than Retired or Fault, or changes what later code means.</param>
    public void Set(Code code, delegate*<Processor, in Instruction, Outcome> method, bool endsBlock = false)
    {
        _methods[(int)code] = (nint)method;
        _endsBlock[(int)code] = endsBlock;
    }

    /// <summary>Sets every opcode of a mnemonic.</summary>
    public void Set(Mnemonic mnemonic, delegate*<Processor, in Instruction, Outcome> method, bool endsBlock = false)
    {
        foreach (Code code in CodesOf(mnemonic))
        {
            Set(code, method, endsBlock);
        }
    }

    /// <summary>Sets the VEX-encoded opcodes of a mnemonic; those of AVX-512 (EVEX) share it.</summary>
    public void SetVex(Mnemonic mnemonic, delegate*<Processor, in Instruction, Outcome> method)
    {
        foreach (Code code in CodesOf(mnemonic))
        {
            if (code.Encoding() == EncodingKind.VEX)
            {
                Set(code, method);
            }
        }
    }

    /// <summary>Null when the processor does not have the instruction: #UD.</summary>
    public delegate*<Processor, in Instruction, Outcome> Find(Code code) =>
        (delegate*<Processor, in Instruction, Outcome>)_methods[(int)code];

    /// <summary>As above, in a mode: VEX prefixes are not there in real and virtual-8086 mode (SDM 2A "VEX Prefix").</summary>
    internal delegate*<Processor, in Instruction, Outcome> Find(Code code, ExecutionMode mode) =>
        (mode & ExecutionMode.RealOrVirtual8086) != 0 && code.Encoding() == EncodingKind.VEX ? null : Find(code);

    public bool Has(Code code) => _methods[(int)code] != 0;

    public bool EndsBlock(Code code) => _endsBlock[(int)code];

    /// <summary>The opcodes of a mnemonic, in Iced's order.</summary>
    internal static ReadOnlySpan<Code> CodesOf(Mnemonic mnemonic)
    {
        int end = MnemonicIndex.Start[(int)mnemonic + 1];
        int start = MnemonicIndex.Start[(int)mnemonic];
        return MnemonicIndex.Codes.AsSpan(start, end - start);
    }

    private static ColdTable Build()
    {
        ColdTable table = new();
        InstructionGroups.Register(table);
        return table;
    }

    private static class MnemonicIndex
    {
        public static readonly Code[] Codes = Enum.GetValues<Code>();
        public static readonly int[] Start = Sort();

        private static int[] Sort()
        {
            Array.Sort(Codes, (Code a, Code b) => (a.Mnemonic(), a).CompareTo((b.Mnemonic(), b)));
            int[] start = new int[Enum.GetValues<Mnemonic>().Length + 1];
            foreach (Code code in Codes)
            {
                start[(int)code.Mnemonic() + 1]++;
            }

            for (int i = 1; i < start.Length; i++)
            {
                start[i] += start[i - 1];
            }

            return start;
        }
    }
}
