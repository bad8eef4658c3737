using System;
using System.Linq;
using System.Text.Json;

using Xunit;

namespace Xenolith.Cli.Tests;

/// <summary>
/// Method: shipped guests under the command, end to end. Fails when a guest does not say its last word, when a misbehaving one disturbs
/// its neighbour or the
/// process, when a summary's numbers do not add up, or when two runs of one command line differ in a byte.
/// </summary>
public class RunTests
{
    private const string Hello = "hello/hello.cfg";

    [Theory]
    [InlineData("none")]
    [InlineData("asmi")]
    [InlineData("asmi:literal")]
    [InlineData("asmi:hardened+shared")]
    public void HelloRunsUnderEachUnit(string isolation)
    {
        CommandRun run = CommandRun.Of("run", CommandRun.Image(Hello), "--isolation", isolation, "--quiet");
        Assert.Equal("", run.Error);
        Assert.Equal(ExitCode.Ok, run.ExitCode);
        Assert.EndsWith("hello: all checks passed, powering off\n", run.Output.Replace("\r", "", StringComparison.Ordinal), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("16K")]
    [InlineData("2M")]
    public void HelloRunsWithLargerSegments(string size)
    {
        CommandRun run = CommandRun.Of("run", CommandRun.Image(Hello), "--segment-size", size, "--quiet");
        Assert.Equal(ExitCode.Ok, run.ExitCode);
    }

    [Fact]
    public void TheSummaryAddsUpAndRepeats()
    {
        string[] arguments = ["run", CommandRun.Image("tenant/a.cfg"), CommandRun.Image(Hello), "--json", "--max-instructions", "3000000"];
        CommandRun run = CommandRun.Of(arguments);
        Assert.Equal(run.Output, CommandRun.Of(arguments).Output);
        Assert.Equal(ExitCode.InstructionLimit, run.ExitCode);
        JsonElement summary = run.Json;
        Assert.Equal("instruction-limit", summary.GetProperty("stop").GetString());
        Assert.Equal(3_000_000, summary.GetProperty("instructions").GetInt64());
        JsonElement[] domains = [.. summary.GetProperty("domains").EnumerateArray()];
        Assert.Equal(["tenant-a", "hello"], domains.Select(domain => domain.GetProperty("name").GetString()));
        Assert.Equal("none", domains[0].GetProperty("exit").GetProperty("reason").GetString());
        Assert.Equal("poweroff", domains[1].GetProperty("exit").GetProperty("reason").GetString());
        foreach (string key in (string[])["instructions", "walks", "references", "lookups", "data_tlb_misses", "vm_entries", "slot_accesses"])
        {
            Assert.Equal(summary.GetProperty("total").GetProperty(key).GetInt64(), domains.Sum(domain => domain.GetProperty(key).GetInt64()));
        }

        foreach (JsonElement domain in domains)
        {
            long Count(string key) => domain.GetProperty(key).GetInt64();
            long exits = domain.GetProperty("vm_exits").EnumerateObject().Sum(exit => exit.Value.GetInt64());
            Assert.Equal(Count("vm_entries") + exits, Count("transitions"));
            Assert.Equal(Count("guest_references") + Count("ept_references"), Count("references"));
            Assert.Equal(Count("data_accesses"), Count("data_tlb_hits") + Count("data_tlb_misses"));
            Assert.True(Count("lookups") >= Count("references"), "each reference is looked up under asmi");
            Assert.Equal(0, Count("denied"));
        }
    }

    [Fact]
    public void WithoutIsolationNothingIsLookedUp()
    {
        JsonElement total = CommandRun.Of("run", CommandRun.Image(Hello), "--json", "--isolation", "none").Json.GetProperty("total");
        Assert.Equal(0, total.GetProperty("lookups").GetInt64());
        Assert.Equal(0, total.GetProperty("slot_accesses").GetInt64());
        Assert.True(total.GetProperty("references").GetInt64() > 0);
    }

    [Theory]
    [InlineData("triple/triple.cfg", "triple: triple fault")]
    [InlineData("wild/nothing.cfg", "wild-nothing: stopped")]
    [InlineData("wild/noise.cfg", "wild-noise: ")]
    public void AGuestThatCrashesHarmsNobodyElse(string config, string end)
    {
        CommandRun run = CommandRun.Of("run", CommandRun.Image(config), CommandRun.Image(Hello), "--max-instructions", "30000000");
        Assert.Equal(ExitCode.GuestFailed, run.ExitCode);
        Assert.Contains("hello| hello: all checks passed, powering off\n", run.Output, StringComparison.Ordinal);
        Assert.Contains("xenolith: " + end, run.Error, StringComparison.Ordinal);
        Assert.Contains("xenolith: hello: powered off", run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("Exception", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void AFloodOfOutputEndsAtTheLimit()
    {
        CommandRun run = CommandRun.Of("run", CommandRun.Image("flood/flood.cfg"), CommandRun.Image(Hello), "--max-instructions", "2000000");
        Assert.Equal(ExitCode.InstructionLimit, run.ExitCode);
        Assert.Contains("hello| hello: all checks passed, powering off\n", run.Output, StringComparison.Ordinal);
        Assert.Contains("flood: still running at the instruction limit", run.Error, StringComparison.Ordinal);
        Assert.All(run.Output.TrimEnd('\n').Split('\n'), line => Assert.Matches("^(flood|hello)\\| ", line));
    }

    [Fact]
    public void TwoTenantsKeepTheirMemory()
    {
        CommandRun run = CommandRun.Of("run", CommandRun.Image("tenant/a.cfg"), CommandRun.Image("tenant/b.cfg"), "--quiet");
        Assert.Equal(ExitCode.Ok, run.ExitCode);
        Assert.Matches("tenant-a\\| tenant A: 4 rounds, digest [0-9a-f]{16}, memory intact", run.Output);
        Assert.Matches("tenant-b\\| tenant B: 4 rounds, digest [0-9a-f]{16}, memory intact", run.Output);
    }

    [Fact]
    public void AProwlerUnderAnHonestXenFindsNothing()
    {
        CommandRun run = CommandRun.Of("run", CommandRun.Image("tenant/a.cfg"), CommandRun.Image("prowler/prowler.cfg"), "--isolation", "none", "--quiet");
        Assert.Equal(ExitCode.Ok, run.ExitCode);
        Assert.Contains("prowler| prowler: done, 0 secrets found\n", run.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("ALLOWED", run.Output, StringComparison.Ordinal);
    }
}
