using System;

using Iced.Intel;

using Xenolith.Cpu;
using Xenolith.Mmu;
using Xenolith.Xen.Abi;
using Xenolith.Xen.Rogue;
using Xenolith.Xen.Tests.Support;

using Xunit;

using static Iced.Intel.AssemblerRegisters;

namespace Xenolith.Xen.Tests.Running;

// Method: guests of a few instructions run through real VM entries and exits and tell by port E9H what they saw. A wrong exit handler,
// a lost or doubled event, a register that does not survive a switch, or a domain that suffers from another's end makes it fail.
public class GuestRunTests
{
    private const ulong Limit = 20_000_000;

    [Fact]
    public void HelloAndPoweroff()
    {
        using TestMachine machine = new();
        Domain guest = Run(machine, c =>
        {
            c.Print("hello");
            c.Poweroff();
        });
        Assert.Equal("hello", machine.Console(guest.Id).ToString());
        Assert.Equal((DomainExitKind.Poweroff, DomainState.Shutdown), (guest.Exit.Kind, guest.State));
        Assert.Equal(5UL, guest.Counters.Exits[(uint)ExitReason.IoInstruction]);
    }

    [Theory]
    [InlineData(0x4000_0000u, 0x566E_6558u)]
    [InlineData(0x4000_0004u, 0u)]
    public void CpuidLeavesOfXen(uint leaf, uint ebxWanted)
    {
        using TestMachine machine = new();
        Domain guest = Run(machine, c =>
        {
            Label wrong = c.CreateLabel();
            c.mov(eax, leaf);
            c.xor(ecx, ecx);
            c.cpuid();
            c.cmp(ebx, ebxWanted);
            c.jne(wrong);
            c.Print("ok");
            c.Label(ref wrong);
            c.Poweroff();
        });
        Assert.Equal("ok", machine.Console(guest.Id).ToString());
    }

    [Fact]
    public void HypercallPageWorks()
    {
        using TestMachine machine = new();
        Domain guest = Run(machine, c =>
        {
            Label wrong = c.CreateLabel();
            c.mov(ecx, 0x4000_0000);
            c.mov(eax, 0x8000);
            c.xor(edx, edx);
            c.wrmsr();
            c.mov(esi, 0x8000 + ((int)HypercallNumber.XenVersion * 32));
            c.xor(ebx, ebx);
            c.call(esi);
            c.cmp(eax, 0x0004_0011);
            c.jne(wrong);
            c.Print("4.17");
            c.Label(ref wrong);
            c.Poweroff();
        });
        Assert.Equal("4.17", machine.Console(guest.Id).ToString());
        Assert.True(guest.SharedInfo.Is32Bit);
    }

    [Fact]
    public void HolesReadAsOnesAndTakeMemoryLater()
    {
        using TestMachine machine = new();
        Domain guest = Run(machine, c =>
        {
            Label wrong = c.CreateLabel();
            c.mov(eax, __dword_ptr[0x4000_1000]);
            c.cmp(eax, -1);
            c.jne(wrong);
            c.Store(0x4000_1000, 5); // vanishes
            c.cmp(__dword_ptr[0x4000_1000], -1);
            c.jne(wrong);

            // XENMEM_add_to_physmap: shared_info to the hole; tsc_to_system_mul must show.
            c.Store(0x3000, DomId.Self);
            c.Store(0x3004, (uint)XenMapSpace.SharedInfo);
            c.Store(0x3008, 0);
            c.Store(0x300C, 0x4_0001);
            c.Hypercall(HypercallNumber.MemoryOp, (uint)XenMem.AddToPhysmap, 0x3000);
            c.cmp(__dword_ptr[0x4000_1038], unchecked((int)0x8000_0000));
            c.jne(wrong);
            c.Print("ok");
            c.Label(ref wrong);
            c.Poweroff();
        });
        Assert.Equal("ok", machine.Console(guest.Id).ToString());
    }

    [Fact]
    public void HaltWithoutInterruptsIsPoweroff()
    {
        using TestMachine machine = new();
        Domain guest = Run(machine, c => c.hlt());
        Assert.Equal(DomainExitKind.Poweroff, guest.Exit.Kind);
    }

    [Fact]
    public void TripleFaultIsTold()
    {
        using TestMachine machine = new();
        Domain guest = Run(machine, c => c.ud2());
        Assert.Equal(DomainExitKind.TripleFault, guest.Exit.Kind);
        Assert.Equal(TestMachine.CodeAddress, guest.Exit.Rip);
    }

    [Fact]
    public void RunningIntoAHoleEndsTheDomain()
    {
        using TestMachine machine = new();
        Domain guest = Run(machine, c => c.jmp(0x4000_0000));
        Assert.Equal(DomainExitKind.Unemulated, guest.Exit.Kind);
        Assert.Contains("0x40000000", guest.Exit.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void VmxInstructionsDoNotExistForGuests()
    {
        using TestMachine machine = new();
        Domain guest = Run(machine, c => c.vmxoff()); // #UD without an IDT
        Assert.Equal(DomainExitKind.TripleFault, guest.Exit.Kind);
    }

    [Fact]
    public void ImpossibleStateIsToldNotRun()
    {
        using TestMachine machine = new();
        Domain guest = machine.CreateGuest(c => c.hlt());
        HvmHwCpu cpu = VcpuState.FlatProtectedMode();
        cpu.Cr0 = 1u << 31; // paging without protection
        machine.SetRegisters(guest, in cpu);
        machine.Unpause(guest);
        Assert.Equal(RunStop.AllEnded, machine.Xen.Run(Limit));
        Assert.Equal(DomainExitKind.InvalidGuestState, guest.Exit.Kind);
    }

    [Fact]
    public void UserModeMayNotCallXen()
    {
        using TestMachine machine = new();
        HvmHwCpu cpu = VcpuState.FlatProtectedMode();
        cpu.Rip = TestMachine.CodeAddress;
        cpu.Rsp = TestMachine.StackTop;
        cpu.CsSel = 0x1B;
        cpu.SsSel = cpu.DsSel = cpu.EsSel = 0x23;
        cpu.CsArbytes = 0xCFB;
        cpu.DsArbytes = cpu.EsArbytes = cpu.SsArbytes = 0xCF3;
        cpu.Rflags = 2 | (3 << 12); // I/O privilege for the report
        Domain guest = machine.CreateGuest(c =>
        {
            Label wrong = c.CreateLabel();
            c.Hypercall(HypercallNumber.XenVersion);
            c.cmp(eax, -(int)Errno.EPERM);
            c.jne(wrong);
            c.Print("EPERM");
            c.Label(ref wrong);
            c.ud2();
        });
        machine.SetRegisters(guest, in cpu);
        machine.Unpause(guest);
        Assert.Equal(RunStop.AllEnded, machine.Xen.Run(Limit));
        Assert.Equal("EPERM", machine.Console(guest.Id).ToString());
    }

    [Fact]
    public void PollSleepsUntilItsDeadline()
    {
        using TestMachine machine = new();
        Domain guest = Run(machine, c =>
        {
            // struct sched_poll: no ports, timeout = 50 ms of system time.
            c.Store(0x3000, 0);
            c.Store(0x3004, 0);
            c.Store(0x3008, 50_000_000);
            c.Store(0x300C, 0);
            c.Hypercall(HypercallNumber.SchedOp, (uint)SchedOp.Poll, 0x3000);
            c.Print("awake");
            c.Poweroff();
        });
        Assert.Equal("awake", machine.Console(guest.Id).ToString());
        Assert.InRange(machine.Board.Now, 50_000_000UL, 50_100_000UL);
        Assert.True(machine.Board.RetiredInstructions < 1000);
    }

    [Fact]
    public void DeadlinesBeyondAllTimeDoNotMoveTheClock()
    {
        using TestMachine machine = new();
        Domain guest = machine.CreateGuest(c =>
        {
            c.Store(0x3000, 0);
            c.Store(0x3004, 0);
            c.Store(0x3008, 0xFFFF_FFFE);
            c.Store(0x300C, 0xFFFF_FFFF);
            c.Hypercall(HypercallNumber.VcpuOp, (uint)VcpuOp.SetSingleshotTimer, 0, 0x3008);
            c.Hypercall(HypercallNumber.SchedOp, (uint)SchedOp.Poll, 0x3000);
        });
        machine.Unpause(guest);
        Assert.Equal(RunStop.Idle, machine.Xen.Run(Limit));
        Assert.True(machine.Board.Now < 1_000_000);
    }

    [Fact]
    public void SecondVcpuIsBroughtUp()
    {
        using TestMachine machine = new();
        Domain guest = machine.CreateDomain(64, vcpus: 2);
        const uint Second = 0x1_4000;
        machine.WriteForeign(guest, TestMachine.CodeAddress, TestMachine.Assemble(c =>
        {
            Label wait = c.CreateLabel();
            WriteContext(c, 0x4000, Second);
            c.Hypercall(HypercallNumber.VcpuOp, (uint)VcpuOp.Initialise, 1, 0x4000);
            c.Hypercall(HypercallNumber.VcpuOp, (uint)VcpuOp.Up, 1);
            c.Label(ref wait);
            c.Hypercall(HypercallNumber.SchedOp, (uint)SchedOp.Yield);
            c.cmp(__dword_ptr[0x5000], 77);
            c.jne(wait);
            c.Print("one");
            c.Poweroff();
        }));
        machine.WriteForeign(guest, Second, TestMachine.Assemble(c =>
        {
            c.Print("two");
            c.Store(0x5000, 77);
            c.hlt(); // down for good: the first vCPU goes on
        }));
        HvmHwCpu cpu = VcpuState.FlatProtectedMode();
        cpu.Rip = TestMachine.CodeAddress;
        cpu.Rsp = TestMachine.StackTop;
        machine.SetRegisters(guest, in cpu);
        machine.Unpause(guest);
        Assert.Equal(RunStop.AllEnded, machine.Xen.Run(Limit));
        Assert.Equal("twoone", machine.Console(guest.Id).ToString());
        Assert.Equal(DomainExitKind.Poweroff, guest.Exit.Kind);
    }

    [Fact]
    public void RunstateAreaFollowsTheVcpu()
    {
        using TestMachine machine = new();
        Domain guest = Run(machine, c =>
        {
            c.Store(0x3000, 0x4000);
            c.Store(0x3004, 0);
            c.Hypercall(HypercallNumber.VcpuOp, (uint)VcpuOp.RegisterRunstateMemoryArea, 0, 0x3000);
            c.Store(0x3000, 0);
            c.Store(0x3004, 0);
            c.Store(0x3008, 5_000_000);
            c.Store(0x300C, 0);
            c.Hypercall(HypercallNumber.SchedOp, (uint)SchedOp.Poll, 0x3000);
            c.mov(eax, __dword_ptr[0x4000]); // state: running
            c.add(al, (byte)'0');
            c.@out(0xE9, al);
            c.mov(eax, __dword_ptr[0x4000 + 28]); // time blocked, low half
            c.shr(eax, 20);
            c.add(al, (byte)'0');
            c.@out(0xE9, al);
            c.Poweroff();
        });
        Assert.Equal("04", machine.Console(guest.Id).ToString()); // 4 x 2^20 ns and some
    }

    [Fact]
    public void LongHypercallsGoOnWhereTheyWerePreempted()
    {
        using TestMachine machine = new();
        const uint Count = 9000; // more than two parts
        Domain guest = machine.CreateGuest(c =>
        {
            Label fill = c.CreateLabel();
            Label wrong = c.CreateLabel();
            c.mov(edi, 0x2_0000);
            c.mov(eax, 0x1000);
            c.mov(ecx, Count);
            c.Label(ref fill);
            c.mov(__dword_ptr[edi], eax);
            c.add(edi, 4);
            c.inc(eax);
            c.loop(fill);

            // struct xen_memory_reservation: extents, count, order, flags, domain.
            c.Store(0x3000, 0x2_0000);
            c.Store(0x3004, Count);
            c.Store(0x3008, 0);
            c.Store(0x300C, 0);
            c.Store(0x3010, DomId.Self);
            c.Hypercall(HypercallNumber.MemoryOp, (uint)XenMem.PopulatePhysmap, 0x3000);
            c.cmp(eax, Count);
            c.jne(wrong);
            c.Print("all");
            c.Label(ref wrong);
            c.Poweroff();
        });
        guest.MaxPages = 64 + Count;
        machine.Unpause(guest);
        Assert.Equal(RunStop.AllEnded, machine.Xen.Run(Limit));
        Assert.Equal("all", machine.Console(guest.Id).ToString());
        Assert.Equal(64 + Count, guest.TotalPages);
        Assert.Equal(4UL, guest.Counters.Exits[(uint)ExitReason.Vmcall]); // three parts and the power-off
    }

    [Fact]
    public void StringOutputReachesTheConsole()
    {
        using TestMachine machine = new();
        Domain guest = Run(machine, c =>
        {
            c.Store(0x5000, 0x6C6C_6568);
            c.Store(0x5004, 0x216F);
            c.mov(esi, 0x5000);
            c.mov(ecx, 6);
            c.mov(edx, 0xE9);
            c.rep.outsb();
            c.Poweroff();
        });
        Assert.Equal("hello!", machine.Console(guest.Id).ToString());
    }

    [Fact]
    public void WatchdogBites()
    {
        using TestMachine machine = new();
        Domain guest = Run(
            machine,
            c =>
            {
                Label forever = c.CreateLabel();
                c.Store(0x3000, 0);
                c.Store(0x3004, 1); // second
                c.Hypercall(HypercallNumber.SchedOp, (uint)SchedOp.Watchdog, 0x3000);
                c.Store(0x3000, 0);
                c.Store(0x3004, 0);
                c.Store(0x3008, 0);
                c.Store(0x300C, 1); // poll until 4 s
                c.Label(ref forever);
                c.Hypercall(HypercallNumber.SchedOp, (uint)SchedOp.Poll, 0x3000);
                c.jmp(forever);
            });
        Assert.Equal(DomainExitKind.Watchdog, guest.Exit.Kind);
        Assert.InRange(machine.Board.Now, 1_000_000_000UL, 1_001_000_000UL);
    }

    [Fact]
    public void NobodyToWakeIsIdle()
    {
        using TestMachine machine = new();
        Domain guest = machine.CreateGuest(c => c.Hypercall(HypercallNumber.SchedOp, (uint)SchedOp.Block));
        machine.Unpause(guest);
        Assert.Equal(RunStop.Idle, machine.Xen.Run(Limit));
        Assert.Equal(DomainState.Running, guest.State);
    }

    [Fact]
    public void LimitIsKeptToTheInstruction()
    {
        using TestMachine machine = new();
        Domain guest = machine.CreateGuest(Forever);
        machine.Unpause(guest);
        Assert.Equal(RunStop.InstructionLimit, machine.Xen.Run(123_457));
        Assert.Equal(123_457UL, machine.Board.RetiredInstructions);
        Assert.Equal(123_457UL, guest.Counters.Instructions);
    }

    [Theory]
    [InlineData("none", true)]
    [InlineData("asmi", false)]
    [InlineData("asmi:literal", false)]
    public void RogueXenBetraysOnlyWithoutIsolation(string isolation, bool isBetrayed)
    {
        HypervisorOptions options = new() { Dom0MemoryBytes = 256 << 10, HeapBytes = 4 << 20, Rogue = new RogueOptions(1, 2) };
        using TestMachine machine = new(isolation, options: options);
        Domain victim = machine.CreateGuest(c =>
        {
            Label wait = c.CreateLabel();
            c.Label(ref wait);
            c.inc(ebp);
            c.cmp(ebp, 200_000);
            c.jne(wait);
            c.Print("intact");
            c.Poweroff();
        });
        machine.WriteForeign(victim, 0x5000, "K"u8);
        Domain accomplice = machine.CreateGuest(c =>
        {
            c.mov(al, __byte_ptr[0x4000_5000]);
            c.@out(0xE9, al);
            c.Poweroff();
        });
        machine.Unpause(victim);
        machine.Unpause(accomplice);
        Assert.Equal(RunStop.AllEnded, machine.Xen.Run(Limit));
        Assert.Equal(isBetrayed ? "K" : string.Empty, machine.Console(accomplice.Id).ToString());
        Assert.Equal(isBetrayed ? DomainExitKind.Poweroff : DomainExitKind.IsolationViolation, accomplice.Exit.Kind);
        Assert.Equal("intact", machine.Console(victim.Id).ToString());
        if (!isBetrayed)
        {
            IsolationFault fault = accomplice.Exit.Fault!;
            Assert.Equal((new Gpa(0x4000_5000), new Gva(0x4000_5000), AccessKind.Read), (fault.Gpa, fault.Gva, fault.Kind));
            Assert.Equal((victim.Vmid, accomplice.Vmid), (fault.Owner, fault.Name));
        }
    }

    /// <summary>struct vcpu_hvm_context for flat 32-bit code (xen/include/public/hvm/hvm_vcpu.h).</summary>
    private static void WriteContext(Assembler c, uint at, uint rip)
    {
        uint registers = at + 8;
        c.Store(registers + 16, (uint)TestMachine.StackTop - 0x800); // esp
        c.Store(registers + 32, rip);
        c.Store(registers + 40, 0x11); // cr0: PE, ET
        for (uint segment = 0; segment < 4; segment++)
        {
            c.Store(registers + 84 + (4 * segment), uint.MaxValue); // limits of cs, ds, ss, es
        }

        c.Store(registers + 100, 0x67); // tr
        c.Store(registers + 104, 0x0C9B | (0x0C93 << 16));
        c.Store(registers + 108, 0x0C93 | (0x0C93 << 16));
        c.Store(registers + 112, 0x8B);
    }

    internal static void Forever(Assembler c)
    {
        Label again = c.CreateLabel();
        c.Label(ref again);
        c.inc(eax);
        c.jmp(again);
    }

    private static Domain Run(TestMachine machine, Action<Assembler> program)
    {
        Domain guest = machine.CreateGuest(program);
        machine.Unpause(guest);
        Assert.Equal(RunStop.AllEnded, machine.Xen.Run(Limit));
        return guest;
    }
}
