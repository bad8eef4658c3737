using Iced.Intel;

using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <summary>
/// FXSAVE, FXRSTOR, XSAVE, XSAVEOPT, XRSTOR (SDM 1 "FXSAVE and FXRSTOR Instructions", "Managing State Using the XSAVE Feature Set").
/// <code>
/// 0 FCW 2 FSW 4 abridged FTW 6 FOP 8 FIP (and FCS at 12) 16 FDP (and FDS at 20) 24 MXCSR 28 MXCSR mask 32 ST0-ST7 160 XMM0-XMM15
/// 512 XSTATE_BV 520 XCOMP_BV 528 reserved                                                                                 2688 PKRU
/// </code>
/// </summary>
internal static unsafe class StateSave
{
    private const int MxcsrOffset = 24;
    private const int StOffset = 32;
    private const int XmmOffset = 160;
    private const int HeaderOffset = 512;
    private const int StandardSize = 576;
    private const uint MxcsrMask = 0xFFFF;
    private const ushort InitialFcw = 0x37F;

    public static void Register(ColdTable table)
    {
        table.Set(Mnemonic.Fxsave, &Fxsave);
        table.Set(Mnemonic.Fxsave64, &Fxsave);
        table.Set(Mnemonic.Fxrstor, &Fxrstor);
        table.Set(Mnemonic.Fxrstor64, &Fxrstor);
        table.Set(Mnemonic.Xsave, &Xsave);
        table.Set(Mnemonic.Xsave64, &Xsave);
        table.Set(Mnemonic.Xsaveopt, &Xsave);
        table.Set(Mnemonic.Xsaveopt64, &Xsave);
        table.Set(Mnemonic.Xrstor, &Xrstor, endsBlock: true);
        table.Set(Mnemonic.Xrstor64, &Xrstor, endsBlock: true);
    }

    private static Outcome Fxsave(Processor p, in Instruction i)
    {
        if ((p.State->Paging.Cr0 & (ControlRegisters.Cr0Em | ControlRegisters.Cr0Ts)) != 0)
        {
            return p.Raise(Vector.NM);
        }

        byte* area = stackalloc byte[HeaderOffset];
        if (!TryAddress(p, in i, HeaderOffset, 16, AccessKind.Write, out ulong linear)
            || !p.TryReadBytes(linear, p.State->DataAccess, area, HeaderOffset))
        {
            return Outcome.Fault;
        }

        StoreX87(p, area, i.Mnemonic == Mnemonic.Fxsave64);
        StoreSse(p, area);
        return p.TryWriteBytes(linear, p.State->DataAccess, area, HeaderOffset) ? Outcome.Retired : Outcome.Fault;
    }

    private static Outcome Fxrstor(Processor p, in Instruction i)
    {
        if ((p.State->Paging.Cr0 & (ControlRegisters.Cr0Em | ControlRegisters.Cr0Ts)) != 0)
        {
            return p.Raise(Vector.NM);
        }

        byte* area = stackalloc byte[HeaderOffset];
        if (!TryAddress(p, in i, HeaderOffset, 16, AccessKind.Read, out ulong linear)
            || !p.TryReadBytes(linear, p.State->DataAccess, area, HeaderOffset))
        {
            return Outcome.Fault;
        }

        if ((*(uint*)(area + MxcsrOffset) & ~MxcsrMask) != 0)
        {
            return p.Raise(Vector.GP, 0);
        }

        LoadX87(p, area, i.Mnemonic == Mnemonic.Fxrstor64);
        p.State->Mxcsr = *(uint*)(area + MxcsrOffset);
        LoadSse(p, area);
        return Outcome.Retired;
    }

    /// <summary>XSAVE and XSAVEOPT in standard form; every enabled component counts as in use.</summary>
    private static Outcome Xsave(Processor p, in Instruction i)
    {
        if (!TryBegin(p, out ulong components))
        {
            return Outcome.Fault;
        }

        byte* area = stackalloc byte[StandardSize];
        bool hasPkru = (components & ControlRegisters.Xcr0Pkru) != 0;
        uint size = hasPkru ? XsaveArea.PkruOffset + XsaveArea.PkruSize : StandardSize;
        if (!TryAddress(p, in i, size, 64, AccessKind.Write, out ulong linear)
            || !p.TryReadBytes(linear, p.State->DataAccess, area, StandardSize))
        {
            return Outcome.Fault;
        }

        bool is64 = i.Mnemonic is Mnemonic.Xsave64 or Mnemonic.Xsaveopt64;
        if ((components & ControlRegisters.Xcr0X87) != 0)
        {
            StoreX87(p, area, is64);
        }

        if ((components & ControlRegisters.Xcr0Sse) != 0)
        {
            StoreSse(p, area);
        }

        *(ulong*)(area + HeaderOffset) |= components;
        ulong pkru = p.State->Paging.Pkru;
        bool done = (!hasPkru || p.TryWriteBytes(linear + XsaveArea.PkruOffset, p.State->DataAccess, (byte*)&pkru, (int)XsaveArea.PkruSize))
            && p.TryWriteBytes(linear, p.State->DataAccess, area, StandardSize);
        return done ? Outcome.Retired : Outcome.Fault;
    }

    private static Outcome Xrstor(Processor p, in Instruction i)
    {
        if (!TryBegin(p, out ulong components))
        {
            return Outcome.Fault;
        }

        byte* area = stackalloc byte[StandardSize];
        if (!TryAddress(p, in i, StandardSize, 64, AccessKind.Read, out ulong linear)
            || !p.TryReadBytes(linear, p.State->DataAccess, area, StandardSize))
        {
            return Outcome.Fault;
        }

        ulong present = *(ulong*)(area + HeaderOffset);
        ulong pkru = 0;
        bool readsPkru = (components & present & ControlRegisters.Xcr0Pkru) != 0;
        if (readsPkru && !p.TryReadBytes(linear + XsaveArea.PkruOffset, p.State->DataAccess, (byte*)&pkru, (int)XsaveArea.PkruSize))
        {
            return Outcome.Fault;
        }

        // XCOMP_BV and the reserved bytes behind it: only the standard form is offered.
        bool isStandard = *(ulong*)(area + HeaderOffset + 8) == 0 && *(ulong*)(area + HeaderOffset + 16) == 0;
        bool usesMxcsr = (components & ControlRegisters.Xcr0Sse) != 0;
        uint mxcsr = *(uint*)(area + MxcsrOffset);
        if ((present & ~p.State->Xcr0) != 0 || !isStandard || (usesMxcsr && (mxcsr & ~MxcsrMask) != 0))
        {
            return p.Raise(Vector.GP, 0);
        }

        Load(p, area, components, present, i.Mnemonic == Mnemonic.Xrstor64);
        if ((components & ControlRegisters.Xcr0Pkru) != 0)
        {
            p.State->Paging.Pkru = (uint)pkru;
            p.OnPagingChanged();
        }

        return p.Branch(true);
    }

    /// <summary>Components asked for and not present in the area get their initial values.</summary>
    private static void Load(Processor p, byte* area, ulong components, ulong present, bool is64)
    {
        if ((components & ControlRegisters.Xcr0X87) != 0)
        {
            if ((present & ControlRegisters.Xcr0X87) == 0)
            {
                new System.Span<byte>(area, MxcsrOffset).Clear();
                new System.Span<byte>(area + StOffset, XmmOffset - StOffset).Clear();
                *(ushort*)area = InitialFcw;
            }

            LoadX87(p, area, is64);
        }

        if ((components & ControlRegisters.Xcr0Sse) == 0)
        {
            return;
        }

        if ((present & ControlRegisters.Xcr0Sse) == 0)
        {
            new System.Span<byte>(area + XmmOffset, 256).Clear();
        }

        p.State->Mxcsr = *(uint*)(area + MxcsrOffset);
        LoadSse(p, area);
    }

    private static bool TryBegin(Processor p, out ulong components)
    {
        components = p.EdxEax & p.State->Xcr0;
        if ((p.State->Paging.Cr4 & ControlRegisters.Cr4Osxsave) == 0)
        {
            _ = p.Raise(Vector.UD);
            return false;
        }

        if ((p.State->Paging.Cr0 & ControlRegisters.Cr0Ts) != 0)
        {
            _ = p.Raise(Vector.NM);
            return false;
        }

        return true;
    }

    private static bool TryAddress(Processor p, in Instruction i, uint size, uint alignment, AccessKind kind, out ulong linear) =>
        p.TryLinear(Processor.SegmentOf(in i), p.EffectiveAddress(in i), size, kind, out linear)
        && ((linear & (alignment - 1)) == 0 || p.Fail(Vector.GP, 0));

    private static void StoreX87(Processor p, byte* area, bool is64)
    {
        CpuState* cpu = p.State;
        *(ushort*)area = cpu->Fcw;
        *(ushort*)(area + 2) = cpu->Fsw;
        area[4] = AbridgedTags(cpu->Ftw);
        area[5] = 0;
        *(ushort*)(area + 6) = cpu->Fop;
        *(ulong*)(area + 8) = is64 ? cpu->Fip : (uint)cpu->Fip | ((ulong)cpu->Fcs << 32);
        *(ulong*)(area + 16) = is64 ? cpu->Fdp : (uint)cpu->Fdp | ((ulong)cpu->Fds << 32);
        int top = (cpu->Fsw >> 11) & 7;
        for (int i = 0; i < 8; i++)
        {
            X87Register register = cpu->X87[(top + i) & 7];
            *(ulong*)(area + StOffset + (16 * i)) = register.Significand;
            *(ulong*)(area + StOffset + (16 * i) + 8) = register.SignExponent;
        }
    }

    private static void LoadX87(Processor p, byte* area, bool is64)
    {
        CpuState* cpu = p.State;
        cpu->Fcw = X87Control.Defined(*(ushort*)area);
        cpu->Fsw = *(ushort*)(area + 2);
        p.UpdateErrorSummary();
        cpu->Fop = (ushort)(*(ushort*)(area + 6) & 0x7FF);
        cpu->Fip = is64 ? *(ulong*)(area + 8) : *(uint*)(area + 8);
        cpu->Fdp = is64 ? *(ulong*)(area + 16) : *(uint*)(area + 16);
        cpu->Fcs = is64 ? (ushort)0 : *(ushort*)(area + 12);
        cpu->Fds = is64 ? (ushort)0 : *(ushort*)(area + 20);
        int top = (cpu->Fsw >> 11) & 7;
        for (int i = 0; i < 8; i++)
        {
            cpu->X87[(top + i) & 7] = new X87Register
            {
                Significand = *(ulong*)(area + StOffset + (16 * i)),
                SignExponent = *(ushort*)(area + StOffset + (16 * i) + 8),
            };
        }

        cpu->Ftw = FullTags(cpu, area[4]);
    }

    private static void StoreSse(Processor p, byte* area)
    {
        CpuState* cpu = p.State;
        *(uint*)(area + MxcsrOffset) = cpu->Mxcsr;
        *(uint*)(area + MxcsrOffset + 4) = MxcsrMask;
        int count = p.Is64BitMode ? 16 : 8;
        for (int i = 0; i < count; i++)
        {
            *(ulong*)(area + XmmOffset + (16 * i)) = cpu->Vector[i].U64[0];
            *(ulong*)(area + XmmOffset + (16 * i) + 8) = cpu->Vector[i].U64[1];
        }
    }

    private static void LoadSse(Processor p, byte* area)
    {
        CpuState* cpu = p.State;
        int count = p.Is64BitMode ? 16 : 8;
        for (int i = 0; i < count; i++)
        {
            cpu->Vector[i].U64[0] = *(ulong*)(area + XmmOffset + (16 * i));
            cpu->Vector[i].U64[1] = *(ulong*)(area + XmmOffset + (16 * i) + 8);
        }
    }

    /// <summary>One bit per physical register: 0 when its tag is 11B (empty).</summary>
    private static byte AbridgedTags(ushort tags)
    {
        int abridged = 0;
        for (int i = 0; i < 8; i++)
        {
            abridged |= ((tags >> (2 * i)) & 3) == 3 ? 0 : 1 << i;
        }

        return (byte)abridged;
    }

    /// <summary>The full tag word is found again from the values (SDM 1 "x87 FPU Tag Word").</summary>
    private static ushort FullTags(CpuState* cpu, byte abridged)
    {
        const int Valid = 0;
        const int Zero = 1;
        const int Special = 2;
        const int Empty = 3;
        int tags = 0;
        for (int i = 0; i < 8; i++)
        {
            X87Register register = cpu->X87[i];
            int exponent = register.SignExponent & 0x7FFF;
            int tag = (abridged & (1 << i)) == 0 ? Empty
                : exponent == 0 && register.Significand == 0 ? Zero
                : exponent is 0 or 0x7FFF || (long)register.Significand >= 0 ? Special
                : Valid;
            tags |= tag << (2 * i);
        }

        return (ushort)tags;
    }
}
