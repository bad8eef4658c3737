using System;

using Xenolith.Cpu;

namespace Xenolith.Machine;

/// <summary>
/// The registers that a program in user mode has: what it starts from, and what it leaves. New ones are as after FNINIT and reset.
/// </summary>
public sealed class UserRegisters
{
    public const int GeneralCount = 16;
    public const int VectorCount = 16;
    public const int X87Count = 8;

    /// <summary>RFLAGS that a program can have: all but VM, RF, VIF and VIP, and with bit 1.</summary>
    public const ulong RflagsMask = 0x24_7FD5;

    /// <summary>RAX RCX RDX RBX RSP RBP RSI RDI R8-R15.</summary>
    public ulong[] General { get; } = new ulong[GeneralCount];

    public ulong Rip { get; set; }

    public ulong Rflags { get; set; } = 0x202;

    public ulong FsBase { get; set; }

    public ulong GsBase { get; set; }

    /// <summary>YMM0-15, four words each, lowest first.</summary>
    public ulong[] Vector { get; } = new ulong[4 * VectorCount];

    /// <summary>The x87 data registers by physical number, not by ST(i).</summary>
    public X87Register[] X87 { get; } = new X87Register[X87Count];

    public ushort Fcw { get; set; } = 0x37F;

    public ushort Fsw { get; set; }

    /// <summary>The full tag word, as FNSTENV gives it: only "empty" (3) is believed of one that is loaded.</summary>
    public ushort Ftw { get; set; } = 0xFFFF;

    public uint Mxcsr { get; set; } = 0x1F80;

    /// <summary>The names of <see cref="General"/>, in their order.</summary>
    public static ReadOnlySpan<string> GeneralNames => s_generalNames;

    private static readonly string[] s_generalNames =
        ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"];

    internal unsafe void LoadInto(CpuState* cpu)
    {
        for (int i = 0; i < GeneralCount; i++)
        {
            cpu->Gpr[i] = General[i];
        }

        for (int i = 0; i < VectorCount; i++)
        {
            for (int word = 0; word < 4; word++)
            {
                cpu->Vector[i].U64[word] = Vector[(4 * i) + word];
            }
        }

        for (int i = 0; i < X87Count; i++)
        {
            cpu->X87[i] = X87[i];
        }

        cpu->Rip = Rip;
        cpu->Fcw = Fcw;
        cpu->Fsw = Fsw;
        cpu->Ftw = Ftw;
        cpu->Ftw = FullTags(cpu);
        cpu->Fop = 0;
        cpu->Fip = 0;
        cpu->Fdp = 0;
        cpu->Fcs = 0;
        cpu->Fds = 0;
        cpu->Mxcsr = Mxcsr;
    }

    /// <summary>All but RIP, RSP and RFLAGS, which an exception has put elsewhere.</summary>
    internal unsafe void StoreFrom(CpuState* cpu)
    {
        for (int i = 0; i < GeneralCount; i++)
        {
            General[i] = cpu->Gpr[i];
        }

        for (int i = 0; i < VectorCount; i++)
        {
            for (int word = 0; word < 4; word++)
            {
                Vector[(4 * i) + word] = cpu->Vector[i].U64[word];
            }
        }

        for (int i = 0; i < X87Count; i++)
        {
            X87[i] = cpu->X87[i];
        }

        FsBase = cpu->Segments[(int)SegmentIndex.FS].Base;
        GsBase = cpu->Segments[(int)SegmentIndex.GS].Base;
        Fcw = cpu->Fcw;
        Fsw = cpu->Fsw;
        Ftw = FullTags(cpu);
        Mxcsr = cpu->Mxcsr;
    }

    /// <summary>The tag word as FNSTENV stores it (SDM 1 "x87 FPU Tag Word"): 0 valid, 1 zero, 2 special, 3 empty.</summary>
    private static unsafe ushort FullTags(CpuState* cpu)
    {
        int tags = 0;
        for (int i = 0; i < X87Count; i++)
        {
            bool isEmpty = ((cpu->Ftw >> (2 * i)) & 3) == 3;
            ref X87Register register = ref cpu->X87[i];
            int exponent = register.SignExponent & 0x7FFF;
            int tag = isEmpty ? 3
                : exponent == 0 && register.Significand == 0 ? 1
                : exponent is 0 or 0x7FFF || (register.Significand >> 63) == 0 ? 2
                : 0;
            tags |= tag << (2 * i);
        }

        return (ushort)tags;
    }
}
