using System;
using System.Buffers.Binary;
using System.Runtime.CompilerServices;

using Xenolith.Cpu;
using Xenolith.Mmu;

namespace Xenolith.Oracle.Silicon;

/// <summary>
/// Runs cases on the emulated processor as Linux would run them on a real one: CPL 3, 4-level paging that maps exactly what
/// runner.c maps, faults delivered through an IDT to handlers at CPL 0, whose address says the vector.
/// </summary>
public sealed unsafe class EmulatedRunner : IDisposable
{
    private const ulong Pml4 = 0x1000;
    private const ulong Pdpt = 0x2000;
    private const ulong PageDirectory = 0x3000;
    private const ulong LowTable = 0x4000;
    private const ulong Handlers = 0x5000;
    private const ulong Idt = 0x6000;
    private const ulong Gdt = 0x7000;
    private const ulong Tss = 0x8000;
    private const ulong StackTop = 0xA000;
    private const ulong CodeTable = 0xB000;
    private const ulong DataTable = 0xC000;
    private const ulong HighPdpt = 0xD000;
    private const ulong HighDirectory = 0xE000;

    /// <summary>Where the system's own pages are mapped: as an operating system does, out of reach of 32-bit code and near jumps.</summary>
    private const ulong High = 0xFFFF_8000_0000_0000;

    private const ulong P = 1;
    private const ulong W = 2;
    private const ulong U = 4;
    private const ulong AccessedDirty = 0x60;
    private const ulong NoExecute = 1UL << 63;

    private const ushort KernelCode = 0x10;
    private const ushort User32 = 0x23;
    private const ushort UserData = 0x2B;
    private const ushort User64 = 0x33;
    private const ushort TaskSelector = 0x40;

    /// <summary>Repeated string instructions count each iteration; nothing here repeats longer.</summary>
    private const int MaxSteps = 1000;

    private readonly HostMemory _memory;
    private readonly PhysicalBus _bus;
    private readonly Processor _processor;

    public EmulatedRunner()
    {
        _memory = new HostMemory(MemoryMap.ReadOnly + 0x10000); // sparse: linear addresses are physical ones
        _bus = new PhysicalBus(_memory);
        MemoryUnit unit = new NoIsolationFactory().Build(_bus, new IsolationOptions("", 0x1000), null);
        BuildTables();
        _processor = new Processor(unit, new EmptyBoard());
    }

    public void Dispose()
    {
        _processor.Dispose();
        _memory.Dispose();
    }

    /// <summary>Whether the processor has the case's instruction at all.</summary>
    public bool Has(in SiliconRequest request) => ColdTable.Instance.Has(Decode(in request).Code);

    /// <summary>The case's instruction.</summary>
    public static Iced.Intel.Instruction Decode(in SiliconRequest request)
    {
        Iced.Intel.Decoder decoder = Iced.Intel.Decoder.Create((int)request.Bits, request.CodeBytes.ToArray(), request.State.Rip);
        return decoder.Decode();
    }

    /// <summary>Runs a case on the engine: as blocks of fast handlers, ending with the INT3 behind the code.</summary>
    public SiliconReply Run(in SiliconRequest request, long instructions = MaxSteps)
    {
        Load(in request);
        SiliconReply reply = default;
        _ = _processor.Run(instructions);
        CpuState* cpu = _processor.State;
        if (cpu->Rip - (High + Handlers) < 0x1000 && cpu->Cpl == 0)
        {
            TakeFault(ref reply);
            if (reply.Vector == 3)
            {
                reply.Vector = SiliconReply.EndedAtStop;
                cpu->Rip--;
            }
        }
        else
        {
            reply.Vector = cpu->Activity == ActivityState.Active ? SiliconReply.TimedOut : SiliconReply.Strange;
        }

        Store(ref reply, in request);
        Clear(in request, ref reply);
        return reply;
    }

    /// <summary>Runs a case one instruction at a time, the careful way.</summary>
    public SiliconReply Step(in SiliconRequest request)
    {
        Load(in request);
        CpuState* cpu = _processor.State;
        SiliconReply reply = default;
        reply.Vector = SiliconReply.TimedOut;
        for (int step = 0; step < MaxSteps; step++)
        {
            StopReason reason = _processor.Run(1);
            if (reason == StopReason.Shutdown || cpu->Activity == ActivityState.Shutdown)
            {
                reply.Vector = SiliconReply.Strange;
                break;
            }

            if (cpu->Rip - (High + Handlers) < 0x1000 && cpu->Cpl == 0)
            {
                TakeFault(ref reply);
                break;
            }

            if (cpu->Rip - MemoryMap.Code < 0x1000 && _memory.Base[cpu->Rip] == 0xCC)
            {
                reply.Vector = SiliconReply.EndedAtStop;
                break;
            }
        }

        Store(ref reply, in request);
        Clear(in request, ref reply);
        return reply;
    }

    private void TakeFault(ref SiliconReply reply)
    {
        CpuState* cpu = _processor.State;
        uint vector = (uint)(cpu->Rip - (High + Handlers)) / 16;
        bool hasErrorCode = vector is 8 or (>= 10 and <= 14) or 17 or 21;
        ulong* frame = (ulong*)(_memory.Base + (cpu->Gpr[4] - High));
        reply.Vector = vector;
        reply.ErrorCode = hasErrorCode ? (uint)frame[0] : 0;
        reply.Cr2 = cpu->Cr2;
        frame += hasErrorCode ? 1 : 0;
        cpu->Rip = frame[0];
        _processor.Rflags = frame[2];
        cpu->Gpr[4] = frame[3];
    }

    /// <summary>Everything from the request, as after IRETQ to user mode.</summary>
    private void Load(in SiliconRequest request)
    {
        CpuState* cpu = _processor.State;
        LoadSystem(cpu, request.Bits);
        ref readonly MachineState state = ref request.State;
        for (int i = 0; i < 16; i++)
        {
            cpu->Gpr[i] = state.Gpr[i];
            cpu->Vector[i].U64[0] = state.Xmm(i, 0);
            cpu->Vector[i].U64[1] = state.Xmm(i, 1);
            cpu->Vector[i].U64[2] = state.YmmHigh[2 * i];
            cpu->Vector[i].U64[3] = state.YmmHigh[(2 * i) + 1];
        }

        cpu->Rip = state.Rip;
        _processor.Rflags = state.Rflags;
        cpu->Mxcsr = state.Mxcsr;
        cpu->Fcw = state.Fcw;
        cpu->Fsw = state.Fsw;
        cpu->Fop = 0;
        cpu->Fip = 0;
        cpu->Fdp = 0;
        cpu->Fcs = 0;
        cpu->Fds = 0;
        cpu->Ftw = 0;
        int top = (state.Fsw >> 11) & 7;
        for (int i = 0; i < 8; i++)
        {
            int physical = (top + i) & 7;
            ref X87Register register = ref cpu->X87[physical];
            register.Significand = state.StSignificand(i);
            register.SignExponent = state.StSignExponent(i);
            bool inUse = ((state.Ftw >> physical) & 1) != 0;
            cpu->Ftw |= (ushort)((inUse ? Tag(in register) : 3) << (2 * physical));
        }

        _processor.RefreshMode();
        fixed (byte* code = request.Code)
        {
            _bus.NoteWrite(new Hpa(state.Rip), request.CodeLength);
            Unsafe.CopyBlock(_memory.Base + state.Rip, code, request.CodeLength);
        }

        fixed (byte* window = request.Window)
        {
            Unsafe.CopyBlock(_memory.Base + request.WindowAddress, window, (uint)request.WindowSize);
        }
    }

    /// <summary>The full tag of a register in use (SDM 1 "x87 FPU Tag Word"): 0 valid, 1 zero, 2 special.</summary>
    private static int Tag(in X87Register register)
    {
        int exponent = register.SignExponent & 0x7FFF;
        return exponent == 0 && register.Significand == 0 ? 1
            : exponent is 0 or 0x7FFF || (register.Significand >> 63) == 0 ? 2
            : 0;
    }

    private void Store(ref SiliconReply reply, in SiliconRequest request)
    {
        CpuState* cpu = _processor.State;
        ref MachineState state = ref reply.State;
        for (int i = 0; i < 16; i++)
        {
            state.Gpr[i] = cpu->Gpr[i];
            state.SetXmm(i, 0, cpu->Vector[i].U64[0]);
            state.SetXmm(i, 1, cpu->Vector[i].U64[1]);
            state.YmmHigh[2 * i] = cpu->Vector[i].U64[2];
            state.YmmHigh[(2 * i) + 1] = cpu->Vector[i].U64[3];
        }

        state.Rip = cpu->Rip;
        state.Rflags = _processor.Rflags;
        state.Mxcsr = cpu->Mxcsr;
        state.Fcw = cpu->Fcw;
        state.Fsw = cpu->Fsw;
        int top = (cpu->Fsw >> 11) & 7;
        int inUse = 0;
        for (int i = 0; i < 8; i++)
        {
            int physical = (top + i) & 7;
            state.SetSt(i, cpu->X87[physical].Significand, cpu->X87[physical].SignExponent);
            inUse |= ((cpu->Ftw >> (2 * physical)) & 3) != 3 ? 1 << physical : 0;
        }

        state.Ftw = (byte)inUse;
        fixed (byte* window = reply.Window)
        {
            Unsafe.CopyBlock(window, _memory.Base + request.WindowAddress, (uint)request.WindowSize);
        }
    }

    private void Clear(in SiliconRequest request, ref SiliconReply reply)
    {
        new Span<byte>(_memory.Base + request.WindowAddress, request.WindowSize).Clear();
        Span<byte> data = new(_memory.Base + MemoryMap.Data, (int)MemoryMap.DataSize);
        if (data.ContainsAnyExcept((byte)0))
        {
            reply.WroteOutside = 1;
            data.Clear();
        }

        _bus.NoteWrite(new Hpa(request.State.Rip), request.CodeLength);
        new Span<byte>(_memory.Base + request.State.Rip, (int)request.CodeLength).Fill(0xCC);
    }

    private static void LoadSystem(CpuState* cpu, uint bits)
    {
        const ulong Cr0 = 0x8005_0033; // PG AM WP NE ET MP PE
        const ulong Cr4 = 0x0004_06A0; // PAE PGE OSFXSR OSXMMEXCPT OSXSAVE
        const ulong Efer = 0xD01; // NXE LMA LME SCE
        cpu->Activity = ActivityState.Active;
        cpu->Interruptibility = 0;
        cpu->PendingDebug = 0;
        cpu->Paging.Cr0 = Cr0;
        cpu->Paging.Cr3 = Pml4;
        cpu->Paging.Cr4 = Cr4;
        cpu->Paging.Efer = Efer;
        cpu->Paging.PhysicalAddressBits = 46;
        cpu->Cr2 = 0;
        cpu->Xcr0 = 7;
        cpu->Gdtr = new TableRegister { Base = High + Gdt, Limit = 0x4F };
        cpu->Idtr = new TableRegister { Base = High + Idt, Limit = 0xFFF };
        const uint Code = 0xFB | SegmentRegister.GBit;
        SegmentRegister data = Segment(UserData, 0xF3 | SegmentRegister.GBit | SegmentRegister.DbBit, uint.MaxValue);
        cpu->Segments[(int)SegmentIndex.CS] = bits == 64
            ? Segment(User64, Code | SegmentRegister.LBit, uint.MaxValue)
            : Segment(User32, Code | SegmentRegister.DbBit, uint.MaxValue);
        cpu->Segments[(int)SegmentIndex.SS] = data;
        cpu->Segments[(int)SegmentIndex.DS] = data;
        cpu->Segments[(int)SegmentIndex.ES] = data;
        cpu->Segments[(int)SegmentIndex.FS] = Segment(0, SegmentRegister.UnusableBit, 0);
        cpu->Segments[(int)SegmentIndex.GS] = Segment(0, SegmentRegister.UnusableBit, 0);
        cpu->Segments[(int)SegmentIndex.LDTR] = Segment(0, SegmentRegister.UnusableBit, 0);
        cpu->Segments[(int)SegmentIndex.TR] = Segment(TaskSelector, 0x8B, 0x67) with { Base = High + Tss };
    }

    private static SegmentRegister Segment(ushort selector, uint rights, uint limit) =>
        new() { Selector = selector, AccessRights = rights, Limit = limit };

    private void BuildTables()
    {
        // Identity mapping, all below 1 GiB: one page directory.
        Put(Pml4, Pdpt | P | W | U);
        Put(Pml4 + (256 * 8), HighPdpt | P | W);
        Put(HighPdpt, HighDirectory | P | W);
        Put(HighDirectory, LowTable | P | W);
        Put(Pdpt, PageDirectory | P | W | U);
        Put(PageDirectory + ((MemoryMap.Code >> 21) * 8), CodeTable | P | W | U);
        Put(PageDirectory + ((MemoryMap.Data >> 21) * 8), DataTable | P | W | U);
        for (ulong page = 0; page < 16; page++)
        {
            Put(LowTable + (page * 8), (page << 12) | P | W | AccessedDirty);
        }

        Put(CodeTable, MemoryMap.Code | P | U | AccessedDirty);
        Put(DataTable + (((MemoryMap.Data >> 12) & 0x1FF) * 8), MemoryMap.Data | P | W | U | AccessedDirty | NoExecute);
        Put(DataTable + ((((MemoryMap.Data >> 12) & 0x1FF) + 1) * 8), (MemoryMap.Data + 0x1000) | P | W | U | AccessedDirty | NoExecute);
        Put(DataTable + (((MemoryMap.ReadOnly >> 12) & 0x1FF) * 8), MemoryMap.ReadOnly | P | U | AccessedDirty | NoExecute);

        Put(Gdt + KernelCode, 0x0020_9B00_0000_0000);
        Put(Gdt + (User32 & ~3UL), 0x00CF_FB00_0000_FFFF);
        Put(Gdt + (UserData & ~3UL), 0x00CF_F300_0000_FFFF);
        Put(Gdt + (User64 & ~3UL), 0x00AF_FB00_0000_FFFF);
        Put(Gdt + TaskSelector, 0x0000_8B00_0000_0067 | (Tss << 16));
        Put(Gdt + TaskSelector + 8, High >> 32);
        Put(Tss + 4, High + StackTop);
        for (ulong vector = 0; vector < 256; vector++)
        {
            ulong handler = Handlers + (vector * 16);
            ulong dpl = vector is 3 or 4 ? 3UL : 0;
            Put(Idt + (vector * 16) + 8, High >> 32);
            Put(Idt + (vector * 16), (handler & 0xFFFF) | ((ulong)KernelCode << 16) | ((0x8E00UL | (dpl << 13)) << 32) | (handler >> 16 << 48));
            _memory.Base[handler] = 0xF4;
        }

        new Span<byte>(_memory.Base + MemoryMap.Code, 0x1000).Fill(0xCC);
    }

    private void Put(ulong address, ulong value) =>
        BinaryPrimitives.WriteUInt64LittleEndian(new Span<byte>(_memory.Base + address, 8), value);

    /// <summary>A board with nothing on it.</summary>
    private sealed class EmptyBoard : IPlatform
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
