using Iced.Intel;

using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <summary>IN, OUT, INS, OUTS (SDM 1 "Input/Output"): I/O privilege, the permission bitmap of the TSS, then the VM exit.</summary>
internal static unsafe class PortInstructions
{
    private const int Rcx = 1;
    private const int Rdx = 2;
    private const int Rsi = 6;
    private const int Rdi = 7;

    // Exit qualification for I/O instructions (SDM 3C): size - 1 in bits 2:0, then these, and the port in bits 31:16.
    private const ulong QualificationIn = 1 << 3;
    private const ulong QualificationString = 1 << 4;
    private const ulong QualificationRep = 1 << 5;
    private const ulong QualificationImmediate = 1 << 6;

    public static void Register(ColdTable table)
    {
        table.Set(Mnemonic.In, &In, endsBlock: true);
        table.Set(Mnemonic.Out, &Out, endsBlock: true);
        table.Set(Mnemonic.Insb, &Ins, endsBlock: true);
        table.Set(Mnemonic.Insw, &Ins, endsBlock: true);
        table.Set(Mnemonic.Insd, &Ins, endsBlock: true);
        table.Set(Mnemonic.Outsb, &Outs, endsBlock: true);
        table.Set(Mnemonic.Outsw, &Outs, endsBlock: true);
        table.Set(Mnemonic.Outsd, &Outs, endsBlock: true);
    }

    private static Outcome In(Processor p, in Instruction i)
    {
        bool isImmediate = i.Op1Kind == OpKind.Immediate8;
        ushort port = isImmediate ? i.Immediate8 : (ushort)p.State->Gpr[Rdx];
        int size = i.Op0Register.GetSize();
        ulong kind = QualificationIn | (isImmediate ? QualificationImmediate : 0);
        if (!TryPermit(p, in i, port, size, kind, 0, out Outcome outcome))
        {
            return outcome;
        }

        p.SetGprSized(i.Op0Register, p.Platform.ReadPort(port, size));
        p.NotePortAccess(port, size);
        return p.Branch(true);
    }

    private static Outcome Out(Processor p, in Instruction i)
    {
        bool isImmediate = i.Op0Kind == OpKind.Immediate8;
        ushort port = isImmediate ? i.Immediate8 : (ushort)p.State->Gpr[Rdx];
        int size = i.Op1Register.GetSize();
        if (!TryPermit(p, in i, port, size, isImmediate ? QualificationImmediate : 0, 0, out Outcome outcome))
        {
            return outcome;
        }

        p.Platform.WritePort(port, size, Cut((uint)p.State->Gpr[0], size));
        p.NotePortAccess(port, size);
        return p.Branch(true);
    }

    /// <summary>INS, one iteration: the port is read after the memory operand is known to be writable.</summary>
    private static Outcome Ins(Processor p, in Instruction i)
    {
        int size = SizeOf(in i);
        ulong mask = AddressMask(p, in i, out int bits);
        if (i.HasRepPrefix && (p.State->Gpr[Rcx] & mask) == 0)
        {
            return Outcome.Retired;
        }

        ushort port = (ushort)p.State->Gpr[Rdx];
        ulong offset = p.State->Gpr[Rdi] & mask;
        ulong kind = QualificationIn | QualificationString | (i.HasRepPrefix ? QualificationRep : 0);
        p.LastOperandLinear = Linear(p, SegmentIndex.ES, offset);
        if (!TryPermit(p, in i, port, size, kind, InstructionInformation.OfStringIo(bits, SegmentIndex.ES), out Outcome outcome))
        {
            return outcome;
        }

        if (!p.TryLinear(SegmentIndex.ES, offset, (uint)size, AccessKind.Write, out ulong linear)
            || !p.TryPrepareWrite(linear, p.State->DataAccess, size, out Processor.WriteTarget target))
        {
            return Outcome.Fault;
        }

        uint value = p.Platform.ReadPort(port, size);
        p.CommitWrite(in target, (byte*)&value);
        p.NotePortAccess(port, size);
        return Advance(p, in i, Rdi, size, mask);
    }

    private static Outcome Outs(Processor p, in Instruction i)
    {
        int size = SizeOf(in i);
        ulong mask = AddressMask(p, in i, out int bits);
        if (i.HasRepPrefix && (p.State->Gpr[Rcx] & mask) == 0)
        {
            return Outcome.Retired;
        }

        ushort port = (ushort)p.State->Gpr[Rdx];
        ulong offset = p.State->Gpr[Rsi] & mask;
        SegmentIndex segment = Processor.SegmentOf(in i);
        p.LastOperandLinear = Linear(p, segment, offset);
        ulong kind = QualificationString | (i.HasRepPrefix ? QualificationRep : 0);
        if (!TryPermit(p, in i, port, size, kind, InstructionInformation.OfStringIo(bits, segment), out Outcome outcome))
        {
            return outcome;
        }

        if (!SegmentInstructions.TryReadSized(p, segment, offset, size, out ulong value))
        {
            return Outcome.Fault;
        }

        p.Platform.WritePort(port, size, Cut((uint)value, size));
        p.NotePortAccess(port, size);
        return Advance(p, in i, Rsi, size, mask);
    }

    /// <summary>Privilege, then the exit. False with the outcome to return.</summary>
    private static bool TryPermit(Processor p, in Instruction i, ushort port, int size, ulong kind, uint information, out Outcome outcome)
    {
        outcome = Outcome.Fault;
        if (!MayUsePort(p, port, size))
        {
            return false;
        }

        if (!p.State->Paging.NonRoot || !p.Vmx.ExitsForPort(port, size))
        {
            return true;
        }

        outcome = p.Vmx.ExitForPort((uint)(size - 1) | kind | ((ulong)port << 16), (uint)i.Length, information, p.LastOperandLinear);
        return false;
    }

    /// <summary>
    /// SDM 1 "I/O Permission Bit Map": above IOPL, and always in virtual-8086 mode, every byte's bit in the TSS must be clear. #GP(0).
    /// </summary>
    private static bool MayUsePort(Processor p, ushort port, int size)
    {
        const uint BitmapBaseOffset = 0x66;
        int iopl = (int)(p.State->RflagsSystem & RflagsBits.IOPL) >> RflagsBits.IoplShift;
        if (!p.IsProtected || (!p.IsVirtual8086 && p.State->Cpl <= iopl))
        {
            return true;
        }

        ref SegmentRegister tss = ref p.Segment(SegmentIndex.TR);
        bool hasBitmap = tss.Type is SegmentDescriptor.TypeTssAvailable or SegmentDescriptor.TypeTssBusy && BitmapBaseOffset + 1 <= tss.Limit;
        if (!hasBitmap)
        {
            return p.Fail(Vector.GP, 0);
        }

        if (!p.TryReadLinear(new Gva(tss.Base + BitmapBaseOffset), AccessMode.Supervisor, out ushort bitmapBase))
        {
            return false;
        }

        // Two bytes are always read, so the byte behind the last must lie within the limit too.
        uint offset = bitmapBase + ((uint)port >> 3);
        if (offset + 1 > tss.Limit)
        {
            return p.Fail(Vector.GP, 0);
        }

        if (!p.TryReadLinear(new Gva(tss.Base + offset), AccessMode.Supervisor, out ushort bits))
        {
            return false;
        }

        uint wanted = ((1u << size) - 1) << (port & 7);
        return (bits & wanted) == 0 || p.Fail(Vector.GP, 0);
    }

    private static Outcome Advance(Processor p, in Instruction i, int index, int size, ulong mask)
    {
        bool down = (p.State->RflagsSystem & RflagsBits.DF) != 0;
        Add(ref p.State->Gpr[index], down ? -size : size, mask);
        if (!i.HasRepPrefix)
        {
            return p.Branch(true);
        }

        Add(ref p.State->Gpr[Rcx], -1, mask);
        return (p.State->Gpr[Rcx] & mask) == 0 ? p.Branch(true) : Outcome.Repeat;
    }

    /// <summary>Adds within the address size; a 32-bit result clears the upper half as any 32-bit write does.</summary>
    private static void Add(ref ulong register, long step, ulong mask)
    {
        ulong sum = (register + (ulong)step) & mask;
        register = mask == ushort.MaxValue ? (register & ~mask) | sum : sum;
    }

    private static ulong Linear(Processor p, SegmentIndex segment, ulong offset) => p.Is64BitMode
        ? (segment >= SegmentIndex.FS ? p.Segment(segment).Base : 0) + offset
        : (uint)(p.Segment(segment).Base + offset);

    private static ulong AddressMask(Processor p, in Instruction i, out int bits)
    {
        OpKind kind = i.Op0Kind == OpKind.Register ? i.Op1Kind : i.Op0Kind;
        bits = kind switch
        {
            OpKind.MemoryESDI or OpKind.MemorySegSI => 16,
            OpKind.MemoryESEDI or OpKind.MemorySegESI => 32,
            _ => 64,
        };
        return bits switch { 16 => ushort.MaxValue, 32 => uint.MaxValue, _ => ulong.MaxValue };
    }

    private static int SizeOf(in Instruction i) => i.Mnemonic switch
    {
        Mnemonic.Insb or Mnemonic.Outsb => 1,
        Mnemonic.Insw or Mnemonic.Outsw => 2,
        _ => 4,
    };

    private static uint Cut(uint value, int size) => size switch { 1 => (byte)value, 2 => (ushort)value, _ => value };
}
