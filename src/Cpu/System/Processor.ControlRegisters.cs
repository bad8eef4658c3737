using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <content>Writes of CR0, CR3 and CR4 with all checks (SDM 3A "Control Registers"; SDM 2A "MOV - Move to/from Control
/// Registers").</content>
public sealed unsafe partial class Processor
{
    private const ulong PdpteCr0Bits = ControlRegisters.Cr0Cd | ControlRegisters.Cr0Nw | ControlRegisters.Cr0Pg;
    private const ulong PdpteCr4Bits = ControlRegisters.Cr4Pae | ControlRegisters.Cr4Pge | ControlRegisters.Cr4Pse | ControlRegisters.Cr4Smep;

    /// <summary>Reserved bits of CR3 between the address and bit 63, which is the "keep" bit of a load.</summary>
    private ulong Cr3Reserved => ~(ulong.MaxValue >> (64 - State->Paging.PhysicalAddressBits));

    /// <summary>CR8, which is a part of the local APIC where there is one.</summary>
    internal ulong TaskPriority
    {
        get => Platform.HasLocalApic ? Platform.TaskPriority : State->Cr8;
        set
        {
            if (Platform.HasLocalApic)
            {
                Platform.TaskPriority = value;
            }
            else
            {
                State->Cr8 = value;
            }
        }
    }

    /// <summary>#GP(0), or what loading PDPTEs faults with, when it says false.</summary>
    internal bool TryWriteCr0(ulong value)
    {
        ref PagingContext paging = ref State->Paging;
        ulong old = paging.Cr0;
        value = (value & ~ControlRegisters.Cr0Et) | ControlRegisters.Cr0Et;
        bool enablesPaging = (value & ~old & ControlRegisters.Cr0Pg) != 0;
        bool disablesPaging = (old & ~value & ControlRegisters.Cr0Pg) != 0;
        if (value >> 32 != 0 || !IsConsistentCr0(value) || !Vmx.AllowsCr0(value))
        {
            return Fail(Vector.GP, 0);
        }

        value &= ControlRegisters.Cr0Defined;
        ulong efer = paging.Efer;
        if (enablesPaging && (efer & ControlRegisters.EferLme) != 0)
        {
            // IA-32e mode is entered from protected mode with PAE, without CS.L, with a 32-bit TSS (SDM 3A "Initializing IA-32e Mode").
            bool has16BitTask = Segment(SegmentIndex.TR).Type is SegmentDescriptor.TypeTss16Available or SegmentDescriptor.TypeTss16Busy
                && !Segment(SegmentIndex.TR).Unusable;
            if ((paging.Cr4 & ControlRegisters.Cr4Pae) == 0 || Segment(SegmentIndex.CS).L || has16BitTask)
            {
                return Fail(Vector.GP, 0);
            }

            efer |= ControlRegisters.EferLma;
        }

        if (disablesPaging)
        {
            if (Is64BitMode || (paging.Cr4 & ControlRegisters.Cr4Pcide) != 0)
            {
                return Fail(Vector.GP, 0);
            }

            efer &= ~ControlRegisters.EferLma;
        }

        if (((value ^ old) & PdpteCr0Bits) != 0 && UsesPdptes(value, paging.Cr4, efer) && !TryLoadPdptes(paging.Cr3))
        {
            return false;
        }

        paging.Cr0 = value;
        paging.Efer = efer;
        Tlb.OnCr0Change(ref paging, old);
        RefreshMode();
        return true;
    }

    internal bool TryWriteCr3(ulong value)
    {
        ref PagingContext paging = ref State->Paging;
        bool keeps = (paging.Cr4 & ControlRegisters.Cr4Pcide) != 0;
        ulong target = keeps ? value & ~(1UL << 63) : value;
        if (IsLongMode && (target & Cr3Reserved) != 0)
        {
            return Fail(Vector.GP, 0);
        }

        if (UsesPdptes(paging.Cr0, paging.Cr4, paging.Efer) && !TryLoadPdptes(target))
        {
            return false;
        }

        paging.Cr3 = target;
        Tlb.OnCr3Load(ref paging, value);
        return true;
    }

    internal bool TryWriteCr4(ulong value)
    {
        ref PagingContext paging = ref State->Paging;
        ulong old = paging.Cr4;
        ulong changed = value ^ old;
        if ((value & ~ControlRegisters.Cr4Supported) != 0 || !Vmx.AllowsCr4(value))
        {
            return Fail(Vector.GP, 0);
        }

        if (IsLongMode && ((value & ControlRegisters.Cr4Pae) == 0 || (changed & ControlRegisters.Cr4La57) != 0))
        {
            return Fail(Vector.GP, 0);
        }

        bool setsPcide = (changed & value & ControlRegisters.Cr4Pcide) != 0;
        if (setsPcide && (!IsLongMode || (paging.Cr3 & Xenolith.Mmu.Cr3.PcidMask) != 0))
        {
            return Fail(Vector.GP, 0);
        }

        if ((changed & PdpteCr4Bits) != 0 && UsesPdptes(paging.Cr0, value, paging.Efer) && !TryLoadPdptes(paging.Cr3))
        {
            return false;
        }

        paging.Cr4 = value;
        Tlb.OnCr4Change(ref paging, old);
        RefreshMode();
        return true;
    }

    /// <summary>
    /// Loads the PDPTE registers if the present mode uses them; false when an entry is invalid or the table cannot be read.
    /// </summary>
    internal bool TryLoadPdptes()
    {
        ref PagingContext paging = ref State->Paging;
        return !UsesPdptes(paging.Cr0, paging.Cr4, paging.Efer) || TryLoadPdptes(paging.Cr3);
    }

    /// <summary>EFER, EPTP or identity changed: what the fast tables hold may no longer hold.</summary>
    internal void OnPagingChanged() => Tlb.OnContextChange();

    private bool TryLoadPdptes(ulong cr3)
    {
        TranslationStatus status = Memory.LoadPdptes(ref State->Paging, cr3, out bool hasReservedBits, out Translation translation);
        return status == TranslationStatus.Ok ? !hasReservedBits || Fail(Vector.GP, 0) : FailTranslation(status, in translation);
    }

    private static bool IsConsistentCr0(ulong value)
    {
        bool pagingNeedsProtection = (value & ControlRegisters.Cr0Pg) == 0 || (value & ControlRegisters.Cr0Pe) != 0;
        bool nwNeedsCd = (value & ControlRegisters.Cr0Nw) == 0 || (value & ControlRegisters.Cr0Cd) != 0;
        return pagingNeedsProtection && nwNeedsCd;
    }

    private static bool UsesPdptes(ulong cr0, ulong cr4, ulong efer) => (cr0 & ControlRegisters.Cr0Pg) != 0
        && (cr4 & ControlRegisters.Cr4Pae) != 0 && (efer & ControlRegisters.EferLma) == 0;
}
