using System;
using System.Linq;
using Xunit;

namespace Xenolith.Cli.Tests.Guests;

// Method: the shipped guests run as domains on the emulated Xen, under each isolation unit, and check themselves; digests that do
// not depend on Xen are those that QEMU gave. A wrong instruction, a lost event, a page that is not there, an isolation unit that
// refuses too much, or a secret that can be reached fails.
public sealed class GuestSessionTests
{
    public static TheoryData<string, string> Units => new()
    {
        { "none", "4K" },
        { "asmi", "4K" },
        { "asmi:literal", "4K" },
        { "asmi:hardened+shared", "4K" },
        { "asmi", "64K" },
        { "asmi", "2M" },
    };

    [Theory]
    [MemberData(nameof(Units))]
    public void HelloChecksWhatItIsTold(string unit, string segment)
    {
        CommandRun run = CommandRun.Of("run", CommandRun.Image("hello/hello.cfg"), "-q", "--isolation", unit, "--segment-size", segment);
        Assert.Equal(ExitCode.Ok, run.ExitCode);
        Assert.Contains("hello from a PVH guest on Xen 4.17", run.Output, StringComparison.Ordinal);
        Assert.Contains("command line: \"greeting=hello\"", run.Output, StringComparison.Ordinal);
        Assert.Contains("digest 0d11a60fc4cca7ef", run.Output, StringComparison.Ordinal);
        Assert.EndsWith("hello: all checks passed, powering off\n", run.Output, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Units))]
    public void ProwlerFindsNothingAndIsRefusedEverything(string unit, string segment)
    {
        CommandRun run = CommandRun.Of(
            "run", CommandRun.Image("hello/hello.cfg"), CommandRun.Image("prowler/prowler.cfg"), "-q", "--isolation", unit, "--segment-size", segment);
        Assert.Equal(ExitCode.Ok, run.ExitCode);
        Assert.Contains("prowler: I am domain 2; asking Xen for what is not mine\n", run.Output, StringComparison.Ordinal);
        Assert.Contains("map its frame into my space, domain 0: -1 (EPERM)\n", run.Output, StringComparison.Ordinal);
        Assert.Contains("domctl pausedomain, domain 1: -1 (EPERM)\n", run.Output, StringComparison.Ordinal);
        Assert.Contains("map grant 3 of domain 1: 0, status -3\n", run.Output, StringComparison.Ordinal);
        Assert.Contains("prowler: reading the window at 1 GiB, 0x40000000-0x40ffffff\n", run.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("ALLOWED", run.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("FOUND", run.Output, StringComparison.Ordinal);
        Assert.Contains("prowler: done, 0 secrets found\n", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void TenantsSleepWakeAndKeepTheirMemory()
    {
        using TestFolder folder = new();
        string a = folder.Config("a", CommandRun.Image("tenant/tenant.elf"), "cmdline=\'name=A seed=5 rounds=3 memory=128K\'");
        string b = folder.Config("b", CommandRun.Image("tenant/tenant.elf"), "cmdline=\'name=B seed=5 rounds=3 memory=128K secret=other\'");
        CommandRun run = CommandRun.Of("run", a, b, "-q");
        Assert.Equal(ExitCode.Ok, run.ExitCode);
        foreach (char name in "AB")
        {
            Assert.Contains($"tenant {name}: the timer's events came\n", run.Output, StringComparison.Ordinal);
            Assert.Contains($"tenant {name}: 3 rounds, digest c28f65c7eb069391, memory intact\n", run.Output, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void TheSameSeedGivesTheSameRun()
    {
        string[] arguments =
        [
            "run", CommandRun.Image("tenant/a.cfg"), CommandRun.Image("tenant/b.cfg"), CommandRun.Image("prowler/prowler.cfg"), "--max-instructions", "6000000",
        ];
        CommandRun[] runs = [.. Enumerable.Range(0, 2).Select(_ => CommandRun.Of([.. arguments, "--json", "--seed", "7"]))];
        Assert.Equal(ExitCode.InstructionLimit, runs[0].ExitCode);
        Assert.Equal(runs[0], runs[1]);
        Assert.NotEqual(runs[0].Output, CommandRun.Of([.. arguments, "--json", "--seed", "8"]).Output);
    }
}
