using System;
using System.Collections.Generic;
using System.IO;

using Iced.Intel;

using Xenolith.Mmu;

namespace Xenolith.Cpu.Tests;

/// <summary>Ports, clock and interrupts of a test machine: everything that software does to it is written down.</summary>
internal sealed class TestPlatform : IPlatform
{
    public Processor? Processor { get; set; }

    /// <summary>Time skipped while nothing ran.</summary>
    public ulong Skipped { get; set; }

    public Queue<byte> Interrupts { get; } = new();

    public List<(ushort Port, int Size, uint Value)> PortWrites { get; } = [];

    public uint PortValue { get; set; } = 0xA5A5_5A5A;

    public ulong Now => (Processor?.RetiredInstructions ?? 0) + Skipped;

    public bool InterruptPending => Interrupts.Count != 0;

    public uint ReadPort(ushort port, int sizeBytes) => PortValue;

    public void WritePort(ushort port, int sizeBytes, uint value) => PortWrites.Add((port, sizeBytes, value));

    public byte AcknowledgeInterrupt() => Interrupts.Dequeue();

    public int FpuErrors { get; private set; }

    public void SignalFpuError() => FpuErrors++;
}

/// <summary>A processor with 16 MiB of RAM, and what tests need to put programs and tables into it.</summary>
internal unsafe class TestMachine : IDisposable
{
    public const ulong MemorySize = 16UL << 20;

    // Where the tables of the modes below lie, identity-mapped.
    public const ulong PageTables = 0x8000;
    public const ulong Gdt = 0x1000;
    public const ulong Idt = 0x2000;
    public const ulong Tss = 0x3000;
    public const ulong CodeStart = 0x1_0000;
    public const ulong HandlerStart = 0x2_0000;
    public const ulong StackTop = 0x5_0000;
    public const ulong KernelStackTop = 0x6_0000;
    public const ulong IstStackTop = 0x7_0000;

    public const ushort KernelCode = 0x08;
    public const ushort KernelData = 0x10;
    public const ushort UserCode = 0x18;
    public const ushort UserData = 0x20;
    public const ushort UserCode32 = 0x28;
    public const ushort TaskSelector = 0x30;

    private readonly HostMemory _memory = new(MemorySize);

    public TestMachine(string isolation = "none", ulong segmentSize = 4096)
    {
        Bus = new PhysicalBus(_memory);
        Memory = new IsolationRegistry().Parse(isolation).Build(Bus, segmentSize, null);
        Processor = new Processor(Memory, Platform);
        Platform.Processor = Processor;
    }

    public TestPlatform Platform { get; } = new();

    public PhysicalBus Bus { get; }

    public MemoryUnit Memory { get; }

    public Processor Processor { get; }

    public CpuState* State => Processor.State;

    public void Dispose()
    {
        Processor.Dispose();
        _memory.Dispose();
    }

    public void Write<T>(ulong address, T value)
        where T : unmanaged => *(T*)(_memory.Base + address) = value;

    public T Read<T>(ulong address)
        where T : unmanaged => *(T*)(_memory.Base + address);

    public void WriteBytes(ulong address, ReadOnlySpan<byte> bytes)
    {
        Bus.NoteWrite(new Hpa(address), (ulong)bytes.Length);
        bytes.CopyTo(new Span<byte>(_memory.Base + address, bytes.Length));
    }

    /// <summary>Assembles a program at an address; gives the address behind it.</summary>
    public ulong Program(ulong address, int bits, Action<Assembler> write, ulong? rip = null)
    {
        Assembler assembler = new(bits);
        write(assembler);
        using MemoryStream stream = new();
        assembler.Assemble(new StreamCodeWriter(stream), rip ?? address);
        WriteBytes(address, stream.ToArray());
        return address + (ulong)stream.Length;
    }

    /// <summary>64-bit mode at CPL 0: identity map of 1 GiB in 2-MiB user pages, GDT, TSS with stacks, an empty IDT of 256 gates.</summary>
    public void EnterLongMode()
    {
        Write(PageTables, PageTables + 0x1000 | 7);
        Write(PageTables + 0x1000, PageTables + 0x2000 | 7);
        for (ulong i = 0; i < 512; i++)
        {
            Write(PageTables + 0x2000 + (8 * i), (i << 21) | 0x87);
        }

        WriteGdt(longMode: true);
        Write(Tss + 4, KernelStackTop);
        Write(Tss + 36, IstStackTop);
        State->Paging.Cr0 = ControlRegisters.Cr0Pe | ControlRegisters.Cr0Pg | ControlRegisters.Cr0Ne | ControlRegisters.Cr0Wp | ControlRegisters.Cr0Et;
        State->Paging.Cr3 = PageTables;
        State->Paging.Cr4 = ControlRegisters.Cr4Pae;
        State->Paging.Efer = ControlRegisters.EferLme | ControlRegisters.EferLma | ControlRegisters.EferSce;
        SetSegments(0xA09B, 0xC093, KernelCode, KernelData);
        Start();
    }

    /// <summary>32-bit protected mode at CPL 0 without paging, flat segments, the same tables.</summary>
    public void EnterProtectedMode()
    {
        WriteGdt(longMode: false);
        Write(Tss + 4, (uint)KernelStackTop);
        Write(Tss + 8, (uint)KernelData);
        State->Paging.Cr0 = ControlRegisters.Cr0Pe | ControlRegisters.Cr0Ne | ControlRegisters.Cr0Et;
        SetSegments(0xC09B, 0xC093, KernelCode, KernelData);
        Start();
    }

    /// <summary>Goes down to CPL 3 without executing anything.</summary>
    public void DropToUser()
    {
        SetSegments((State->Segments[1].AccessRights & ~0x60u) | 0x60, 0xC0F3, UserCode | 3, UserData | 3);
        Processor.OnContextReplaced();
    }

    /// <summary>An interrupt (IF cleared) or trap gate, of the size that the mode needs.</summary>
    public void SetGate(byte vector, ulong target, ushort selector = KernelCode, int dpl = 0, uint type = 14, bool present = true, int ist = 0)
    {
        ulong low = (target & 0xFFFF) | ((ulong)selector << 16) | ((ulong)ist << 32) | ((ulong)type << 40) | ((ulong)dpl << 45)
            | (present ? 1UL << 47 : 0) | ((target & 0xFFFF_0000) << 32);
        if ((State->Paging.Efer & ControlRegisters.EferLma) == 0)
        {
            Write(Idt + (8UL * vector), low);
            return;
        }

        Write(Idt + (16UL * vector), low);
        Write(Idt + (16UL * vector) + 8, target >> 32);
    }

    public void SetDescriptor(ushort selector, ulong descriptor) => Write(Gdt + (selector & 0xFFF8u), descriptor);

    /// <summary>A flat descriptor with these access rights (VMCS format).</summary>
    public static ulong Flat(uint accessRights) => 0x000F_0000_0000_FFFF | ((ulong)accessRights << 40);

    /// <summary>Runs at most this many instructions.</summary>
    public StopReason Run(long instructions = 1000) => Processor.Run(instructions);

    private void WriteGdt(bool longMode)
    {
        SetDescriptor(KernelCode, Flat(longMode ? 0xA09Bu : 0xC09B));
        SetDescriptor(KernelData, Flat(0xC093));
        SetDescriptor(UserCode, Flat(longMode ? 0xA0FBu : 0xC0FB));
        SetDescriptor(UserData, Flat(0xC0F3));
        SetDescriptor(UserCode32, Flat(0xC0FB));
        SetDescriptor(TaskSelector, 0x67 | (Tss << 16) | (0x8BUL << 40));
        State->Gdtr = new TableRegister { Base = Gdt, Limit = 0x47 };
        State->Idtr = new TableRegister { Base = Idt, Limit = 0xFFF };
        State->Segments[(int)SegmentIndex.TR] = new SegmentRegister { Selector = TaskSelector, Base = Tss, Limit = 0x67, AccessRights = 0x8B };
        State->Segments[(int)SegmentIndex.LDTR] = new SegmentRegister { AccessRights = SegmentRegister.UnusableBit };
    }

    private void SetSegments(uint codeRights, uint dataRights, ushort code, ushort data)
    {
        for (SegmentIndex index = SegmentIndex.ES; index <= SegmentIndex.GS; index++)
        {
            bool isCode = index == SegmentIndex.CS;
            State->Segments[(int)index] = new SegmentRegister
            {
                Selector = isCode ? code : data,
                Limit = uint.MaxValue,
                AccessRights = isCode ? codeRights : dataRights,
            };
        }
    }

    private void Start()
    {
        State->Rip = CodeStart;
        State->Gpr[4] = StackTop;
        State->Activity = ActivityState.Active;
        Processor.OnContextReplaced();
    }
}
