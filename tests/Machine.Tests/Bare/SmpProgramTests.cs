using System.Linq;

using Iced.Intel;

using Xenolith.Cpu;

using Xunit;

using static Iced.Intel.AssemblerRegisters;

namespace Xenolith.Machine.Tests;

// Method: programs on several processors of a bare machine, which start by INIT and startup messages in real-address mode. A processor
// that does not start or starts where it should not, an increment that is lost under LOCK, an interrupt at the wrong processor, code that
// runs stale after another processor changed it, or two runs that differ for one seed make it fail.
public sealed class SmpProgramTests
{
    private const ulong Counter = BareProgram.Data;
    private const long Apic = 0xFEE0_0000;
    private const ulong Trampoline = 0x8000;
    private const ulong ApEntry = 0x1_7F00;
    private const ulong ApCode = 0x1_8000;

    [Theory]
    [InlineData(2)]
    [InlineData(8)]
    public void ProcessorsStartAndCountUnderLock(int count)
    {
        using BareProgram p = Smp(count);
        p.Load(
            a =>
            {
                Label loop = a.CreateLabel();
                a.mov(ecx, 1000);
                a.Label(ref loop);
                a.@lock.inc(__qword_ptr[rbx]);
                a.dec(ecx);
                a.jnz(loop);
                a.@lock.inc(__qword_ptr[rbx + 8]);
                a.cli();
                a.hlt();
            },
            ApCode);
        p.Load(a =>
        {
            StartOthers(a);
            WaitFor(a, Counter + 8, count - 1);
            a.hlt();
        });
        RunResult result = p.Machine.Run(10_000_000);
        Assert.Equal(RunEnd.Halted, result.End);
        Assert.Equal((1000UL * (ulong)(count - 1), (ulong)(count - 1)), (p.Word(Counter), p.Word(Counter + 8)));
    }

    [Fact]
    public void EachProcessorHasItsIdentity()
    {
        using BareProgram p = Smp(4);
        p.Load(
            a =>
            {
                // The id by CPUID 1, CPUID 0BH, and the page, each into the processor's own place.
                a.mov(eax, 1);
                a.cpuid();
                a.shr(ebx, 24);
                a.mov(esi, ebx);
                a.mov(eax, 0xB);
                a.mov(ecx, 1);
                a.cpuid();
                a.shl(esi, 8);
                a.or(esi, edx);
                a.shl(esi, 8);
                a.or(esi, ebx); // processors in the package
                a.mov(rdi, Apic);
                a.mov(edi, __dword_ptr[rdi + 0x20]);
                a.shr(edi, 24);
                a.mov(rbx, Counter);
                a.mov(__qword_ptr[rbx + (rdi * 8) + 0x100], rsi);
                a.@lock.inc(__qword_ptr[rbx + 8]);
                a.cli();
                a.hlt();
            },
            ApCode);
        p.Load(a =>
        {
            StartOthers(a);
            WaitFor(a, Counter + 8, 3);
            a.hlt();
        });
        Assert.Equal(RunEnd.Halted, p.Machine.Run(10_000_000).End);
        for (ulong id = 1; id < 4; id++)
        {
            Assert.Equal((id << 16) | (id << 8) | 4, p.Word(Counter + 0x100 + (id * 8)));
        }
    }

    [Fact]
    public void InterruptsWakeHaltedProcessors()
    {
        using BareProgram p = Smp(3);
        p.CountInterrupts(0x44, Counter + 0x20);
        p.Load(
            a =>
            {
                Label loop = a.CreateLabel();
                a.mov(rax, Apic);
                a.mov(__dword_ptr[rax + 0xF0], 0x1FF);
                a.@lock.inc(__qword_ptr[rbx + 8]);
                a.sti();
                a.Label(ref loop);
                a.hlt();
                a.@lock.inc(__qword_ptr[rbx + 0x10]);
                a.jmp(loop);
            },
            ApCode);
        p.Load(a =>
        {
            StartOthers(a);
            WaitFor(a, Counter + 8, 2);
            a.mov(rax, Apic);
            for (int n = 1; n <= 4; n++)
            {
                a.mov(rax, Apic);
                a.mov(__dword_ptr[rax + 0x300], 0xC_4044); // to all others
                WaitFor(a, Counter + 0x10, 2 * n);
            }

            a.hlt();
        });
        RunResult result = p.Machine.Run(10_000_000);
        Assert.Equal(RunEnd.Idle, result.End); // two wait for interrupts, with nobody to send any
        Assert.Equal(8UL, p.Word(Counter + 0x20));
    }

    [Fact]
    public void ASpinningProcessorGivesItsTurnAway()
    {
        using BareProgram p = Smp(2);
        const int Work = 200_000;
        p.Load(
            a =>
            {
                Label loop = a.CreateLabel();
                a.mov(ecx, Work);
                a.Label(ref loop);
                a.dec(ecx);
                a.jnz(loop);
                a.@lock.inc(__qword_ptr[rbx + 8]);
                a.cli();
                a.hlt();
            },
            ApCode);
        p.Load(a =>
        {
            StartOthers(a);
            WaitFor(a, Counter + 8, 1); // spins on PAUSE
            a.hlt();
        });
        RunResult result = p.Machine.Run(100_000_000);
        Assert.Equal(RunEnd.Halted, result.End);
        Assert.InRange(result.Instructions, 2UL * Work, (2UL * Work) + 10_000);
    }

    [Fact]
    public void CodeThatAnotherProcessorChangesIsNotStale()
    {
        using BareProgram p = Smp(2);
        p.Load(a => a.mov(eax, 1), 0x1_9000);
        p.Load(a => a.ret(), 0x1_9005);
        p.Load(
            a =>
            {
                Label loop = a.CreateLabel();
                a.mov(rdi, 0x1_9000);
                a.mov(r8, Counter);
                a.Label(ref loop);
                a.call(rdi);
                a.mov(__dword_ptr[r8 + 8], eax);
                a.cmp(eax, 7);
                a.jne(loop);
                a.cli();
                a.hlt();
            },
            ApCode);
        p.Load(a =>
        {
            StartOthers(a);
            WaitFor(a, Counter + 8, 1);
            a.mov(rdi, 0x1_9001);
            a.mov(__byte_ptr[rdi], 7);
            WaitFor(a, Counter + 8, 7);
            a.hlt();
        });
        Assert.Equal(RunEnd.Halted, p.Machine.Run(10_000_000).End);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void MwaitEndsWithAStoreOrAnInterrupt(bool byStore)
    {
        using BareProgram p = Smp(2);
        p.CountInterrupts(0x44, Counter + 0x20);
        p.Load(
            a =>
            {
                Label loop = a.CreateLabel();
                a.mov(rax, Apic);
                a.mov(__dword_ptr[rax + 0xF0], 0x1FF);
                a.@lock.inc(__qword_ptr[rbx + 8]);
                a.sti();
                a.Label(ref loop);
                a.mov(rax, Counter + 0x1000);
                a.xor(ecx, ecx);
                a.xor(edx, edx);
                a.monitor();
                a.xor(eax, eax);
                a.mwait();
                a.@lock.inc(__qword_ptr[rbx + 0x10]);
                a.jmp(loop);
            },
            ApCode);
        p.Load(a =>
        {
            Label wait = a.CreateLabel();
            StartOthers(a);
            WaitFor(a, Counter + 8, 1);
            a.mov(ecx, 100_000);
            a.Label(ref wait);
            a.dec(ecx);
            a.jnz(wait);
            a.mov(rax, byStore ? (long)Counter + 0x1020 : Apic + 0x300);
            a.mov(__dword_ptr[rax], 0xC_4044);
            WaitFor(a, Counter + 0x10, 1);
            a.hlt();
        });
        RunResult result = p.Machine.Run(10_000_000);
        Assert.Equal(RunEnd.Idle, result.End);
        Assert.Equal((1UL, byStore ? 0UL : 1UL), (p.Word(Counter + 0x10), p.Word(Counter + 0x20)));
        Assert.True(p.Machine.Processors[1].RetiredInstructions < 200);
    }

    [Fact]
    public void InitStopsAProcessorAndStartupStartsItAnew()
    {
        using BareProgram p = Smp(2);
        p.Load(
            a =>
            {
                Label loop = a.CreateLabel();
                a.@lock.inc(__qword_ptr[rbx + 8]);
                a.Label(ref loop);
                a.inc(__qword_ptr[rbx + 0x10]);
                a.jmp(loop);
            },
            ApCode);
        p.Load(a =>
        {
            Label wait = a.CreateLabel();
            StartOthers(a);
            WaitFor(a, Counter + 8, 1);
            StartOthers(a);
            WaitFor(a, Counter + 8, 2);
            a.mov(rax, Apic);
            a.mov(__dword_ptr[rax + 0x300], 0xC_4608); // a startup message to one that runs is lost
            a.mov(ecx, 100_000);
            a.Label(ref wait);
            a.dec(ecx);
            a.jnz(wait);
            a.mov(__dword_ptr[rax + 0x300], 0xC_4500); // INIT: it waits
            a.hlt();
        });
        Assert.Equal(RunEnd.Halted, p.Machine.Run(10_000_000).End);
        Assert.Equal(2UL, p.Word(Counter + 8));
        unsafe
        {
            Assert.Equal(ActivityState.WaitForSipi, p.Machine.Processors[1].State->Activity);
        }
    }

    [Fact]
    public void OneSeedGivesOneRun()
    {
        ulong[] first = Race(1);
        Assert.Equal(first, Race(1));
        Assert.NotEqual(first, Race(2));
    }

    /// <summary>Four processors increment a word without LOCK: what is lost depends on how their turns fall.</summary>
    private static ulong[] Race(ulong seed)
    {
        using BareProgram p = new(new BareMachineOptions { MemoryBytes = 16 << 20, Processors = 4, Seed = seed, SliceInstructions = 50 });
        LoadTrampoline(p);
        p.Load(
            a =>
            {
                Label loop = a.CreateLabel();
                a.mov(ecx, 1000);
                a.Label(ref loop);
                a.mov(rax, __qword_ptr[rbx]);
                a.inc(rax);
                a.mov(__qword_ptr[rbx], rax);
                a.dec(ecx);
                a.jnz(loop);
                a.@lock.inc(__qword_ptr[rbx + 8]);
                a.cli();
                a.hlt();
            },
            ApCode);
        p.Load(a =>
        {
            StartOthers(a);
            WaitFor(a, Counter + 8, 3);
            a.hlt();
        });
        RunResult result = p.Machine.Run(10_000_000);
        Assert.Equal(RunEnd.Halted, result.End);
        return [p.Word(Counter), result.Instructions, .. p.Machine.Processors.Select(processor => processor.RetiredInstructions)];
    }

    private static BareProgram Smp(int count)
    {
        BareProgram p = new(new BareMachineOptions { MemoryBytes = 16 << 20, Processors = count });
        LoadTrampoline(p);
        return p;
    }

    /// <summary>Real-address mode to 64-bit mode at <see cref="ApCode"/>, with RBX at the counters.</summary>
    private static void LoadTrampoline(BareProgram p)
    {
        const ulong Pointers = Trampoline + 0x100;
        p.Word(Pointers) = 23 | (BareProgram.Gdt << 16);
        p.Word(Pointers + 8) = 0xFFF | (BareProgram.Idt << 16);
        p.Load(
            a =>
            {
                a.mov(ax, cs);
                a.mov(ds, ax);
                a.lgdt(__[0x100]);
                a.lidt(__[0x108]);
                a.mov(eax, (1 << 5) | (1 << 9));
                a.mov(cr4, eax);
                a.mov(eax, (uint)BareProgram.Tables);
                a.mov(cr3, eax);
                a.mov(ecx, 0xC000_0080);
                a.rdmsr();
                a.or(eax, 0x100);
                a.wrmsr();
                a.mov(eax, cr0);
                a.or(eax, 0x8000_0001);
                a.mov(cr0, eax);
                a.db(0x66, 0xEA, 0x00, 0x7F, 0x01, 0x00, 0x08, 0x00); // JMP 0008:00017F00
            },
            Trampoline,
            bits: 16);
        p.Load(
            a =>
            {
                a.mov(ax, 16);
                a.mov(ss, ax);
                a.mov(rsp, 0x7_0000);
                a.mov(rbx, 0x1000);
                a.@lock.xadd(__qword_ptr[BareProgram.Data + 0x40], rbx); // a stack of its own
                a.sub(rsp, rbx);
                a.mov(rbx, Counter);
                a.jmp(ApCode);
            },
            ApEntry);
    }

    private static void StartOthers(Assembler a)
    {
        a.mov(rax, Apic);
        a.mov(__dword_ptr[rax + 0xF0], 0x1FF);
        a.mov(__dword_ptr[rax + 0x300], 0xC_4500);
        a.mov(__dword_ptr[rax + 0x300], 0xC_4600 | (uint)(Trampoline >> 12));
        a.mov(__dword_ptr[rax + 0x300], 0xC_4600 | (uint)(Trampoline >> 12));
    }

    private static void WaitFor(Assembler a, ulong address, int value)
    {
        Label loop = a.CreateLabel();
        Label done = a.CreateLabel();
        a.mov(rsi, address);
        a.Label(ref loop);
        a.cmp(__qword_ptr[rsi], value);
        a.jae(done);
        a.pause();
        a.jmp(loop);
        a.Label(ref done);
        a.nop();
    }
}
