using System;
using System.Runtime.CompilerServices;

using Iced.Intel;

using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <summary>
/// The XSAVE feature set (SDM 1 "Managing State Using the XSAVE Feature Set"): XSAVE, XSAVEOPT, XSAVEC and XRSTOR, in standard and
/// compacted form, with the init optimization. A component counts as in use when it differs from its initial configuration; nothing is
/// remembered of earlier saves, so there is no modified optimization.
/// <code>
/// 0 legacy region (StateSave) 512 XSTATE_BV 520 XCOMP_BV 528 reserved 576 high halves of YMM ... 2688 PKRU (standard form)
/// </code>
/// </summary>
internal static unsafe class ExtendedState
{
    private const int HeaderOffset = (int)XsaveArea.LegacySize;
    private const int HeaderSize = (int)XsaveArea.HeaderSize;
    private const ulong Compacted = 1UL << 63;
    private const ushort InitialFcw = 0x37F;
    private const uint InitialMxcsr = 0x1F80;

    public static void Register(ColdTable table)
    {
        table.Set(Mnemonic.Xsave, &Xsave);
        table.Set(Mnemonic.Xsave64, &Xsave);
        table.Set(Mnemonic.Xsaveopt, &Xsaveopt);
        table.Set(Mnemonic.Xsaveopt64, &Xsaveopt);
        table.Set(Mnemonic.Xsavec, &Xsavec);
        table.Set(Mnemonic.Xsavec64, &Xsavec);
        table.Set(Mnemonic.Xrstor, &Xrstor, endsBlock: true);
        table.Set(Mnemonic.Xrstor64, &Xrstor, endsBlock: true);
    }

    /// <summary>XINUSE: the components that are not in their initial configuration.</summary>
    internal static ulong InUse(CpuState* cpu)
    {
        ReadOnlySpan<ulong> words = new(&cpu->Vector, 16 * 4);
        ulong low = 0;
        ulong high = 0;
        for (int i = 0; i < words.Length; i += 4)
        {
            low |= words[i] | words[i + 1];
            high |= words[i + 2] | words[i + 3];
        }

        bool x87 = cpu->Fcw != InitialFcw || cpu->Fsw != 0 || cpu->Ftw != 0xFFFF || (cpu->Fop | cpu->Fip | cpu->Fdp | cpu->Fcs | cpu->Fds) != 0
            || new ReadOnlySpan<byte>(&cpu->X87, sizeof(X87Registers)).ContainsAnyExcept((byte)0);
        return (x87 ? ControlRegisters.Xcr0X87 : 0)
            | (low != 0 ? ControlRegisters.Xcr0Sse : 0)
            | (high != 0 ? ControlRegisters.Xcr0Avx : 0)
            | (cpu->Paging.Pkru != 0 ? ControlRegisters.Xcr0Pkru : 0);
    }

    /// <summary>XINUSE as XSAVEC and XGETBV see it: SSE state is in use too when MXCSR is not as after reset.</summary>
    internal static ulong InUseWithMxcsr(CpuState* cpu) => InUse(cpu) | (cpu->Mxcsr != InitialMxcsr ? ControlRegisters.Xcr0Sse : 0);

    /// <summary>XSAVE: every component asked for is written, in use or not.</summary>
    private static Outcome Xsave(Processor p, in Instruction i) => Save(p, in i, optimized: false, compacted: false);

    /// <summary>XSAVEOPT: components in their initial configuration are not written.</summary>
    private static Outcome Xsaveopt(Processor p, in Instruction i) => Save(p, in i, optimized: true, compacted: false);

    /// <summary>XSAVEC: as XSAVEOPT, and the components asked for lie without gaps.</summary>
    private static Outcome Xsavec(Processor p, in Instruction i) => Save(p, in i, optimized: true, compacted: true);

    private static Outcome Save(Processor p, in Instruction i, bool optimized, bool compacted)
    {
        CpuState* cpu = p.State;
        if (!TryBegin(p, out ulong asked)
            || !TryAddress(p, in i, SizeOf(asked, compacted), AccessKind.Write, out ulong linear))
        {
            return Outcome.Fault;
        }

        ulong inUse = compacted ? InUseWithMxcsr(cpu) : InUse(cpu);
        ulong written = optimized ? asked & inUse : asked;
        byte* legacy = stackalloc byte[HeaderOffset];
        new Span<byte>(legacy, HeaderOffset).Clear();
        StateSave.StoreX87(p, legacy, p.IsWide(in i));
        StateSave.StoreSse(p, legacy);
        Pieces pieces = default;
        bool may = true;
        if ((written & ControlRegisters.Xcr0X87) != 0)
        {
            may = pieces.TryAdd(p, linear, legacy, StateSave.MxcsrOffset)
                && pieces.TryAdd(p, linear + StateSave.StOffset, legacy + StateSave.StOffset, StateSave.XmmOffset - StateSave.StOffset);
        }

        // In the standard form MXCSR goes with AVX state too, whatever is in use.
        ulong withMxcsr = compacted ? written & ControlRegisters.Xcr0Sse : asked & (ControlRegisters.Xcr0Sse | ControlRegisters.Xcr0Avx);
        may = may && (withMxcsr == 0
            || pieces.TryAdd(p, linear + StateSave.MxcsrOffset, legacy + StateSave.MxcsrOffset, StateSave.MxcsrSize));
        may = may && ((written & ControlRegisters.Xcr0Sse) == 0
            || pieces.TryAdd(p, linear + StateSave.XmmOffset, legacy + StateSave.XmmOffset, StateSave.XmmSize(p)));

        byte* avx = stackalloc byte[(int)XsaveArea.AvxSize];
        CopyAvx(p, avx, toArea: true);
        may = may && ((written & ControlRegisters.Xcr0Avx) == 0
            || pieces.TryAdd(p, linear + XsaveArea.OffsetOf(ControlRegisters.Xcr0Avx, asked, compacted), avx, StateSave.XmmSize(p)));
        ulong pkru = cpu->Paging.Pkru;
        may = may && ((written & ControlRegisters.Xcr0Pkru) == 0
            || pieces.TryAdd(
                p, linear + XsaveArea.OffsetOf(ControlRegisters.Xcr0Pkru, asked, compacted), (byte*)&pkru, (int)XsaveArea.PkruSize));

        ulong* header = stackalloc ulong[2];
        if (!may || !TryHeader(p, linear + HeaderOffset, asked, inUse, compacted, header, ref pieces))
        {
            return Outcome.Fault;
        }

        pieces.Commit(p);
        return Outcome.Retired;
    }

    /// <summary>
    /// XSTATE_BV: for what was asked for, whether it is in use; the standard form leaves the other bits as they are. XCOMP_BV: only the
    /// compacted form writes it.
    /// </summary>
    private static bool TryHeader(Processor p, ulong linear, ulong asked, ulong inUse, bool compacted, ulong* header, ref Pieces pieces)
    {
        if (compacted)
        {
            header[0] = asked & inUse;
            header[1] = asked | Compacted;
            return pieces.TryAdd(p, linear, (byte*)header, 16);
        }

        if (!p.TryReadLinear(new Gva(linear), p.State->DataAccess, out ulong present))
        {
            return false;
        }

        header[0] = (present & ~asked) | (asked & inUse);
        return pieces.TryAdd(p, linear, (byte*)header, 8);
    }

    private static Outcome Xrstor(Processor p, in Instruction i)
    {
        byte* area = stackalloc byte[HeaderOffset + HeaderSize];
        if (!TryBegin(p, out ulong asked)
            || !TryAddress(p, in i, XsaveArea.LegacySize + XsaveArea.HeaderSize, AccessKind.Read, out ulong linear)
            || !p.TryReadBytes(linear, p.State->DataAccess, area, HeaderOffset + HeaderSize))
        {
            return Outcome.Fault;
        }

        ulong present = *(ulong*)(area + HeaderOffset);
        ulong layout = *(ulong*)(area + HeaderOffset + 8);
        bool compacted = (layout & Compacted) != 0;
        if (!IsValid(p, area, asked))
        {
            return p.Raise(Vector.GP, 0);
        }

        ulong loaded = asked & present;
        byte* avx = stackalloc byte[(int)XsaveArea.AvxSize];
        new Span<byte>(avx, (int)XsaveArea.AvxSize).Clear();
        ulong pkru = 0;
        bool may = ((loaded & ControlRegisters.Xcr0Avx) == 0
            || p.TryReadBytes(
                linear + XsaveArea.OffsetOf(ControlRegisters.Xcr0Avx, layout, compacted), p.State->DataAccess, avx, StateSave.XmmSize(p)))
            && ((loaded & ControlRegisters.Xcr0Pkru) == 0
            || p.TryReadBytes(
                linear + XsaveArea.OffsetOf(ControlRegisters.Xcr0Pkru, layout, compacted), p.State->DataAccess, (byte*)&pkru, (int)XsaveArea.PkruSize));
        if (!may)
        {
            return Outcome.Fault;
        }

        LoadLegacy(p, area, asked, loaded, compacted, p.IsWide(in i));
        if ((asked & ControlRegisters.Xcr0Avx) != 0)
        {
            CopyAvx(p, avx, toArea: false);
        }

        if ((asked & ControlRegisters.Xcr0Pkru) != 0)
        {
            p.State->Paging.Pkru = (uint)pkru;
            p.OnPagingChanged();
        }

        return p.Branch(true);
    }

    /// <summary>
    /// SDM 1 "Operation of XRSTOR": in the standard form XCOMP_BV is zero, in the compacted form it names what the area has room for;
    /// nothing that XCR0 does not enable; MXCSR, where it is loaded, without reserved bits.
    /// </summary>
    private static bool IsValid(Processor p, byte* area, ulong asked)
    {
        ulong present = *(ulong*)(area + HeaderOffset);
        ulong layout = *(ulong*)(area + HeaderOffset + 8);
        bool compacted = (layout & Compacted) != 0;
        bool reserved = new ReadOnlySpan<byte>(area + HeaderOffset + 16, compacted ? HeaderSize - 16 : 8).ContainsAnyExcept((byte)0);
        if (reserved || (compacted ? (layout & ~Compacted & ~p.State->Xcr0) != 0 || (present & ~layout) != 0 : layout != 0)
            || (present & ~p.State->Xcr0) != 0)
        {
            return false;
        }

        return !LoadsMxcsr(asked, present, compacted) || (*(uint*)(area + StateSave.MxcsrOffset) & ~StateSave.MxcsrMask) == 0;
    }

    /// <summary>The standard form loads MXCSR with SSE and with AVX state, present or not; the compacted form with SSE state.</summary>
    private static bool LoadsMxcsr(ulong asked, ulong present, bool compacted) => compacted
        ? (asked & present & ControlRegisters.Xcr0Sse) != 0
        : (asked & (ControlRegisters.Xcr0Sse | ControlRegisters.Xcr0Avx)) != 0;

    /// <summary>Components asked for and not present in the area get their initial values.</summary>
    private static void LoadLegacy(Processor p, byte* area, ulong asked, ulong loaded, bool compacted, bool wide)
    {
        if ((asked & ControlRegisters.Xcr0X87) != 0)
        {
            if ((loaded & ControlRegisters.Xcr0X87) == 0)
            {
                new Span<byte>(area, StateSave.MxcsrOffset).Clear();
                new Span<byte>(area + StateSave.StOffset, StateSave.XmmOffset - StateSave.StOffset).Clear();
                *(ushort*)area = InitialFcw;
            }

            StateSave.LoadX87(p, area, wide);
        }

        if (LoadsMxcsr(asked, loaded, compacted))
        {
            p.State->Mxcsr = *(uint*)(area + StateSave.MxcsrOffset);
        }
        else if ((asked & ControlRegisters.Xcr0Sse) != 0)
        {
            p.State->Mxcsr = InitialMxcsr;
        }

        if ((asked & ControlRegisters.Xcr0Sse) == 0)
        {
            return;
        }

        if ((loaded & ControlRegisters.Xcr0Sse) == 0)
        {
            new Span<byte>(area + StateSave.XmmOffset, 256).Clear();
        }

        StateSave.LoadSse(p, area);
    }

    /// <summary>The requested-feature bitmap; false with #UD or #NM raised.</summary>
    private static bool TryBegin(Processor p, out ulong asked)
    {
        asked = p.EdxEax & p.State->Xcr0;
        bool undefined = (p.State->Paging.Cr4 & ControlRegisters.Cr4Osxsave) == 0;
        if (!undefined && (p.State->Paging.Cr0 & ControlRegisters.Cr0Ts) == 0)
        {
            return true;
        }

        _ = p.Raise(undefined ? Vector.UD : Vector.NM);
        return false;
    }

    /// <summary>
    /// The linear address of an area, aligned to 64: #GP(0) otherwise, before any other fault of the address and whatever EFLAGS.AC says
    /// (so does silicon).
    /// </summary>
    private static bool TryAddress(Processor p, in Instruction i, uint size, AccessKind kind, out ulong linear)
    {
        bool valid = p.TryLinearAnyAlignment(Processor.SegmentOf(in i), p.EffectiveAddress(in i), size, kind, out linear);
        return (linear & 63) == 0 ? valid : p.Fail(Vector.GP, 0);
    }

    private static uint SizeOf(ulong asked, bool compacted) => compacted ? XsaveArea.CompactedSizeOf(asked) : XsaveArea.SizeOf(asked);

    /// <summary>High halves of YMM registers, as many as the mode has.</summary>
    private static void CopyAvx(Processor p, byte* area, bool toArea)
    {
        byte* registers = (byte*)&p.State->Vector + 16;
        for (int at = 0; at < StateSave.XmmSize(p); at += 16)
        {
            byte* half = registers + (2 * at);
            Unsafe.CopyBlockUnaligned(toArea ? area + at : half, toArea ? half : area + at, 16);
        }
    }

    private static bool IsWide(this Processor p, in Instruction i) => i.Mnemonic
        is Mnemonic.Xsave64 or Mnemonic.Xsaveopt64 or Mnemonic.Xsavec64 or Mnemonic.Xrstor64;

    /// <summary>Pieces of an area: all are asked for before the first is written, so that a fault leaves no trace.</summary>
    private struct Pieces
    {
        private const int Most = 8;

        private Targets _targets;
        private fixed ulong _sources[Most];
        private int _count;

        public bool TryAdd(Processor p, ulong linear, byte* source, int sizeBytes)
        {
            _sources[_count] = (ulong)source;
            return p.TryPrepareWrite(linear, p.State->DataAccess, sizeBytes, out _targets[_count++]);
        }

        public void Commit(Processor p)
        {
            for (int n = 0; n < _count; n++)
            {
                p.CommitWrite(in _targets[n], (byte*)_sources[n]);
            }
        }

        [InlineArray(Most)]
        private struct Targets
        {
            private Processor.WriteTarget _first;
        }
    }
}
