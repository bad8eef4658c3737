using System.Runtime.CompilerServices;

namespace Xenolith.Cpu;

[InlineArray(8)]
internal struct TaskRegisters
{
    private uint _first;
}

[InlineArray(7)]
internal struct TaskSelectors
{
    private ushort _first;
}

/// <summary>
/// What a task switch loads from a TSS (SDM 3A "Task-State Segment (TSS)", "16-Bit Task-State Segment (TSS)").
/// <code>
/// 32-bit: 1C CR3 | 20 EIP | 24 EFLAGS | 28 EAX ECX EDX EBX ESP EBP ESI EDI | 48 ES CS SS DS FS GS | 60 LDTR | 64 T | 66 I/O map base
/// 16-bit:           0E IP | 10 FLAGS  | 12 AX  CX  DX  BX  SP  BP  SI  DI  | 22 ES CS SS DS       | 2A LDTR
/// </code>
/// </summary>
internal unsafe struct TaskState
{
    public const uint Size32 = 0x68;
    public const uint Size16 = 0x2C;

    // EIP to GS, or IP to DS: what a switch saves.
    public const uint FirstSaved32 = 0x20;
    public const uint SavedBytes32 = 0x40;
    public const uint FirstSaved16 = 0x0E;
    public const uint SavedBytes16 = 0x1C;

    public uint Cr3;
    public uint Ip;
    public uint Flags;
    public TaskRegisters Gpr;

    /// <summary>By <see cref="SegmentIndex"/>, to LDTR.</summary>
    public TaskSelectors Selectors;

    /// <summary>T: a #DB trap as soon as the task has been entered.</summary>
    public bool HasTrap;

    /// <summary>A 16-bit TSS leaves FS and GS null, and the upper halves of registers all ones (as silicon does).</summary>
    public static TaskState Read(byte* tss, bool is32)
    {
        TaskState state = default;
        if (is32)
        {
            state.Cr3 = *(uint*)(tss + 0x1C);
            state.Ip = *(uint*)(tss + 0x20);
            state.Flags = *(uint*)(tss + 0x24);
            for (int i = 0; i < 8; i++)
            {
                state.Gpr[i] = *(uint*)(tss + 0x28 + (4 * i));
            }

            for (int i = 0; i < 7; i++)
            {
                state.Selectors[i] = *(ushort*)(tss + 0x48 + (4 * i));
            }

            state.HasTrap = (tss[0x64] & 1) != 0;
            return state;
        }

        state.Ip = *(ushort*)(tss + 0x0E);
        state.Flags = *(ushort*)(tss + 0x10);
        for (int i = 0; i < 8; i++)
        {
            state.Gpr[i] = 0xFFFF_0000 | *(ushort*)(tss + 0x12 + (2 * i));
        }

        for (int i = 0; i < 4; i++)
        {
            state.Selectors[i] = *(ushort*)(tss + 0x22 + (2 * i));
        }

        state.Selectors[(int)SegmentIndex.LDTR] = *(ushort*)(tss + 0x2A);
        return state;
    }

    /// <summary>Puts the processor's state into the bytes of a TSS from its first saved one on; other bytes stay.</summary>
    public static void Save(CpuState* cpu, ulong rip, uint flags, byte* saved, bool is32)
    {
        if (is32)
        {
            *(uint*)saved = (uint)rip;
            *(uint*)(saved + 4) = flags;
            for (int i = 0; i < 8; i++)
            {
                *(uint*)(saved + 8 + (4 * i)) = (uint)cpu->Gpr[i];
            }

            for (int i = 0; i < 6; i++)
            {
                *(ushort*)(saved + 0x28 + (4 * i)) = cpu->Segments[i].Selector;
            }

            return;
        }

        *(ushort*)saved = (ushort)rip;
        *(ushort*)(saved + 2) = (ushort)flags;
        for (int i = 0; i < 8; i++)
        {
            *(ushort*)(saved + 4 + (2 * i)) = (ushort)cpu->Gpr[i];
        }

        for (int i = 0; i < 4; i++)
        {
            *(ushort*)(saved + 0x14 + (2 * i)) = cpu->Segments[i].Selector;
        }
    }
}
