using System;
using System.Collections.Generic;

using Iced.Intel;

using Xunit;

using static Iced.Intel.AssemblerRegisters;
using static Xenolith.Cpu.VmcsField;

namespace Xenolith.Cpu.Tests;

/// <summary>
/// Method: for each instruction that may exit, a guest executes it under the control that makes it exit and again without; reason,
/// qualification, instruction length and information are compared with figures taken from the tables of SDM 3C "Basic VM-Exit
/// Information". It fails when an exit is missing, comes unasked, or reports a wrong bit.
/// </summary>
public sealed unsafe class ExitTests
{
    private static readonly SortedDictionary<string, Case> s_cases = Cases();

    public static TheoryData<string> Names => [.. s_cases.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void ExitsWithExactInformation(string name)
    {
        Case test = s_cases[name];
        using VmxMachine m = new();
        m.Guest(a =>
        {
            test.Code(a);
            a.vmcall();
        });
        test.Prepare(m);
        Assert.Equal(test.Reason, m.Enter());
        Assert.Equal(test.Qualification, m.Qualification);
        Assert.Equal(0u, m[IdtVectoringInformation]);
        if (test.Length != 0)
        {
            Assert.Equal(test.Length, m[ExitInstructionLength]);
        }

        if (test.Information is { } information)
        {
            Assert.Equal(information, m[ExitInstructionInformation]);
        }
    }

    [Fact]
    public void TaskSwitchExitsWithSelectorAndKind()
    {
        // SDM 3C "Exit Qualification for Task Switches": selector in bits 15:0, 1 (CALL 0, IRET 1, JMP 2, gate 3) in bits 31:30.
        const ulong GuestGdt = VmxMachine.GuestMemory + 0x5000;
        using VmxMachine m = new();
        m.Write(GuestGdt + 0x20, TestMachine.Flat(0x89) & ~0x000F_0000_0000_FFFFUL | 0x67);
        m[GuestGdtrBase] = 0x5000;
        m[GuestGdtrLimit] = 0xFF;
        m[GuestTrLimit] = 0xFF;
        m.Guest(a => a.db(0xEA, 0, 0, 0, 0, 0x20, 0));
        Assert.Equal(ExitReason.TaskSwitch, m.Enter());
        Assert.Equal(0x8000_0020u, m.Qualification);
        Assert.Equal(7u, m[ExitInstructionLength]);
        Assert.Equal(0x1000u, m[GuestRip]);
    }

    [Fact]
    public void IoBitmapsCoverEveryByteOfAnAccess()
    {
        using VmxMachine m = new();
        m.SetPrimary(PrimaryControls.UseIoBitmaps);
        m.Write(VmxMachine.IoBitmapB + (0x0003 >> 3), (byte)(1 << 3)); // port 0x8003
        m.Guest(a =>
        {
            a.mov(edx, 0x7FFF);
            a.@in(al, dx); // passes: bitmap A is clear
            a.mov(edx, 0x8000);
            a.@in(ax, dx); // passes: bytes 0x8000 and 0x8001
            a.@in(eax, dx); // exits: its last byte is 0x8003
        });
        Assert.Equal(ExitReason.IoInstruction, m.Enter());
        Assert.Equal(0x8000_000Bu, m.Qualification);
    }

    [Fact]
    public void PortsThatAreNotInterceptedReachThePlatform()
    {
        using VmxMachine m = new();
        m.Guest(a =>
        {
            a.mov(al, 0x42);
            a.@out(0xE9, al);
            a.vmcall();
        });
        Assert.Equal(ExitReason.Vmcall, m.Enter());
        Assert.Equal([((ushort)0xE9, 1, 0x42u)], m.Platform.PortWrites);
    }

    [Fact]
    public void MsrBitmapsSelectByNumberAndDirection()
    {
        using VmxMachine m = new();
        m.SetPrimary(PrimaryControls.UseMsrBitmaps);
        m.Write(VmxMachine.MsrBitmap + 0xC00 + (0x82 >> 3), (byte)(1 << 2)); // writes of C0000082H
        m.Guest(a =>
        {
            a.mov(ecx, 0xC000_0082);
            a.rdmsr(); // passes
            a.wrmsr(); // exits
        });
        Assert.Equal(ExitReason.Wrmsr, m.Enter());
        m.SkipInstruction();
        m.Guest(a =>
        {
            a.mov(ecx, 0x4000_0000);
            a.rdmsr();
        });
        m[GuestRip] = 0x1000;
        Assert.Equal(ExitReason.Rdmsr, m.Enter()); // outside both ranges: always
    }

    [Fact]
    public void MasksAndShadowsShowTheGuestWhatTheHostSays()
    {
        using VmxMachine m = new();
        m[Cr0Mask] = ControlRegisters.Cr0Ne | ControlRegisters.Cr0Pg;
        m[Cr0ReadShadow] = ControlRegisters.Cr0Pg;
        m[Cr4Mask] = ControlRegisters.Cr4Vmxe;
        m[Cr4ReadShadow] = 0;
        m.Guest(a =>
        {
            a.mov(eax, cr0);
            a.mov(ebx, cr4);
            a.mov(ecx, eax);
            a.or(ecx, (int)ControlRegisters.Cr0Mp);
            a.mov(cr0, ecx); // changes only a bit of its own: no exit
            a.mov(edx, cr0);
            a.vmcall();
        });
        Assert.Equal(ExitReason.Vmcall, m.Enter());
        Assert.Equal(ControlRegisters.Cr0Pg | ControlRegisters.Cr0Pe | ControlRegisters.Cr0Et, m.State->Gpr[0]);
        Assert.Equal(0u, m.State->Gpr[3]);
        Assert.Equal(m.State->Gpr[0] | ControlRegisters.Cr0Mp, m.State->Gpr[2]);
        Assert.Equal(ControlRegisters.Cr0Pe | ControlRegisters.Cr0Ne | ControlRegisters.Cr0Et | ControlRegisters.Cr0Mp, m[GuestCr0]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void PageFaultsAreSelectedByMaskAndMatch(bool matches)
    {
        using VmxMachine m = new();
        m.MakeGuestLong();
        m[VmcsField.ExceptionBitmap] = 1 << 14;
        m[PageFaultErrorCodeMask] = 2;
        m[PageFaultErrorCodeMatch] = matches ? 2u : 0; // writes, or all but writes
        m.Guest(a => a.mov(__qword_ptr[0x4000_0000], rax), bits: 64);
        ExitReason reason = m.Enter();
        if (matches)
        {
            Assert.Equal(ExitReason.ExceptionOrNmi, reason);
            Assert.Equal(0x8000_0B0Eu, m[ExitInterruptionInformation]);
            Assert.Equal(2u, m[ExitInterruptionErrorCode]);
            Assert.Equal(0x4000_0000u, m.Qualification);
            Assert.Equal(0u, m.State->Cr2); // not written when the fault exits
        }
        else
        {
            Assert.Equal(ExitReason.TripleFault, reason); // delivered, and there are no handlers
        }
    }

    [Fact]
    public void ExternalInterruptExitsWithOrWithoutAcknowledge()
    {
        using VmxMachine m = new();
        m.SetPin(PinControls.ExternalInterruptExiting);
        m.Guest(a => a.nop());
        m.Platform.Interrupts.Enqueue(0x51);
        Assert.Equal(ExitReason.ExternalInterrupt, m.Enter()); // although IF is 0
        Assert.Equal(0u, m[ExitInterruptionInformation]);
        Assert.Single(m.Platform.Interrupts);
        m[VmExitControls] |= (uint)ExitControls.AcknowledgeInterruptOnExit;
        Assert.Equal(ExitReason.ExternalInterrupt, m.Enter());
        Assert.Equal(0x8000_0051u, m[ExitInterruptionInformation]);
        Assert.Empty(m.Platform.Interrupts);
    }

    [Fact]
    public void InterruptWindowOpensAfterTheShadowOfSti()
    {
        using VmxMachine m = new();
        m.SetPrimary(PrimaryControls.InterruptWindowExiting);
        m.Guest(a =>
        {
            a.sti();
            a.mov(eax, 7);
            a.mov(eax, 8);
        });
        Assert.Equal(ExitReason.InterruptWindow, m.Enter());
        Assert.Equal(7u, m.State->Gpr[0]);
        Assert.Equal(0x1006u, m[GuestRip]);
        Assert.Equal(0u, m[GuestInterruptibilityState]);
    }

    [Theory]
    [InlineData(0, 0x1000)]
    [InlineData(1, 0x1001)]
    [InlineData(5, 0x1005)]
    public void PreemptionTimerCountsInstructions(uint value, ulong expectedRip)
    {
        using VmxMachine m = new();
        m.SetPin(PinControls.ActivateVmxPreemptionTimer);
        m[PreemptionTimerValue] = value;
        m.Guest(a =>
        {
            for (int i = 0; i < 10; i++)
            {
                a.nop();
            }
        });
        Assert.Equal(ExitReason.PreemptionTimer, m.Enter());
        Assert.Equal(expectedRip, m[GuestRip]);
    }

    [Fact]
    public void SavedTimerShowsWhatWasLeft()
    {
        using VmxMachine m = new();
        m.SetPin(PinControls.ActivateVmxPreemptionTimer);
        m[VmExitControls] |= (uint)ExitControls.SavePreemptionTimer;
        m[PreemptionTimerValue] = 100;
        m.Guest(a =>
        {
            a.nop();
            a.nop();
            a.vmcall();
        });
        Assert.Equal(ExitReason.Vmcall, m.Enter());
        Assert.Equal(98u, m[PreemptionTimerValue]);
    }

    [Fact]
    public void TscOffsetIsAddedInTheGuestOnly()
    {
        using VmxMachine m = new();
        m.SetPrimary(PrimaryControls.UseTscOffsetting);
        m[VmcsField.TscOffset] = 1UL << 40;
        m.Guest(a =>
        {
            a.rdtsc();
            a.vmcall();
        });
        Assert.Equal(ExitReason.Vmcall, m.Enter());
        Assert.Equal(1u << 8, m.State->Gpr[2]);
        Assert.True(m.Processor.TimeStamp < 1UL << 40);
    }

    [Fact]
    public void EptMisconfigurationReportsTheGuestPhysicalAddress()
    {
        using VmxMachine m = new();
        m.SetEptLeaf(0x5000, 2); // writable and not readable
        m.Guest(a => a.mov(eax, __dword_ptr[0x5004]));
        Assert.Equal(ExitReason.EptMisconfiguration, m.Enter());
        Assert.Equal(0x5004u, m[GuestPhysicalAddress]);
    }

    [Fact]
    public void EptViolationDuringDeliveryReportsTheEvent()
    {
        using VmxMachine m = new();
        m.SetEptLeaf(TestMachine.Idt, 0); // the guest's IDT
        m.Guest(a => a.@int(0x21));
        Assert.Equal(ExitReason.EptViolation, m.Enter());
        Assert.Equal(0x181u, m.Qualification & 0x1FF);
        Assert.Equal(0x8000_0421u, m[IdtVectoringInformation]);
        Assert.Equal(2u, m[ExitInstructionLength]);
        Assert.Equal(0x1000u, m[GuestRip]);
    }

    [Fact]
    public void NmiExitsOrIsDelivered()
    {
        using VmxMachine m = new();
        m.SetPin(PinControls.NmiExiting);
        m.Guest(a => a.nop());
        m.Processor.SignalNmi();
        Assert.Equal(ExitReason.ExceptionOrNmi, m.Enter());
        Assert.Equal(0x8000_0202u, m[ExitInterruptionInformation]);
        Assert.Equal(0x1000u, m[GuestRip]);
    }

    [Fact]
    public void HaltWithoutExitingWaitsForAnInterrupt()
    {
        using VmxMachine m = new();
        m.SetPrimary(PrimaryControls.None);
        m.SetPin(PinControls.ExternalInterruptExiting);
        m.Guest(a => a.hlt());
        Assert.True(m.Vmx.Vmlaunch().IsSuccess);
        Assert.Equal(StopReason.Halted, m.Run());
        m.Platform.Interrupts.Enqueue(0x30);
        Assert.Equal(StopReason.VmExit, m.Run());
        Assert.Equal(ExitReason.ExternalInterrupt, m.Exit);
        Assert.Equal(1u, m[GuestActivityState]);
        Assert.Equal(0x1001u, m[GuestRip]);
    }

    [Fact]
    public void HostStateIsLoadedAsTheManualSays()
    {
        using VmxMachine m = new();
        m[HostFsBase] = 0x7777_0000;
        m[HostSysenterEip] = 0x1234;
        m.Guest(a => a.vmcall());
        m[GuestRflags] |= RflagsBits.CF | RflagsBits.DF;
        Assert.Equal(ExitReason.Vmcall, m.Enter());
        Assert.Equal(RflagsBits.Fixed1, m.Processor.Rflags);
        Assert.Equal(TestMachine.StackTop, m.State->Gpr[4]);
        Assert.Equal(0x7777_0000u, m.State->Segments[(int)SegmentIndex.FS].Base);
        Assert.True(m.State->Segments[(int)SegmentIndex.DS].Unusable); // its selector in the host area is null
        Assert.Equal(0xA09Bu, m.State->Segments[(int)SegmentIndex.CS].AccessRights);
        Assert.Equal(0xFFFF, m.State->Gdtr.Limit);
        Assert.Equal(0x1234u, m.State->Msr.SysenterEip);
        Assert.Equal(0x400u, m.State->Dr[7]);
        Assert.False(m.State->Paging.NonRoot);
        Assert.Equal(RflagsBits.Fixed1 | RflagsBits.CF | RflagsBits.DF, m[GuestRflags]);
    }

    [Fact]
    public void MsrAreasAreLoadedAndStored()
    {
        using VmxMachine m = new();
        m.Write(VmxMachine.MsrArea, 0xC000_0082UL);
        m.Write(VmxMachine.MsrArea + 8, 0x1111UL);
        m.Write(VmxMachine.MsrArea + 16, 0xC000_0082UL);
        m.Write(VmxMachine.MsrArea + 32, 0xC000_0082UL);
        m.Write(VmxMachine.MsrArea + 40, 0x3333UL);
        (m[EntryMsrLoadCount], m[EntryMsrLoadAddress]) = (1, VmxMachine.MsrArea);
        (m[ExitMsrStoreCount], m[ExitMsrStoreAddress]) = (1, VmxMachine.MsrArea + 16);
        (m[ExitMsrLoadCount], m[ExitMsrLoadAddress]) = (1, VmxMachine.MsrArea + 32);
        m.Guest(a => a.vmcall());
        Assert.Equal(ExitReason.Vmcall, m.Enter());
        Assert.Equal(0x1111u, m.Read<ulong>(VmxMachine.MsrArea + 24));
        Assert.Equal(0x3333u, m.State->Msr.Lstar);
    }

    [Theory]
    [InlineData(0xC000_0100UL, 0)] // FS base is not allowed there
    [InlineData(0xC000_0082UL, 1UL << 62)] // not canonical
    [InlineData(0x1_C000_0082UL, 0)] // reserved bits
    [InlineData(0xDEADUL, 0)] // no such MSR
    public void BadMsrEntryFailsTheEntryWithItsNumber(ulong entry, ulong value)
    {
        using VmxMachine m = new();
        m.Write(VmxMachine.MsrArea, 0xC000_0081UL);
        m.Write(VmxMachine.MsrArea + 16, entry);
        m.Write(VmxMachine.MsrArea + 24, value);
        (m[EntryMsrLoadCount], m[EntryMsrLoadAddress]) = (2, VmxMachine.MsrArea);
        Assert.True(m.Vmx.Vmlaunch().IsSuccess);
        Assert.Equal(StopReason.VmExit, m.Run());
        Assert.Equal(0x8000_0022u, m[VmcsField.ExitReason]);
        Assert.Equal(2u, m.Qualification);
    }

    private static SortedDictionary<string, Case> Cases()
    {
        SortedDictionary<string, Case> cases = new(StringComparer.Ordinal);
        void Plain(string name, Action<Assembler> code, ExitReason reason, uint length, PrimaryControls control = PrimaryControls.None) =>
            cases.Add(name, new Case(code, m => m.SetPrimary(control), reason, 0, length));
        void Secondary(string name, Action<Assembler> code, SecondaryControls control, ExitReason reason, ulong qualification, uint length, uint information) =>
            cases.Add(name, new Case(code, m => m.AddSecondary(control), reason, qualification, length, information));

        Plain("CPUID", a => a.cpuid(), ExitReason.Cpuid, 2);
        Plain("INVD", a => a.invd(), ExitReason.Invd, 2);
        Plain("VMCALL", a => a.vmcall(), ExitReason.Vmcall, 3);
        Plain("VMLAUNCH", a => a.vmlaunch(), ExitReason.Vmlaunch, 3);
        Plain("VMXOFF", a => a.vmxoff(), ExitReason.Vmxoff, 3);
        Plain("HLT", a => a.hlt(), ExitReason.Hlt, 1, PrimaryControls.HltExiting);
        Plain("RDTSC", a => a.rdtsc(), ExitReason.Rdtsc, 2, PrimaryControls.RdtscExiting);
        Plain("RDTSCP", a => a.rdtscp(), ExitReason.Rdtscp, 3, PrimaryControls.RdtscExiting);
        Plain("RDPMC", a => a.rdpmc(), ExitReason.Rdpmc, 2, PrimaryControls.RdpmcExiting);
        Plain("PAUSE", a => a.pause(), ExitReason.Pause, 2, PrimaryControls.PauseExiting);
        Plain("MONITOR", a => a.monitor(), ExitReason.Monitor, 3, PrimaryControls.MonitorExiting);
        Plain("MWAIT", a => a.mwait(), ExitReason.Mwait, 3, PrimaryControls.MwaitExiting);
        Plain("RDMSR without bitmaps", a => a.rdmsr(), ExitReason.Rdmsr, 2);
        Plain("WRMSR without bitmaps", a => a.wrmsr(), ExitReason.Wrmsr, 2);
        Plain("no control: HLT's neighbours run on", a => { a.pause(); a.rdtsc(); a.rdtscp(); a.wbinvd(); }, ExitReason.Vmcall, 3);
        cases.Add("XSETBV", new Case(a => a.xsetbv(), m => m[GuestCr4] |= ControlRegisters.Cr4Osxsave, ExitReason.Xsetbv, 0, 3));
        cases.Add("INVLPG", new Case(a => a.invlpg(__[0x1234_5000]), m => m.SetPrimary(PrimaryControls.InvlpgExiting), ExitReason.Invlpg, 0x1234_5000, 7));

        // Register operands of instruction information: destination in bits 6:3, size in 12:11.
        Secondary("RDRAND ECX", a => a.rdrand(ecx), SecondaryControls.RdrandExiting, ExitReason.Rdrand, 0, 3, (1 << 3) | (1 << 11));
        Secondary("RDSEED BX", a => a.rdseed(bx), SecondaryControls.RdseedExiting, ExitReason.Rdseed, 0, 4, 3 << 3);
        Secondary("WBINVD", a => a.wbinvd(), SecondaryControls.WbinvdExiting, ExitReason.WbinvdOrWbnoinvd, 0, 2, 0);

        // [ebx + esi*4 + 0x10], DS: scale 2, 32-bit address, segment 3, index 6, base 3; SGDT is identity 0, LIDT 3, STR 1.
        const uint Operand = 2 | (1 << 7) | (3 << 15) | (6 << 18) | (3 << 23);
        Secondary("SGDT", a => a.sgdt(__[ebx + (esi * 4) + 0x10]), SecondaryControls.DescriptorTableExiting, ExitReason.GdtrOrIdtrAccess, 0x10, 5, Operand);
        Secondary("LIDT", a => a.lidt(__[ebx + (esi * 4) + 0x10]), SecondaryControls.DescriptorTableExiting, ExitReason.GdtrOrIdtrAccess, 0x10, 5, Operand | (3u << 28));
        Secondary("STR EDX", a => a.str(edx), SecondaryControls.DescriptorTableExiting, ExitReason.LdtrOrTrAccess, 0, 3, (2 << 3) | (1 << 10) | (1u << 28));

        AddControlRegisters(cases);
        AddPorts(cases);

        // Exceptions: a hardware one, a software one with its length.
        cases.Add("#UD", new Case(a => a.ud2(), m => m[VmcsField.ExceptionBitmap] = 1 << 6, ExitReason.ExceptionOrNmi, 0, 0));
        cases.Add("INT3", new Case(a => a.int3(), m => m[VmcsField.ExceptionBitmap] = 1 << 3, ExitReason.ExceptionOrNmi, 0, 1));
        cases.Add("triple fault", new Case(a => a.ud2(), m => m[GuestIdtrLimit] = 0, ExitReason.TripleFault, 0, 0));
        cases.Add("#DF that exits by itself is not during delivery", new Case(
            a => a.ud2(),
            m =>
            {
                m[GuestIdtrLimit] = 0x47; // up to vector 8
                m.Write(VmxMachine.GuestMemory + TestMachine.Idt + (6 * 8), 0x0000_8E00_0FF8_0000UL); // #UD: a selector beyond the GDT: #GP
                m.Write(VmxMachine.GuestMemory + TestMachine.Idt + (13 * 8), 0UL);
                m[VmcsField.ExceptionBitmap] = 1 << 8;
            },
            ExitReason.ExceptionOrNmi,
            0,
            0));
        return cases;
    }

    private static void AddControlRegisters(SortedDictionary<string, Case> cases)
    {
        void Cr(string name, Action<Assembler> code, Action<VmxMachine> prepare, ulong qualification, uint length) =>
            cases.Add(name, new Case(code, prepare, ExitReason.ControlRegisterAccess, qualification, length));

        Cr("MOV CR0, EBX sets a host bit", a => { a.mov(ebx, 0x21); a.mov(cr0, ebx); }, m => (m[Cr0Mask], m[Cr0ReadShadow]) = (0x20, 0), 0x300, 3);
        Cr("MOV CR4, ECX", a => { a.mov(ecx, 0x2000); a.mov(cr4, ecx); }, m => m[Cr4Mask] = 0x2000, 0x104, 3);
        Cr("MOV CR3, EDI", a => { a.mov(edi, 0x5000); a.mov(cr3, edi); }, m => m.SetPrimary(PrimaryControls.Cr3LoadExiting), 0x703, 3);
        Cr("MOV ESI, CR3", a => a.mov(esi, cr3), m => m.SetPrimary(PrimaryControls.Cr3StoreExiting), 0x613, 3);
        Cr("CLTS of a host's TS that shows 1", a => a.clts(), m => (m[Cr0Mask], m[Cr0ReadShadow]) = (8, 8), 0x20, 2);
        Cr("LMSW sets a host's PE that shows 0", a => { a.mov(eax, 3); a.lmsw(ax); }, m => (m[Cr0Mask], m[Cr0ReadShadow]) = (1, 0), 0x3_0030, 4);
        cases.Add("CLTS of a host's TS that shows 0", new Case(
            a => a.clts(), m => (m[Cr0Mask], m[Cr0ReadShadow]) = (8, 0), ExitReason.Vmcall, 0, 3));
        cases.Add("MOV CR3 to a target value", new Case(
            a => { a.mov(edi, 0x5000); a.mov(cr3, edi); },
            m =>
            {
                m.SetPrimary(PrimaryControls.Cr3LoadExiting);
                (m[Cr3TargetCount], m[Cr3Target0 + 2]) = (2, 0x5000);
            },
            ExitReason.Vmcall,
            0,
            3));
        cases.Add("MOV DR7, EAX", new Case(a => a.mov(dr7, eax), m => m.SetPrimary(PrimaryControls.MovDrExiting), ExitReason.MovDr, 0x007, 3));
        cases.Add("MOV ECX, DR2", new Case(a => a.mov(ecx, dr2), m => m.SetPrimary(PrimaryControls.MovDrExiting), ExitReason.MovDr, 0x112, 3));
    }

    private static void AddPorts(SortedDictionary<string, Case> cases)
    {
        void Port(string name, Action<Assembler> code, ulong qualification, uint length, uint? information = null) => cases.Add(
            name, new Case(code, m => m.SetPrimary(PrimaryControls.UnconditionalIoExiting), ExitReason.IoInstruction, qualification, length, information));

        Port("IN AL, 0x71", a => a.@in(al, 0x71), 0x0071_0048, 2);
        Port("IN EAX, DX", a => { a.mov(edx, 0xCFC); a.@in(eax, dx); }, 0x0CFC_000B, 1);
        Port("OUT DX, AX", a => { a.mov(edx, 0x3F8); a.@out(dx, ax); }, 0x03F8_0001, 2);
        Port("OUT 0x80, AL", a => a.@out(0x80, al), 0x0080_0040, 2);
        Port("REP OUTSB", a => { a.mov(edx, 0x3F8); a.mov(ecx, 5); a.rep.outsb(); }, 0x03F8_0030, 2, (1 << 7) | (3 << 15));
        Port("INSD", a => { a.mov(edx, 0x1F0); a.insd(); }, 0x01F0_001B, 1, 1 << 7);
    }

    private sealed record Case(
        Action<Assembler> Code, Action<VmxMachine> Prepare, ExitReason Reason, ulong Qualification, uint Length, uint? Information = null);
}
