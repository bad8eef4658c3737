using System;
using System.IO;

using Xunit;

namespace Xenolith.Cli.Tests;

/// <summary>
/// Method: a unit from an assembly that the command does not know is loaded by path and selected by name; it refuses writes above an
/// address. Fails when it is not asked, or when its refusal does not hold.
/// </summary>
public class PlugInTests
{
    private static string SampleUnit { get; } = Path.Combine(AppContext.BaseDirectory, "Xenolith.SampleUnit.dll");

    [Fact]
    public void AUnitOfAStrangerJudges()
    {
        string[] arguments = ["run", CommandRun.Image("hello/hello.cfg"), "--isolation-unit", SampleUnit, "--quiet", "--isolation"];
        CommandRun open = CommandRun.Of([.. arguments, "deny-writes-above:0x3f000000"]);
        Assert.Equal("", open.Error);
        Assert.Equal(ExitCode.Ok, open.ExitCode);

        // hello's rings lie above 32 MiB of the machine: the unit refuses them to Dom0 already while it builds.
        CommandRun shut = CommandRun.Of([.. arguments, "deny-writes-above:0x2000000"]);
        Assert.Equal(ExitCode.BadInput, shut.ExitCode);
        Assert.Contains("cannot be loaded: EFAULT", shut.OnlyErrorLine, StringComparison.Ordinal);
    }
}
