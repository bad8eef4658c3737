using Xenolith.Cpu;

namespace Xenolith.Oracle.Fuzz;

/// <content>The registers that a case starts with.</content>
internal sealed unsafe partial class FuzzCase
{
    /// <summary>Puts the case's registers into a processor that has been reset; the same ones each time.</summary>
    public void Load(Processor processor)
    {
        FuzzRandom random = new(Number ^ 0x5151_5151);
        CpuState* cpu = processor.State;
        LoadControl(ref random, cpu);
        LoadSegments(ref random, cpu);
        for (int i = 0; i < 16; i++)
        {
            cpu->Gpr[i] = random.Below(4) == 0 ? random.Edge() : FuzzMap.Data + (ulong)random.Below(0x2000);
        }

        if (random.OneIn(4))
        {
            cpu->Gpr[1] = (ulong)random.Below(40);
        }

        cpu->Gpr[4] = Mode is FuzzMode.Real or FuzzMode.Virtual8086 ? 0x1000u + (ulong)random.Below(64) : FuzzMap.Stack + (ulong)random.Below(64);
        cpu->Gpr[4] &= random.OneIn(8) ? ulong.MaxValue : ~7UL;
        cpu->Rip = Mode is FuzzMode.Real or FuzzMode.Virtual8086 ? 0 : CodeBits == 16 ? 0 : FuzzMap.Code;
        uint flags = ((uint)random.Next() & 0x0000_0ED5) | 2;
        flags &= random.OneIn(3) ? uint.MaxValue : ~RflagsBits.DF;
        flags |= random.OneIn(12) ? RflagsBits.TF : 0;
        flags |= random.OneIn(12) ? RflagsBits.AC : 0;
        flags |= random.OneIn(24) ? RflagsBits.NT : 0;
        flags |= random.OneIn(24) ? RflagsBits.RF : 0;
        flags |= random.OneIn(2) ? RflagsBits.IOPL : (uint)random.Below(4) << RflagsBits.IoplShift;
        flags |= Mode == FuzzMode.Virtual8086 ? RflagsBits.VM | ((uint)random.Next() & (RflagsBits.VIF | RflagsBits.VIP)) : 0;
        processor.Rflags = flags;
        LoadFloat(ref random, cpu);
        LoadMsrs(ref random, cpu);
        processor.SeedRandom(Number);
        processor.RefreshMode();
    }

    private void LoadControl(ref FuzzRandom random, CpuState* cpu)
    {
        bool paged = Mode >= FuzzMode.Paged32;
        bool v86Paged = Mode == FuzzMode.Virtual8086 && random.OneIn(2);
        ulong cr0 = 0x10 | (Mode == FuzzMode.Real ? 0u : 1) | (paged || v86Paged ? 1UL << 31 : 0);
        cr0 |= random.OneIn(2) ? ControlRegisters.Cr0Ne : 0;
        cr0 |= random.OneIn(2) ? ControlRegisters.Cr0Wp : 0;
        cr0 |= random.OneIn(2) ? ControlRegisters.Cr0Am : 0;
        cr0 |= random.OneIn(16) ? ControlRegisters.Cr0Ts : 0;
        cr0 |= random.OneIn(16) ? ControlRegisters.Cr0Em : 0;
        cr0 |= random.OneIn(2) ? ControlRegisters.Cr0Mp : 0;
        ulong optional = ControlRegisters.Cr4Vme | ControlRegisters.Cr4Pvi | ControlRegisters.Cr4Tsd | ControlRegisters.Cr4De | ControlRegisters.Cr4Pge
            | ControlRegisters.Cr4Umip | ControlRegisters.Cr4Fsgsbase | ControlRegisters.Cr4Pke | ControlRegisters.Cr4Pce;
        ulong cr4 = (random.Next() & optional) | (random.OneIn(6) ? 0 : ControlRegisters.Cr4Osfxsr | ControlRegisters.Cr4Osxmmexcpt);
        cr4 |= random.OneIn(3) ? 0 : ControlRegisters.Cr4Osxsave;
        cr4 |= random.OneIn(12) ? ControlRegisters.Cr4Smep : 0;
        cr4 |= random.OneIn(12) ? ControlRegisters.Cr4Smap : 0;
        cr4 |= random.OneIn(12) ? ControlRegisters.Cr4Vmxe : 0;
        cr4 |= Mode >= FuzzMode.Pae ? ControlRegisters.Cr4Pae : 0;
        cr4 &= ControlRegisters.Cr4Supported;
        cpu->Paging.Cr0 = cr0;
        cpu->Paging.Cr4 = cr4;
        cpu->Paging.Cr3 = v86Paged ? FuzzMap.LegacyDirectory : Cr3;
        cpu->Paging.Efer = IsLong ? 0x501 | (ControlRegisters.EferNxe & random.Next()) : Mode == FuzzMode.Pae ? ControlRegisters.EferNxe & random.Next() : 0;
        cpu->Paging.Pkru = random.OneIn(4) ? (uint)random.Next() : 0;
        if (Mode == FuzzMode.Pae)
        {
            cpu->Paging.Pdptes[0] = FuzzMap.PageDirectory | 1;
        }

        cpu->Xcr0 = random.Pick<ulong>([1, 3, 7, 7]) & ControlRegisters.Xcr0Supported;
        cpu->Cr8 = 0;
        cpu->Gdtr = new TableRegister { Base = FuzzMap.Gdt, Limit = (ushort)((FuzzMap.GdtEntries * 8) - 1) };
        cpu->Idtr = new TableRegister { Base = Mode == FuzzMode.Real ? 0 : FuzzMap.Idt, Limit = (ushort)(random.OneIn(16) ? random.Below(0x1000) : 0xFFF) };
        if (random.OneIn(6))
        {
            for (int i = 0; i < 4; i++)
            {
                cpu->Dr[i] = random.OneIn(2) ? FuzzMap.Code + (ulong)random.Below(64) : FuzzMap.Data + (ulong)random.Below(0x2000);
            }

            cpu->Dr[7] = (random.Next() & 0xFFFF_23FF) | 0x400;
        }
    }

    private void LoadSegments(ref FuzzRandom random, CpuState* cpu)
    {
        bool realLike = Mode is FuzzMode.Real or FuzzMode.Virtual8086;
        for (SegmentIndex index = SegmentIndex.ES; index <= SegmentIndex.GS; index++)
        {
            ref SegmentRegister segment = ref cpu->Segments[(int)index];
            if (realLike)
            {
                ushort selector = index switch { SegmentIndex.CS => 0x1000, SegmentIndex.SS => 0x8000, _ => (ushort)random.Pick<int>([0x3000, 0x4000, 0]) };
                uint limit = Mode == FuzzMode.Real && random.OneIn(8) ? uint.MaxValue : 0xFFFF;
                segment = new SegmentRegister
                {
                    Selector = selector,
                    Base = (ulong)selector << 4,
                    Limit = limit,
                    AccessRights = Mode == FuzzMode.Real ? 0x93u : 0xF3,
                };
                continue;
            }

            uint dpl = (uint)Cpl << 5;
            bool isCode = index == SegmentIndex.CS;
            uint rights = isCode
                ? CodeBits switch { 64 => 0xA09Bu, 32 => 0xC09B, _ => 0x809B }
                : CodeBits == 16 && random.OneIn(2) ? 0x8093u : 0xC093;
            int number = (isCode ? FuzzMap.KernelCode : FuzzMap.KernelData) + (Cpl == 3 ? 2 : 0);
            segment = new SegmentRegister { Selector = (ushort)((number * 8) | Cpl), Limit = uint.MaxValue, AccessRights = rights | dpl };
            if (isCode && CodeBits == 16)
            {
                segment.Base = FuzzMap.Code;
            }
            else if (!isCode && index != SegmentIndex.SS && random.OneIn(5))
            {
                Twist(ref random, ref segment);
            }
        }

        cpu->Segments[(int)SegmentIndex.LDTR] = random.OneIn(2)
            ? new SegmentRegister { AccessRights = SegmentRegister.UnusableBit }
            : new SegmentRegister { Selector = 12 * 8, Base = FuzzMap.Ldt, Limit = 0x1FF, AccessRights = 0x82 };
        cpu->Segments[(int)SegmentIndex.TR] =
            new SegmentRegister { Selector = FuzzMap.Task * 8, Base = FuzzMap.Tss, Limit = 0x200, AccessRights = 0x8B };
    }

    /// <summary>Bases, limits, types that are not flat; or nothing at all.</summary>
    private static void Twist(ref FuzzRandom random, ref SegmentRegister segment)
    {
        switch (random.Below(5))
        {
            case 0:
                segment = new SegmentRegister { AccessRights = SegmentRegister.UnusableBit };
                break;
            case 1:
                segment.Limit = (uint)random.Edge();
                break;
            case 2:
                segment.Base = random.Edge() & uint.MaxValue;
                break;
            case 3:
                segment.AccessRights |= 4; // expands down, from here
                segment.Limit = (uint)random.Below(0x5_0000);
                break;
            default:
                segment.AccessRights &= ~2u; // read-only
                break;
        }
    }

    private static void LoadFloat(ref FuzzRandom random, CpuState* cpu)
    {
        for (int i = 0; i < 16; i++)
        {
            for (int word = 0; word < 4; word++)
            {
                cpu->Vector[i].U64[word] = random.Edge();
            }
        }

        for (int i = 0; i < 8; i++)
        {
            cpu->X87[i] = new X87Register { Significand = random.Edge() | (random.OneIn(4) ? 0 : 1UL << 63), SignExponent = (ushort)random.Edge() };
        }

        cpu->Mxcsr = random.OneIn(2) ? 0x1F80 : (uint)random.Next() & 0xFFFF;
        cpu->Fcw = random.OneIn(2) ? (ushort)0x37F : (ushort)(((uint)random.Next() & 0x1F3F) | 0x40);
        cpu->Fsw = random.OneIn(2) ? (ushort)0 : (ushort)((uint)random.Next() & 0x7F7F);
        cpu->Ftw = random.OneIn(2) ? (ushort)0xFFFF : (ushort)random.Next();
        cpu->Fip = 0;
        cpu->Fdp = 0;
        cpu->Fop = 0;
        cpu->Fcs = 0;
        cpu->Fds = 0;
    }

    private void LoadMsrs(ref FuzzRandom random, CpuState* cpu)
    {
        cpu->Msr.SysenterCs = 8;
        cpu->Msr.SysenterEip = FuzzMap.Code + (ulong)random.Below(256);
        cpu->Msr.SysenterEsp = FuzzMap.Stack;
        cpu->Msr.Star = (0x10UL << 48) | (8UL << 32);
        cpu->Msr.Lstar = random.OneIn(8) ? random.Edge() >> 20 : FuzzMap.Code + (ulong)random.Below(256);
        cpu->Msr.Fmask = random.Next() & 0x47700;
        cpu->Msr.DebugCtl = random.OneIn(16) ? 2u : 0;
        cpu->Msr.KernelGsBase = FuzzMap.Data;
        cpu->TscOffset = 0;
        cpu->Retired = 0;
        cpu->DataAccesses = 0;
        cpu->PendingDebug = 0;
        cpu->Interruptibility = random.OneIn(24) ? 1u << random.Below(2) : 0;
        cpu->Activity = ActivityState.Active;
        if (IsLong)
        {
            cpu->Segments[(int)SegmentIndex.FS].Base = FuzzMap.Data;
            cpu->Segments[(int)SegmentIndex.GS].Base = random.OneIn(4) ? random.Edge() >> 17 : FuzzMap.Data;
        }
    }
}
