using System;

using Iced.Intel;

using Xunit;

using static Iced.Intel.AssemblerRegisters;

namespace Xenolith.Cpu.Tests;

/// <summary>
/// Method: a descriptor with chosen rights is loaded by one instruction from a chosen privilege level, and the fault (or its absence) is
/// compared with the tables of SDM 2 "MOV", "LAR", "RET", "IRET". It fails when a check is missing or another exception wins.
/// </summary>
public sealed unsafe class SegmentTests
{
    private const ushort Selector = 0x38;
    private const int NoFault = -1;

    [Theory]
    [InlineData(0xC093u, 0, 0, NoFault)] // writable data
    [InlineData(0xC091u, 0, 0, NoFault)] // read-only data
    [InlineData(0xC09Bu, 0, 0, NoFault)] // readable code
    [InlineData(0xC099u, 0, 0, 13)] // execute-only code
    [InlineData(0xC093u, 3, 0, 13)] // DPL 0 from CPL 3
    [InlineData(0xC0F3u, 0, 3, NoFault)]
    [InlineData(0xC0B3u, 0, 3, 13)] // RPL 3 above DPL 1
    [InlineData(0xC09Fu, 3, 3, NoFault)] // conforming code: privilege does not matter
    [InlineData(0xC013u, 0, 0, 11)] // not present
    [InlineData(0x0082u, 0, 0, 13)] // a system descriptor
    public void MovDs(uint rights, int cpl, int rpl, int vector) => CheckLoad(ds, rights, cpl, rpl, vector);

    [Theory]
    [InlineData(0xC093u, 0, 0, NoFault)]
    [InlineData(0xC091u, 0, 0, 13)] // read-only
    [InlineData(0xC09Bu, 0, 0, 13)] // code
    [InlineData(0xC0F3u, 0, 0, 13)] // DPL 3 at CPL 0
    [InlineData(0xC093u, 0, 1, 13)] // RPL differs from CPL
    [InlineData(0xC0F3u, 3, 3, NoFault)]
    [InlineData(0xC013u, 0, 0, 12)] // not present: #SS
    public void MovSs(uint rights, int cpl, int rpl, int vector) => CheckLoad(ss, rights, cpl, rpl, vector);

    [Fact]
    public void LoadSetsTheAccessedBitAndTheHiddenPart()
    {
        using TestMachine m = Protected();
        m.SetDescriptor(Selector, 0x12C0_9234_5678_ABCD & ~(1UL << 40)); // base 12345678H, limit 0ABCDH pages, writable data
        m.Program(TestMachine.CodeStart, 32, a =>
        {
            a.mov(ax, Selector);
            a.mov(fs, ax);
            a.hlt();
        });
        Assert.Equal(StopReason.Halted, m.Run());
        SegmentRegister loaded = m.State->Segments[(int)SegmentIndex.FS];
        Assert.Equal(0x1234_5678u, loaded.Base);
        Assert.Equal(0x0ABC_DFFFu, loaded.Limit);
        Assert.Equal(0xC093u, loaded.AccessRights);
        Assert.Equal(0x93, m.Read<byte>(TestMachine.Gdt + Selector + 5));
    }

    [Theory]
    [InlineData(0x40u, 13)] // the limit of the GDT is 47H: this one is the last inside
    [InlineData(0x48u, 13)]
    [InlineData(0x3Cu, 13)] // in the LDT, and there is none
    public void SelectorsOutsideTheirTableFault(uint selector, int vector)
    {
        using TestMachine m = Protected();
        m.Program(TestMachine.CodeStart, 32, a =>
        {
            a.mov(eax, selector);
            a.mov(es, ax);
        });
        Assert.Equal(StopReason.Halted, m.Run());
        Assert.Equal((uint)vector, m.State->Gpr[3]);
        Assert.Equal(selector & 0xFFFC, m.Read<uint>(m.State->Gpr[4]));
    }

    [Fact]
    public void NullSelectorMakesDataUnusable()
    {
        using TestMachine m = Protected();
        m.Program(TestMachine.CodeStart, 32, a =>
        {
            a.xor(eax, eax);
            a.mov(es, ax); // allowed
            a.mov(al, __byte_ptr.es[0x1000]); // #GP(0)
        });
        Assert.Equal(StopReason.Halted, m.Run());
        Assert.Equal(13u, m.State->Gpr[3]);
        Assert.True(m.State->Segments[(int)SegmentIndex.ES].Unusable);
    }

    [Theory]
    [InlineData(0x0FFFu, true)] // expand-up, limit 0FFFH: the last byte
    [InlineData(0x1000u, false)]
    public void LimitsAreChecked(uint offset, bool allowed)
    {
        using TestMachine m = Protected();
        m.SetDescriptor(Selector, 0x0040_9300_0000_0FFF);
        Assert.Equal(allowed, TryAccess(m, offset));
    }

    [Theory]
    [InlineData(0x0FFFu, false)] // expand-down: up to the limit is outside
    [InlineData(0x1000u, true)]
    [InlineData(0xFFFF_FFFFu, false)] // of a 16-bit expand-down segment the top is FFFFH
    public void ExpandDownTurnsLimitsRound(uint offset, bool allowed)
    {
        using TestMachine m = Protected();
        m.SetDescriptor(Selector, 0x0000_9700_0000_0FFF);
        Assert.Equal(allowed, TryAccess(m, offset));
    }

    [Fact]
    public void LarAndLslAnswerByZf()
    {
        using TestMachine m = Protected();
        m.SetDescriptor(Selector, TestMachine.Flat(0xC093));
        m.Program(TestMachine.CodeStart, 32, a =>
        {
            a.mov(ecx, Selector);
            a.lar(eax, ecx);
            a.setz(bl);
            a.lsl(edx, ecx);
            a.mov(ecx, 0x48); // outside
            a.mov(esi, 0x77);
            a.lar(esi, ecx);
            a.setz(bh);
            a.hlt();
        });
        Assert.Equal(StopReason.Halted, m.Run());
        Assert.Equal(0x00CF_9300u, m.State->Gpr[0]);
        Assert.Equal(0xFFFF_FFFFu, m.State->Gpr[2]);
        Assert.Equal(0x77u, m.State->Gpr[6]);
        Assert.Equal(1u, m.State->Gpr[3] & 0xFFFF);
    }

    [Fact]
    public void FarReturnToUserAndCallGateBack()
    {
        using TestMachine m = Protected();
        const ulong UserStart = 0x3_0000;
        const ulong GateTarget = 0x4_0000;
        m.SetDescriptor(Selector, (GateTarget & 0xFFFF) | ((ulong)TestMachine.KernelCode << 16) | (1UL << 32) | (0xECUL << 40) | (GateTarget >> 16 << 48));
        m.Program(TestMachine.CodeStart, 32, a =>
        {
            a.push(TestMachine.UserData | 3);
            a.push(0x4_8000);
            a.push(TestMachine.UserCode | 3);
            a.push((int)UserStart);
            a.retf();
        });
        m.Program(UserStart, 32, a =>
        {
            a.push(0x1234_5678);
            a.call(Selector | 3, 0);
        });
        m.Program(GateTarget, 32, a => a.hlt());
        Assert.Equal(StopReason.Halted, m.Run());
        Assert.Equal(GateTarget + 1, m.State->Rip);
        Assert.Equal(0, m.State->Cpl);
        Assert.Equal(TestMachine.KernelStackTop - 20, m.State->Gpr[4]);
        Assert.Equal(UserStart + 12, m.Read<uint>(m.State->Gpr[4]));
        Assert.Equal(TestMachine.UserCode | 3u, m.Read<uint>(m.State->Gpr[4] + 4));
        Assert.Equal(0x1234_5678u, m.Read<uint>(m.State->Gpr[4] + 8)); // the parameter
        Assert.Equal(0x4_8000u - 4, m.Read<uint>(m.State->Gpr[4] + 12));
        Assert.Equal(TestMachine.UserData | 3u, m.Read<uint>(m.State->Gpr[4] + 16));
    }

    [Fact]
    public void ReturnToUserDropsSegmentsOfInnerLevels()
    {
        using TestMachine m = Protected();
        m.Program(TestMachine.CodeStart, 32, a =>
        {
            a.mov(ax, TestMachine.UserData | 3);
            a.mov(es, ax); // the user may keep this one
            a.push(TestMachine.UserData | 3);
            a.push(0x4_8000);
            a.push(TestMachine.UserCode | 3);
            a.push(0x3_0000);
            a.retf();
        });
        Assert.Equal(StopReason.Budget, m.Run(7));
        Assert.Equal(0x3_0000u, m.State->Rip);
        Assert.Equal(3, m.State->Cpl);
        Assert.True(m.State->Segments[(int)SegmentIndex.DS].Unusable);
        Assert.False(m.State->Segments[(int)SegmentIndex.ES].Unusable);
    }

    [Fact]
    public void RealToProtectedToLongMode()
    {
        using TestMachine m = new();
        m.EnterLongMode(); // writes the tables
        m.Processor.Reset();
        m.Write(0x5000UL, (ushort)0x47);
        m.Write(0x5002UL, (uint)TestMachine.Gdt);
        m.SetDescriptor(Selector, TestMachine.Flat(0xC09B));
        m.State->Segments[(int)SegmentIndex.CS].Base = 0;
        m.State->Segments[(int)SegmentIndex.CS].Selector = 0;
        m.State->Rip = 0x6000;
        m.Processor.OnContextReplaced();
        m.Program(0x6000, 16, a =>
        {
            a.lgdt(__[0x5000]);
            a.mov(eax, cr0);
            a.or(eax, 1);
            a.mov(cr0, eax);
            a.jmp(Selector, 0x6100);
        });
        m.Program(0x6100, 32, a =>
        {
            a.mov(eax, 0x20);
            a.mov(cr4, eax);
            a.mov(eax, (int)TestMachine.PageTables);
            a.mov(cr3, eax);
            a.mov(ecx, 0xC000_0080);
            a.rdmsr();
            a.or(eax, 0x100);
            a.wrmsr();
            a.mov(eax, cr0);
            a.or(eax, 0x8000_0000);
            a.mov(cr0, eax);
            a.jmp(TestMachine.KernelCode, 0x6200);
        });
        m.Program(0x6200, 64, a =>
        {
            a.mov(rax, 0x1122_3344_5566_7788UL);
            a.hlt();
        });
        Assert.Equal(StopReason.Halted, m.Run());
        Assert.Equal(0x1122_3344_5566_7788u, m.State->Gpr[0]);
        Assert.True(m.Processor.Is64BitMode);
        Assert.Equal(ControlRegisters.EferLme | ControlRegisters.EferLma, m.State->Paging.Efer);
    }

    [Fact]
    public void SyscallAndSysret()
    {
        using TestMachine m = new();
        m.EnterLongMode();
        m.State->Msr.Star = ((ulong)0x13 << 48) | ((ulong)TestMachine.KernelCode << 32);
        m.State->Msr.Lstar = TestMachine.HandlerStart;
        m.State->Msr.Fmask = RflagsBits.IF | RflagsBits.CF;
        m.DropToUser();
        m.Processor.Rflags = RflagsBits.Fixed1 | RflagsBits.IF | RflagsBits.CF;
        m.Program(TestMachine.CodeStart, 64, a =>
        {
            a.syscall();
            a.mov(ebx, 9);
        });
        m.Program(TestMachine.HandlerStart, 64, a => a.sysretq());
        Assert.Equal(StopReason.Budget, m.Run(1));
        Assert.Equal(0, m.State->Cpl);
        Assert.Equal(TestMachine.CodeStart + 2, m.State->Gpr[1]);
        Assert.Equal(RflagsBits.Fixed1 | RflagsBits.IF | RflagsBits.CF, m.State->Gpr[11]);
        Assert.Equal(RflagsBits.Fixed1, m.Processor.Rflags);
        Assert.Equal(StopReason.Budget, m.Run(2));
        Assert.Equal(3, m.State->Cpl);
        Assert.Equal(0x23, m.State->Segments[(int)SegmentIndex.CS].Selector);
        Assert.Equal(0x1B, m.State->Segments[(int)SegmentIndex.SS].Selector);
        Assert.Equal(9u, m.State->Gpr[3]);
    }

    /// <summary>Protected mode where each fault ends in HLT, with the vector in EBX and the error code on top of the stack.</summary>
    private static TestMachine Protected()
    {
        TestMachine m = new();
        m.EnterProtectedMode();
        foreach (byte vector in new byte[] { 11, 12, 13 })
        {
            ulong handler = TestMachine.HandlerStart + (16UL * vector);
            m.SetGate(vector, handler);
            m.Program(handler, 32, a =>
            {
                a.mov(ebx, vector);
                a.hlt();
            });
        }

        return m;
    }

    private static void CheckLoad(AssemblerRegisterSegment register, uint rights, int cpl, int rpl, int vector)
    {
        using TestMachine m = Protected();
        m.SetDescriptor(Selector, TestMachine.Flat(rights));
        m.Program(TestMachine.CodeStart, 32, a =>
        {
            a.mov(ax, (short)(Selector | rpl));
            a.mov(register, ax);
            a.nop();
        });
        if (cpl == 3)
        {
            m.DropToUser();
        }

        StopReason reason = m.Run(3 + (vector == NoFault ? 0 : 10));
        Assert.Equal(vector == NoFault ? StopReason.Budget : StopReason.Halted, reason);
        if (vector != NoFault)
        {
            Assert.Equal((ulong)vector, m.State->Gpr[3]);
            Assert.Equal((uint)Selector, m.Read<uint>(m.State->Gpr[4]));
        }
    }

    private static bool TryAccess(TestMachine m, uint offset)
    {
        m.Program(TestMachine.CodeStart, 32, a =>
        {
            a.mov(ax, Selector);
            a.mov(fs, ax);
            a.mov(esi, offset);
            a.mov(al, __byte_ptr.fs[esi]);
            a.hlt();
        });
        Assert.Equal(StopReason.Halted, m.Run());
        return m.State->Gpr[3] != 13;
    }
}
