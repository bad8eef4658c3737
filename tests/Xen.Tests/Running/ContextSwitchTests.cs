using Iced.Intel;

using Xenolith.Xen.Tests.Support;

using Xunit;

using static Iced.Intel.AssemblerRegisters;

namespace Xenolith.Xen.Tests.Running;

// Method: guests that differ in one number keep it in every kind of register that VM entries do not switch, and check it over hundreds of
// switches. A register that Xen forgets to save, or gives to the wrong guest, makes one of them tell.
public class ContextSwitchTests
{
    [Fact]
    public void RegistersSurviveOtherGuests()
    {
        HypervisorOptions options = new() { Dom0MemoryBytes = 256 << 10, HeapBytes = 4 << 20, SliceInstructions = 500 };
        using TestMachine machine = new(options: options);
        Domain[] guests = [Create(machine, 0x1111_1111), Create(machine, 0x2222_2222), Create(machine, 0x3333_3333)];
        Assert.Equal(RunStop.AllEnded, machine.Xen.Run(10_000_000));
        foreach (Domain guest in guests)
        {
            Assert.Equal("same", machine.Console(guest.Id).ToString());
            Assert.True(guest.Counters.VmEntries > 100, $"only {guest.Counters.VmEntries} entries");
        }
    }

    private static Domain Create(TestMachine machine, uint number)
    {
        Domain guest = machine.CreateGuest(c => Program(c, number));
        machine.Unpause(guest);
        return guest;
    }

    private static void Program(Assembler c, uint number)
    {
        const int KernelGsBase = unchecked((int)0xC000_0102);
        Label again = c.CreateLabel();
        Label wrong = c.CreateLabel();
        c.mov(eax, cr4);
        c.or(eax, 0x600); // OSFXSR, OSXMMEXCPT
        c.mov(cr4, eax);
        c.mov(eax, number);
        c.movd(xmm0, eax);
        c.movd(xmm7, eax);
        c.mov(cr2, eax);
        c.mov(dr0, eax);
        c.mov(ecx, KernelGsBase);
        c.xor(edx, edx);
        c.wrmsr();
        c.mov(esi, eax);
        c.mov(ebp, 5000);
        c.Label(ref again);
        c.movd(eax, xmm0);
        c.cmp(eax, esi);
        c.jne(wrong);
        c.movd(eax, xmm7);
        c.cmp(eax, esi);
        c.jne(wrong);
        c.mov(eax, cr2);
        c.cmp(eax, esi);
        c.jne(wrong);
        c.mov(eax, dr0);
        c.cmp(eax, esi);
        c.jne(wrong);
        c.mov(ecx, KernelGsBase);
        c.rdmsr();
        c.cmp(eax, esi);
        c.jne(wrong);
        c.cmp(esi, number);
        c.jne(wrong);
        c.dec(ebp);
        c.jnz(again);
        c.Print("same");
        c.Poweroff();
        c.Label(ref wrong);
        c.Print("wrong");
        c.Poweroff();
    }
}
