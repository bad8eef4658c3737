using System;
using Xenolith.Shared;
using Xunit;

namespace Xenolith.Cli.Tests.Guests;

// Method: Debian's GRUB, which nobody here wrote, boots as a PVH domain; commands are typed on its PV console and its answers are
// compared with what GRUB gives for such a machine. It runs 32-bit code without paging, sets up its own rings and grant table,
// reads the xenstore and polls the console: any of that done wrong ends before the prompt.
public sealed class GrubSessionTests
{
    [DebianFact("grub-i386-xen_pvh.bin")]
    public void GrubAnswersTypedCommands()
    {
        CommandResult run = CommandRun.Of(
            "run", Repository.Image("debian/grub.cfg"), "-q", "--max-instructions", "400000000", "--input", "echo Good morning\\nls\\nlsmmap\\nhalt\\n");
        string output = run.PlainOutput;
        Assert.Equal(ExitCode.Ok, run.ExitCode);
        Assert.Contains("GNU GRUB  version 2.", output, StringComparison.Ordinal);
        Assert.Contains("grub> echo Good morning\nGood morning\n", output, StringComparison.Ordinal);
        Assert.Contains("grub> ls\n(memdisk) (proc) \n", output, StringComparison.Ordinal);
        Assert.Contains(
            "grub> lsmmap\nbase_addr = 0x0, length = 0x4000000, available RAM\nbase_addr = 0xfeff8000, length = 0x8000, reserved RAM\n",
            output,
            StringComparison.Ordinal);
        Assert.Contains("grub> halt", output, StringComparison.Ordinal);
    }

    [DebianFact("grub-i386-xen_pvh.bin")]
    public void AnIdlePromptRunsIntoTheLimit()
    {
        CommandResult run = CommandRun.Of("run", Repository.Image("debian/grub.cfg"), "--max-instructions", "40000000");
        Assert.Equal(ExitCode.InstructionLimit, run.ExitCode);
        Assert.Contains("grub> ", run.PlainOutput, StringComparison.Ordinal);
    }
}
