using System;
using System.IO;

using Iced.Intel;

using Xenolith.Cpu;
using Xenolith.Mmu;

namespace Xenolith.Machine.Tests;

/// <summary>
/// A bare machine whose first processor is in 64-bit mode at CPL 0, with the low 4 GiB mapped to themselves by 2-MiB pages, interrupts
/// off, code at 0x10000, stack below 0x80000, a gate for each vector that halts with interrupts off until a test sets another.
/// </summary>
internal sealed unsafe class BareProgram : IDisposable
{
    public const ulong CodeStart = 0x1_0000;
    public const ulong HandlersStart = 0x3_0000;
    public const ulong Data = 0x10_0000;
    public const ulong StackTop = 0x8_0000;
    public const ulong Idt = 0x2_1000;
    public const ulong Gdt = 0x2_0000;
    public const ulong Tables = 0x20_0000;

    private ulong _nextHandler = HandlersStart;

    public BareProgram(BareMachineOptions? options = null)
    {
        Machine = new BareMachine(options ?? new BareMachineOptions { MemoryBytes = 16 << 20 });
        BuildTables();
        for (int n = 0; n < Machine.Processors.Count; n++)
        {
            if (n == 0)
            {
                EnterLongMode(Machine.Processors[n], CodeStart);
            }
        }
    }

    public BareMachine Machine { get; }

    public CpuState* State => Machine.Processors[0].State;

    public void Dispose() => Machine.Dispose();

    /// <summary>Assembles at an address.</summary>
    public void Load(Action<Assembler> build, ulong address = CodeStart, int bits = 64)
    {
        Assembler assembler = new(bits);
        build(assembler);
        MemoryStream stream = new();
        _ = assembler.Assemble(new StreamCodeWriter(stream), address);
        byte[] bytes = stream.ToArray();
        Machine.Bus.NoteWrite(new Hpa(address), (ulong)bytes.Length);
        bytes.CopyTo(new Span<byte>(Machine.Memory.Base + address, bytes.Length));
    }

    /// <summary>Assembles an interrupt handler and points the vector's gate to it.</summary>
    public void Handle(int vector, Action<Assembler> build)
    {
        Load(build, _nextHandler);
        SetGate(vector, _nextHandler);
        _nextHandler += 0x100;
    }

    /// <summary>A handler that counts in a word of memory, ends the interrupt at the local APIC's page, and returns.</summary>
    public void CountInterrupts(int vector, ulong counter) => Handle(vector, a =>
    {
        a.push(AssemblerRegisters.rax);
        a.mov(AssemblerRegisters.rax, counter);
        a.inc(AssemblerRegisters.__qword_ptr[AssemblerRegisters.rax]);
        a.mov(AssemblerRegisters.eax, 0xFEE0_00B0);
        a.mov(AssemblerRegisters.__dword_ptr[AssemblerRegisters.rax], 0);
        a.pop(AssemblerRegisters.rax);
        a.iretq();
    });

    public ref ulong Word(ulong address) => ref *(ulong*)(Machine.Memory.Base + address);

    public void SetGate(int vector, ulong handler)
    {
        Word(Idt + ((ulong)vector * 16)) = ((handler >> 16) << 48) | 0x0000_8E00_0008_0000UL | (handler & 0xFFFF);
        Word(Idt + ((ulong)vector * 16) + 8) = handler >> 32;
    }

    public static void EnterLongMode(Processor processor, ulong rip)
    {
        CpuState* cpu = processor.State;
        for (int n = 0; n < 6; n++)
        {
            bool isCode = n == (int)SegmentIndex.CS;
            cpu->Segments[n] = new SegmentRegister
            {
                Limit = uint.MaxValue,
                Selector = isCode ? (ushort)8 : (ushort)16,
                AccessRights = isCode ? 0xA09BU : 0xC093U,
            };
        }

        cpu->Gdtr = new TableRegister { Base = Gdt, Limit = 23 };
        cpu->Idtr = new TableRegister { Base = Idt, Limit = 0xFFF };
        cpu->Paging.Cr0 = 0x8000_0031;
        cpu->Paging.Cr4 = (1 << 5) | (1 << 9);
        cpu->Paging.Cr3 = Tables;
        cpu->Paging.Efer = 0x500;
        cpu->Gpr[4] = StackTop;
        cpu->Rip = rip;
        cpu->Activity = ActivityState.Active;
        processor.RefreshMode();
        processor.Tlb.OnContextChange();
    }

    private void BuildTables()
    {
        Word(Gdt + 8) = 0x00AF_9B00_0000_FFFF;
        Word(Gdt + 16) = 0x00CF_9300_0000_FFFF;
        Word(Tables) = (Tables + 0x1000) | 3;
        for (ulong giga = 0; giga < 4; giga++)
        {
            ulong directory = Tables + 0x2000 + (giga << 12);
            Word(Tables + 0x1000 + (giga * 8)) = directory | 3;
            for (ulong page = 0; page < 512; page++)
            {
                Word(directory + (page * 8)) = (giga << 30) | (page << 21) | 0x83;
            }
        }

        for (int vector = 0; vector < 256; vector++)
        {
            Load(a => a.hlt(), 0x4_0000 + ((ulong)vector * 16));
            SetGate(vector, 0x4_0000 + ((ulong)vector * 16));
        }
    }
}
