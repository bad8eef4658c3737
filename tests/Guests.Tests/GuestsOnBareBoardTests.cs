using System;
using Xenolith.Cpu;
using Xenolith.Shared;
using Xunit;

namespace Xenolith.Guests.Tests;

// Method: the shipped guests run on a board without Xen. Their digests were taken from qemu-system-x86_64, which runs the same
// files by its own PVH loader: whatever the processor, the walker or a guest does otherwise changes one.
public sealed class GuestsOnBareBoardTests
{
    private const ulong Ram = 16UL << 20;
    private const long Enough = 20_000_000;

    [Theory]
    [InlineData("hello", "a=1", "touched 3822 pages, 0 wrong")]
    [InlineData("tenant", "name=T seed=5 rounds=3 memory=128K", "tenant T: 3 rounds, digest c28f65c7eb069391, memory intact")]
    [InlineData("flood", "lines=3 width=5", "flood 2 cdefg\nflood: done\n")]
    public void GuestsSayWhatTheySayOnQemu(string guest, string commandLine, string expected)
    {
        using BareBoard board = new(Repository.Image($"{guest}/{guest}.elf"), Ram, commandLine);
        StopReason stop = board.Run(Enough);
        Assert.Contains(expected, board.Output, StringComparison.Ordinal);
        Assert.Equal(StopReason.Requested, stop);
        Assert.Equal(0u, board.ExitCode);
    }

    [Theory]
    [InlineData("integer")]
    [InlineData("crc")]
    [InlineData("stream")]
    [InlineData("chase")]
    [InlineData("calls")]
    [InlineData("switch")]
    [InlineData("sieve")]
    [InlineData("bignum")]
    [InlineData("floats")]
    [InlineData("mixed")]
    public void KernelsOfTheBenchmarkGiveWhatTheHostGives(string kernel)
    {
        using BareBoard board = new(Repository.Image("bench/bench.elf"), 8 * Ram, $"iterations=1 warm=0 only={kernel}");
        Assert.Equal(StopReason.Requested, board.Run(10 * Enough));
        Assert.Contains($"bench: {kernel} go\nbench: {kernel} ", board.Output, StringComparison.Ordinal);
        Assert.EndsWith("bench: all results as expected\n", board.Output, StringComparison.Ordinal);
        Assert.Equal(0u, board.ExitCode);
    }

    [Fact]
    public void ATripleFaultShutsTheProcessorDown()
    {
        using BareBoard board = new(Repository.Image("triple/triple.elf"), Ram, string.Empty);
        Assert.Equal(StopReason.Shutdown, board.Run(Enough));
        Assert.Equal("triple: now without an IDT, the next exception is the last\n", board.Output);
    }

    [Fact]
    public void AJumpIntoNothingIsAnInvalidOpcode()
    {
        using BareBoard board = new(Repository.Image("wild/wild.elf"), Ram, "mode=nothing at=0x30000000");
        Assert.Equal(StopReason.Requested, board.Run(Enough));
        Assert.Contains("#UD invalid opcode (vector 6), error code 0x0, rip 0x30000000", board.Output, StringComparison.Ordinal);
        Assert.Equal(2u, board.ExitCode);
    }

    [DebianFact("grub-i386-xen_pvh.bin")]
    public void GrubMissesXen()
    {
        using BareBoard board = new(Repository.Image("debian/cache/grub-i386-xen_pvh.bin"), 4 * Ram, string.Empty);
        Assert.Equal(StopReason.Halted, board.Run(Enough));
        Assert.Equal("Found no Xen signature!\nSystem halted!\n", board.Output);
    }

    [Theory]
    [InlineData("mode=zero seed=1")]
    [InlineData("mode=noise seed=1")]
    [InlineData("mode=noise seed=2")]
    [InlineData("mode=noise seed=3")]
    [InlineData("mode=noise seed=4")]
    [InlineData("mode=stumble seed=1 falls=2000")]
    public void WildCodeHarmsNobodyAndRepeats(string commandLine)
    {
        using BareBoard first = new(Repository.Image("wild/wild.elf"), Ram, commandLine);
        using BareBoard second = new(Repository.Image("wild/wild.elf"), Ram, commandLine);
        StopReason stop = first.Run(2_000_000);
        Assert.Equal(stop, second.Run(2_000_000));
        Assert.Equal(first.Output, second.Output);
        Assert.Equal(first.Processor.RetiredInstructions, second.Processor.RetiredInstructions);
    }
}
