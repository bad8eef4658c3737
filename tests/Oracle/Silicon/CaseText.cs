using System;
using System.Globalization;
using System.Text;

namespace Xenolith.Oracle.Silicon;

/// <summary>
/// Cases as text, one a line: <c>BITS CODE input... &gt; output... ; disassembly</c>. Inputs are differences from
/// <see cref="MachineState.Default"/>, outputs are differences from the inputs. tests/Data/README.md has the tokens.
/// </summary>
public static unsafe class CaseText
{
    internal static readonly string[] GprNames =
        ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"];

    public static string Format(in SiliconRequest request, in SiliconReply reply, string disassembly, ulong maskedFlags)
    {
        StringBuilder text = new();
        text.Append(request.Bits).Append(' ').Append(Convert.ToHexStringLower(request.CodeBytes));
        text.Append($" ip={request.State.Rip:x}");
        MachineState start = MachineState.Default(request.State.Rip);
        start.Gpr[4] = request.WindowAddress + 0x80;
        if (request.WindowAddress != MemoryMap.WindowMiddle)
        {
            text.Append($" w={request.WindowAddress:x}");
        }

        if (request.WindowBytes != 0)
        {
            text.Append($" n={request.WindowBytes:x}");
        }

        if (request.Bits == 32)
        {
            Narrow(ref start);
        }

        AppendState(text, in start, in request.State);
        Span<byte> zeros = stackalloc byte[MemoryMap.MaxWindowSize];
        zeros.Clear();
        fixed (byte* before = request.Window)
        {
            fixed (byte* after = reply.Window)
            {
                AppendMemory(text, zeros, new ReadOnlySpan<byte>(before, MemoryMap.MaxWindowSize));
                text.Append(" >");
                if (reply.Vector != SiliconReply.EndedAtStop)
                {
                    text.Append($" #{reply.Vector:x}");
                    if (reply.Vector is 8 or (>= 10 and <= 14) or 17)
                    {
                        text.Append($" e={reply.ErrorCode:x}");
                    }

                    if (reply.Vector == 14)
                    {
                        text.Append($" cr2={reply.Cr2:x}");
                    }
                }

                text.Append($" ip={reply.State.Rip:x}");
                AppendState(text, in request.State, in reply.State);
                AppendMemory(text, new ReadOnlySpan<byte>(before, MemoryMap.MaxWindowSize), new ReadOnlySpan<byte>(after, MemoryMap.MaxWindowSize));
            }
        }

        if (reply.WroteOutside != 0)
        {
            text.Append(" out=1");
        }

        if (maskedFlags != 0)
        {
            text.Append($" u={maskedFlags:x}");
        }

        return text.Append(" ; ").Append(disassembly).ToString();
    }

    /// <summary>Reads a line back.</summary>
    /// <exception cref="FormatException">The line is not one that <see cref="Format"/> writes.</exception>
    public static void Parse(string line, out SiliconRequest request, out SiliconReply reply, out ulong maskedFlags)
    {
        request = default;
        reply = default;
        maskedFlags = 0;
        int comment = line.IndexOf(';', StringComparison.Ordinal);
        string[] words = (comment < 0 ? line : line[..comment]).Split(' ', StringSplitOptions.RemoveEmptyEntries);
        request.Bits = uint.Parse(words[0], CultureInfo.InvariantCulture);
        request.SetCode(Convert.FromHexString(words[1]));
        request.WindowAddress = MemoryMap.WindowMiddle;
        int next = 2;
        request.State = MachineState.Default(Hex(words[next++].AsSpan(3)));
        if (next < words.Length && words[next].StartsWith("w=", StringComparison.Ordinal))
        {
            request.WindowAddress = Hex(words[next++].AsSpan(2));
        }

        if (next < words.Length && words[next].StartsWith("n=", StringComparison.Ordinal))
        {
            request.WindowBytes = Hex(words[next++].AsSpan(2));
        }

        request.State.Gpr[4] = request.WindowAddress + 0x80;
        if (request.Bits == 32)
        {
            Narrow(ref request.State);
        }

        fixed (byte* window = request.Window)
        {
            Span<byte> bytes = new(window, MemoryMap.MaxWindowSize);
            for (; words[next] != ">"; next++)
            {
                Apply(words[next], ref request.State, bytes);
            }

            fixed (byte* after = reply.Window)
            {
                bytes.CopyTo(new Span<byte>(after, MemoryMap.MaxWindowSize));
            }
        }

        reply.State = request.State;
        reply.Vector = SiliconReply.EndedAtStop;
        for (next++; next < words.Length; next++)
        {
            ParseReplyWord(words[next], ref reply, ref maskedFlags);
        }
    }

    private static void ParseReplyWord(string word, ref SiliconReply reply, ref ulong maskedFlags)
    {
        if (word[0] == '#')
        {
            reply.Vector = (uint)Hex(word.AsSpan(1));
            return;
        }

        int equals = word.IndexOf('=', StringComparison.Ordinal);
        ReadOnlySpan<char> value = word.AsSpan(equals + 1);
        switch (word.AsSpan(0, equals))
        {
            case "e":
                reply.ErrorCode = (uint)Hex(value);
                break;
            case "cr2":
                reply.Cr2 = Hex(value);
                break;
            case "ip":
                reply.State.Rip = Hex(value);
                break;
            case "out":
                reply.WroteOutside = 1;
                break;
            case "u":
                maskedFlags = Hex(value);
                break;
            default:
                fixed (byte* window = reply.Window)
                {
                    Apply(word, ref reply.State, new Span<byte>(window, MemoryMap.MaxWindowSize));
                }

                break;
        }
    }

    private static void Narrow(ref MachineState state)
    {
        for (int i = 0; i < 8; i++)
        {
            state.Gpr[i] = (uint)state.Gpr[i];
        }
    }

    private static ulong Hex(ReadOnlySpan<char> text) => ulong.Parse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);

    private static void AppendState(StringBuilder text, in MachineState from, in MachineState to)
    {
        for (int i = 0; i < 16; i++)
        {
            Append(text, GprNames[i], from.Gpr[i], to.Gpr[i]);
        }

        Append(text, "f", from.Rflags, to.Rflags);
        for (int i = 0; i < 16; i++)
        {
            if (from.Xmm(i, 0) != to.Xmm(i, 0) || from.Xmm(i, 1) != to.Xmm(i, 1))
            {
                text.Append($" x{i}={to.Xmm(i, 1):x16}{to.Xmm(i, 0):x16}");
            }

            if (from.YmmHigh[2 * i] != to.YmmHigh[2 * i] || from.YmmHigh[(2 * i) + 1] != to.YmmHigh[(2 * i) + 1])
            {
                text.Append($" y{i}={to.YmmHigh[(2 * i) + 1]:x16}{to.YmmHigh[2 * i]:x16}");
            }
        }

        Append(text, "mx", from.Mxcsr, to.Mxcsr);
        Append(text, "fcw", from.Fcw, to.Fcw);
        Append(text, "fsw", from.Fsw, to.Fsw);
        Append(text, "ftw", from.Ftw, to.Ftw);
        for (int i = 0; i < 8; i++)
        {
            if (from.StSignificand(i) != to.StSignificand(i) || from.StSignExponent(i) != to.StSignExponent(i))
            {
                text.Append($" s{i}={to.StSignExponent(i):x4}{to.StSignificand(i):x16}");
            }
        }
    }

    private static void Append(StringBuilder text, string name, ulong from, ulong to)
    {
        if (from != to)
        {
            text.Append(' ').Append(name).Append($"={to:x}");
        }
    }

    private static void AppendMemory(StringBuilder text, ReadOnlySpan<byte> from, ReadOnlySpan<byte> to)
    {
        for (int i = 0; i < from.Length; i++)
        {
            if (from[i] == to[i])
            {
                continue;
            }

            int end = i + 1;
            while (end < from.Length && (from[end] != to[end] || (end + 1 < from.Length && from[end + 1] != to[end + 1])))
            {
                end++;
            }

            text.Append($" m{i:x2}={Convert.ToHexStringLower(to[i..end])}");
            i = end;
        }
    }

    private static void Apply(string word, ref MachineState state, Span<byte> window)
    {
        int equals = word.IndexOf('=', StringComparison.Ordinal);
        string name = word[..equals];
        ReadOnlySpan<char> value = word.AsSpan(equals + 1);
        int gpr = Array.IndexOf(GprNames, name);
        if (gpr >= 0)
        {
            state.Gpr[gpr] = Hex(value);
            return;
        }

        switch (name)
        {
            case "f":
                state.Rflags = Hex(value);
                return;
            case "mx":
                state.Mxcsr = (uint)Hex(value);
                return;
            case "fcw":
                state.Fcw = (ushort)Hex(value);
                return;
            case "fsw":
                state.Fsw = (ushort)Hex(value);
                return;
            case "ftw":
                state.Ftw = (byte)Hex(value);
                return;
        }

        int number = int.Parse(name.AsSpan(1), name[0] == 'm' ? NumberStyles.AllowHexSpecifier : NumberStyles.None, CultureInfo.InvariantCulture);
        switch (name[0])
        {
            case 'x':
                state.SetXmm(number, 1, Hex(value[..16]));
                state.SetXmm(number, 0, Hex(value[16..]));
                break;
            case 'y':
                state.YmmHigh[(2 * number) + 1] = Hex(value[..16]);
                state.YmmHigh[2 * number] = Hex(value[16..]);
                break;
            case 's':
                state.SetSt(number, Hex(value[4..]), (ushort)Hex(value[..4]));
                break;
            case 'm':
                Convert.FromHexString(value).CopyTo(window[number..]);
                break;
            default:
                throw new FormatException($"unknown token '{word}'");
        }
    }
}
