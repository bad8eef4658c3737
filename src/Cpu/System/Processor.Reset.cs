namespace Xenolith.Cpu;

/// <content>Reset, and the state in which a hosted hypervisor holds the processor.</content>
public sealed unsafe partial class Processor
{
    /// <summary>MAXPHYADDR of this processor (CPUID 80000008H).</summary>
    internal const int MaxPhysicalAddressBits = 46;

    /// <summary>First byte of the range that the hypervisor declares its own (docs/asmi.md, G8).</summary>
    internal ulong AsmiHypervisorBase { get; set; }

    /// <summary>Size in bytes of that range.</summary>
    internal ulong AsmiHypervisorSize { get; set; }

    /// <summary>RESET# (SDM 3A "Processor State After Reset"): real-address mode, CS:IP F000:FFF0 with base FFFF0000H.</summary>
    public void Reset()
    {
        CpuState* cpu = State;
        cpu->Paging.Cr0 = ControlRegisters.Cr0Cd | ControlRegisters.Cr0Nw | ControlRegisters.Cr0Et;
        cpu->Paging.Pkru = 0;
        cpu->Cr8 = 0;
        cpu->Xcr0 = ControlRegisters.Xcr0X87;
        cpu->Vector = default;
        cpu->X87 = default;
        cpu->Mxcsr = 0x1F80;
        cpu->Fcw = 0x0040;
        cpu->Fsw = 0;
        cpu->Ftw = 0x5555;
        cpu->Msr = default;
        cpu->Msr.Pat = 0x0007_0406_0007_0406;
        cpu->Msr.ApicBase = 0xFEE0_0900;
        cpu->Msr.MiscEnable = ModelSpecificRegisters.MiscEnableFastStrings | ModelSpecificRegisters.MiscEnableMonitor;
        cpu->Msr.FeatureControl = 0x5; // locked by the board's firmware, with VMX outside SMX enabled
        cpu->TscOffset = 0 - Platform.Now;
        _nmiPending = false;
        _initPending = false;
        IsMonitorArmed = false;
        _waitsForStore = false;
        _startupVector = -1;
        Delivering = default;
        Tlb.Invpcid(ref cpu->Paging, Xenolith.Mmu.InvpcidType.AllContextsWithGlobals, 0, default);
        Init();
        cpu->Activity = ActivityState.Active;
    }

    /// <summary>
    /// What RESET and INIT have in common (SDM 3A "Processor State After Reset"). INIT leaves caches (CR0.CD, CR0.NW), x87, vector and
    /// extended state, the time-stamp counter and most MSRs as they are.
    /// </summary>
    private void Init()
    {
        CpuState* cpu = State;
        for (SegmentIndex index = SegmentIndex.ES; index <= SegmentIndex.TR; index++)
        {
            uint rights = index switch { SegmentIndex.CS => 0x9Bu, SegmentIndex.LDTR => 0x82u, SegmentIndex.TR => 0x8Bu, _ => RealModeData };
            cpu->Segments[(int)index] = new SegmentRegister { Limit = ushort.MaxValue, AccessRights = rights };
        }

        Segment(SegmentIndex.CS).Selector = 0xF000;
        Segment(SegmentIndex.CS).Base = 0xFFFF_0000;
        cpu->Rip = 0xFFF0;
        new System.Span<ulong>(cpu->Gpr, 17).Clear();
        cpu->Gpr[2] = CpuidModel.Signature; // EDX: family, model, stepping
        Rflags = RflagsBits.Fixed1;
        cpu->Gdtr = new TableRegister { Limit = ushort.MaxValue };
        cpu->Idtr = new TableRegister { Limit = ushort.MaxValue };
        cpu->Paging.Cr0 = (cpu->Paging.Cr0 & (ControlRegisters.Cr0Cd | ControlRegisters.Cr0Nw)) | ControlRegisters.Cr0Et;
        cpu->Paging.Cr3 = 0;
        cpu->Paging.Cr4 = 0;
        cpu->Paging.Efer = 0;
        cpu->Paging.PhysicalAddressBits = MaxPhysicalAddressBits;
        cpu->Cr2 = 0;
        new System.Span<ulong>(cpu->Dr, 8).Clear();
        cpu->Dr[6] = Dr6Fixed1;
        cpu->Dr[7] = 0x400;
        cpu->Interruptibility = 0;
        cpu->PendingDebug = 0;
        OnContextReplaced();
    }

    /// <summary>
    /// Puts the processor into 64-bit mode, as a hypervisor would after its own start: what a hosted hypervisor (the emulated Xen) calls
    /// once before VMXON. Nothing executes in this state; it satisfies the checks of VMXON and VM entry.
    /// </summary>
    /// <param name="cr3">Root of the hypervisor's own page tables, for the host-state area.</param>
    public void EnterHostedRoot(ulong cr3)
    {
        ref Xenolith.Mmu.PagingContext paging = ref State->Paging;
        paging.Cr0 = ControlRegisters.Cr0Pe | ControlRegisters.Cr0Mp | ControlRegisters.Cr0Et | ControlRegisters.Cr0Ne | ControlRegisters.Cr0Wp
            | ControlRegisters.Cr0Pg;
        paging.Cr3 = cr3;
        paging.Cr4 = ControlRegisters.Cr4Pae | ControlRegisters.Cr4Vmxe | ControlRegisters.Cr4Osfxsr;
        paging.Efer = ControlRegisters.EferLme | ControlRegisters.EferLma | ControlRegisters.EferSce | ControlRegisters.EferNxe;
        Segment(SegmentIndex.CS) = new SegmentRegister { Selector = 8, Limit = uint.MaxValue, AccessRights = 0xA09B };
        HostedHypervisor = true;
        OnContextReplaced();
    }

    /// <summary>Control registers, segments and identity have been replaced as a whole: nothing derived from them holds any more.</summary>
    internal void OnContextReplaced()
    {
        // Under a hosted hypervisor no instruction runs before the next Run, which refreshes the TLB: a guest that is left and entered
        // again at once then finds its fast tables as they were.
        if (!HostedHypervisor)
        {
            Tlb.Refresh(ref State->Paging);
        }

        RefreshMode();
    }
}
