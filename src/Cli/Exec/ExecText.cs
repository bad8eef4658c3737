using System;
using System.Globalization;
using System.IO;

using Iced.Intel;

using Xenolith.Cpu;
using Xenolith.Machine;

namespace Xenolith.Cli.Exec;

/// <summary>Answers for people: what has changed, where it stopped, and what the fault means.</summary>
internal static class ExecText
{
    public static void Write(TextWriter output, UserProgram program, UserResult result)
    {
        WriteChanges(output, program.Registers, result.Registers, program.Mode, "  ");
        output.WriteLine(Sentence(result));
    }

    /// <summary>Memory at the end, 16 bytes a line.</summary>
    public static void WriteDump(TextWriter output, ulong start, ReadOnlySpan<byte> bytes)
    {
        for (int at = 0; at < bytes.Length; at += 16)
        {
            ReadOnlySpan<byte> row = bytes[at..int.Min(at + 16, bytes.Length)];
            string hex = "", text = "";
            foreach (byte b in row)
            {
                hex += string.Create(CultureInfo.InvariantCulture, $" {b:x2}");
                text += b is >= 0x20 and < 0x7F ? (char)b : '.';
            }

            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{start + (ulong)at,10:x} {hex,-48}  {text}"));
        }
    }

    /// <summary>One instruction and what it changed, on one line.</summary>
    public static void WriteStep(TextWriter output, UserStep step, int mode)
    {
        string text = "(not mapped)";
        if (step.Bytes.Length > 0)
        {
            Decoder decoder = Decoder.Create(mode, new ByteArrayCodeReader(step.Bytes.ToArray()));
            decoder.IP = step.Rip;
            decoder.Decode(out Instruction instruction);
            NasmFormatter formatter = new();
            formatter.Options.HexPrefix = "0x";
            formatter.Options.HexSuffix = "";
            formatter.Options.SpaceAfterOperandSeparator = true;
            StringOutput formatted = new();
            formatter.Format(in instruction, formatted);
            text = formatted.ToStringAndReset();
        }

        using StringWriter changes = new();
        WriteChanges(changes, step.Before, step.After, mode, "", "  ");
        string tail = step.Faulted ? "  <- exception" : changes.ToString().TrimEnd();
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{step.Rip,10:x}  {text,-36} {tail}").TrimEnd());
    }

    public static string Sentence(UserResult result)
    {
        ulong rip = result.Registers.Rip;
        string count = string.Create(CultureInfo.InvariantCulture, $"after {result.Instructions} instruction{(result.Instructions == 1 ? "" : "s")}");
        return result.Stop switch
        {
            UserStop.Hlt => $"stopped {count}: HLT at 0x{rip:x}",
            UserStop.Limit => $"stopped {count}: the limit; next is 0x{rip:x}",
            _ => $"stopped {count}: {Fault(result)}",
        };
    }

    private static string Fault(UserResult result)
    {
        string name = $"#{result.Vector} at 0x{result.Registers.Rip:x}";
        return result.Vector switch
        {
            Vector.DE => name + ": divide error, a divisor of zero or a quotient that does not fit",
            Vector.DB => name + ": debug exception, a single step or ICEBP",
            Vector.BP => name + ": breakpoint, INT3; the address is the next instruction's",
            Vector.OF => name + ": overflow, INTO with OF set",
            Vector.BR => name + ": BOUND, the index is out of its range",
            Vector.UD => name + ": invalid opcode, the processor does not have this instruction",
            Vector.NM => name + ": device not available",
            Vector.SS => $"{name}, error code 0x{result.Error:x}: stack fault, a stack address that is not canonical or beyond the limit",
            Vector.NP => $"{name}, error code 0x{result.Error:x}: segment not present",
            Vector.GP => $"{name}, error code 0x{result.Error:x}: {GeneralProtection(result)}",
            Vector.PF => $"{name}, error code 0x{result.Error:x}: {PageFault(result)}",
            Vector.MF => name + ": x87 floating-point error, an unmasked exception is pending",
            Vector.AC => name + ": alignment check, AC is set and the address is not aligned",
            Vector.XM => name + ": SIMD floating-point exception that MXCSR does not mask",
            _ => name,
        };
    }

    private static string GeneralProtection(UserResult result) => result.Error == 0
        ? "general protection, a privileged instruction, a non-canonical or misaligned address, or a segment limit"
        : (result.Error & 2) != 0
            ? string.Create(CultureInfo.InvariantCulture, $"general protection, vector {result.Error >> 3} may not be called by INT n")
            : $"general protection, selector 0x{result.Error:x} may not be used";

    private static string PageFault(UserResult result)
    {
        string access = (result.Error & 0x10) != 0 ? "fetch of an instruction from" : (result.Error & 2) != 0 ? "write to" : "read of";
        return $"page fault, {access} 0x{result.Cr2:x}, which is not mapped";
    }

    private static void WriteChanges(
        TextWriter output, UserRegisters before, UserRegisters after, int mode, string indent, string? separator = null)
    {
        void Line(string text) => output.Write(indent + text + (separator ?? "\n"));

        int digits = mode == 64 ? 16 : 8;
        for (int i = 0; i < UserRegisters.GeneralCount; i++)
        {
            if (before.General[i] != after.General[i])
            {
                string name = UserRegisters.GeneralNames[i];
                name = mode == 32 && i < 8 ? "e" + name[1..] : name;
                string value = after.General[i].ToString("x", CultureInfo.InvariantCulture).PadLeft(separator is null ? digits : 1, '0');
                Line(separator is null ? $"{name,-6} 0x{value}" : $"{name}=0x{value}");
            }
        }

        if (before.Rflags != after.Rflags)
        {
            Line(separator is null ? $"rflags 0x{after.Rflags:x} ({Flags(after.Rflags)})" : $"flags={Flags(after.Rflags)}");
        }

        for (int i = 0; i < UserRegisters.VectorCount; i++)
        {
            ReadOnlySpan<ulong> was = before.Vector.AsSpan(4 * i, 4);
            ReadOnlySpan<ulong> now = after.Vector.AsSpan(4 * i, 4);
            if (!was.SequenceEqual(now))
            {
                bool isWide = (was[2] | was[3] | now[2] | now[3]) != 0;
                string name = string.Create(CultureInfo.InvariantCulture, $"{(isWide ? 'y' : 'x')}mm{i}");
                string value = (isWide ? $"{now[3]:x16}_{now[2]:x16}_" : "") + $"{now[1]:x16}_{now[0]:x16}";
                Line(separator is null ? $"{name,-6} 0x{value}" : $"{name}=0x{value}");
            }
        }

        WriteX87Changes(Line, before, after);
    }

    private static void WriteX87Changes(Action<string> line, UserRegisters before, UserRegisters after)
    {
        for (int i = 0; i < UserRegisters.X87Count; i++)
        {
            X87Register was = before.X87[i];
            X87Register now = after.X87[i];
            if (was.Significand != now.Significand || was.SignExponent != now.SignExponent)
            {
                line(string.Create(CultureInfo.InvariantCulture, $"r{i}(x87)=0x{now.SignExponent:x4}_{now.Significand:x16}"));
            }
        }

        Word("fcw", before.Fcw, after.Fcw);
        Word("fsw", before.Fsw, after.Fsw);
        Word("ftw", before.Ftw, after.Ftw);
        Word("mxcsr", before.Mxcsr, after.Mxcsr);

        void Word(string name, uint was, uint now)
        {
            if (was != now)
            {
                line($"{name}=0x{now:x4}");
            }
        }
    }

    private static string Flags(ulong rflags)
    {
        ReadOnlySpan<(int Bit, string Name)> names =
        [
            (0, "CF"), (2, "PF"), (4, "AF"), (6, "ZF"), (7, "SF"), (8, "TF"), (10, "DF"), (11, "OF"), (14, "NT"), (18, "AC"), (21, "ID"),
        ];
        string text = "";
        foreach ((int bit, string name) in names)
        {
            text += ((rflags >> bit) & 1) != 0 ? " " + name : "";
        }

        return text.Length == 0 ? "none" : text[1..];
    }
}
