using System.Runtime.Intrinsics;

using Iced.Intel;

using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <content>What MMX and SSE instructions share: may they run, their registers, their memory operands.</content>
public sealed unsafe partial class Processor
{
    private const ulong Cr0Em = 1UL << 2;
    private const ulong Cr0Ts = 1UL << 3;
    private const ulong Cr4OsFxsr = 1UL << 9;
    private const ulong Cr4OsXmmExcpt = 1UL << 10;
    private const ushort FswErrorSummary = 1 << 7;
    private const ushort FswTop = 7 << 11;

    /// <summary>SDM 3A "Checking for the SSE/SSE2/SSE3/SSSE3/SSE4 Support": #UD without OS support, #NM after a task switch.</summary>
    internal bool SseReady()
    {
        CpuState* cpu = State;
        if ((cpu->Paging.Cr0 & (Cr0Em | Cr0Ts)) == 0 && (cpu->Paging.Cr4 & Cr4OsFxsr) != 0)
        {
            return true;
        }

        bool undefined = (cpu->Paging.Cr0 & Cr0Em) != 0 || (cpu->Paging.Cr4 & Cr4OsFxsr) == 0;
        _ = Raise(undefined ? Vector.UD : Vector.NM);
        return false;
    }

    /// <summary>
    /// SDM 3A "Emulation of the MMX Instruction Set": #UD with CR0.EM, #NM with CR0.TS, #MF when an x87 exception is pending.
    /// </summary>
    internal bool MmxReady()
    {
        CpuState* cpu = State;
        if ((cpu->Paging.Cr0 & (Cr0Em | Cr0Ts)) != 0)
        {
            _ = Raise((cpu->Paging.Cr0 & Cr0Em) != 0 ? Vector.UD : Vector.NM);
            return false;
        }

        return (cpu->Fsw & FswErrorSummary) == 0 || MayIgnoreX87Error();
    }

    /// <summary>SSE instructions that also touch MMX registers obey the rules of both.</summary>
    internal bool SseAndMmxReady() => SseReady() && MmxReady();

    /// <summary>
    /// SDM 2A "Exceptions Type 1 (Aligned Memory Reference)" and its siblings: #UD in real and virtual-8086 mode and without OS support
    /// of AVX state, #NM after a task switch. CR0.EM does not matter.
    /// </summary>
    internal bool AvxReady()
    {
        const ulong SseAndAvx = ControlRegisters.Xcr0Sse | ControlRegisters.Xcr0Avx;
        CpuState* cpu = State;
        bool enabled = (cpu->Paging.Cr4 & ControlRegisters.Cr4Osxsave) != 0 && (cpu->Xcr0 & SseAndAvx) == SseAndAvx
            && (cpu->Mode & ExecutionMode.RealOrVirtual8086) == 0;
        if (enabled && (cpu->Paging.Cr0 & Cr0Ts) == 0)
        {
            return true;
        }

        _ = Raise(enabled ? Vector.NM : Vector.UD);
        return false;
    }

    /// <summary>The low 128 bits of XMM<paramref name="register"/>.</summary>
    internal byte* Xmm(Register register) => (byte*)&State->Vector + (32 * (register - Register.XMM0));

    /// <summary>The 32 bytes of a register by either of its names, XMM or YMM.</summary>
    internal byte* VectorPointer(Register register) => (byte*)&State->Vector + (32 * ((register - Register.XMM0) & 31));

    /// <summary>Reads MM<paramref name="register"/>.</summary>
    internal ulong Mmx(Register register) => State->X87[register - Register.MM0].Significand;

    /// <summary>Writes MM<paramref name="register"/>: sign and exponent become all ones (SDM 1 "MMX Registers").</summary>
    internal void SetMmx(Register register, ulong value)
    {
        ref X87Register target = ref State->X87[register - Register.MM0];
        target.Significand = value;
        target.SignExponent = 0xFFFF;
    }

    /// <summary>
    /// Every MMX instruction but EMMS makes all x87 registers valid and TOP zero (SDM 3A "MMX State and MMX Register Aliasing").
    /// To be called when nothing can fault any more.
    /// </summary>
    internal void EnterMmx()
    {
        State->Fsw = (ushort)(State->Fsw & ~FswTop);
        State->Ftw = 0;
    }

    /// <summary>
    /// Puts the exceptions of an instruction into MXCSR. False when one is unmasked: #XM, or #UD where the OS has not said that it
    /// handles #XM (SDM 1 "SIMD Floating-Point Exceptions"); the destination must then stay as it is.
    /// </summary>
    internal bool CommitSse(in FloatEnvironment environment)
    {
        CpuState* cpu = State;
        uint raised = environment.Raised;
        uint unmasked = raised & ~environment.Masked;
        if (unmasked == 0)
        {
            cpu->Mxcsr |= raised;
            return true;
        }

        // An unmasked exception known before the computation prevents the computation of all elements.
        cpu->Mxcsr |= (unmasked & MxcsrBits.PreComputation) != 0 ? raised & MxcsrBits.PreComputation : raised;
        _ = Raise((cpu->Paging.Cr4 & Cr4OsXmmExcpt) != 0 ? Vector.XM : Vector.UD);
        return false;
    }

    internal static bool IsMmx(Register register) => register is >= Register.MM0 and <= Register.MM7;

    /// <summary>Reads XMM or 16 bytes of memory that must be aligned.</summary>
    internal bool TryReadXmm(in Instruction i, int operand, out Vector128<byte> value)
    {
        if (i.GetOpKind(operand) == OpKind.Register)
        {
            value = *(Vector128<byte>*)Xmm(i.GetOpRegister(operand));
            return true;
        }

        value = default;
        return TryAligned(in i, AccessKind.Read, out ulong linear) && TryReadLinear(new Gva(linear), State->DataAccess, out value);
    }

    /// <summary>Reads the low element of XMM or YMM, or as much memory; no alignment is asked.</summary>
    internal bool TryReadVectorLow<T>(in Instruction i, int operand, out T value)
        where T : unmanaged
    {
        if (i.GetOpKind(operand) == OpKind.Register)
        {
            value = *(T*)VectorPointer(i.GetOpRegister(operand));
            return true;
        }

        return TryRead(SegmentOf(in i), EffectiveAddress(in i), out value);
    }

    /// <summary>Reads MM or memory.</summary>
    internal bool TryReadMmx(in Instruction i, int operand, out ulong value)
    {
        if (i.GetOpKind(operand) == OpKind.Register)
        {
            value = Mmx(i.GetOpRegister(operand));
            return true;
        }

        return TryRead(SegmentOf(in i), EffectiveAddress(in i), out value);
    }

    /// <summary>Reads an element from a general register's low bytes or from memory.</summary>
    internal bool TryReadElement<T>(in Instruction i, int operand, out T value)
        where T : unmanaged
    {
        if (i.GetOpKind(operand) == OpKind.Register)
        {
            value = *(T*)GprPointer(State, i.GetOpRegister(operand));
            return true;
        }

        return TryRead(SegmentOf(in i), EffectiveAddress(in i), out value);
    }

    /// <summary>
    /// MASKMOV: stores the selected bytes at DS:rDI (operand 0). All bytes are checked for writing,
    /// even when none is selected: the manual leaves that open, and silicon does so.
    /// </summary>
    internal bool TryMaskedStore(in Instruction i, byte* source, int sizeBytes, uint mask)
    {
        Register pointer = i.Op0Kind switch
        {
            OpKind.MemorySegRDI => Register.RDI,
            OpKind.MemorySegEDI => Register.EDI,
            _ => Register.DI,
        };
        ulong offset = pointer == Register.RDI ? Gpr<ulong>(pointer) : pointer == Register.EDI ? Gpr<uint>(pointer) : Gpr<ushort>(pointer);
        // Alignment is checked as of eight bytes (so does silicon).
        if (!TryLinearAnyAlignment(SegmentOf(in i), offset, (uint)sizeBytes, AccessKind.Write, out _)
            || !TryLinear(SegmentOf(in i), offset, 8, AccessKind.Write, out ulong linear))
        {
            return false;
        }

        if (!TryPrepareWrite(linear, State->DataAccess, sizeBytes, out WriteTarget target))
        {
            return false;
        }

        byte* merged = stackalloc byte[16];
        ReadTarget(in target, merged);
        for (int k = 0; k < sizeBytes; k++)
        {
            merged[k] = ((mask >> k) & 1) != 0 ? source[k] : merged[k];
        }

        CommitWrite(in target, merged);
        return true;
    }

    /// <summary>Reads one element at an offset from the memory operand; never #AC (so does silicon).</summary>
    internal bool TryReadPart<T>(in Instruction i, ulong part, out T value)
        where T : unmanaged
    {
        T local = default;
        bool done = TryLinearAnyAlignment(SegmentOf(in i), CutAddress(in i, EffectiveAddress(in i) + part), (uint)sizeof(T), AccessKind.Read, out ulong linear)
            && TryReadBytes(linear, State->DataAccess, (byte*)&local, sizeof(T));
        value = local;
        return done;
    }

    /// <summary>Asks for permission to write one element at an offset from the memory operand; never #AC.</summary>
    internal bool TryPreparePart<T>(in Instruction i, ulong part, out WriteTarget target)
        where T : unmanaged
    {
        target = default;
        return TryLinearAnyAlignment(SegmentOf(in i), CutAddress(in i, EffectiveAddress(in i) + part), (uint)sizeof(T), AccessKind.Write, out ulong linear)
            && TryPrepareWrite(linear, State->DataAccess, sizeof(T), out target);
    }

    /// <summary>Asks for permission to write the memory operand.</summary>
    internal bool TryPrepareOperand<T>(in Instruction i, out WriteTarget target)
        where T : unmanaged
    {
        target = default;
        return TryLinear(SegmentOf(in i), EffectiveAddress(in i), (uint)sizeof(T), AccessKind.Write, out ulong linear)
            && TryPrepareWrite(linear, State->DataAccess, sizeof(T), out target);
    }

    private static ulong CutAddress(in Instruction i, ulong address) =>
        AddressBits(in i) switch { 16 => (ushort)address, 32 => (uint)address, _ => address };

    /// <summary>
    /// The linear address of a 16-byte operand: #GP(0) unless aligned, whatever EFLAGS.AC says, and before any other fault of
    /// the address (so does silicon).
    /// </summary>
    private bool TryAligned(in Instruction i, AccessKind kind, out ulong linear) => TryAligned(in i, 16, kind, out linear);

    private bool TryAligned(in Instruction i, uint sizeBytes, AccessKind kind, out ulong linear)
    {
        bool valid = TryLinear(SegmentOf(in i), EffectiveAddress(in i), sizeBytes, kind, out linear);
        return (linear & (sizeBytes - 1)) == 0 ? valid : Fail(Vector.GP, 0);
    }

    /// <summary>The memory operand is aligned to its 16 or 32 bytes; #GP(0) otherwise.</summary>
    internal bool IsVectorAligned(in Instruction i, int sizeBytes, AccessKind kind) => TryAligned(in i, (uint)sizeBytes, kind, out _);
}
