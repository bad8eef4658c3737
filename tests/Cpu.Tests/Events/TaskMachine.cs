using System;

using Iced.Intel;

using Xenolith.Mmu;

namespace Xenolith.Cpu.Tests;

/// <summary>A machine in 32-bit protected mode with a current task, a second 32-bit and a 16-bit one, and a task gate.</summary>
internal sealed unsafe class TaskMachine : TestMachine
{
    public const ushort Second = 0x48;
    public const ushort Small = 0x50;
    public const ushort Gate = 0x58;
    public const ushort Ldt = 0x60;
    public const ulong SecondTss = 0x3200;
    public const ulong SmallTss = 0x3400;
    public const ulong SecondCode = 0x2_4000;
    public const ulong SecondStack = 0x4_0000;
    private const uint Available = 0x89;
    private const uint Available16 = 0x81;
    private const uint TaskGate = 0x85;

    public TaskMachine()
    {
        EnterProtectedMode();
        State->Gdtr.Limit = 0xFF;
        SetDescriptor(Second, Tss32(SecondTss, Available));
        SetDescriptor(Small, 0x2B | (SmallTss << 16) | ((ulong)Available16 << 40));
        SetDescriptor(Gate, ((ulong)Second << 16) | ((ulong)TaskGate << 40));
        for (byte vector = 0; vector < 32; vector++)
        {
            SetGate(vector, HandlerStart + (16UL * vector));
            Write<byte>(HandlerStart + (16UL * vector), 0xF4);
        }

        FillTask32(SecondTss, (uint)SecondCode, RflagsBits.Fixed1, (uint)SecondStack);
        FillTask16();
        WriteBytes(SecondCode, [0xF4]);
    }

    public static ulong Tss32(ulong address, uint rights, uint limit = 0x67) => limit | (address << 16) | ((ulong)rights << 40);

    /// <summary>Type field of a descriptor, as it is in memory.</summary>
    public uint TypeOf(ushort selector) => Read<byte>(Gdt + selector + 5) & 0xFu;

    /// <summary>Vector of the handler in which the machine has halted, or -1.</summary>
    public int Vector
    {
        get
        {
            ulong offset = State->Rip - 1 - HandlerStart;
            return offset < 32 * 16 && offset % 16 == 0 ? (int)(offset / 16) : -1;
        }
    }

    /// <summary>Vector and error code on the stack of the handler.</summary>
    public (int Vector, uint ErrorCode) Fault => (Vector, Read<uint>(State->Gpr[4]));

    public void FillTask32(ulong tss, uint eip, uint flags, uint esp)
    {
        Write(tss + 0x20, eip);
        Write(tss + 0x24, flags);
        for (uint i = 0; i < 8; i++)
        {
            Write(tss + 0x28 + (4 * i), 0x1111_0000u + i);
        }

        Write(tss + 0x38, esp);
        for (uint i = 0; i < 6; i++)
        {
            Write(tss + 0x48 + (4 * i), i == 1 ? KernelCode : KernelData);
        }
    }

    public StopReason Execute(Action<Assembler> write)
    {
        Program(CodeStart, 32, a =>
        {
            write(a);
            a.hlt();
        });
        return Run();
    }

    private void FillTask16()
    {
        Write(SmallTss + 0x0E, (ushort)0x4000);
        Write(SmallTss + 0x10, (ushort)RflagsBits.Fixed1);
        for (uint i = 0; i < 8; i++)
        {
            Write(SmallTss + 0x12 + (2 * i), (ushort)(0x2220 + i));
        }

        Write(SmallTss + 0x1A, (ushort)0x8000);
        ReadOnlySpan<ushort> selectors = [KernelData, KernelCode, KernelData, KernelData];
        for (int i = 0; i < 4; i++)
        {
            Write(SmallTss + 0x22 + (2 * (ulong)i), selectors[i]);
        }

        WriteBytes(0x4000, [0xF4]);
    }
}
