using Iced.Intel;

using Xunit;

using static Iced.Intel.AssemblerRegisters;

namespace Xenolith.Machine.Tests;

// Method: programs on one processor of a bare machine take interrupts; time is counted in instructions, so that each figure is exact. An
// interrupt one instruction early or late, one too many, or a halt that is not woken makes it fail.
public sealed class InterruptProgramTests
{
    private const ulong Counter = BareProgram.Data;
    private const ulong Stamp = BareProgram.Data + 8;
    private const long Apic = 0xFEE0_0000;

    [Fact]
    public void ADeadlineWakesAHaltAtItsTick()
    {
        using BareProgram p = new();
        NoteTime(p, 0x40);
        p.Load(a =>
        {
            EnableApic(a);
            Store(a, 0x320, 0x4_0040); // TSC deadline
            a.mov(ecx, 0x6E0);
            a.mov(eax, 5_000_000);
            a.xor(edx, edx);
            a.wrmsr();
            a.sti();
            a.hlt();
            a.cli();
            a.hlt();
        });
        RunResult result = p.Machine.Run(1_000_000);
        Assert.Equal(RunEnd.Halted, result.End);
        Assert.Equal(1UL, p.Word(Counter));
        Assert.Equal(5_000_000UL + 2, p.Word(Stamp)); // the handler's first two instructions come before its RDTSC
        Assert.True(result.Instructions < 100);
    }

    [Fact]
    public void AOneShotTimerInterruptsALoopAtItsInstruction()
    {
        using BareProgram p = new();
        p.Handle(0x40, a =>
        {
            a.cli();
            a.hlt();
        });
        p.Load(a =>
        {
            Label loop = a.CreateLabel();
            EnableApic(a);
            Store(a, 0x3E0, 0xB);
            Store(a, 0x320, 0x40);
            a.xor(ebx, ebx);
            a.sti();
            Store(a, 0x380, 1001);
            a.Label(ref loop);
            a.inc(rbx);
            a.jmp(loop);
        });
        Assert.Equal(RunEnd.Halted, p.Machine.Run(1_000_000).End);
        unsafe
        {
            // The count starts with the store, whose own retirement is the first tick: 1,000 instructions of the loop follow.
            Assert.Equal(500UL, p.State->Gpr[3]);
        }
    }

    [Fact]
    public void TheTimerOfAPcTicksThroughThe8259AndTheIoApic()
    {
        using BareProgram p = new();
        p.Machine.PrepareAsFirmware();
        Count(p, 0x08, eoiPic: true);
        p.CountInterrupts(0x50, Stamp);
        p.Load(a =>
        {
            Out(a, 0x43, 0x34);
            Out(a, 0x40, 0xA9); // 1,193 pulses: a millisecond but for 152 parts in a million
            Out(a, 0x40, 0x04);
            Out(a, 0x21, 0xFE);
            _ = WaitLoop(a, Counter, 10);
            a.cli();
            Out(a, 0x21, 0xFF);
            a.mov(rax, 0xFEC0_0000);
            a.mov(__dword_ptr[rax], 0x14); // pin 2
            a.mov(__dword_ptr[rax + 0x10], 0x50);
            _ = WaitLoop(a, Stamp, 10);
            a.cli();
            a.hlt();
        });
        Assert.Equal(RunEnd.Halted, p.Machine.Run(1_000_000).End);
        Assert.Equal((10UL, 10UL), (p.Word(Counter), p.Word(Stamp)));
        Assert.InRange(p.Machine.Clock.Now, 19_990_000UL, 20_000_000UL);
    }

    [Fact]
    public void TheTimerOfAPcMeasuresTheTimeStampCounter()
    {
        // As kernels calibrate: counter 2 counts 50 ms down in mode 0, its output is polled in port 61H.
        using BareProgram p = new();
        const uint Pulses = 59_659;
        p.Load(a =>
        {
            Label poll = a.CreateLabel();
            Out(a, 0x61, 1);
            Out(a, 0x43, 0xB0);
            Out(a, 0x42, (byte)(Pulses & 0xFF));
            a.mov(al, (byte)(Pulses >> 8));
            a.@out(0x42, al);
            a.rdtsc();
            a.mov(ebx, eax);
            a.Label(ref poll);
            a.@in(al, 0x61);
            a.test(al, 0x20);
            a.jz(poll);
            a.rdtsc();
            a.sub(eax, ebx);
            a.mov(rbx, Counter);
            a.mov(__qword_ptr[rbx], rax);
            a.hlt();
        });
        Assert.Equal(RunEnd.Halted, p.Machine.Run(100_000_000).End);

        // 59,659 pulses and the one that loads the count are 50.0008 ms; polling costs up to three instructions, and the rest a few.
        Assert.InRange(p.Word(Counter), 50_000_000UL, 50_001_700UL);
    }

    [Fact]
    public void NmisWaitForTheIretOfTheFirstAndAreLatchedOnce()
    {
        using BareProgram p = new();
        p.Handle(2, a =>
        {
            Label done = a.CreateLabel();
            a.mov(rbx, Counter);
            a.inc(__qword_ptr[rbx]);
            a.cmp(__qword_ptr[rbx], 1);
            a.jne(done);
            for (int n = 0; n < 5; n++)
            {
                Store(a, 0x300, 0x4_4400); // an NMI to itself
            }

            a.cmp(__qword_ptr[rbx], 1); // none was taken in here
            a.je(done);
            a.mov(__qword_ptr[rbx], 1000);
            a.Label(ref done);
            a.iretq();
        });
        p.Load(a =>
        {
            EnableApic(a);
            Store(a, 0x300, 0x4_4400);
            a.nop();
            a.cli();
            a.hlt();
        });
        Assert.Equal(RunEnd.Halted, p.Machine.Run(10_000).End);
        Assert.Equal(2UL, p.Word(Counter));
    }

    [Fact]
    public void AnNmiWaitsBehindStiAndMovSs()
    {
        foreach (bool isSti in (bool[])[true, false])
        {
            using BareProgram q = new();
            q.Handle(2, a =>
            {
                a.mov(rbx, Counter);
                a.mov(__qword_ptr[rbx], rcx);
                a.iretq();
            });
            q.Load(a =>
            {
                EnableApic(a);
                a.xor(ecx, ecx);
                a.mov(edx, 0x4_4400);
                a.mov(rax, Apic + 0x300);
                a.mov(bx, ss);
                if (isSti)
                {
                    a.sti();
                }
                else
                {
                    a.mov(ss, bx);
                }

                a.mov(__dword_ptr[rax], edx); // the one instruction of the shadow sends it
                a.inc(ecx);
                a.cli();
                a.hlt();
            });
            Assert.Equal(RunEnd.Halted, q.Machine.Run(10_000).End);
            Assert.Equal(0UL, q.Word(Counter)); // taken at the end of the shadow, before INC
        }
    }

    [Fact]
    public void InterruptsComeInTheOrderOfPriorityBehindStiAndItsShadow()
    {
        using BareProgram p = new();
        for (int n = 0; n < 3; n++)
        {
            int vector = 0x40 + (n * 0x10);
            p.Handle(vector, a =>
            {
                a.mov(rbx, Counter);
                a.shl(__qword_ptr[rbx], 8);
                a.or(__qword_ptr[rbx], vector);
                Store(a, 0xB0, 0);
                a.iretq();
            });
        }

        p.Load(a =>
        {
            a.xor(r8d, r8d);
            EnableApic(a);
            Store(a, 0x300, 0x4_0040);
            Store(a, 0x300, 0x4_0050);
            Store(a, 0x300, 0x4_0060);
            a.mov(rcx, 5);
            a.mov(cr8, rcx); // 50H and below wait
            a.sti();
            a.inc(r8d); // the shadow: runs before the first
            a.inc(r8d);
            a.xor(ecx, ecx);
            a.mov(cr8, rcx);
            a.nop();
            a.cli();
            a.hlt();
        });
        Assert.Equal(RunEnd.Halted, p.Machine.Run(10_000).End);
        Assert.Equal(0x60_5040UL, p.Word(Counter));
    }

    [Fact]
    public void X2ApicModeSendsToItselfAndHasNoPage()
    {
        using BareProgram p = new();
        p.Handle(0x40, a =>
        {
            a.mov(rbx, Counter);
            a.inc(__qword_ptr[rbx]);
            a.mov(ecx, 0x80B);
            a.xor(eax, eax);
            a.xor(edx, edx);
            a.wrmsr();
            a.iretq();
        });
        p.Load(a =>
        {
            EnableApic(a);
            Msr(a, 0x1B, 0xFEE0_0D00);
            a.sti();
            Msr(a, 0x83F, 0x40);
            Msr(a, 0x83F, 0x40);
            a.mov(rax, Apic);
            a.mov(ecx, __dword_ptr[rax + 0x30]);
            a.mov(__qword_ptr[rbx + 8], rcx);
            a.cli();
            a.hlt();
        });
        Assert.Equal(RunEnd.Halted, p.Machine.Run(10_000).End);
        Assert.Equal((2UL, 0xFFFF_FFFFUL), (p.Word(Counter), p.Word(Counter + 8)));
    }

    [Fact]
    public void AReservedBitOfAnX2ApicRegisterFaults()
    {
        using BareProgram p = new();
        p.Handle(13, a =>
        {
            a.mov(rbx, Counter);
            a.inc(__qword_ptr[rbx]);
            a.hlt();
        });
        p.Load(a =>
        {
            Msr(a, 0x1B, 0xFEE0_0D00);
            Msr(a, 0x808, 0x100);
        });
        Assert.Equal(RunEnd.Halted, p.Machine.Run(10_000).End);
        Assert.Equal(1UL, p.Word(Counter));
    }

    [Fact]
    public void TheLocalApicsPageMoves()
    {
        using BareProgram p = new();
        p.Load(a =>
        {
            Msr(a, 0x1B, 0xFED4_0900);
            a.mov(rbx, Counter);
            a.mov(rax, 0xFED4_0000);
            a.mov(ecx, __dword_ptr[rax + 0x30]);
            a.mov(__dword_ptr[rbx], ecx);
            a.mov(rax, Apic);
            a.mov(ecx, __dword_ptr[rax + 0x30]);
            a.mov(__dword_ptr[rbx + 4], ecx);
            a.mov(rdi, Counter + 0x1000);
            a.mov(ecx, __dword_ptr[rdi + 0x30]);
            a.mov(__qword_ptr[rbx + 0x10], rcx);
            Msr(a, 0x1B, 0x0010_1900); // over RAM that was read before
            a.mov(ecx, __dword_ptr[rdi + 0x30]);
            a.mov(__dword_ptr[rbx + 8], ecx);
            a.hlt();
        });
        p.Word(Counter + 0x1030) = 0x1234;
        Assert.Equal(RunEnd.Halted, p.Machine.Run(10_000).End);
        Assert.Equal((0xFFFF_FFFF_0105_0014UL, 0x0105_0014UL, 0x1234UL), (p.Word(Counter), p.Word(Counter + 8), p.Word(Counter + 0x10)));
    }

    [Fact]
    public void CharactersWakeAHaltedProgram()
    {
        using BareProgram p = new();
        p.Machine.PrepareAsFirmware();
        p.Handle(0x0C, a =>
        {
            a.mov(dx, 0x3F8);
            a.@in(al, dx);
            a.@out(dx, al);
            Out(a, 0x20, 0x20);
            a.iretq();
        });
        p.Load(a =>
        {
            Label loop = a.CreateLabel();
            Out(a, 0x21, 0xEF);
            a.mov(dx, 0x3F9);
            a.mov(al, (byte)1);
            a.@out(dx, al);
            a.mov(dx, 0x3FC);
            a.mov(al, (byte)8);
            a.@out(dx, al);
            a.sti();
            a.Label(ref loop);
            a.hlt();
            a.jmp(loop);
        });
        string echo = string.Empty;
        p.Machine.Serial.Output = b => echo += (char)b;
        Assert.Equal(RunEnd.Idle, p.Machine.Run(1_000_000).End);
        p.Machine.Serial.Enqueue("abc"u8);
        Assert.Equal(RunEnd.Idle, p.Machine.Run(1_000_000).End);
        Assert.Equal("abc", echo);
    }

    [Theory]
    [InlineData(0x64, 0xFE, RunEnd.Reset)]
    [InlineData(0x92, 0x03, RunEnd.Reset)]
    public void ResetsComeThroughPorts(byte port, byte value, RunEnd expected)
    {
        using BareProgram p = new();
        p.Load(a =>
        {
            Out(a, port, value);
            a.hlt();
        });
        Assert.Equal(expected, p.Machine.Run(1000).End);
        p.Machine.Reset();
        unsafe
        {
            Assert.Equal((0xFFF0UL, 0xFFFF_0000UL), (p.State->Rip, p.State->Segments[1].Base));
        }
    }

    [Fact]
    public void PowerGoesOffAndTripleFaultsShutDown()
    {
        using BareProgram p = new();
        p.Machine.PrepareAsFirmware();
        p.Load(a =>
        {
            a.mov(dx, 0x604);
            a.mov(ax, 0x2001);
            a.@out(dx, ax);
            a.hlt();
        });
        Assert.Equal(RunEnd.PowerOff, p.Machine.Run(1000).End);

        using BareProgram q = new();
        q.Word(BareProgram.Idt + (6 * 16)) = 0;
        q.Word(BareProgram.Idt + (13 * 16)) = 0;
        q.Word(BareProgram.Idt + (11 * 16)) = 0;
        q.Word(BareProgram.Idt + (8 * 16)) = 0;
        q.Load(a => a.ud2());
        Assert.Equal(RunEnd.Shutdown, q.Machine.Run(1000).End);
    }

    /// <summary>A handler that counts, and stores the time-stamp counter.</summary>
    private static void NoteTime(BareProgram p, int vector) => p.Handle(vector, a =>
    {
        a.mov(rbx, Counter);
        a.inc(__qword_ptr[rbx]);
        a.rdtsc();
        a.mov(__dword_ptr[rbx + 8], eax);
        Store(a, 0xB0, 0);
        a.iretq();
    });

    private static void Count(BareProgram p, int vector, bool eoiPic) => p.Handle(vector, a =>
    {
        a.push(rax);
        a.mov(rax, Counter);
        a.inc(__qword_ptr[rax]);
        if (eoiPic)
        {
            Out(a, 0x20, 0x20);
        }

        a.pop(rax);
        a.iretq();
    });

    private static Label WaitLoop(Assembler a, ulong counter, int count)
    {
        Label loop = a.CreateLabel();
        a.mov(rbx, counter);
        a.Label(ref loop);
        a.sti();
        a.hlt();
        a.cmp(__qword_ptr[rbx], count);
        a.jb(loop);
        return loop;
    }

    private static void EnableApic(Assembler a) => Store(a, 0xF0, 0x1FF);

    private static void Store(Assembler a, uint register, uint value)
    {
        a.mov(rax, Apic + register);
        a.mov(__dword_ptr[rax], value);
    }

    private static void Msr(Assembler a, uint msr, uint value)
    {
        a.mov(ecx, msr);
        a.mov(eax, value);
        a.xor(edx, edx);
        a.wrmsr();
    }

    private static void Out(Assembler a, byte port, byte value)
    {
        a.mov(al, value);
        a.@out(port, al);
    }
}
