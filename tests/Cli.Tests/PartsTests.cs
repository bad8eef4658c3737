using System;
using System.IO;
using System.Text;

using Xenolith.Cli.Commands;
using Xenolith.Cli.Input;
using Xenolith.Cli.Trace;
using Xenolith.Toolstack;

using Xunit;

namespace Xenolith.Cli.Tests;

/// <summary>
/// Method: the small parts of the command on texts with known answers. Fails when an escape, a size, a range or an entry bit is read as
/// something else.
/// </summary>
public class PartsTests
{
    [Theory]
    [InlineData("ls\\n", "ls\r")]
    [InlineData("\\t\\e[A\\\\\\x41", "\t\e[A\\A")]
    [InlineData("", "")]
    public void ScriptsAreTyped(string text, string expected) => Assert.Equal(expected, Encoding.Latin1.GetString(InputScript.Parse(text).Take()));

    [Fact]
    public void AScriptWaitsForWhatTheGuestPrints()
    {
        InputScript script = InputScript.Parse("a\\p{> }b\\p{> }c");
        Assert.Equal("a"u8.ToArray(), script.Take());
        Assert.Empty(script.Take());
        script.OnOutput("gru"u8);
        script.OnOutput("b>"u8);
        Assert.Empty(script.Take());
        script.OnOutput(" "u8);
        Assert.Equal("b"u8.ToArray(), script.Take());
        Assert.Empty(script.Take());
        script.OnOutput("b> "u8);
        Assert.Equal("c"u8.ToArray(), script.Take());
        Assert.Empty(script.Take());
    }

    [Theory]
    [InlineData("4096", 4096UL)]
    [InlineData("4K", 4096UL)]
    [InlineData("2m", 2UL << 20)]
    [InlineData("0x10G", 16UL << 30)]
    public void SizesAreRead(string text, ulong expected) => Assert.Equal(expected, Sizes.Parse("--x", text));

    [Theory]
    [InlineData("")]
    [InlineData("K")]
    [InlineData("1.5G")]
    [InlineData("-1")]
    [InlineData("4KB")]
    [InlineData("17179869184G")]
    public void OtherTextsAreNoSizes(string text) => Assert.Throws<InputException>(() => Sizes.Parse("--x", text));

    [Theory]
    [InlineData("0x10-0x1f", 0x10UL, 0x1FUL)]
    [InlineData("0x10+16", 0x10UL, 0x1FUL)]
    [InlineData("5", 5UL, 5UL)]
    [InlineData("0xffffffffffffffff-0xffffffffffffffff", ulong.MaxValue, ulong.MaxValue)]
    public void RangesAreRead(string text, ulong first, ulong last) => Assert.Equal((first, last), TraceFilter.ParseRange(text));

    [Theory]
    [InlineData("x")]
    [InlineData("1-")]
    [InlineData("-1")]
    [InlineData("5+0")]
    [InlineData("0xffffffffffffffff+2")]
    public void OtherTextsAreNoRanges(string text) => Assert.Throws<InputException>(() => TraceFilter.ParseRange(text));

    [Theory]
    [InlineData(0x8000_0000_0000_01E7UL, 1, "P RW US A D G PAT XD")]
    [InlineData(0x83UL, 2, "P RW PS")]
    [InlineData(0x67UL, 4, "P RW US A")]
    [InlineData(0x66UL, 1, "not present")]
    public void GuestEntriesAreSpelledOut(ulong entry, int level, string expected) => Assert.Equal(expected, EntryBits.Guest(entry, level));

    [Theory]
    [InlineData(0x7UL, 4, "R W X")]
    [InlineData(0x337UL, 1, "R W X WB A D")]
    [InlineData(0xB1UL, 2, "R WB PS")]
    [InlineData(0x8UL, 1, "not present")]
    public void EptEntriesAreSpelledOut(ulong entry, int level, string expected) => Assert.Equal(expected, EntryBits.Ept(entry, level));

    [Fact]
    public void HelpNamesTheExitCodes()
    {
        CommandRun run = CommandRun.Of("--help");
        Assert.Equal(ExitCode.Ok, run.ExitCode);
        Assert.Contains("Exit codes: 0", run.Output, StringComparison.Ordinal);
        string text = File.ReadAllText(Path.Combine(CommandRun.Images, "..", "docs", "exit-codes.md"));
        int[] codes =
        [
            ExitCode.Ok, ExitCode.GuestFailed, ExitCode.BadInput, ExitCode.InstructionLimit, ExitCode.Idle, ExitCode.Internal, ExitCode.Interrupted,
        ];
        foreach (int code in codes)
        {
            Assert.Contains($"\n| {code} |", text, StringComparison.Ordinal);
            Assert.Contains($" {code} ", run.Output, StringComparison.Ordinal);
        }
    }
}
