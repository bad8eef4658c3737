using System;
using System.Buffers.Binary;

using Xenolith.Cpu;
using Xenolith.Mmu;

namespace Xenolith.Machine;

/// <summary>
/// What an operating system would have set up around a process, and nothing that serves it: descriptor tables, a task segment, and
/// a handler for each vector, whose address says which one it was. Segments of 64-bit programs are those of Linux.
/// </summary>
internal static unsafe class UserSystem
{
    /// <summary>The handlers' page, linear; 16 bytes each.</summary>
    public const ulong Handlers = UserMemory.SystemBase + HandlerPage;

    private const ulong Gdt = 0x1000;
    private const ulong Ldt = 0x1800;
    private const ulong Idt = 0x2000;
    private const ulong HandlerPage = 0x3000;
    private const ulong Tss = 0x4000;
    private const ulong StackTop = 0x6000;

    private const ushort KernelCode = 0x10;
    private const ushort KernelData = 0x18;
    private const ushort User32 = 0x23;
    private const ushort UserData = 0x2B;
    private const ushort User64 = 0x33;
    private const ushort TaskSelector = 0x40;
    private const ushort LdtSelector = 0x50;
    private const ushort LdtCode32 = 0x0F;
    private const ushort LdtData = 0x17;
    private const ushort LdtSecondData = 0x1F;
    private const ushort TableLimit = 0x5F;
    private const ushort LdtLimit = 0x1F;
    private const uint TaskLimit = 0x67;

    private const ulong FlatCode64 = 0x00AF_FB00_0000_FFFF;
    private const ulong FlatCode32 = 0x00CF_FB00_0000_FFFF;
    private const ulong FlatData = 0x00CF_F300_0000_FFFF;

    /// <summary>Fills the system's pages, once.</summary>
    public static void Build(HostMemory memory)
    {
        void Put(ulong address, ulong value) =>
            BinaryPrimitives.WriteUInt64LittleEndian(new Span<byte>(memory.Base + address, 8), value);

        void PutSystem(ulong address, ulong type, ulong target, ulong limit)
        {
            ulong linear = UserMemory.SystemBase + target;
            Put(address, limit | ((linear & 0xFF_FFFF) << 16) | (type << 40) | (((linear >> 24) & 0xFF) << 56));
            Put(address + 8, linear >> 32);
        }

        Put(Gdt + KernelCode, 0x00AF_9B00_0000_FFFF);
        Put(Gdt + KernelData, 0x00CF_9300_0000_FFFF);
        Put(Gdt + (User32 & ~7UL), FlatCode32);
        Put(Gdt + (UserData & ~7UL), FlatData);
        Put(Gdt + (User64 & ~7UL), FlatCode64);
        PutSystem(Gdt + TaskSelector, 0x8B, Tss, TaskLimit);
        PutSystem(Gdt + LdtSelector, 0x82, Ldt, LdtLimit);
        Put(Ldt + (LdtCode32 & ~7UL), FlatCode32);
        Put(Ldt + (LdtData & ~7UL), FlatData);
        Put(Ldt + (LdtSecondData & ~7UL), FlatData);
        Put(Tss + 4, UserMemory.SystemBase + StackTop); // RSP0
        memory.Base[Tss + 102] = 0xFF; // the I/O permission map lies beyond the limit: no port is open
        memory.Base[Tss + 103] = 0xFF;
        for (ulong vector = 0; vector < 256; vector++)
        {
            ulong handler = Handlers + (vector * 16);
            ulong dpl = vector is 3 or 4 ? 3UL : 0; // INT3 and INTO may be used, no other INT n
            Put(Idt + (vector * 16), (handler & 0xFFFF) | ((ulong)KernelCode << 16) | ((0x8E00UL | (dpl << 13)) << 32) | ((handler & 0xFFFF_0000) << 32));
            Put(Idt + (vector * 16) + 8, handler >> 32);
            memory.Base[HandlerPage + (vector * 16)] = 0xF4; // HLT
        }
    }

    /// <summary>System registers and segments of a process.</summary>
    public static void Load(CpuState* cpu, UserProgram program)
    {
        const ulong Cr0 = 0x8005_0033; // PG AM WP NE ET MP PE
        const ulong Cr4 = 0x0005_06A0; // PAE PGE OSFXSR OSXMMEXCPT FSGSBASE OSXSAVE
        const ulong Efer = 0xD00; // NXE LMA LME; no SCE: nobody answers SYSCALL
        cpu->Paging.Cr0 = Cr0;
        cpu->Paging.Cr3 = 0x1000;
        cpu->Paging.Cr4 = Cr4;
        cpu->Paging.Efer = Efer;
        cpu->Xcr0 = 7;
        cpu->Gdtr = new TableRegister { Base = UserMemory.SystemBase + Gdt, Limit = TableLimit };
        cpu->Idtr = new TableRegister { Base = UserMemory.SystemBase + Idt, Limit = 0xFFF };
        const uint Code = 0xFB | SegmentRegister.GBit;
        const uint Data = 0xF3 | SegmentRegister.GBit | SegmentRegister.DbBit;
        UserRegisters registers = program.Registers;
        bool is64 = program.Mode == 64;
        SegmentRegister none = new() { AccessRights = SegmentRegister.UnusableBit };
        SegmentRegister data = new() { Selector = is64 ? UserData : LdtData, AccessRights = Data, Limit = uint.MaxValue };
        cpu->Segments[(int)SegmentIndex.CS] = new SegmentRegister
        {
            Selector = is64 ? User64 : LdtCode32,
            AccessRights = Code | (is64 ? SegmentRegister.LBit : SegmentRegister.DbBit),
            Limit = uint.MaxValue,
        };
        cpu->Segments[(int)SegmentIndex.SS] = data;
        cpu->Segments[(int)SegmentIndex.DS] = is64 ? none : data;
        cpu->Segments[(int)SegmentIndex.ES] = is64 ? none : data;
        cpu->Segments[(int)SegmentIndex.FS] = WithBase(registers.FsBase);
        cpu->Segments[(int)SegmentIndex.GS] = WithBase(registers.GsBase);
        cpu->Segments[(int)SegmentIndex.LDTR] = new SegmentRegister
        {
            Selector = LdtSelector,
            AccessRights = 0x82,
            Limit = LdtLimit,
            Base = UserMemory.SystemBase + Ldt,
        };
        cpu->Segments[(int)SegmentIndex.TR] = new SegmentRegister
        {
            Selector = TaskSelector,
            AccessRights = 0x8B,
            Limit = TaskLimit,
            Base = UserMemory.SystemBase + Tss,
        };

        SegmentRegister WithBase(ulong segmentBase) =>
            is64 ? none with { Base = segmentBase }
            : segmentBase == 0 ? none
            : data with { Selector = LdtSecondData, Base = segmentBase };
    }
}
