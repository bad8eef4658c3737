using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <content>Reading and writing MSRs: the registers themselves, below RDMSR, WRMSR and the MSR areas of VMX.</content>
public sealed unsafe partial class Processor
{
    // Eight variable ranges, fixed ranges, write combining (SDM 3A "IA32_MTRRCAP Register").
    private const ulong MtrrCapValue = 8 | (1 << 8) | (1 << 10);

    /// <summary>The time-stamp counter as software reads it now: ticks of 1 ns.</summary>
    internal ulong TimeStamp => Platform.Now + State->TscOffset + Vmx.TscOffset;

    /// <summary>False when the MSR does not exist: #GP(0).</summary>
    internal bool TryReadMsr(uint msr, out ulong value)
    {
        if (BelongsToApic(msr))
        {
            return Platform.TryReadApicMsr(msr, out value);
        }

        ref Msrs registers = ref State->Msr;
        switch (msr)
        {
            case ModelSpecificRegisters.TimeStampCounter: value = TimeStamp; return true;
            case ModelSpecificRegisters.ApicBase: value = registers.ApicBase; return true;
            case ModelSpecificRegisters.FeatureControl: value = registers.FeatureControl; return true;
            case ModelSpecificRegisters.TscAdjust: value = registers.TscAdjust; return true;
            case ModelSpecificRegisters.BiosSignature: value = 0; return true;
            case ModelSpecificRegisters.MtrrCap: value = MtrrCapValue; return true;
            case ModelSpecificRegisters.SysenterCs: value = registers.SysenterCs; return true;
            case ModelSpecificRegisters.SysenterEsp: value = registers.SysenterEsp; return true;
            case ModelSpecificRegisters.SysenterEip: value = registers.SysenterEip; return true;
            case ModelSpecificRegisters.McgCap: value = 0; return true;
            case ModelSpecificRegisters.McgStatus: value = 0; return true;
            case ModelSpecificRegisters.MiscEnable: value = registers.MiscEnable; return true;
            case ModelSpecificRegisters.DebugCtl: value = registers.DebugCtl; return true;
            case ModelSpecificRegisters.Pat: value = registers.Pat; return true;
            case ModelSpecificRegisters.MtrrDefType: value = registers.MtrrDefType; return true;
            case ModelSpecificRegisters.Efer: value = State->Paging.Efer; return true;
            case ModelSpecificRegisters.Star: value = registers.Star; return true;
            case ModelSpecificRegisters.Lstar: value = registers.Lstar; return true;
            case ModelSpecificRegisters.Cstar: value = registers.Cstar; return true;
            case ModelSpecificRegisters.Fmask: value = registers.Fmask; return true;
            case ModelSpecificRegisters.FsBase: value = Segment(SegmentIndex.FS).Base; return true;
            case ModelSpecificRegisters.GsBase: value = Segment(SegmentIndex.GS).Base; return true;
            case ModelSpecificRegisters.KernelGsBase: value = registers.KernelGsBase; return true;
            case ModelSpecificRegisters.TscAux: value = registers.TscAux; return true;
            default: return TryReadMsrInRange(msr, out value);
        }
    }

    /// <summary>False when the MSR does not exist, is read-only, or the value has a reserved bit set: #GP(0).</summary>
    public bool TryWriteMsr(uint msr, ulong value)
    {
        if (BelongsToApic(msr))
        {
            return Platform.TryWriteApicMsr(msr, value);
        }

        ref Msrs registers = ref State->Msr;
        switch (msr)
        {
            case ModelSpecificRegisters.TimeStampCounter:
                registers.TscAdjust += value - TimeStamp;
                State->TscOffset += value - TimeStamp;
                Platform.OnTimeStampWritten();
                return true;
            case ModelSpecificRegisters.ApicBase: return Assign(ref registers.ApicBase, value, (value & 0x2FF) == 0 && value >> MaxPhysicalAddressBits == 0);
            case ModelSpecificRegisters.FeatureControl: return Assign(ref registers.FeatureControl, value, (registers.FeatureControl & 1) == 0 && value <= 7);
            case ModelSpecificRegisters.TscAdjust:
                State->TscOffset += value - registers.TscAdjust;
                registers.TscAdjust = value;
                Platform.OnTimeStampWritten();
                return true;
            case ModelSpecificRegisters.BiosSignature: return true;
            case ModelSpecificRegisters.SysenterCs: return Assign(ref registers.SysenterCs, value & uint.MaxValue, true);
            case ModelSpecificRegisters.SysenterEsp: return Assign(ref registers.SysenterEsp, value, IsCanonical(value));
            case ModelSpecificRegisters.SysenterEip: return Assign(ref registers.SysenterEip, value, IsCanonical(value));
            case ModelSpecificRegisters.McgStatus: return value == 0;
            case ModelSpecificRegisters.MiscEnable: return Assign(ref registers.MiscEnable, value, true);
            case ModelSpecificRegisters.DebugCtl: return Assign(ref registers.DebugCtl, value, (value & ~ModelSpecificRegisters.DebugCtlSupported) == 0);
            case ModelSpecificRegisters.Pat: return Assign(ref registers.Pat, value, ControlRegisters.IsValidPat(value));
            case ModelSpecificRegisters.MtrrDefType: return Assign(ref registers.MtrrDefType, value, (value & ~0xCFFUL) == 0 && IsMemoryType((byte)value));
            case ModelSpecificRegisters.Efer: return TryWriteEfer(value);
            case ModelSpecificRegisters.Star: return Assign(ref registers.Star, value, true);
            case ModelSpecificRegisters.Lstar: return Assign(ref registers.Lstar, value, IsCanonical(value));
            case ModelSpecificRegisters.Cstar: return Assign(ref registers.Cstar, value, IsCanonical(value));
            case ModelSpecificRegisters.Fmask: return Assign(ref registers.Fmask, value, value >> 32 == 0);
            case ModelSpecificRegisters.FsBase: return Assign(ref Segment(SegmentIndex.FS).Base, value, IsCanonical(value));
            case ModelSpecificRegisters.GsBase: return Assign(ref Segment(SegmentIndex.GS).Base, value, IsCanonical(value));
            case ModelSpecificRegisters.KernelGsBase: return Assign(ref registers.KernelGsBase, value, IsCanonical(value));
            case ModelSpecificRegisters.TscAux: return Assign(ref registers.TscAux, value, value >> 32 == 0);
            default: return TryWriteMsrInRange(msr, value);
        }
    }

    private bool TryReadMsrInRange(uint msr, out ulong value)
    {
        ref Msrs registers = ref State->Msr;
        int fixedMtrr = ModelSpecificRegisters.FixedMtrrIndex(msr);
        if (fixedMtrr >= 0)
        {
            value = registers.MtrrFix[fixedMtrr];
            return true;
        }

        if (msr is >= ModelSpecificRegisters.MtrrPhysBase0 and <= ModelSpecificRegisters.MtrrPhysLast)
        {
            value = registers.MtrrPhys[msr - ModelSpecificRegisters.MtrrPhysBase0];
            return true;
        }

        return VmxCapabilities.TryReadMsr(msr, out value) || TryReadAsmiMsr(msr, out value);
    }

    private bool TryWriteMsrInRange(uint msr, ulong value)
    {
        ref Msrs registers = ref State->Msr;
        int fixedMtrr = ModelSpecificRegisters.FixedMtrrIndex(msr);
        if (fixedMtrr >= 0)
        {
            for (int i = 0; i < 8; i++)
            {
                if (!IsMemoryType((byte)(value >> (8 * i))))
                {
                    return false;
                }
            }

            registers.MtrrFix[fixedMtrr] = value;
            return true;
        }

        if (msr is < ModelSpecificRegisters.MtrrPhysBase0 or > ModelSpecificRegisters.MtrrPhysLast)
        {
            return TryWriteAsmiMsr(msr, value);
        }

        bool isMask = (msr & 1) != 0;
        bool valid = value >> MaxPhysicalAddressBits == 0 && (isMask ? (value & 0x7FF) == 0 : (value & 0xF00) == 0 && IsMemoryType((byte)value));
        return Assign(ref registers.MtrrPhys[msr - ModelSpecificRegisters.MtrrPhysBase0], value, valid);
    }

    /// <summary>SDM 3A "Enabling Advanced Paging": LME cannot change while paging is on; LMA is the processor's own.</summary>
    private bool TryWriteEfer(ulong value)
    {
        ref PagingContext paging = ref State->Paging;
        bool changesLme = ((value ^ paging.Efer) & ControlRegisters.EferLme) != 0;
        if ((value & ~ControlRegisters.EferSupported) != 0 || (changesLme && (paging.Cr0 & ControlRegisters.Cr0Pg) != 0))
        {
            return false;
        }

        paging.Efer = (value & ~ControlRegisters.EferLma) | (paging.Efer & ControlRegisters.EferLma);
        OnPagingChanged();
        return true;
    }

    /// <summary>The ASMI MSRs exist in root operation: they are the hypervisor's business.</summary>
    private bool TryReadAsmiMsr(uint msr, out ulong value)
    {
        value = msr switch
        {
            AsmiMsr.HypervisorBase => AsmiHypervisorBase,
            AsmiMsr.HypervisorSize => AsmiHypervisorSize,
            AsmiMsr.Vmidr => State->Paging.Name.Value,
            AsmiMsr.SegmentSize => Memory.Control.SegmentSizeBytes,
            AsmiMsr.Tseg => Memory.Control.SegmentCount,
            _ => 0,
        };
        return !State->Paging.NonRoot && msr is >= AsmiMsr.HypervisorBase and <= AsmiMsr.Tseg;
    }

    /// <summary>The declared range can change until the hypervisor has registered (docs/asmi.md, G8).</summary>
    private bool TryWriteAsmiMsr(uint msr, ulong value)
    {
        if (State->Paging.NonRoot || Memory.Control.HasHypervisor || value >> MaxPhysicalAddressBits != 0)
        {
            return false;
        }

        switch (msr)
        {
            case AsmiMsr.HypervisorBase:
                AsmiHypervisorBase = value;
                return true;
            case AsmiMsr.HypervisorSize:
                AsmiHypervisorSize = value;
                return true;
            default:
                return false;
        }
    }

    /// <summary>On a board with local APICs these MSRs are theirs; elsewhere only IA32_APIC_BASE exists, as a mere register.</summary>
    private bool BelongsToApic(uint msr) =>
        (msr is ModelSpecificRegisters.ApicBase or ModelSpecificRegisters.TscDeadline
            or (>= ModelSpecificRegisters.X2ApicFirst and <= ModelSpecificRegisters.X2ApicLast))
        && Platform.HasLocalApic;

    private static bool Assign(ref ulong register, ulong value, bool valid)
    {
        if (valid)
        {
            register = value;
        }

        return valid;
    }

    private static bool IsMemoryType(byte type) => type is 0 or 1 or 4 or 5 or 6;
}
