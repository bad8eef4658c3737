using System;
using System.Globalization;
using System.IO;
using System.Text.Json;

using Xenolith.Shared;
using Xunit;

namespace Xenolith.Cli.Tests;

/// <summary>
/// Method: whole machines are started by the command. The project's own self-test image checks the machine from inside, with 1, 2 and 8
/// processors; small programs written here end in every way that a machine can; guests that nobody here wrote are run to lines that only
/// a machine in order makes them print. A check that says FAIL, another exit code than docs/exit-codes.md says, or a stack trace fails.
/// </summary>
public class BootTests
{
    private static string SelfTest { get; } = CommandRun.Image("selftest/selftest.elf");

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(8)]
    public void TheMachineTestsItself(int processors)
    {
        CommandRun run = CommandRun.Of(
            "boot", SelfTest, "--cpus", processors.ToString(CultureInfo.InvariantCulture), "--memory", "16M", "--max-instructions", "300000000");
        Assert.DoesNotContain("FAIL", run.Output, StringComparison.Ordinal);
        Assert.EndsWith($"selftest: {processors} processors, 0 failures\n", run.Output, StringComparison.Ordinal);
        Assert.Equal(1, run.ExitCode); // (0 << 1) | 1
        Assert.StartsWith("xenolith: the guest exited with 0x0 (status 1); ", run.OnlyErrorLine, StringComparison.Ordinal);
    }

    [Fact]
    public void TheSameRunGivesTheSameSummary()
    {
        using TestFolder folder = new();
        string[] arguments = ["boot", SelfTest, "--cpus", "2", "--memory", "16M", "--serial", folder.File("serial"), "--json", "--seed", "7"];
        CommandRun first = CommandRun.Of(arguments);
        CommandRun second = CommandRun.Of(arguments);
        Assert.Equal(first.Output, second.Output);
        JsonElement json = first.Json;
        Assert.Equal("exit", json.GetProperty("end").GetString());
        Assert.Equal("Multiboot 1", json.GetProperty("protocol").GetString());
        Assert.Equal(1, json.GetProperty("exit_code").GetInt32());
        Assert.Equal(2, json.GetProperty("processors").GetArrayLength());
        Assert.Contains("2 processors, 0 failures", File.ReadAllText(folder.File("serial")), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("B07F BAF400 EE", 255, "the guest exited with 0x7f (status 255)")] // mov al, 7fh; mov dx, f4h; out dx, al
    [InlineData("FA F4", 4, "every processor is halted, and nothing can wake one on processor 0 at 0x7c02")] // cli; hlt
    [InlineData("B0FE E664 EBFE", 0, "the guest asked for a reset")] // pulse the reset line of the keyboard controller
    [InlineData("BA0406 B80020 EF EBFE", 0, "the guest switched the power off")] // PM1_CNT: SLP_EN, type 0
    [InlineData("0F011E0E7C CC 000000000000", 6, "triple fault on processor 0 at 0x7c05: rax=0 ")] // lidt an empty table; int3
    [InlineData("EBFE", 8, "the limit of instructions is reached on processor 0 at 0x7c00")]
    public void EveryEndHasItsCodeAndItsLine(string code, int exitCode, string line)
    {
        byte[] sector = new byte[512];
        Convert.FromHexString(code.Replace(" ", "", StringComparison.Ordinal)).CopyTo(sector, 0);
        (sector[510], sector[511]) = (0x55, 0xAA);
        using TestFolder folder = new();
        CommandRun run = CommandRun.Of("boot", folder.Write("sector", sector), "--max-instructions", "1000000", "--memory", "16M");
        Assert.Equal(exitCode, run.ExitCode);
        Assert.StartsWith("xenolith: " + line, run.OnlyErrorLine, StringComparison.Ordinal);
    }

    [Fact]
    public void ArgumentsAndModulesReachTheKernel()
    {
        using TestFolder folder = new();
        CommandRun run = CommandRun.Of("boot", CommandRun.Image("hello/hello.elf"), "--append", "exit=3", "--memory", "32M");
        Assert.Contains("hello", run.Output, StringComparison.Ordinal); // over the debug console
        Assert.Equal(1, run.ExitCode & 1);
        run = CommandRun.Of("boot", SelfTest, "--initrd", folder.Write("environment", "A=1\n") + " arguments", "--memory", "16M");
        Assert.Equal(1, run.ExitCode);
    }

    [Theory]
    [InlineData("give an IMAGE, or --bios", "boot")]
    [InlineData("no such file", "boot", "/nonexistent/image")]
    [InlineData("nothing here can be started", "boot", "/proc/self/status")]
    [InlineData("--cpus: 9 is impossible", "boot", "x", "--cpus", "9")]
    [InlineData("no such file", "boot", "--bios", "/nonexistent/bios")]
    [InlineData("a BIOS of", "boot", "--bios", "/proc/self/status")]
    [InlineData("--memory", "boot", "x", "--memory", "1K")]
    public void BadInputIsOneLine(string expected, params string[] arguments)
    {
        CommandRun run = CommandRun.Of(arguments);
        Assert.Equal(ExitCode.BadInput, run.ExitCode);
        Assert.Contains(expected, run.OnlyErrorLine, StringComparison.Ordinal);
    }

    [DebianFact("memtest86+x64.bin")]
    public void MemtestFindsNoErrors()
    {
        CommandRun run = CommandRun.Of(
            "boot",
            Cached("memtest86+x64.bin"),
            "--memory",
            "16M",
            "--append",
            "console=ttyS0,115200 nosmp",
            "--until",
            "[Moving inversions", // which follows the address tests
            "--max-instructions",
            "12000000000");
        Assert.Equal(ExitCode.Ok, run.ExitCode);
        Assert.Contains("Memtest86+ v6", run.Output, StringComparison.Ordinal);
        Assert.Contains("Xenolith", run.Output, StringComparison.Ordinal); // the processor's name
        Assert.Contains("Errors: 0", run.Output, StringComparison.Ordinal);
        Assert.DoesNotMatch("Errors: *[1-9]", run.Output);
    }

    [DebianFact("bios-256k.bin")]
    public void SeaBiosFindsNothingToBootFrom()
    {
        using TestFolder folder = new();
        CommandRun run = CommandRun.Of(
            "boot",
            "--bios",
            Cached("bios-256k.bin"),
            "--bios-log",
            folder.File("log"),
            "--cpus",
            "2",
            "--until",
            "No bootable device.",
            "--max-instructions",
            "4000000000");
        Assert.Equal(ExitCode.Ok, run.ExitCode);
        Assert.Contains("SeaBIOS (version", run.Output, StringComparison.Ordinal);
        Assert.Contains("Found 2 cpu(s)", File.ReadAllText(folder.File("log")), StringComparison.Ordinal);
    }

    private static string Cached(string file) => CommandRun.Image(Path.Combine("debian", "cache", file));
}
