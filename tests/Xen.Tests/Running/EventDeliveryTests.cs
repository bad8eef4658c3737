using Iced.Intel;

using Xenolith.Xen.Abi;
using Xenolith.Xen.Tests.Support;

using Xunit;

using static Iced.Intel.AssemblerRegisters;

namespace Xenolith.Xen.Tests.Running;

// Method: a guest with an IDT of its own takes its timer's events as interrupts, counts them and tells. An upcall that comes with
// interrupts off, that comes again after it was handled, that is lost, or that breaks the interrupted code makes it fail.
public class EventDeliveryTests
{
    private const uint Idt = 0x6000;
    private const uint Gdt = 0x6800;
    private const byte Vector = 0x40;
    private const uint SharedInfoPage = 0x4_0000;
    private const uint HandlerAddress = 0x1_8000;

    [Theory]
    [InlineData("none")]
    [InlineData("asmi")]
    public void PeriodicTimerInterrupts(string isolation)
    {
        using TestMachine machine = new(isolation);
        Domain guest = CreateTimerGuest(machine, halts: true);
        machine.Unpause(guest);
        Assert.Equal(RunStop.AllEnded, machine.Xen.Run(5_000_000));
        Assert.Equal("ttttt.", machine.Console(guest.Id).ToString());
        Assert.InRange(machine.Board.Now, 5_000_000UL, 5_100_000UL); // five periods of 1 ms, nearly all of it asleep
    }

    [Fact]
    public void BusyGuestIsInterruptedToo()
    {
        using TestMachine machine = new();
        Domain guest = CreateTimerGuest(machine, halts: false);
        machine.Unpause(guest);
        Assert.Equal(RunStop.AllEnded, machine.Xen.Run(20_000_000));
        Assert.Equal("ttttt.", machine.Console(guest.Id).ToString());
    }

    [Fact]
    public void WithoutSharingNoEventArrives()
    {
        // The literal profile has no shared pages: Xen may not set the pending bits, and counts that (docs/asmi.md, G17).
        using TestMachine machine = new("asmi:literal");
        Domain guest = CreateTimerGuest(machine, halts: false);
        machine.Unpause(guest);
        Assert.Equal(RunStop.InstructionLimit, machine.Xen.Run(3_000_000));
        Assert.Equal(string.Empty, machine.Console(guest.Id).ToString());
        Assert.True(guest.Counters.RefusedXenWrites > 0);
    }

    private static Domain CreateTimerGuest(TestMachine machine, bool halts)
    {
        Domain guest = machine.CreateGuest(c => TimerGuest(c, halts));
        machine.WriteForeign(guest, HandlerAddress, TestMachine.Assemble(Handler));
        HvmHwCpu cpu = VcpuState.FlatProtectedMode();
        cpu.Rip = TestMachine.CodeAddress;
        cpu.Rsp = TestMachine.StackTop;
        cpu.CsSel = 8; // what IRET finds in the guest's GDT
        cpu.SsSel = cpu.DsSel = cpu.EsSel = 16;
        machine.SetRegisters(guest, in cpu);
        return guest;
    }

    private static void TimerGuest(Assembler c, bool halts)
    {
        Label loop = c.CreateLabel();
        WriteTables(c);

        // HVM_PARAM_CALLBACK_IRQ: vector.
        c.Store(0x3000, DomId.Self);
        c.Store(0x3004, (uint)HvmParam.CallbackIrq);
        c.Store(0x3008, Vector);
        c.Store(0x300C, 2u << 24);
        c.Hypercall(HypercallNumber.HvmOp, (uint)HvmOp.SetParam, 0x3000);

        c.Store(0x3000, DomId.Self);
        c.Store(0x3004, (uint)XenMapSpace.SharedInfo);
        c.Store(0x3008, 0);
        c.Store(0x300C, SharedInfoPage >> 12);
        c.Hypercall(HypercallNumber.MemoryOp, (uint)XenMem.AddToPhysmap, 0x3000);

        c.Store(0x3000, (uint)Virq.Timer);
        c.Store(0x3004, 0);
        c.Hypercall(HypercallNumber.EventChannelOp, (uint)EvtchnOp.BindVirq, 0x3000);
        c.Store(0x3000, 1_000_000);
        c.Store(0x3004, 0);
        c.Hypercall(HypercallNumber.VcpuOp, (uint)VcpuOp.SetPeriodicTimer, 0, 0x3000);

        c.xor(ebp, ebp); // interrupts seen
        c.sti();
        c.Label(ref loop);
        if (halts)
        {
            c.hlt();
        }

        c.inc(esi);
        c.cmp(ebp, 5);
        c.jb(loop);
        c.cli();
        c.Print(".");
        c.Poweroff();
    }

    /// <summary>The upcall: takes flag, selector and port back, says so, and leaves the interrupted code's registers alone.</summary>
    private static void Handler(Assembler c)
    {
        c.push(eax);
        c.inc(ebp);
        c.mov(__byte_ptr[SharedInfoPage], 0);
        c.Store(SharedInfoPage + 4, 0);
        c.Store(SharedInfoPage + 2048, 0);
        c.Print("t");
        c.pop(eax);
        c.iretd();
    }

    /// <summary>A GDT with flat code and data, and an IDT with one interrupt gate.</summary>
    private static void WriteTables(Assembler c)
    {
        c.Store(Gdt, 0);
        c.Store(Gdt + 4, 0);
        c.Store(Gdt + 8, 0x0000_FFFF);
        c.Store(Gdt + 12, 0x00CF_9B00);
        c.Store(Gdt + 16, 0x0000_FFFF);
        c.Store(Gdt + 20, 0x00CF_9300);
        c.Store(0x6900, 23 | (Gdt << 16));
        c.Store(0x6904, Gdt >> 16);
        c.lgdt(__fword_ptr[0x6900]);
        c.Store(Idt + (Vector * 8), (HandlerAddress & 0xFFFF) | (8 << 16));
        c.Store(Idt + (Vector * 8) + 4, (HandlerAddress & 0xFFFF_0000) | 0x8E00);
        c.Store(0x6910, 0x7FF | (Idt << 16));
        c.Store(0x6914, Idt >> 16);
        c.lidt(__fword_ptr[0x6910]);
    }
}
