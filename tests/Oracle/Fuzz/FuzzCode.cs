using System;
using System.Collections.Generic;

using Iced.Intel;

namespace Xenolith.Oracle.Fuzz;

/// <summary>
/// Writes code that is nearly valid: opcodes from Iced's tables with random operands and prefixes, system instructions with operands that
/// they could meet, branches, and bytes of no meaning.
/// </summary>
internal sealed partial class FuzzCode
{
    private const int MaxInstruction = 24;

    private static readonly OpCodeInfo[][] s_legacy = [Collect(EncodingKind.Legacy, 16), Collect(EncodingKind.Legacy, 32), Collect(EncodingKind.Legacy, 64)];
    private static readonly OpCodeInfo[][] s_vex = [Collect(EncodingKind.VEX, 16), Collect(EncodingKind.VEX, 32), Collect(EncodingKind.VEX, 64)];
    private static readonly byte[] s_prefixes = [0x66, 0x67, 0xF0, 0xF2, 0xF3, 0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65];

    private readonly List<byte> _one = [];
    private int _bits;

    /// <summary>Fills a range with code for a code size of 16, 32 or 64 bits.</summary>
    public void Fill(ref FuzzRandom random, Span<byte> destination, int bits)
    {
        _bits = bits;
        int style = random.Below(8); // some streams are bytes of no meaning, and nothing else
        int at = 0;
        while (at < destination.Length)
        {
            _one.Clear();
            Emit(ref random, style);
            int length = Math.Min(_one.Count, destination.Length - at);
            for (int i = 0; i < length; i++)
            {
                destination[at + i] = _one[i];
            }

            at += length;
        }
    }

    private void Emit(ref FuzzRandom random, int style)
    {
        int kind = style == 0 ? 0 : random.Below(20);
        switch (kind)
        {
            case 0:
                int count = random.Below(8);
                for (int i = 0; i <= count; i++)
                {
                    Add((byte)random.Next());
                }

                break;
            case <= 4:
                System(ref random);
                break;
            case <= 7:
                Branch(ref random);
                break;
            case 8 when style < 3:
                Vex(ref random, random.Pick<OpCodeInfo>(s_vex[_bits >> 5]));
                Trim();
                break;
            default:
                Legacy(ref random, random.Pick<OpCodeInfo>(s_legacy[_bits >> 5]));
                Trim();
                break;
        }
    }

    private void Legacy(ref FuzzRandom random, OpCodeInfo info)
    {
        while (random.OneIn(8))
        {
            Add(random.Pick<byte>(s_prefixes));
        }

        bool wants16 = info.OperandSize == 16;
        if ((wants16 && _bits != 16) || (info.OperandSize == 32 && _bits == 16))
        {
            Add(0x66);
        }

        switch (info.MandatoryPrefix)
        {
            case MandatoryPrefix.P66:
                Add(0x66);
                break;
            case MandatoryPrefix.PF3:
                Add(0xF3);
                break;
            case MandatoryPrefix.PF2:
                Add(0xF2);
                break;
            default:
                break;
        }

        if (_bits == 64 && (info.OperandSize == 64 || random.OneIn(4)))
        {
            Add((byte)(0x40 | (info.OperandSize == 64 ? 8 : 0) | (random.OneIn(2) ? random.Below(16) : 0)));
        }

        switch (info.Table)
        {
            case OpCodeTableKind.T0F:
                Add(0x0F);
                break;
            case OpCodeTableKind.T0F38:
                Add(0x0F, 0x38);
                break;
            case OpCodeTableKind.T0F3A:
                Add(0x0F, 0x3A);
                break;
            default:
                break;
        }

        if (info.OpCodeLength == 2)
        {
            Add((byte)(info.OpCode >> 8));
        }

        Add((byte)info.OpCode);
        Operand(ref random, info);
    }

    private void Vex(ref FuzzRandom random, OpCodeInfo info)
    {
        int map = info.Table switch { OpCodeTableKind.T0F => 1, OpCodeTableKind.T0F38 => 2, _ => 3 };
        int prefix = info.MandatoryPrefix switch { MandatoryPrefix.P66 => 1, MandatoryPrefix.PF3 => 2, MandatoryPrefix.PF2 => 3, _ => 0 };
        int inverted = _bits == 64 ? random.Below(8) << 5 : 0xE0;
        Add(0xC4, (byte)(inverted | map));
        Add((byte)(((info.W != 0 ? 1 : 0) << 7) | (random.Below(16) << 3) | ((info.L != 0 ? 1 : 0) << 2) | prefix), (byte)info.OpCode);
        Operand(ref random, info);
    }

    /// <summary>ModRM and what may follow; <see cref="Trim"/> takes away what was too much.</summary>
    private void Operand(ref FuzzRandom random, OpCodeInfo info)
    {
        byte modrm = (byte)random.Next();
        if (random.OneIn(2))
        {
            modrm |= 0xC0;
        }

        if (info.IsGroup)
        {
            modrm = (byte)((modrm & ~0x38) | (info.GroupIndex << 3));
        }

        if (info.IsRmGroup)
        {
            modrm = (byte)((modrm & ~7) | info.RmGroupIndex);
        }

        bool hasModrm = info.IsGroup || info.IsRmGroup || HasModrm(info);
        if (hasModrm)
        {
            Add(modrm);
        }

        // SIB, displacement, immediate: small numbers more often than not.
        bool small = random.OneIn(2);
        for (int i = 0; i < 12; i++)
        {
            Add(small && i % 4 >= 2 ? (byte)0 : (byte)random.Next());
        }
    }

    private static bool HasModrm(OpCodeInfo info)
    {
        for (int i = 0; i < info.OpCount; i++)
        {
            string kind = info.GetOpKind(i).ToString();
            if (kind.Contains("mem", StringComparison.Ordinal) || kind.Contains("_reg", StringComparison.Ordinal) || kind.Contains("_rm", StringComparison.Ordinal)
                || kind.Contains("or_mem", StringComparison.Ordinal))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Cuts what was written to the instruction that it makes, if it makes one.</summary>
    private void Trim()
    {
        Decoder decoder = Decoder.Create(_bits, _one.ToArray());
        Instruction instruction = decoder.Decode();
        int length = instruction.IsInvalid ? Math.Min(_one.Count, 4) : instruction.Length;
        _one.RemoveRange(length, _one.Count - length);
    }

    private static OpCodeInfo[] Collect(EncodingKind encoding, int bits)
    {
        List<OpCodeInfo> found = [];
        foreach (Code code in Enum.GetValues<Code>())
        {
            OpCodeInfo info = code.ToOpCode();
            bool exists = bits switch { 16 => info.Mode16, 32 => info.Mode32, _ => info.Mode64 };
            if (info.IsInstruction && info.Encoding == encoding && exists)
            {
                found.Add(info);
            }
        }

        return [.. found];
    }

    private void Add(params ReadOnlySpan<byte> bytes)
    {
        foreach (byte b in bytes)
        {
            if (_one.Count < MaxInstruction)
            {
                _one.Add(b);
            }
        }
    }
}
