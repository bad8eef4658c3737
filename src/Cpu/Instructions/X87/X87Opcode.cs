using System;

using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>
/// The 11-bit opcode that FNSTENV and FXSAVE report (SDM 1 "Last Instruction Opcode"): the lower three bits of the first opcode byte, and
/// the second byte. Iced's form of an instruction no longer has its bytes, so that the decoder's callers note it where x87 instructions
/// have no use of their own: in the immediate.
/// </summary>
internal static unsafe class X87Opcode
{
    private static readonly bool[] s_isX87 = Codes();

    public static void Note(ref Instruction instruction, byte* bytes)
    {
        if (!s_isX87[(int)instruction.Code])
        {
            return;
        }

        // Prefixes come first, and none of them looks like D8 to DF.
        int first = 0;
        while ((bytes[first] & 0xF8) != 0xD8)
        {
            first++;
        }

        instruction.Immediate32 = ((bytes[first] & 7U) << 8) | bytes[first + 1];
    }

    public static ushort Of(in Instruction instruction) => (ushort)instruction.Immediate32;

    private static bool[] Codes()
    {
        Code[] codes = Enum.GetValues<Code>();
        bool[] result = new bool[codes.Length];
        foreach (Code code in codes)
        {
            OpCodeInfo info = code.ToOpCode();
            uint first = info.OpCodeLength == 1 ? info.OpCode : info.OpCode >> 8;
            result[(int)code] = info.IsInstruction && info.Encoding == EncodingKind.Legacy && info.Table == OpCodeTableKind.Normal
                && first is >= 0xD8 and <= 0xDF;
        }

        return result;
    }
}
