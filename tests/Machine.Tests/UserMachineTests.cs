using System;
using System.Collections.Generic;

using Xenolith.Cpu;
using Xenolith.Machine;

using Xunit;

namespace Xenolith.Machine.Tests;

// Method: small programs in hexadecimal, whose end is known from the manual, run one after the other on one machine, in both modes.
// A wrong end, an access that escapes the given ranges, anything that a program leaves for the next one, or a count that is off makes
// it fail.
public sealed class UserMachineTests : IDisposable
{
    private readonly UserMachine _machine = new();

    public void Dispose() => _machine.Dispose();

    private static UserProgram Program(string code, int mode = 64) => new() { Code = Convert.FromHexString(code), Mode = mode };

    [Fact]
    public void HltEndsAndDoesNotCount()
    {
        UserResult result = _machine.Run(Program("B805000000F4"));
        Assert.Equal((UserStop.Hlt, 1UL, 0x10005UL, 5UL), (result.Stop, result.Instructions, result.Registers.Rip, result.Registers.General[0]));
    }

    [Theory]
    [InlineData("F3480F1EC8F4", 64)] // RDSSPQ RAX, without shadow stacks
    [InlineData("F30F1EC8F4", 32)]
    [InlineData("F30F1EFAF4", 64)] // ENDBR64
    [InlineData("0F18C80F1F000F0D080F1AC8F4", 64)]
    public void HintsDoNothing(string code, int mode)
    {
        UserProgram program = Program(code, mode);
        program.Registers.General[0] = 5;
        UserResult result = _machine.Run(program);
        Assert.Equal((UserStop.Hlt, 5UL, 0x202UL), (result.Stop, result.Registers.General[0], result.Registers.Rflags));
    }

    [Fact]
    public void TheStartIsAsAfterReset()
    {
        UserRegisters end = _machine.Run(Program("F4")).Registers;
        Assert.Equal((0x202UL, (ushort)0x37F, (ushort)0, (ushort)0xFFFF, 0x1F80u), (end.Rflags, end.Fcw, end.Fsw, end.Ftw, end.Mxcsr));
        Assert.All(end.General, value => Assert.Equal(0UL, value));
    }

    [Theory]
    [InlineData(64, "50", Vector.PF, 6u, 0xFFFF_FFFF_FFFF_FFF8)] // PUSH below zero
    [InlineData(32, "50", Vector.PF, 6u, 0xFFFF_FFFCUL)]
    [InlineData(64, "8B042500100000", Vector.PF, 4u, 0x1000UL)]
    [InlineData(64, "48B80000000000000080FF10", Vector.GP, 0u, 0UL)] // CALL through an address that is not canonical
    [InlineData(64, "48B8000000FEFFFFFFFF8B00", Vector.PF, 4u, 0xFFFF_FFFF_FE00_0000)]
    [InlineData(64, "48B8001000000000FEFF8B00", Vector.GP, 0u, 0UL)]
    [InlineData(64, "48B80010000000FEFFFF8B00", Vector.PF, 4u, 0xFFFF_FE00_0000_1000)] // the system's own page is not there for programs
    [InlineData(64, "FFE0", Vector.PF, 0x14u, 0UL)] // JMP to an unmapped page
    [InlineData(64, "48BB0000000000000080368B03", Vector.GP, 0u, 0UL)] // SS: is ignored in 64-bit mode...
    [InlineData(64, "48BD00000000000000803E8B4500", Vector.SS, 0u, 0UL)] // ...and so is DS:
    [InlineData(64, "F30F09", Vector.GP, 0u, 0UL)] // WBNOINVD, or WBINVD with a prefix
    [InlineData(64, "0F0B", Vector.UD, 0u, 0UL)]
    [InlineData(64, "0F05", Vector.UD, 0u, 0UL)] // SYSCALL
    [InlineData(64, "0F34", Vector.GP, 0u, 0UL)] // SYSENTER
    [InlineData(64, "CD80", Vector.GP, 0x402u, 0UL)]
    [InlineData(64, "CC", Vector.BP, 0u, 0UL)]
    [InlineData(32, "CC", Vector.BP, 0u, 0UL)]
    [InlineData(64, "F7F0", Vector.DE, 0u, 0UL)]
    [InlineData(64, "E460", Vector.GP, 0u, 0UL)] // IN
    [InlineData(64, "FA", Vector.GP, 0u, 0UL)]
    [InlineData(64, "F1", Vector.DB, 0u, 0UL)]
    [InlineData(64, "0F30", Vector.GP, 0u, 0UL)] // WRMSR
    [InlineData(64, "0F20C0", Vector.GP, 0u, 0UL)] // MOV from CR0
    public void ExceptionsStop(int mode, string code, Vector vector, uint error, ulong cr2)
    {
        UserResult result = _machine.Run(Program(code, mode));
        Assert.Equal((UserStop.Exception, vector, error, cr2), (result.Stop, result.Vector, result.Error, result.Cr2));
        Assert.Equal(0x202UL, result.Registers.Rflags & ~0x8D5UL);
    }

    [Theory]
    [InlineData("90CC", 2UL, 0x10002UL)] // a trap: executed, and RIP is behind it
    [InlineData("900F0B", 1UL, 0x10001UL)] // a fault: not executed, and RIP is at it
    [InlineData("9C58480D00010000509D9090", 6UL, 0x1000BUL)] // POPF sets TF: #DB after the next instruction
    public void CountAndRipAtExceptions(string code, ulong instructions, ulong rip)
    {
        UserProgram program = Program(code);
        program.Maps.Add((0x20000, 0x1000));
        program.Registers.General[4] = 0x21000;
        UserResult result = _machine.Run(program);
        Assert.Equal((UserStop.Exception, instructions, rip), (result.Stop, result.Instructions, result.Registers.Rip));
    }

    [Theory]
    [InlineData(0UL, UserStop.Limit, 0UL)]
    [InlineData(2UL, UserStop.Limit, 2UL)]
    [InlineData(3UL, UserStop.Hlt, 3UL)] // what comes next is the end already
    [InlineData(4UL, UserStop.Hlt, 3UL)]
    public void TheLimitIsExact(ulong limit, UserStop stop, ulong instructions)
    {
        UserProgram program = Program("909090F4");
        program.Limit = limit;
        UserResult result = _machine.Run(program);
        Assert.Equal((stop, instructions, 0x10000 + instructions), (result.Stop, result.Instructions, result.Registers.Rip));
    }

    [Fact]
    public void LongLoopsRunOnTheEngineWithTheSameCounts()
    {
        UserResult result = _machine.Run(Program("B940420F00FFC975FCF4")); // a million times DEC, JNZ
        Assert.Equal((UserStop.Hlt, 2_000_001UL, 0UL), (result.Stop, result.Instructions, result.Registers.General[1]));
        UserResult again = _machine.Run(Program("B940420F00FFC075FCF4")); // the same bytes but one: INC EAX now
        Assert.Equal((UserStop.Limit, UserProgram.DefaultLimit), (again.Stop, again.Instructions));
    }

    [Theory]
    [InlineData("F3AAF4", 5000UL, 10UL, UserStop.Hlt, 1UL)] // REP STOSB
    [InlineData("F3A4F4", 5000UL, 1UL, UserStop.Hlt, 1UL)]
    [InlineData("F3AEF4", 5000UL, 1UL, UserStop.Hlt, 1UL)] // REPE SCASB
    [InlineData("67F3AA90F4", 0x1_0000_0003UL, 9UL, UserStop.Hlt, 2UL)] // counts in ECX
    [InlineData("F3AA9090F4", 3000UL, 2UL, UserStop.Limit, 2UL)]
    [InlineData("F3AAF4", 0UL, 5UL, UserStop.Hlt, 1UL)]
    [InlineData("F3AAF4", 0x2001UL, 5UL, UserStop.Exception, 0UL)] // past the end of the mapped memory
    [InlineData("F3AAF4", 0x2000UL, 5UL, UserStop.Hlt, 1UL)]
    public void ARepeatedInstructionIsOne(string code, ulong count, ulong limit, UserStop stop, ulong instructions)
    {
        UserProgram program = Program(code);
        program.Maps.Add((0x20000, 0x4000));
        program.Registers.General[1] = count;
        program.Registers.General[6] = 0x20000;
        program.Registers.General[7] = 0x22000;
        program.Limit = limit;
        UserResult result = _machine.Run(program);
        Assert.Equal((stop, instructions), (result.Stop, result.Instructions));
        Assert.Equal(0UL, result.Registers.Rflags & 0x10000);
    }

    [Fact]
    public void RepetitionHasAnEnd()
    {
        UserProgram program = Program("F3AAF4");
        program.Maps.Add((0x20000, 0x8000_0000));
        program.Registers.General[1] = ulong.MaxValue;
        program.Registers.General[7] = 0x20000;
        UserResult result = _machine.Run(program);
        Assert.Equal((UserStop.Limit, 0UL, 0x10000UL), (result.Stop, result.Instructions, result.Registers.Rip));
    }

    [Fact]
    public void MemoryIsMappedInWholePagesAndZeroed()
    {
        UserProgram program = Program("8B07C70701020304F4"); // read, then write
        program.Registers.General[7] = 0x20FFC;
        program.Maps.Add((0x20800, 0x10)); // rounded out
        Span<byte> bytes = stackalloc byte[4];
        for (int i = 0; i < 2; i++)
        {
            UserResult result = _machine.Run(program);
            Assert.Equal((UserStop.Hlt, 0UL), (result.Stop, result.Registers.General[0])); // nothing is left of the first run
            Assert.True(_machine.TryRead(0x20FFC, bytes));
            Assert.Equal(0x04030201, BitConverter.ToInt32(bytes));
        }

        program.Registers.General[7] = 0x20FFD; // reaches into the next page
        UserResult fault = _machine.Run(program);
        Assert.Equal((Vector.PF, 0x21000UL), (fault.Vector, fault.Cr2));
    }

    [Fact]
    public void ContentsMayCrossOverlappingMaps()
    {
        UserProgram program = Program("488B0425FC0F0200F4");
        program.Maps.Add((0x20000, 0x1000));
        program.Maps.Add((0x20800, 0x1000));
        program.Contents.Add((0x20FFC, new byte[] { 1, 2, 3, 4, 5, 6, 7, 8 }));
        Assert.Equal(0x0807_0605_0403_0201UL, _machine.Run(program).Registers.General[0]);
    }

    [Fact]
    public void HugeMapsCostNothing()
    {
        UserProgram program = Program("C60001F4");
        program.Base = 0x7FFF_0000_0000;
        program.Maps.Add((0x1_0000_0000, 1UL << 40));
        program.Registers.General[0] = 0x80_1234_5678;
        Assert.Equal(UserStop.Hlt, _machine.Run(program).Stop);
        UserProgram all = Program("678800F4", mode: 32);
        all.Maps.Add((0, 1UL << 32));
        Assert.Equal(UserStop.Hlt, _machine.Run(all).Stop);
    }

    [Fact]
    public void ProgramsMayChangeTheirCode()
    {
        Assert.Equal(UserStop.Hlt, _machine.Run(Program("66C7050000000090900F0BF4")).Stop); // MOV word [RIP], two NOPs, over the UD2
    }

    [Fact]
    public void SegmentsAreThoseOfTheModes()
    {
        UserRegisters narrow = _machine.Run(Program("8CC88CD38CD98CC28CE68CEFF4", mode: 32)).Registers;
        Assert.Equal((0x0FUL, 0x17UL, 0x17UL, 0x17UL), (narrow.General[0], narrow.General[3], narrow.General[1], narrow.General[2]));
        Assert.Equal((0UL, 0UL), (narrow.General[6], narrow.General[7]));
        UserRegisters wide = _machine.Run(Program("8CC88CD38CD9F4")).Registers;
        Assert.Equal((0x33UL, 0x2BUL, 0UL), (wide.General[0], wide.General[3], wide.General[1]));
        Assert.Equal(UserStop.Hlt, _machine.Run(Program("B81F0000008EE0648B0500000100F4", mode: 32)).Stop); // FS := the third LDT entry
    }

    [Fact]
    public void BasesOfFsAndGs()
    {
        foreach (int mode in (int[])[64, 32])
        {
            UserProgram program = Program(mode == 64 ? "648B042500000000658B0C2504000000F4" : "64A100000000658B0D04000000F4", mode);
            program.Maps.Add((0x30000, 0x1000));
            program.Contents.Add((0x30010, new byte[] { 0x11, 0, 0, 0, 0x22, 0, 0, 0 }));
            program.Registers.FsBase = 0x30010;
            program.Registers.GsBase = 0x30010;
            UserRegisters end = _machine.Run(program).Registers;
            Assert.Equal((0x11UL, 0x22UL), (end.General[0], end.General[1]));
        }
    }

    [Fact]
    public void X87TagsAreThoseOfFnstenv()
    {
        UserRegisters end = _machine.Run(Program("D9E8D9EED9E8D9EEDEF9F4")).Registers; // 1, 0, 1 / 0
        Assert.Equal(0x1BFF, end.Ftw); // R7 valid, R6 zero, R5 special, the rest empty
        Assert.Equal((0x7FFF, 0x8000_0000_0000_0000), (end.X87[5].SignExponent & 0x7FFF, end.X87[5].Significand));
        UserRegisters mmx = _machine.Run(Program("0F6EC0F4")).Registers; // MOVD MM0, EAX
        Assert.Equal(0x5556, mmx.Ftw); // all in use: MM0 looks like a NaN, the others are zero
    }

    [Fact]
    public void NothingOfTheProcessorStaysBehind()
    {
        UserProgram dirty = Program("D9E8660F76C00FAE142500000200BAFFFFFFFFFD0FC7F00F31F4"); // x87, XMM, MXCSR, DF, RDRAND, RDTSC
        dirty.Maps.Add((0x20000, 0x1000));
        UserResult first = _machine.Run(dirty);
        UserResult other = _machine.Run(Program("F4"));
        UserResult second = _machine.Run(dirty);
        Assert.Equal(first.Registers.General, second.Registers.General); // random numbers and time begin anew
        Assert.All(other.Registers.Vector, value => Assert.Equal(0UL, value));
        Assert.Equal((0x202UL, (ushort)0xFFFF, 0x1F80u), (other.Registers.Rflags, other.Registers.Ftw, other.Registers.Mxcsr));
    }

    [Fact]
    public void StepsAreTold()
    {
        List<(ulong Rip, int Length, bool Faulted, ulong Rax)> steps = [];
        _ = _machine.Run(Program("FFC0FFC00F0B"), step => steps.Add((step.Rip, step.Bytes.Length, step.Faulted, step.After.General[0])));
        Assert.Equal([(0x10000UL, 15, false, 1UL), (0x10002UL, 15, false, 2UL), (0x10004UL, 15, true, 2UL)], steps);
    }

    [Theory]
    [InlineData(16, 0x10000UL, 0UL, 0UL, "mode")]
    [InlineData(32, 0xFFFF_FFFFUL, 0UL, 0UL, "code")]
    [InlineData(64, 0x7FFF_FFFF_FFFFUL, 0UL, 0UL, "code")]
    [InlineData(64, 0x10000UL, 0xFFFF_FE00_0000_0000, 0x1000UL, "map")]
    [InlineData(64, 0x10000UL, 0x1000UL, 0xFFFF_FFFF_FFFF_FFFF, "map")]
    public void WhatDoesNotFitIsRefused(int mode, ulong codeBase, ulong mapStart, ulong mapLength, string part)
    {
        UserProgram program = Program("90F4", mode);
        program.Base = codeBase;
        program.Maps.Add((mapStart, mapLength));
        Assert.Contains(part, Assert.Throws<UserProgramException>(() => _machine.Run(program)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ContentsOutsideMapsAreRefused()
    {
        UserProgram program = Program("F4");
        program.Contents.Add((0x50000, new byte[] { 1 }));
        Assert.Contains("mem: 0x50000", Assert.Throws<UserProgramException>(() => _machine.Run(program)).Message, StringComparison.Ordinal);
    }
}
