using System;

using Iced.Intel;

namespace Xenolith.Oracle.Silicon;

/// <summary>
/// Random bytes behind a VEX prefix: every map, opcode, vector length, W, vvvv and register, legacy prefixes before it now and then.
/// What is no instruction must be #UD here as on silicon, and what is one must do the same.
/// </summary>
internal static unsafe class EncodingCases
{
    private static readonly byte[] s_prefixes = [0x66, 0xF2, 0xF3, 0xF0, 0x2E, 0x67, 0x40, 0x48];

    /// <summary>What may follow: an immediate, or harmless instructions (exchanges, flags, NOP; REX before INT3).</summary>
    private static readonly byte[] s_immediates = [0x90, 0x91, 0x92, 0x93, 0x96, 0x97, 0x98, 0x99, 0xF5, 0xF8, 0xF9, 0x41, 0x4F];

    public static void Next(uint bits, Random random, out SiliconRequest request)
    {
        request = default;
        request.Bits = bits;
        request.WindowAddress = MemoryMap.WindowMiddle;
        request.State = MachineState.Default(MemoryMap.Code + 0x800);
        ref MachineState state = ref request.State;
        Span<byte> code = stackalloc byte[16];
        int length = 0;
        if (random.Next(8) == 0)
        {
            code[length++] = s_prefixes[random.Next(bits == 64 ? s_prefixes.Length : s_prefixes.Length - 2)];
        }

        length += Vex(bits, random, code[length..]);
        code[length++] = (byte)random.Next(256);
        byte modRm = (byte)(random.Next(2) == 0 ? 0xC0 | random.Next(64) : (random.Next(8) << 3) | (random.Next(4) == 0 ? 4 : 6));
        code[length++] = modRm;
        if ((modRm & 0xC7) == 4)
        {
            code[length++] = (byte)((random.Next(32) << 3) | 6); // index, and rSI as base
        }

        if (random.Next(2) == 0)
        {
            code[length++] = s_immediates[random.Next(s_immediates.Length)];
        }

        request.SetCode(code[..length]);
        EdgeValues values = new(random);
        for (int i = 0; i < 16; i++)
        {
            state.SetXmm(i, 0, values.Vector64(ElementKind.Integer32));
            state.SetXmm(i, 1, values.Vector64(ElementKind.Float32));
            state.YmmHigh[2 * i] = values.Vector64(ElementKind.Float64);
            state.YmmHigh[(2 * i) + 1] = values.Vector64(ElementKind.Integer8);
        }

        for (int i = 0; i < 16; i++)
        {
            state.SetGeneral(i, (uint)(MemoryMap.WindowMiddle + 0x40 + (ulong)(random.Next(4) * 32)));
        }

        random.NextBytes(new Span<byte>(System.Runtime.CompilerServices.Unsafe.AsPointer(ref request.Window[0]), MemoryMap.WindowSize));
    }

    /// <summary>Two or three bytes; outside 64-bit mode their high bits must be ones, or the opcode is LES or LDS.</summary>
    private static int Vex(uint bits, Random random, Span<byte> code)
    {
        byte high = bits == 64 ? (byte)0 : (byte)0xC0;
        if (random.Next(2) == 0)
        {
            code[0] = 0xC5;
            code[1] = (byte)(random.Next(256) | high);
            Unused(random, ref code[1]);
            return 2;
        }

        code[0] = 0xC4;
        code[1] = (byte)((random.Next(8) << 5) | random.Next(random.Next(8) == 0 ? 32 : 4) | high);
        code[2] = (byte)random.Next(256);
        Unused(random, ref code[2]);
        return 3;
    }

    /// <summary>vvvv of 1111B, more often than chance has it: most instructions with two operands demand it.</summary>
    private static void Unused(Random random, ref byte payload) => payload |= random.Next(2) == 0 ? (byte)0x78 : (byte)0;

    /// <summary>
    /// Not comparable: VZERO, behind which the ModRM byte would be another instruction; and where W is ignored by one vendor and must be
    /// right for the other: VPERMQ and VPERMPD with W = 0 (#UD on Intel), VPINSRD and VPEXTRD with W = 1 outside 64-bit mode (#UD on AMD).
    /// </summary>
    public static bool IsComparable(in SiliconRequest request, out Instruction instruction)
    {
        Decoder decoder = Decoder.Create((int)request.Bits, request.CodeBytes.ToArray(), request.State.Rip);
        instruction = decoder.Decode();
        ReadOnlySpan<byte> code = request.CodeBytes;
        int at = code[0] is 0xC4 or 0xC5 ? 0 : 1;
        if (code[at] == 0xC4 && (code[at + 1] & 31) == 3)
        {
            bool wide = (code[at + 2] & 0x80) != 0;
            byte opcode = code[at + 3];
            if ((!wide && (opcode is 0x00 or 0x01)) || (wide && request.Bits == 32 && (opcode is 0x22 or 0x16)))
            {
                return false;
            }
        }

        return CaseGroups.WhyExcluded(instruction.Code) is null && instruction.Mnemonic is not (Mnemonic.Vzeroall or Mnemonic.Vzeroupper);
    }
}
