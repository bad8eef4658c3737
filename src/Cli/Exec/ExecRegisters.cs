using System;
using System.Globalization;
using System.Text.Json;

using Xenolith.Cpu;
using Xenolith.Machine;
using Xenolith.Toolstack;

namespace Xenolith.Cli.Exec;

/// <summary>Sets the registers that a case starts from, by name.</summary>
internal static class ExecRegisters
{
    public const string Known = "rax...r15, rip, rflags, fs_base, gs_base, xmm0...xmm15, ymm0...ymm15, mxcsr, fcw, fsw, ftw";

    /// <summary>A register from text: <c>rax=1</c>, <c>xmm3=0x00112233445566778899aabbccddeeff</c>.</summary>
    public static void Set(UserProgram program, string name, string text)
    {
        if (IsVector(name, out int first, out int words))
        {
            SetWide(program.Registers, name, text, first, words);
        }
        else
        {
            Set(program, name, ExecNumber.Parse(name, text));
        }
    }

    public static void Set(UserProgram program, string name, JsonElement value)
    {
        if (IsVector(name, out int first, out int words) && value.ValueKind == JsonValueKind.String)
        {
            SetWide(program.Registers, name, value.GetString() ?? "", first, words);
        }
        else if (IsVector(name, out first, out words) && value.ValueKind == JsonValueKind.Array && value.GetArrayLength() <= words)
        {
            for (int i = 0; i < value.GetArrayLength(); i++)
            {
                program.Registers.Vector[first + i] = ExecNumber.Of(name, value[i]);
            }
        }
        else
        {
            Set(program, name, ExecNumber.Of(name, value));
        }
    }

    /// <summary>All 16 registers, each of up to four words, lowest first.</summary>
    public static void SetVectors(UserRegisters registers, JsonElement value)
    {
        int count = ArrayLength("ymm", value, UserRegisters.VectorCount);
        for (int i = 0; i < count; i++)
        {
            int words = ArrayLength("ymm", value[i], 4);
            for (int word = 0; word < words; word++)
            {
                registers.Vector[(4 * i) + word] = ExecNumber.Of("ymm", value[i][word]);
            }
        }
    }

    /// <summary>The eight physical registers: [significand, sign and exponent] each.</summary>
    public static void SetX87(UserRegisters registers, JsonElement value)
    {
        int count = ArrayLength("x87", value, UserRegisters.X87Count);
        for (int i = 0; i < count; i++)
        {
            if (ArrayLength("x87", value[i], 2) != 2)
            {
                throw new InputException($"x87: {ExecNumber.Shown(value[i])} is not a significand and a sign with exponent");
            }

            registers.X87[i] = new X87Register
            {
                Significand = ExecNumber.Of("x87", value[i][0]),
                SignExponent = (ushort)ExecNumber.Of("x87", value[i][1], ushort.MaxValue),
            };
        }
    }

    private static void Set(UserProgram program, string name, ulong value)
    {
        UserRegisters registers = program.Registers;
        int general = UserRegisters.GeneralNames.IndexOf(name);
        if (general >= 0)
        {
            registers.General[general] = Fitted(program, name, value);
            return;
        }

        switch (name)
        {
            case "rip":
                registers.Rip = Fitted(program, name, value);
                program.HasStart = true;
                break;
            case "rflags":
                registers.Rflags = value;
                break;
            case "fs_base":
                registers.FsBase = Fitted(program, name, value);
                break;
            case "gs_base":
                registers.GsBase = Fitted(program, name, value);
                break;
            case "mxcsr":
                registers.Mxcsr = (uint)Limited(name, value, uint.MaxValue);
                break;
            case "fcw":
                registers.Fcw = (ushort)Limited(name, value, ushort.MaxValue);
                break;
            case "fsw":
                registers.Fsw = (ushort)Limited(name, value, ushort.MaxValue);
                break;
            case "ftw":
                registers.Ftw = (ushort)Limited(name, value, ushort.MaxValue);
                break;
            default:
                if (program.Mode == 32 && name.Length == 3 && name[0] == 'e' && UserRegisters.GeneralNames.Contains("r" + name[1..]))
                {
                    Set(program, "r" + name[1..], value);
                    break;
                }

                throw new InputException($"reg: there is no '{name}'; there are {Known}");
        }
    }

    /// <summary>In 32-bit mode a register has 32 bits; a negative number fits too.</summary>
    private static ulong Fitted(UserProgram program, string name, ulong value) =>
        program.Mode == 64 || value <= uint.MaxValue ? value
        : (long)value is < 0 and >= int.MinValue ? (uint)value
        : throw new InputException($"{name}: 0x{value:x} does not fit 32-bit mode");

    private static ulong Limited(string name, ulong value, ulong max) =>
        value <= max ? value : throw new InputException($"{name}: 0x{value:x} is more than 0x{max:x}");

    private static bool IsVector(string name, out int first, out int words)
    {
        words = name.StartsWith("xmm", StringComparison.Ordinal) ? 2 : 4;
        first = 0;
        bool isVector = name.Length is 4 or 5 && (words == 2 || name.StartsWith("ymm", StringComparison.Ordinal))
            && int.TryParse(name.AsSpan(3), NumberStyles.None, CultureInfo.InvariantCulture, out first) && first < UserRegisters.VectorCount;
        first *= 4;
        return isVector;
    }

    /// <summary>One number as wide as the register, as text: its lowest digits are the lowest word.</summary>
    private static void SetWide(UserRegisters registers, string name, string text, int first, int words)
    {
        if (!text.StartsWith("0x", StringComparison.OrdinalIgnoreCase) || text.Length > 2 + (16 * words))
        {
            registers.Vector[first] = ExecNumber.Parse(name, text);
            return;
        }

        string digits = text[2..].PadLeft(16 * words, '0');
        for (int word = 0; word < words; word++)
        {
            registers.Vector[first + word] = ExecNumber.Parse(name, string.Concat("0x", digits.AsSpan(digits.Length - (16 * (word + 1)), 16)));
        }
    }

    private static int ArrayLength(string what, JsonElement value, int max) =>
        value.ValueKind == JsonValueKind.Array && value.GetArrayLength() <= max
            ? value.GetArrayLength()
            : throw new InputException($"{what}: {ExecNumber.Shown(value)} is not an array of at most {max}");
}
