using System;

using Iced.Intel;

using Xenolith.Cpu;
using Xenolith.Mmu;

namespace Xenolith.Cpu.Tests;

/// <summary>
/// A processor in 64-bit or flat 32-bit mode at CPL 0 on plain memory: identity-mapped by 4-KiB pages, code at 0x10000, stack below
/// 0x80000, data from 0x100000.
/// </summary>
internal sealed unsafe class FlatMachine : IDisposable
{
    public const ulong CodeStart = 0x1_0000;
    public const ulong StackTop = 0x8_0000;
    public const ulong DataStart = 0x10_0000;
    private const ulong MemorySizeBytes = 8 << 20;
    private const ulong TablesStart = 0x40_0000;
    private const ulong GdtStart = 0x2_0000;
    private const ulong IdtStart = 0x2_1000;
    private const ulong StubsStart = 0x2_2000;

    public FlatMachine(int bits = 64)
    {
        Memory = new HostMemory(MemorySizeBytes);
        Bus = new PhysicalBus(Memory);
        Unit = new IsolationRegistry().Parse("none").Build(Bus, Pages.Size, null);
        Processor = new Processor(Unit, new QuietBoard());
        CpuState* cpu = Processor.State;
        cpu->Paging.PhysicalAddressBits = 46;
        SetSegments(cpu, bits);
        BuildDescriptorTables(cpu, bits);
        cpu->Paging.Cr0 = 0x31;
        cpu->Paging.Efer = 0;
        if (bits == 64)
        {
            BuildTables();
            cpu->Paging.Cr0 |= 1UL << 31;
            cpu->Paging.Cr4 = 1 << 5;
            cpu->Paging.Cr3 = TablesStart;
            cpu->Paging.Efer = 0x500;
        }

        for (int n = 0; n < 16; n++)
        {
            cpu->Gpr[n] = 0;
        }

        cpu->Gpr[4] = StackTop;
        cpu->Rip = CodeStart;
        cpu->Activity = ActivityState.Active;
        cpu->Interruptibility = 0;
        Processor.Rflags = 2;
        Processor.RefreshMode();
        Processor.Tlb.OnContextChange();
    }

    public HostMemory Memory { get; }

    public PhysicalBus Bus { get; }

    public MemoryUnit Unit { get; }

    public Processor Processor { get; }

    public CpuState* State => Processor.State;

    /// <summary>Puts code at an address, as a program loader or another master would.</summary>
    public void Load(ulong address, ReadOnlySpan<byte> bytes)
    {
        Bus.NoteWrite(new Hpa(address), (ulong)bytes.Length);
        bytes.CopyTo(new Span<byte>(Memory.Base + address, bytes.Length));
    }

    public void Load(Assembler assembler, ulong address = CodeStart)
    {
        System.IO.MemoryStream stream = new();
        _ = assembler.Assemble(new StreamCodeWriter(stream), address);
        Load(address, stream.ToArray());
    }

    /// <summary>After a halt in the stub of an exception: its vector, else -1.</summary>
    public int HaltedInVector
    {
        get
        {
            ulong offset = State->Rip - 1 - StubsStart;
            return offset < 32 * 16 && offset % 16 == 0 ? (int)(offset / 16) : -1;
        }
    }

    /// <summary>Unmaps one page, so that it faults.</summary>
    public void Unmap(ulong address)
    {
        *(ulong*)(Memory.Base + TablesStart + 0x3000 + (address >> 12 << 3)) = 0;
        Processor.Tlb.OnContextChange();
    }

    public void Dispose()
    {
        Processor.Dispose();
        Memory.Dispose();
    }

    private static void SetSegments(CpuState* cpu, int bits)
    {
        for (int n = 0; n < 6; n++)
        {
            bool isCode = n == (int)SegmentIndex.CS;
            cpu->Segments[n] = new SegmentRegister
            {
                Limit = uint.MaxValue,
                Selector = isCode ? (ushort)8 : (ushort)16,
                AccessRights = isCode ? (bits == 64 ? 0xA09BU : 0xC09BU) : 0xC093U,
            };
        }
    }

    /// <summary>A gate for every exception, each to a HLT of its own.</summary>
    private void BuildDescriptorTables(CpuState* cpu, int bits)
    {
        byte* memory = Memory.Base;
        *(ulong*)(memory + GdtStart + 8) = bits == 64 ? 0x00AF_9B00_0000_FFFFUL : 0x00CF_9B00_0000_FFFFUL;
        *(ulong*)(memory + GdtStart + 16) = 0x00CF_9300_0000_FFFFUL;
        cpu->Gdtr = new TableRegister { Base = GdtStart, Limit = 23 };
        int size = bits == 64 ? 16 : 8;
        cpu->Idtr = new TableRegister { Base = IdtStart, Limit = (ushort)((size * 32) - 1) };
        for (ulong vector = 0; vector < 32; vector++)
        {
            ulong stub = StubsStart + (vector * 16);
            memory[stub] = 0xF4;
            *(ulong*)(memory + IdtStart + (vector * (uint)size)) = ((stub >> 16) << 48) | 0x0000_8E00_0008_0000UL | (stub & 0xFFFF);
        }
    }

    private void BuildTables()
    {
        byte* memory = Memory.Base;
        *(ulong*)(memory + TablesStart) = (TablesStart + 0x1000) | 7;
        *(ulong*)(memory + TablesStart + 0x1000) = (TablesStart + 0x2000) | 7;
        for (ulong table = 0; table < 4; table++)
        {
            *(ulong*)(memory + TablesStart + 0x2000 + (table * 8)) = (TablesStart + 0x3000 + (table << 12)) | 7;
        }

        for (ulong page = 0; page < MemorySizeBytes >> 12; page++)
        {
            *(ulong*)(memory + TablesStart + 0x3000 + (page * 8)) = (page << 12) | 7;
        }
    }

    private sealed class QuietBoard : IPlatform
    {
        public ulong Now => 0;

        public bool InterruptPending => false;

        public uint ReadPort(ushort port, int sizeBytes) => uint.MaxValue;

        public void WritePort(ushort port, int sizeBytes, uint value)
        {
        }

        public byte AcknowledgeInterrupt() => 0;
    }
}
