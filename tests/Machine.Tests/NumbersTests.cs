using System;
using System.IO;
using System.Text;

using Xenolith.Machine;
using Xenolith.Shared;

using Xunit;

namespace Xenolith.Machine.Tests;

// Method: a program of 30 KiB, compiled by gcc -O2 -mavx2 -mfma, computes with libm-like functions, vectors, the x87 and integers of 128
// bits, and writes what it finds as text. The committed text is what a real processor answered to the same object files
// (images/numbers). One bit of any result that differs makes it fail.
public sealed class NumbersTests
{
    [Fact]
    public void AProgramForAvx2AnswersAsARealProcessorDoes()
    {
        const ulong Buffer = 0x1000_0000;
        UserProgram program = new()
        {
            Base = 0x40_0000,
            Code = File.ReadAllBytes(Repository.Image("numbers/numbers.bin")),
            Limit = 100_000_000,
        };
        program.Maps.Add((program.Base, 1 << 20));
        program.Maps.Add((Buffer, 2 << 20));
        program.Registers.General[7] = Buffer;
        program.Registers.General[4] = Buffer + (2 << 20);
        using UserMachine machine = new();
        UserResult result = machine.Run(program);
        Assert.Equal(UserStop.Hlt, result.Stop);
        byte[] text = new byte[result.Registers.General[0]];
        Assert.True(machine.TryRead(Buffer, text));
        Assert.Equal(File.ReadAllText(Repository.Image("numbers/numbers.txt")), Encoding.ASCII.GetString(text));
    }
}
