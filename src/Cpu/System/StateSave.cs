using Iced.Intel;

using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <summary>
/// FXSAVE, FXRSTOR (SDM 1 "FXSAVE and FXRSTOR Instructions"), and the legacy region that they share with the XSAVE family.
/// <code>
/// 0 FCW 2 FSW 4 abridged FTW 6 FOP 8 FIP (and FCS at 12) 16 FDP (and FDS at 20) 24 MXCSR 28 MXCSR mask 32 ST0-ST7 160 XMM0-XMM15
/// </code>
/// </summary>
internal static unsafe class StateSave
{
    internal const int MxcsrOffset = 24;
    internal const int MxcsrSize = 8;
    internal const int StOffset = 32;
    internal const int XmmOffset = 160;
    internal const uint MxcsrMask = SseControl.MxcsrMask;
    private const int AreaSize = 512;

    public static void Register(ColdTable table)
    {
        table.Set(Mnemonic.Fxsave, &Fxsave);
        table.Set(Mnemonic.Fxsave64, &Fxsave);
        table.Set(Mnemonic.Fxrstor, &Fxrstor);
        table.Set(Mnemonic.Fxrstor64, &Fxrstor);
        ExtendedState.Register(table);
    }

    /// <summary>Bytes of XMM registers that the mode has: outside 64-bit mode only eight registers.</summary>
    internal static int XmmSize(Processor p) => p.Is64BitMode ? 256 : 128;

    private static Outcome Fxsave(Processor p, in Instruction i)
    {
        if ((p.State->Paging.Cr0 & (ControlRegisters.Cr0Em | ControlRegisters.Cr0Ts)) != 0)
        {
            return p.Raise(Vector.NM);
        }

        if (!TryAddress(p, in i, AccessKind.Write, out ulong linear))
        {
            return Outcome.Fault;
        }

        // All 512 bytes are asked for; those behind the registers stay as they are.
        if (!p.TryPrepareWrite(linear, p.State->DataAccess, AreaSize, out Processor.WriteTarget target))
        {
            return Outcome.Fault;
        }

        byte* area = stackalloc byte[AreaSize];
        p.ReadTarget(in target, area);
        StoreX87(p, area, i.Mnemonic == Mnemonic.Fxsave64);
        StoreSse(p, area);
        p.CommitWrite(in target, area);
        return Outcome.Retired;
    }

    private static Outcome Fxrstor(Processor p, in Instruction i)
    {
        if ((p.State->Paging.Cr0 & (ControlRegisters.Cr0Em | ControlRegisters.Cr0Ts)) != 0)
        {
            return p.Raise(Vector.NM);
        }

        byte* area = stackalloc byte[AreaSize];
        if (!TryAddress(p, in i, AccessKind.Read, out ulong linear)
            || !p.TryReadBytes(linear, p.State->DataAccess, area, AreaSize))
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

    /// <summary>The linear address of an area of 512 bytes that must be aligned to 16: #AC if that is enabled, else #GP(0).</summary>
    private static bool TryAddress(Processor p, in Instruction i, AccessKind kind, out ulong linear)
    {
        if (!p.TryLinearAnyAlignment(Processor.SegmentOf(in i), p.EffectiveAddress(in i), AreaSize, kind, out linear))
        {
            return false;
        }

        bool checks = (p.State->Mode & ExecutionMode.AlignmentCheck) != 0 && (linear & 3) != 0; // so does silicon
        return (linear & 15) == 0 || p.Fail(checks ? Vector.AC : Vector.GP, 0);
    }

    internal static void StoreX87(Processor p, byte* area, bool is64)
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

    internal static void LoadX87(Processor p, byte* area, bool is64)
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

    internal static void StoreSse(Processor p, byte* area)
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

    internal static void LoadSse(Processor p, byte* area)
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
