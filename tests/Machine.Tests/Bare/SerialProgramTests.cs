using System.Text;

using Xunit;

using static Iced.Intel.AssemblerRegisters;

namespace Xenolith.Machine.Tests;

// Method: programs talk through COM1 of a bare machine. Output that is lost or comes late, input that does not wake a halted program, or
// a run that does not say how it ended makes it fail.
public sealed class SerialProgramTests
{
    [Fact]
    public void OutputComesAndTheHaltIsNoticed()
    {
        using BareProgram p = new();
        StringBuilder text = new();
        p.Machine.Serial.Output = b => text.Append((char)b);
        p.Load(a =>
        {
            a.mov(dx, 0x3F8);
            foreach (char c in "hello")
            {
                a.mov(al, (byte)c);
                a.@out(dx, al);
            }

            a.cli();
            a.hlt();
        });
        RunResult result = p.Machine.Run(1000);
        Assert.Equal((RunEnd.Halted, 13UL), (result.End, result.Instructions));
        Assert.Equal("hello", text.ToString());
    }

    [Fact]
    public void TheLimitIsExact()
    {
        using BareProgram p = new();
        p.Load(a =>
        {
            Iced.Intel.Label loop = a.CreateLabel();
            a.Label(ref loop);
            a.inc(rax);
            a.jmp(loop);
        });
        RunResult result = p.Machine.Run(12345);
        Assert.Equal((RunEnd.Limit, 12345UL, 12345UL), (result.End, result.Instructions, p.Machine.Clock.Now));
        Assert.Equal(7UL, p.Machine.Run(7).Instructions);
    }
}
