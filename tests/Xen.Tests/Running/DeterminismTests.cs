using System.Text;

using Iced.Intel;

using Xenolith.Xen.Tests.Support;

using Xunit;

using static Iced.Intel.AssemblerRegisters;

namespace Xenolith.Xen.Tests.Running;

// Method: three guests print their letter again and again; the order of the letters is the interleaving. The same seed must give the
// same string and the same counters twice, another seed another string, and every guest its share.
public class DeterminismTests
{
    [Fact]
    public void SameSeedSameInterleaving()
    {
        string first = Interleave(5);
        Assert.Equal(first, Interleave(5));
        Assert.NotEqual(first, Interleave(6));
        foreach (char letter in "ABC")
        {
            Assert.InRange(first.Split(letter).Length, 40, 120);
        }
    }

    private static string Interleave(ulong seed)
    {
        HypervisorOptions options = new() { Dom0MemoryBytes = 256 << 10, HeapBytes = 4 << 20, SliceInstructions = 1000 };
        using TestMachine machine = new(seed: seed, options: options);
        StringBuilder letters = new();
        machine.Xen.ConsoleOutput = (_, bytes) => letters.Append((char)bytes[0]);
        foreach (char letter in "ABC")
        {
            machine.Unpause(machine.CreateGuest(c => Chant(c, letter)));
        }

        Assert.Equal(RunStop.InstructionLimit, machine.Xen.Run(150_000));
        foreach (Domain domain in machine.Xen.Domains)
        {
            letters.Append(' ').Append(domain.Counters.Instructions).Append('/').Append(domain.Counters.VmEntries);
            letters.Append('/').Append(domain.Counters.Translation.Judged);
        }

        return letters.ToString();
    }

    private static void Chant(Assembler c, char letter)
    {
        Label again = c.CreateLabel();
        Label wait = c.CreateLabel();
        c.Label(ref again);
        c.mov(al, (byte)letter);
        c.@out(0xE9, al);
        c.mov(ecx, 300);
        c.Label(ref wait);
        c.dec(ecx);
        c.jnz(wait);
        c.inc(ebp);
        c.jmp(again);
    }
}
