using System;
using System.Collections.Generic;

using Iced.Intel;

using Xunit;

using static Iced.Intel.AssemblerRegisters;

namespace Xenolith.Cpu.Tests;

/// <summary>
/// Method: one system instruction in 64-bit mode with one precondition broken or none; the vector in whose handler the machine halts (or
/// that none was raised) is compared with the exception tables of SDM 2. It fails when a check is missing, too strict, or another one wins.
/// </summary>
public sealed unsafe class SystemInstructionTests
{
    private const int None = -1;
    private const ulong UserPage = 0x9_0000;
    private const ulong NotCanonical = 0x8000_0000_0000_0000;
    private static readonly SortedDictionary<string, Case> s_cases = Cases();

    public static TheoryData<string> Names => [.. s_cases.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void RaisesWhatTheManualSays(string name)
    {
        Case test = s_cases[name];
        using TestMachine m = new();
        m.EnterLongMode();
        for (byte vector = 0; vector < 32; vector++)
        {
            m.SetGate(vector, TestMachine.HandlerStart + (16UL * vector));
            m.Write<byte>(TestMachine.HandlerStart + (16UL * vector), 0xF4);
        }

        m.SetGate(0x80, TestMachine.HandlerStart + 0x400, dpl: 3);
        m.Write<byte>(TestMachine.HandlerStart + 0x400, 0xF4);
        m.Program(TestMachine.CodeStart, 64, a =>
        {
            test.Code(a);
            a.@int(0x80);
        });
        if (test.Cpl == 3)
        {
            m.DropToUser();
        }

        test.Prepare(m);
        m.Processor.OnContextReplaced();
        Assert.Equal(StopReason.Halted, m.Run());
        ulong offset = m.State->Rip - 1 - TestMachine.HandlerStart;
        Assert.Equal(test.Vector, offset == 0x400 ? None : (int)(offset / 16));
    }

    [Fact]
    public void MoreThanFifteenBytesAreGeneralProtection()
    {
        // SDM 2A "Instruction Format"; and priority: too long goes before undefined.
        using TestMachine m = Long();
        byte[] code = new byte[16];
        Array.Fill(code, (byte)0x66);
        code[15] = 0x90;
        m.WriteBytes(TestMachine.CodeStart, code);
        Assert.Equal(StopReason.Halted, m.Run());
        Assert.Equal(TestMachine.HandlerStart + (13 * 16) + 1, m.State->Rip);
    }

    [Fact]
    public void FetchFaultInTheSecondPageHasItsAddressInCr2()
    {
        using TestMachine m = Long();
        ulong last = 0x4000_0000 - 3; // the end of what is mapped: memory there is not RAM, so map its last page to RAM
        m.Write(TestMachine.PageTables + 0x2000 + (511 * 8), 0x20_0000UL | 0x87);
        m.WriteBytes(0x40_0000 - 3, [0x48, 0xB8, 0x01]); // MOV RAX, imm64 goes on in the next page
        m.State->Rip = last;
        Assert.Equal(StopReason.Halted, m.Run());
        Assert.Equal(TestMachine.HandlerStart + (14 * 16) + 1, m.State->Rip);
        Assert.Equal(0x4000_0000u, m.State->Cr2);
        Assert.Equal(0u, m.Read<ulong>(m.State->Gpr[4]) & ~0x10u); // not present, supervisor (I/D only with NXE)
        Assert.Equal(last, m.Read<ulong>(m.State->Gpr[4] + 8));
    }

    [Fact]
    public void PushaThatFaultsHasPushedNothing()
    {
        using TaskMachine m = new();
        m.State->Gpr[4] = 0x5_0010;
        m.State->Segments[(int)SegmentIndex.SS].Limit = uint.MaxValue;
        m.State->Segments[(int)SegmentIndex.SS].AccessRights |= 4; // expands down: offsets up to 5_0000H are outside
        m.State->Segments[(int)SegmentIndex.SS].Limit = 0x4_FFFF;
        m.Write(0x5_0000UL, 0x1234_5678_9ABC_DEF0);
        m.Write(0x5_0008UL, 0x1234_5678_9ABC_DEF0);
        m.Write(TestMachine.Idt + (12 * 8), ((ulong)TaskMachine.Second << 16) | (0x85UL << 40)); // #SS to a task with a stack
        m.Processor.OnContextReplaced();
        _ = m.Execute(a => a.pushad());
        Assert.Equal(TaskMachine.Second, m.State->Segments[(int)SegmentIndex.TR].Selector);
        Assert.Equal(0x1234_5678_9ABC_DEF0u, m.Read<ulong>(0x5_0000));
        Assert.Equal(0x1234_5678_9ABC_DEF0u, m.Read<ulong>(0x5_0008));
    }

    [Fact]
    public void RealModeRunsAgainstTheEndOfItsSegment()
    {
        // EIP goes on to 10000H, which is outside CS: #GP, not a wrap to 0 (SDM 3B "Address Translation in Real-Address Mode").
        using TestMachine m = new();
        m.Write(13 * 4UL, (uint)TestMachine.HandlerStart << 12 & 0xFFFF_0000 | 0);
        m.Write<byte>(TestMachine.HandlerStart, 0xF4);
        m.State->Segments[(int)SegmentIndex.CS].Base = 0x1_0000;
        m.State->Segments[(int)SegmentIndex.CS].Selector = 0x1000;
        m.Write<byte>(0x1_FFFF, 0x90);
        m.State->Rip = 0xFFFF;
        m.State->Gpr[4] = 0x8000;
        m.Processor.OnContextReplaced();
        Assert.Equal(StopReason.Halted, m.Run());
        Assert.Equal(TestMachine.HandlerStart + 1, (m.State->Segments[(int)SegmentIndex.CS].Base + m.State->Rip));
    }

    private static TestMachine Long()
    {
        TestMachine m = new();
        m.EnterLongMode();
        foreach (byte vector in (ReadOnlySpan<byte>)[6, 13, 14])
        {
            m.SetGate(vector, TestMachine.HandlerStart + (16UL * vector));
            m.Write<byte>(TestMachine.HandlerStart + (16UL * vector), 0xF4);
        }

        return m;
    }

    private static SortedDictionary<string, Case> Cases()
    {
        SortedDictionary<string, Case> cases = new(StringComparer.Ordinal);
        void Add(string name, int vector, Action<Assembler> code, Action<TestMachine>? prepare = null, int cpl = 0) =>
            cases.Add(name, new Case(code, prepare ?? (m => { }), vector, cpl));
        AddMemoryProtection(Add);
        AddPrivileged(Add);
        AddFastCalls(Add);
        return cases;
    }

    private static void AddMemoryProtection(Adder add)
    {
        add("SMAP stops a supervisor's read", 14, a => a.mov(al, __byte_ptr[UserPage]), m => HighStack(m, ControlRegisters.Cr4Smap));
        add("STAC permits it", None, a => { a.stac(); a.mov(cl, __byte_ptr[UserPage]); a.clac(); }, m => HighStack(m, ControlRegisters.Cr4Smap));
        add("CLAC forbids it again", 14, a => { a.stac(); a.clac(); a.mov(cl, __byte_ptr[UserPage]); }, m => HighStack(m, ControlRegisters.Cr4Smap));
        add("SMEP stops a supervisor's fetch", 14, a => a.nop(), m => HighStack(m, ControlRegisters.Cr4Smep));
        add("STAC at CPL 3", 6, a => a.stac(), cpl: 3);
        add("CLAC at CPL 3", 6, a => a.clac(), cpl: 3);
        add("PKU stops a read", 14, a => a.mov(cl, __byte_ptr[UserPage]), m => Key(m, 1), 3);
        add("PKU stops a write", 14, a => a.mov(__byte_ptr[UserPage], cl), m => Key(m, 2), 3);
        add("PKU lets reads pass", None, a => a.mov(cl, __byte_ptr[UserPage]), m => Key(m, 2), 3);
        add("PKU is about data", None, a => a.nop(), m => Key(m, 1), 3);
        add("RDPKRU without PKE", 6, a => a.rdpkru());
        add("RDPKRU with ECX", 13, a => { a.mov(ecx, 1); a.rdpkru(); }, m => m.State->Paging.Cr4 |= ControlRegisters.Cr4Pke);
        add("WRPKRU with EDX", 13, a => { a.mov(ecx, 0); a.mov(edx, 1); a.wrpkru(); }, m => m.State->Paging.Cr4 |= ControlRegisters.Cr4Pke);
        add("UMIP: SGDT", 13, a => a.sgdt(__[UserPage]), Umip, 3);
        add("UMIP: SLDT", 13, a => a.sldt(eax), Umip, 3);
        add("UMIP: SMSW", 13, a => a.smsw(eax), Umip, 3);
        add("UMIP: STR at CPL 0", None, a => a.str(eax), Umip);
        add("SIDT without UMIP", None, a => a.sidt(__[UserPage]), cpl: 3);
    }

    private static void AddPrivileged(Adder add)
    {
        add("RDFSBASE without FSGSBASE", 6, a => a.rdfsbase(rax), cpl: 3);
        add("WRGSBASE not canonical", 13, a => { a.mov(rax, NotCanonical); a.wrgsbase(rax); }, m => m.State->Paging.Cr4 |= ControlRegisters.Cr4Fsgsbase, 3);
        add("WRGSBASE", None, a => { a.xor(eax, eax); a.wrgsbase(rax); }, m => m.State->Paging.Cr4 |= ControlRegisters.Cr4Fsgsbase, 3);
        add("SWAPGS at CPL 3", 13, a => a.swapgs(), cpl: 3);
        add("INVPCID type 4", 13, a => { a.mov(eax, 4); a.invpcid(rax, __xmmword_ptr[UserPage]); });
        add("INVPCID reserved bits", 13, a => { a.mov(eax, 3); a.invpcid(rax, __xmmword_ptr[UserPage]); }, m => m.Write(UserPage, 0x1000UL));
        add("INVPCID address not canonical", 13, a => { a.mov(eax, 0); a.invpcid(rax, __xmmword_ptr[UserPage]); }, m => m.Write(UserPage + 8, NotCanonical));
        add("INVPCID PCID without PCIDE", 13, a => { a.mov(eax, 1); a.invpcid(rax, __xmmword_ptr[UserPage]); }, m => m.Write(UserPage, 5UL));
        add("INVPCID all contexts", None, a => { a.mov(eax, 2); a.invpcid(rax, __xmmword_ptr[UserPage]); });
        add("INVPCID at CPL 3", 13, a => a.invpcid(rax, __xmmword_ptr[UserPage]), cpl: 3);
        add("RDPMC", 13, a => a.rdpmc());
        add("RSM", 6, a => a.rsm());
        add("MOV DR4 with DE", 6, a => a.db(0x0F, 0x21, 0xE0), m => m.State->Paging.Cr4 |= ControlRegisters.Cr4De);
        add("MOV DR4 without DE", None, a => a.db(0x0F, 0x21, 0xE0));
        add("MOV DR7 upper half", 13, a => { a.mov(rax, 1UL << 32); a.mov(dr7, rax); });
        add("MOV CR1", 6, a => a.db(0x0F, 0x20, 0xC8));
        add("MOV CR8 16", 13, a => { a.mov(eax, 16); a.mov(cr8, rax); });
        add("HLT at CPL 3", 13, a => a.hlt(), cpl: 3);
        add("LMSW at CPL 3", 13, a => a.lmsw(ax), cpl: 3);
        add("CLTS at CPL 3", 13, a => a.clts(), cpl: 3);
        add("WBNOINVD at CPL 3", 13, a => a.wbnoinvd(), cpl: 3);
        add("XSETBV without OSXSAVE", 6, a => a.xsetbv());
        add("XSETBV without x87", 13, a => { a.xor(ecx, ecx); a.xor(edx, edx); a.mov(eax, 2); a.xsetbv(); }, m => m.State->Paging.Cr4 |= ControlRegisters.Cr4Osxsave);
        add("RDTSC at CPL 3 with TSD", 13, a => a.rdtsc(), m => m.State->Paging.Cr4 |= ControlRegisters.Cr4Tsd, 3);
        add("FPU with TS", 7, a => a.fld1(), m => m.State->Paging.Cr0 |= ControlRegisters.Cr0Ts);
        add("WAIT with TS and MP", 7, a => a.wait(), m => m.State->Paging.Cr0 |= ControlRegisters.Cr0Ts | ControlRegisters.Cr0Mp);
        add("WAIT with TS alone", None, a => a.wait(), m => m.State->Paging.Cr0 |= ControlRegisters.Cr0Ts);
        add("alignment at CPL 3", 17, a => a.mov(ecx, __dword_ptr[UserPage + 1]), Alignment, 3);
        add("alignment at CPL 0", None, a => a.mov(ecx, __dword_ptr[UserPage + 1]), Alignment);
    }

    private static void AddFastCalls(Adder add)
    {
        add("SYSCALL without SCE", 6, a => a.syscall(), m => m.State->Paging.Efer &= ~ControlRegisters.EferSce, 3);
        add("SYSRET at CPL 3", 13, a => a.sysretq(), cpl: 3);
        add("SYSRET not canonical", 13, a => { a.mov(rcx, NotCanonical); a.sysretq(); });
        add("SYSENTER without selector", 13, a => a.sysenter(), cpl: 3);
        add("SYSEXIT at CPL 3", 13, a => a.sysexitq(), m => m.State->Msr.SysenterCs = 8, 3);
        add("SYSEXIT not canonical", 13, a => { a.mov(rdx, NotCanonical); a.sysexitq(); }, m => m.State->Msr.SysenterCs = 8);
        add("SYSEXIT without selector", 13, a => a.sysexitq());
    }

    private static void Umip(TestMachine m) => m.State->Paging.Cr4 |= ControlRegisters.Cr4Umip;

    private static void Alignment(TestMachine m)
    {
        m.State->Paging.Cr0 |= ControlRegisters.Cr0Am;
        m.Processor.Rflags |= RflagsBits.AC;
    }

    /// <summary>Protection key 3 on the second 2-MiB page, to which the test's data address is moved; PKRU denies it.</summary>
    private static void Key(TestMachine m, uint denies)
    {
        m.State->Paging.Cr4 |= ControlRegisters.Cr4Pke;
        m.State->Paging.Pkru = denies << 6;
        SplitFirstPage(m, code: 0, data: 3UL << 59);
    }

    /// <summary>The code, the stack and the tables belong to the supervisor; only the data page is a user's.</summary>
    private static void HighStack(TestMachine m, ulong control)
    {
        m.State->Paging.Cr4 |= control;
        const ulong UserBit = 4;
        bool isSmep = control == ControlRegisters.Cr4Smep;
        SplitFirstPage(m, code: isSmep ? 0 : UserBit, data: 0);
    }

    /// <summary>Maps the first 2 MiB by 4-KiB pages; attributes of the code's page and of the data page are changed.</summary>
    private static void SplitFirstPage(TestMachine m, ulong code, ulong data)
    {
        const ulong Table = 0xC000;
        const ulong UserBit = 4;
        for (ulong page = 0; page < 512; page++)
        {
            bool isCode = page == TestMachine.CodeStart >> 12;
            bool isData = page == UserPage >> 12;
            ulong user = isCode ? (code == UserBit ? 0 : UserBit) : isData || m.State->Cpl == 3 ? UserBit : 0;
            m.Write(Table + (8 * page), (page << 12) | 3 | user | (isData ? data : 0));
        }

        m.Write(TestMachine.PageTables + 0x2000, Table | 7);
    }

    private delegate void Adder(string name, int vector, Action<Assembler> code, Action<TestMachine>? prepare = null, int cpl = 0);

    private sealed record Case(Action<Assembler> Code, Action<TestMachine> Prepare, int Vector, int Cpl);
}
