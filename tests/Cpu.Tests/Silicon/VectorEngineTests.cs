using System;
using System.IO;

using Iced.Intel;

using Xenolith.Oracle.Silicon;

using Xunit;

using static Iced.Intel.AssemblerRegisters;

namespace Xenolith.Cpu.Tests.Silicon;

/// <summary>
/// Method: a loop over every shape of fast vector handler (moves, packed integers, shuffles, shifts, scalar and packed arithmetic, register
/// and memory) runs long enough that handlers which do not end in a jump would use up the host's stack and take the test process with
/// them; its sums are known exactly. A handler that mixes up its registers, or a stack that grows, fails here.
/// </summary>
public sealed class VectorEngineTests
{
    private const int Iterations = 300_000;

    [Fact]
    public void LongLoopOfVectorInstructionsKeepsTheStackFlat()
    {
        SiliconRequest request = default;
        request.Bits = 64;
        request.WindowAddress = MemoryMap.WindowMiddle;
        request.State = MachineState.Default(MemoryMap.Code);
        request.State.SetGeneral(1, Iterations);
        request.State.SetGeneral(6, MemoryMap.WindowMiddle);
        request.State.SetXmm(4, 0, BitConverter.DoubleToUInt64Bits(1.0));
        request.State.SetXmm(4, 1, BitConverter.DoubleToUInt64Bits(0.5));
        request.State.SetXmm(2, 0, 1);
        request.SetCode(Assemble());

        using EmulatedRunner emulated = new();
        SiliconReply reply = emulated.Run(in request, 20L * Iterations);

        Assert.Equal(SiliconReply.EndedAtStop, reply.Vector);
        Assert.Equal((ulong)Iterations, reply.State.Xmm(1, 0));
        Assert.Equal(Iterations, BitConverter.UInt64BitsToDouble(reply.State.Xmm(3, 0)));
        Assert.Equal(Iterations * 0.5, BitConverter.UInt64BitsToDouble(reply.State.Xmm(5, 1)));
        Assert.Equal((ulong)Iterations >> 1 << 32, reply.State.Xmm(6, 0));
    }

    private static byte[] Assemble()
    {
        Assembler code = new(64);
        Label again = code.CreateLabel();
        code.Label(ref again);
        code.movaps(xmm0, xmm1);
        code.paddq(xmm0, xmm2);
        code.movups(__xmmword_ptr[rsi], xmm0);
        code.movdqa(xmm1, __xmmword_ptr[rsi]);
        code.addsd(xmm3, xmm4);
        code.addpd(xmm5, xmm4);
        code.pshufd(xmm6, xmm1, 0b_00_00_00_11);
        code.psrlq(xmm6, 0);
        code.pshufd(xmm6, xmm1, 0b_11_11_00_11);
        code.psrld(xmm6, 1);
        code.dec(ecx);
        code.jne(again);
        using MemoryStream stream = new();
        code.Assemble(new StreamCodeWriter(stream), MemoryMap.Code);
        return stream.ToArray();
    }
}
