using System;
using System.Globalization;
using System.IO;

using Xunit;

namespace Xenolith.Cpu.Tests;

/// <summary>
/// One line of integer-cases.txt is one test: code, registers before, registers and flags (or the exception) after, on the careful
/// and on the threaded engine. A line fails when a result, a flag, an upper half or a vector differs from what the manual says.
/// </summary>
public sealed unsafe class IntegerCaseTests
{
    private static readonly string[] Names =
        ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"];

    public static TheoryData<string> Cases
    {
        get
        {
            TheoryData<string> cases = new();
            foreach (string line in File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Integer", "integer-cases.txt")))
            {
                if (line.Length != 0 && line[0] != '#')
                {
                    cases.Add(line);
                }
            }

            return cases;
        }
    }

    [Theory, MemberData(nameof(Cases))]
    public void DoesAsTheManualSays(string line)
    {
        Check(line, engine: 0);
        Check(line, engine: 2);
    }

    private static void Check(string line, int engine)
    {
        string[] fields = line.Split('|', StringSplitOptions.TrimEntries);
        using FlatMachine machine = new(int.Parse(fields[0], CultureInfo.InvariantCulture));
        BlockLinkingTests.Select(machine, engine);
        machine.Load(FlatMachine.CodeStart, Convert.FromHexString(fields[1]));
        foreach (string field in fields[2].Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            if (field.StartsWith("f=", StringComparison.Ordinal))
            {
                machine.Processor.Rflags = 2 | Flags(field);
            }
            else
            {
                machine.State->Gpr[Number(field)] = Value(field);
            }
        }

        Assert.Equal(StopReason.Halted, machine.Processor.Run(100));
        if (fields[3].StartsWith('#'))
        {
            Assert.Equal(int.Parse(fields[3][1..], CultureInfo.InvariantCulture), machine.HaltedInVector);
            return;
        }

        Assert.Equal(FlatMachine.CodeStart + (ulong)(fields[1].Length / 2), machine.State->Rip);
        foreach (string field in fields[3].Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            if (field.StartsWith("f=", StringComparison.Ordinal))
            {
                Assert.Equal(Flags(field), (uint)machine.Processor.Rflags & RflagsBits.Status);
            }
            else
            {
                Assert.Equal($"{field.Split('=')[0]}={Value(field):x}", $"{field.Split('=')[0]}={machine.State->Gpr[Number(field)]:x}");
            }
        }
    }

    private static int Number(string field) => Array.IndexOf(Names, field.Split('=')[0]);

    private static ulong Value(string field) => ulong.Parse(field.Split('=')[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    private static uint Flags(string field)
    {
        uint flags = 0;
        foreach (char letter in field[2..])
        {
            flags |= letter switch
            {
                'C' => RflagsBits.CF,
                'P' => RflagsBits.PF,
                'A' => RflagsBits.AF,
                'Z' => RflagsBits.ZF,
                'S' => RflagsBits.SF,
                'O' => RflagsBits.OF,
                _ => throw new FormatException(field),
            };
        }

        return flags;
    }
}
