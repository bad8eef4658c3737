using Xenolith.Cpu;
using Xenolith.Xen.Abi;

namespace Xenolith.Xen;

/// <summary>Between struct hvm_hw_cpu, the ABI's form of a vCPU's registers, and where they live: VMCS and saved registers.</summary>
internal static unsafe class VcpuState
{
    /// <summary>IA32_PAT after reset (SDM 3A "IA32_PAT MSR").</summary>
    public const ulong PatAfterReset = 0x0007_0406_0007_0406;

    private const ulong Cr0Et = 1 << 4;
    private const ulong Cr0Ne = 1 << 5;
    private const ulong Cr4Vmxe = 1 << 13;
    private const uint Unusable = 1 << 16;

    private static readonly (VmcsField Selector, VmcsField Limit, VmcsField Base, VmcsField Rights)[] s_segments =
    [
        (VmcsField.GuestCsSelector, VmcsField.GuestCsLimit, VmcsField.GuestCsBase, VmcsField.GuestCsAccessRights),
        (VmcsField.GuestDsSelector, VmcsField.GuestDsLimit, VmcsField.GuestDsBase, VmcsField.GuestDsAccessRights),
        (VmcsField.GuestEsSelector, VmcsField.GuestEsLimit, VmcsField.GuestEsBase, VmcsField.GuestEsAccessRights),
        (VmcsField.GuestFsSelector, VmcsField.GuestFsLimit, VmcsField.GuestFsBase, VmcsField.GuestFsAccessRights),
        (VmcsField.GuestGsSelector, VmcsField.GuestGsLimit, VmcsField.GuestGsBase, VmcsField.GuestGsAccessRights),
        (VmcsField.GuestSsSelector, VmcsField.GuestSsLimit, VmcsField.GuestSsBase, VmcsField.GuestSsAccessRights),
        (VmcsField.GuestTrSelector, VmcsField.GuestTrLimit, VmcsField.GuestTrBase, VmcsField.GuestTrAccessRights),
        (VmcsField.GuestLdtrSelector, VmcsField.GuestLdtrLimit, VmcsField.GuestLdtrBase, VmcsField.GuestLdtrAccessRights),
    ];

    /// <summary>The state in which a PVH guest starts (docs/misc/pvh of Xen): flat 32-bit protected mode without paging.</summary>
    public static HvmHwCpu FlatProtectedMode()
    {
        HvmHwCpu cpu = default;
        cpu.Rflags = 2;
        cpu.Cr0 = 1 | Cr0Et;
        cpu.Dr6 = 0xFFFF_0FF0;
        cpu.Dr7 = 0x400;
        cpu.CsSel = cpu.DsSel = cpu.EsSel = cpu.SsSel = cpu.TrSel = 0;
        cpu.CsLimit = cpu.DsLimit = cpu.EsLimit = cpu.SsLimit = uint.MaxValue;
        cpu.TrLimit = 0x67;
        cpu.CsArbytes = 0xC9B;
        cpu.DsArbytes = cpu.EsArbytes = cpu.SsArbytes = 0xC93;
        cpu.TrArbytes = 0x8B;
        return cpu;
    }

    /// <summary>Puts the ABI's registers into the VMCS and the saved registers.</summary>
    public static void Store(in HvmHwCpu cpu, Vmcs vmcs, ref SavedRegisters saved)
    {
        bool longMode = (cpu.MsrEfer & (1 << 10)) != 0;
        vmcs[VmcsField.GuestRip] = cpu.Rip;
        vmcs[VmcsField.GuestRsp] = cpu.Rsp;
        vmcs[VmcsField.GuestRflags] = (cpu.Rflags & 0x3F_7FD5) | 2;
        vmcs[VmcsField.GuestCr0] = cpu.Cr0 | Cr0Ne;
        vmcs[VmcsField.Cr0ReadShadow] = cpu.Cr0;
        vmcs[VmcsField.GuestCr3] = cpu.Cr3;
        vmcs[VmcsField.GuestCr4] = cpu.Cr4 | Cr4Vmxe;
        vmcs[VmcsField.Cr4ReadShadow] = cpu.Cr4;
        vmcs[VmcsField.GuestDr7] = (uint)cpu.Dr7 | 0x400u;
        vmcs[VmcsField.GuestEfer] = cpu.MsrEfer;
        vmcs[VmcsField.VmEntryControls] = (vmcs[VmcsField.VmEntryControls] & ~(ulong)EntryControls.Ia32eModeGuest)
            | (longMode ? (ulong)EntryControls.Ia32eModeGuest : 0);
        vmcs[VmcsField.GuestSysenterCs] = (uint)cpu.SysenterCs;
        vmcs[VmcsField.GuestSysenterEsp] = cpu.SysenterEsp;
        vmcs[VmcsField.GuestSysenterEip] = cpu.SysenterEip;
        vmcs[VmcsField.GuestGdtrBase] = cpu.GdtrBase;
        vmcs[VmcsField.GuestGdtrLimit] = cpu.GdtrLimit & 0xFFFF;
        vmcs[VmcsField.GuestIdtrBase] = cpu.IdtrBase;
        vmcs[VmcsField.GuestIdtrLimit] = cpu.IdtrLimit & 0xFFFF;
        vmcs[VmcsField.GuestInterruptibilityState] = 0;
        vmcs[VmcsField.GuestActivityState] = (ulong)ActivityState.Active;
        vmcs[VmcsField.GuestPendingDebugExceptions] = 0;
        StoreSegments(in cpu, vmcs);
        StoreSaved(in cpu, ref saved);
    }

    /// <summary>The reverse of <see cref="Store"/>.</summary>
    public static HvmHwCpu Load(Vmcs vmcs, in SavedRegisters saved)
    {
        HvmHwCpu cpu = default;
        cpu.Rip = vmcs[VmcsField.GuestRip];
        cpu.Rsp = vmcs[VmcsField.GuestRsp];
        cpu.Rflags = vmcs[VmcsField.GuestRflags];
        cpu.Cr0 = vmcs[VmcsField.GuestCr0];
        cpu.Cr3 = vmcs[VmcsField.GuestCr3];
        cpu.Cr4 = vmcs[VmcsField.GuestCr4] & ~Cr4Vmxe;
        cpu.Dr7 = vmcs[VmcsField.GuestDr7];
        cpu.MsrEfer = vmcs[VmcsField.GuestEfer];
        cpu.SysenterCs = vmcs[VmcsField.GuestSysenterCs];
        cpu.SysenterEsp = vmcs[VmcsField.GuestSysenterEsp];
        cpu.SysenterEip = vmcs[VmcsField.GuestSysenterEip];
        cpu.GdtrBase = vmcs[VmcsField.GuestGdtrBase];
        cpu.GdtrLimit = (uint)vmcs[VmcsField.GuestGdtrLimit];
        cpu.IdtrBase = vmcs[VmcsField.GuestIdtrBase];
        cpu.IdtrLimit = (uint)vmcs[VmcsField.GuestIdtrLimit];
        uint* selectors = &cpu.CsSel;
        uint* limits = &cpu.CsLimit;
        uint* rights = &cpu.CsArbytes;
        ulong* bases = &cpu.CsBase;
        for (int i = 0; i < s_segments.Length; i++)
        {
            (VmcsField selector, VmcsField limit, VmcsField @base, VmcsField access) = s_segments[i];
            selectors[i] = (uint)vmcs[selector];
            limits[i] = (uint)vmcs[limit];
            bases[i] = vmcs[@base];
            rights[i] = ToArbytes((uint)vmcs[access]);
        }

        LoadSaved(in saved, ref cpu);
        return cpu;
    }

    private static void StoreSegments(in HvmHwCpu cpu, Vmcs vmcs)
    {
        // The structure keeps each attribute of the eight registers as a run of eight: CS, DS, ES, FS, GS, SS, TR, LDTR.
        fixed (uint* selectors = &cpu.CsSel, limits = &cpu.CsLimit, rights = &cpu.CsArbytes)
        fixed (ulong* bases = &cpu.CsBase)
        {
            for (int i = 0; i < s_segments.Length; i++)
            {
                (VmcsField selector, VmcsField limit, VmcsField @base, VmcsField access) = s_segments[i];
                vmcs[selector] = selectors[i] & 0xFFFF;
                vmcs[limit] = limits[i];
                vmcs[@base] = bases[i];
                vmcs[access] = ToAccessRights(rights[i]);
            }
        }
    }

    private static void StoreSaved(in HvmHwCpu cpu, ref SavedRegisters saved)
    {
        saved.Gpr[0] = cpu.Rax;
        saved.Gpr[1] = cpu.Rcx;
        saved.Gpr[2] = cpu.Rdx;
        saved.Gpr[3] = cpu.Rbx;
        saved.Gpr[5] = cpu.Rbp;
        saved.Gpr[6] = cpu.Rsi;
        saved.Gpr[7] = cpu.Rdi;
        fixed (ulong* high = &cpu.R8, debug = &cpu.Dr0)
        {
            for (int i = 0; i < 8; i++)
            {
                saved.Gpr[8 + i] = high[i];
            }

            for (int i = 0; i < 4; i++)
            {
                saved.Dr[i] = debug[i];
            }
        }

        saved.Cr2 = cpu.Cr2;
        saved.Dr[6] = cpu.Dr6;
        saved.Msr.KernelGsBase = cpu.ShadowGs;
        saved.Msr.Lstar = cpu.MsrLstar;
        saved.Msr.Star = cpu.MsrStar;
        saved.Msr.Cstar = cpu.MsrCstar;
        saved.Msr.Fmask = cpu.MsrSyscallMask;
        saved.Msr.TscAux = cpu.MsrTscAux;
    }

    private static void LoadSaved(in SavedRegisters saved, ref HvmHwCpu cpu)
    {
        cpu.Rax = saved.Gpr[0];
        cpu.Rcx = saved.Gpr[1];
        cpu.Rdx = saved.Gpr[2];
        cpu.Rbx = saved.Gpr[3];
        cpu.Rbp = saved.Gpr[5];
        cpu.Rsi = saved.Gpr[6];
        cpu.Rdi = saved.Gpr[7];
        fixed (ulong* high = &cpu.R8, debug = &cpu.Dr0)
        {
            for (int i = 0; i < 8; i++)
            {
                high[i] = saved.Gpr[8 + i];
            }

            for (int i = 0; i < 4; i++)
            {
                debug[i] = saved.Dr[i];
            }
        }

        cpu.Cr2 = saved.Cr2;
        cpu.Dr6 = saved.Dr[6];
        cpu.ShadowGs = saved.Msr.KernelGsBase;
        cpu.MsrLstar = saved.Msr.Lstar;
        cpu.MsrStar = saved.Msr.Star;
        cpu.MsrCstar = saved.Msr.Cstar;
        cpu.MsrSyscallMask = saved.Msr.Fmask;
        cpu.MsrTscAux = saved.Msr.TscAux;
    }

    /// <summary>The ABI's bits 11:8 are the VMCS's 15:12; a register that is not present is unusable.</summary>
    private static uint ToAccessRights(uint arbytes)
    {
        uint rights = (arbytes & 0xFF) | ((arbytes & 0xF00) << 4);
        return (arbytes & (1 << 7)) == 0 ? rights | Unusable : rights;
    }

    private static uint ToArbytes(uint rights) =>
        (rights & Unusable) != 0 ? 0 : (rights & 0xFF) | ((rights >> 4) & 0xF00);
}
