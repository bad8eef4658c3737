using System;
using System.Linq;
using System.Text.Json;

using Xunit;

namespace Xenolith.Cli.Tests;

/// <summary>
/// Method: the demo is run twice. It checks its own sentences; here it is checked that they are the issue's, that the evidence in the
/// JSON bears them out
/// without the demo's judgement, and that the bytes repeat. Fails when the secret is not read without isolation, or is read with it.
/// </summary>
public class DemoTests
{
    [Fact]
    public void TheStoryComesOutTwiceTheSame()
    {
        CommandRun run = CommandRun.Of("demo", "--json");
        Assert.Equal(ExitCode.Ok, run.ExitCode);
        Assert.Equal("", run.Error);
        Assert.Equal(run.Output, CommandRun.Of("demo", "--json").Output);

        JsonElement story = run.Json;
        Assert.True(story.GetProperty("holds").GetBoolean());
        JsonElement[] runs = [.. story.GetProperty("runs").EnumerateArray()];
        Assert.Equal(["none", "asmi"], runs.Select(one => one.GetProperty("isolation").GetString()));
        Assert.Contains("apricot-1847", Console(runs[0], 2), StringComparison.Ordinal);
        Assert.DoesNotContain("apricot-1847", Console(runs[1], 2), StringComparison.Ordinal);
        Assert.Contains("memory intact", Console(runs[1], 0), StringComparison.Ordinal);
        Assert.Equal(Console(runs[0], 0), Console(runs[1], 0));

        JsonElement prowler = runs[1].GetProperty("domains")[2];
        Assert.Equal("isolation-violation", prowler.GetProperty("exit").GetProperty("reason").GetString());
        JsonElement fault = prowler.GetProperty("exit").GetProperty("fault");
        Assert.Equal("tenant-a", fault.GetProperty("owner_name").GetString());
        Assert.Equal("0x40000000", fault.GetProperty("gpa").GetString());

        JsonElement refused = story.GetProperty("refused");
        Assert.Equal("isolation-violation", refused.GetProperty("status").GetString());
        JsonElement denied = refused.GetProperty("steps").EnumerateArray().Last();
        Assert.False(denied.GetProperty("allowed").GetBoolean());
        Assert.Equal(fault.GetProperty("hpa").GetString(), denied.GetProperty("hpa").GetString());
        Assert.Equal(runs[1].GetProperty("domains")[0].GetProperty("vmid").GetInt32(), denied.GetProperty("owner").GetInt32());
    }

    [Fact]
    public void WithoutAGuardTheStoryFailsAndSaysSo()
    {
        CommandRun run = CommandRun.Of("demo", "--isolation", "none");
        Assert.Equal(ExitCode.GuestFailed, run.ExitCode);
        Assert.Contains("FAILED under isolation, the prowler prints no secret", run.Output, StringComparison.Ordinal);
        Assert.Contains("ok     without isolation, the prowler prints tenant A's secret", run.Output, StringComparison.Ordinal);
    }

    private static string Console(JsonElement run, int domain) => run.GetProperty("domains")[domain].GetProperty("console").GetString() ?? "";
}
