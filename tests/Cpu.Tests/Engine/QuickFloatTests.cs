using System;
using System.IO;

using Iced.Intel;

using Xunit;

using static Iced.Intel.AssemblerRegisters;

namespace Xenolith.Cpu.Tests;

/// <summary>
/// Every quick form of SSE arithmetic on every pair of edge operands (zeros, both sides of the denormals, ones, halves of the integer
/// ranges, infinities, NaNs) under several MXCSR, against the careful engine, which computes exactly. It fails when the quick form takes a
/// case in which the host's result, or a flag, differs.
/// </summary>
public sealed unsafe class QuickFloatTests
{
    private static readonly uint[] ControlWords = [0x1FA0, 0x1F80, 0x9FE0];

    private static readonly ulong[] Doubles =
    [
        0, 0x8000_0000_0000_0000, 1, 0x000F_FFFF_FFFF_FFFF, 0x0010_0000_0000_0000, 0x8010_0000_0000_0001, 0x0020_0000_0000_0000,
        0x1FF0_0000_0000_0001, 0x2000_0000_0000_0000, 0x3CA0_0000_0000_0000, 0x3FE0_0000_0000_0000, 0x3FF0_0000_0000_0000, 0xBFF0_0000_0000_0001,
        0x4009_21FB_5444_2D18, 0x41DF_FFFF_FFC0_0000, 0xC1E0_0000_0000_0000, 0x41E0_0000_0000_0000, 0x4340_0000_0000_0001, 0x43DF_FFFF_FFFF_FFFF,
        0xC3E0_0000_0000_0000, 0x47EF_FFFF_E000_0000, 0x7FEF_FFFF_FFFF_FFFF, 0x7FF0_0000_0000_0000, 0xFFF0_0000_0000_0000,
        0x7FF8_0000_0000_0000, 0x7FF0_0000_0000_0001, 0x380F_FFFF_FFFF_FFFF, 0x3810_0000_0000_0000,
    ];

    private static readonly uint[] Singles =
    [
        0, 0x8000_0000, 1, 0x007F_FFFF, 0x0080_0000, 0x8080_0001, 0x0100_0000, 0x2000_0001, 0x3300_0000, 0x3F00_0000, 0x3F80_0000, 0xBF80_0001,
        0x4049_0FDB, 0x4EFF_FFFF, 0xCF00_0000, 0x4F00_0000, 0x4B80_0001, 0x5EFF_FFFF, 0xDF00_0000, 0x7F7F_FFFF, 0x7F80_0000, 0xFF80_0000,
        0x7FC0_0000, 0x7F80_0001,
    ];

    [Fact]
    public void QuickArithmeticIsExact()
    {
        using FlatMachine quick = Prepare(isCareful: false);
        using FlatMachine careful = Prepare(isCareful: true);
        int count = LoadAll(quick);
        Assert.Equal(count, LoadAll(careful));
        foreach (uint control in ControlWords)
        {
            for (int a = 0; a < Doubles.Length; a++)
            {
                for (int b = 0; b < Doubles.Length; b++)
                {
                    for (int n = 0; n < count; n++)
                    {
                        Result expected = RunOne(careful, n, control, a, b);
                        Result found = RunOne(quick, n, control, a, b);
                        if (expected != found)
                        {
                            Assert.Fail($"program {n}, MXCSR {control:x}, operands {a} and {b}: {expected} {found}");
                        }
                    }
                }
            }
        }
    }

    private static FlatMachine Prepare(bool isCareful)
    {
        FlatMachine machine = new();
        machine.State->Paging.Cr4 |= 0x600;
        machine.Processor.UseCarefulEngine = isCareful;
        machine.Processor.RefreshMode();
        return machine;
    }

    /// <summary>One instruction every 16 bytes: doubles first, then singles.</summary>
    private static int LoadAll(FlatMachine machine)
    {
        Action<Assembler>[] programs =
        [
            c => c.addsd(xmm0, xmm1), c => c.subsd(xmm0, xmm1), c => c.mulsd(xmm0, xmm1), c => c.divsd(xmm0, xmm1), c => c.sqrtsd(xmm0, xmm1),
            c => c.addpd(xmm0, xmm1), c => c.mulpd(xmm0, xmm1), c => c.divpd(xmm0, xmm1), c => c.subpd(xmm0, xmm1),
            c => c.comisd(xmm0, xmm1), c => c.ucomisd(xmm0, xmm1), c => c.cvttsd2si(eax, xmm1), c => c.cvttsd2si(rax, xmm1),
            c => c.cvtsd2ss(xmm0, xmm1), c => c.cvtsi2sd(xmm0, rbx), c => c.cvtsi2sd(xmm0, ebx), c => c.cvtsi2ss(xmm0, rbx),
            c => c.cvtsi2ss(xmm0, ebx),
            c => c.addss(xmm0, xmm1), c => c.subss(xmm0, xmm1), c => c.mulss(xmm0, xmm1), c => c.divss(xmm0, xmm1), c => c.sqrtss(xmm0, xmm1),
            c => c.addps(xmm0, xmm1), c => c.subps(xmm0, xmm1), c => c.mulps(xmm0, xmm1), c => c.divps(xmm0, xmm1),
            c => c.comiss(xmm0, xmm1), c => c.ucomiss(xmm0, xmm1), c => c.cvttss2si(eax, xmm1), c => c.cvttss2si(rax, xmm1),
            c => c.cvtss2sd(xmm0, xmm1),
        ];
        for (int n = 0; n < programs.Length; n++)
        {
            Assembler assembler = new(64);
            programs[n](assembler);
            machine.Load(assembler, FlatMachine.CodeStart + ((ulong)n * 16));
        }

        return programs.Length;
    }

    private static Result RunOne(FlatMachine machine, int program, uint control, int a, int b)
    {
        bool isSingle = program >= 18;
        CpuState* cpu = machine.State;
        cpu->Mxcsr = control;
        cpu->Rip = FlatMachine.CodeStart + ((ulong)program * 16);
        cpu->Gpr[0] = 0x1111_2222_3333_4444;
        cpu->Gpr[3] = Doubles[b];
        cpu->Gpr[4] = FlatMachine.StackTop;
        cpu->Activity = ActivityState.Active;
        machine.Processor.Rflags = 2;
        ulong first = isSingle ? Singles[a % Singles.Length] | ((ulong)Singles[(a + 10) % Singles.Length] << 32) : Doubles[a];
        ulong second = isSingle ? Singles[b % Singles.Length] | ((ulong)Singles[(b + 10) % Singles.Length] << 32) : Doubles[b];
        cpu->Vector[0].U64[0] = first;
        cpu->Vector[0].U64[1] = 0x3FF8_0000_3FC0_0000;
        cpu->Vector[1].U64[0] = second;
        cpu->Vector[1].U64[1] = 0x4008_0000_4040_0000;
        _ = machine.Processor.Run(1);
        return new Result(
            cpu->Vector[0].U64[0], cpu->Vector[0].U64[1], cpu->Gpr[0], cpu->Mxcsr, machine.Processor.Rflags, cpu->Rip, cpu->Gpr[4]);
    }

    private readonly record struct Result(ulong Low, ulong High, ulong Rax, uint Mxcsr, ulong Rflags, ulong Rip, ulong Rsp);
}
