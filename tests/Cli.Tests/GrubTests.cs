using System;
using Xenolith.Shared;

using Xunit;

namespace Xenolith.Cli.Tests;

/// <summary>
/// Method: a guest that nobody here wrote is driven by typed commands over the PV console, each after the prompt. It runs 32-bit code
/// without paging, sets up its own rings and grant table, reads the xenstore and polls the console. Fails when it does not boot, does
/// not answer, sees another memory map than it was given, or does not power off.
/// </summary>
public class GrubTests
{
    [DebianFact("grub-i386-xen_pvh.bin")]
    public void ASessionAtThePrompt()
    {
        const string Script = @"\p{grub> }echo one two\n\p{grub> }ls\n\p{grub> }lsmmap\n\p{grub> }halt\n";
        CommandRun run = CommandRun.Of("run", CommandRun.Image("debian/grub.cfg"), "--input", Script, "--max-instructions", "200000000");
        Assert.Equal(ExitCode.Ok, run.ExitCode);
        Assert.Contains("GNU GRUB", run.Output, StringComparison.Ordinal);
        Assert.Contains("\none two", run.Output.Replace("\r", "", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.Contains("(memdisk) (proc)", run.Output, StringComparison.Ordinal);
        Assert.Contains("base_addr = 0x0, length = 0x4000000, available RAM", run.Output, StringComparison.Ordinal);
        Assert.Contains("base_addr = 0xfeff8000, length = 0x8000, reserved RAM", run.Output, StringComparison.Ordinal);
        Assert.Contains("xenolith: grub: powered off", run.Error, StringComparison.Ordinal);
    }

    [DebianFact("grub-i386-xen_pvh.bin")]
    public void AGuestThatWaitsForInputThatNeverComesIsStoppedByTheLimitOrIdle()
    {
        CommandRun run = CommandRun.Of("run", CommandRun.Image("debian/grub.cfg"), "--max-instructions", "40000000", "--quiet");
        Assert.Contains(run.ExitCode, (int[])[ExitCode.InstructionLimit, ExitCode.Idle]);
        Assert.EndsWith("grub> ", run.Output.TrimEnd('\r', '\n'), StringComparison.Ordinal);
    }
}
