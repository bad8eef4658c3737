using System;
using System.IO;
using Xunit;

namespace Xenolith.Cli.Tests.Guests;

// Method: a guest that misbehaves runs beside a tenant that checks its memory all the time. The misbehaving one must end with one
// clear line, the exit code must tell, and the tenant must come to its end with its memory intact. Images that cannot be
// loaded must be one line and exit code 2.
public sealed class MisbehavingGuestTests
{
    private const string TenantsLife = "cmdline='name=T seed=5 rounds=3 memory=128K'";
    private const string TenantsEnd = "tenant T: 3 rounds, digest c28f65c7eb069391, memory intact\n";

    [Theory]
    [InlineData("triple", "", "xenolith: bad: triple fault")]
    [InlineData("wild", "mode=nothing at=0x30000000", "guest-physical address 0x30000000")]
    [InlineData("wild", "mode=noise seed=1", "xenolith: bad: triple fault")]
    [InlineData("wild", "mode=noise seed=2", "xenolith: bad: ")]
    [InlineData("wild", "mode=noise seed=3", "xenolith: bad: ")]
    [InlineData("wild", "mode=stumble seed=2", "xenolith: bad: ")]
    [InlineData("wild", "mode=zero", "xenolith: bad: ")]
    public void OneFailsAndTheOtherLivesOn(string guest, string commandLine, string expected)
    {
        using TestFolder folder = new();
        string bad = folder.Config("bad", CommandRun.Image($"{guest}/{guest}.elf"), $"cmdline='{commandLine}'");
        string good = folder.Config("good", CommandRun.Image("tenant/tenant.elf"), TenantsLife);
        CommandRun run = CommandRun.Of("run", bad, good, "--max-instructions", "30000000");
        Assert.Contains(expected, run.Error, StringComparison.Ordinal);
        Assert.Contains(TenantsEnd, run.Output, StringComparison.Ordinal);
        Assert.NotEqual(ExitCode.Ok, run.ExitCode);
        Assert.NotEqual(ExitCode.Internal, run.ExitCode);
    }

    [Fact]
    public void AFloodedConsoleDrownsNobody()
    {
        using TestFolder folder = new();
        string bad = folder.Config("bad", CommandRun.Image("flood/flood.elf"), "cmdline='width=80'");
        string good = folder.Config("good", CommandRun.Image("tenant/tenant.elf"), TenantsLife);
        CommandRun run = CommandRun.Of("run", bad, good, "--max-instructions", "10000000");
        Assert.Equal(ExitCode.InstructionLimit, run.ExitCode);
        Assert.Contains("bad| flood 0 abc", run.Output, StringComparison.Ordinal);
        Assert.Contains(TenantsEnd, run.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(30)]
    [InlineData(100)]
    [InlineData(5000)]
    public void ATruncatedImageIsBadInput(int length)
    {
        using TestFolder folder = new();
        byte[] image = File.ReadAllBytes(CommandRun.Image("hello/hello.elf"))[..length];
        AssertIsBadInput(CommandRun.Of("run", folder.Config("cut", folder.Write("cut.elf", image))), "cut.elf: offset 0x");
    }

    [Fact]
    public void AnImageWithoutPvhNoteIsBadInput()
    {
        using TestFolder folder = new();
        byte[] image = File.ReadAllBytes(CommandRun.Image("hello/hello.elf"));
        int note = image.AsSpan().IndexOf((ReadOnlySpan<byte>)[18, 0, 0, 0, (byte)'X', (byte)'e', (byte)'n', 0]);
        image[note] = 99;
        AssertIsBadInput(CommandRun.Of("run", folder.Config("odd", folder.Write("odd.elf", image))), "has no Xen note PHYS32_ENTRY");
    }

    private static void AssertIsBadInput(CommandRun run, string expected)
    {
        Assert.Equal(ExitCode.BadInput, run.ExitCode);
        Assert.Contains(expected, run.Error, StringComparison.Ordinal);
        Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.Equal(string.Empty, run.Output);
    }
}
