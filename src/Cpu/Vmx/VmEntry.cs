using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <content>VM entry (SDM 3C "VM Entries"), with the changes that ASMI makes to it (docs/asmi.md).</content>
public sealed unsafe partial class VmxUnit
{
    private const uint EntryFailureBit = 1u << 31;

    /// <summary>CR0 bits that VM entry and VM exit leave as they are: ET, NW, CD and those that are not defined.</summary>
    private const ulong Cr0Kept = ~(ControlRegisters.Cr0Defined & ~(ControlRegisters.Cr0Et | ControlRegisters.Cr0Nw | ControlRegisters.Cr0Cd));

    // Controls of the running guest, read from the VMCS at entry: they cannot change before the next exit.
    private PinControls _pin;
    private PrimaryControls _primary;
    private SecondaryControls _secondary;
    private uint _exceptionBitmap;
    private ulong _tscOffset;
    private ulong _preemptionDeadline;

    /// <summary>The event to inject before the guest's first instruction; the format of the VM-entry interruption information.</summary>
    private uint _injection;

    /// <summary>An entry failed after the instruction itself had succeeded: the run loop has an exit to report.</summary>
    private bool _exitToReport;

    /// <summary>What must be added to the clock for the guest's RDTSC, by the TSC-offset control.</summary>
    internal ulong TscOffset => InNonRoot ? _tscOffset : 0;

    private VmxResult Enter(bool isLaunch)
    {
        if (!InOperation || !HasCurrentVmcs() || !VmcsIsReachable())
        {
            return VmxResult.FailInvalid;
        }

        VmInstructionError error = CheckBeforeGuest(isLaunch);
        if (error != VmInstructionError.None)
        {
            return Fail(error);
        }

        if (!GuestStateIsValid(out ulong qualification))
        {
            return FailEntry(ExitReason.EntryFailureGuestState, qualification);
        }

        if (!TryTakeIdentity(isLaunch))
        {
            return Fail(VmInstructionError.AsmiIdentityRefused);
        }

        LoadGuestState();
        uint failedEntry = LoadMsrs(VmcsField.EntryMsrLoadAddress, Read32(VmcsField.EntryMsrLoadCount));
        if (failedEntry != 0)
        {
            GiveBackIdentity();
            return FailEntry(ExitReason.EntryFailureMsrLoading, failedEntry);
        }

        if (isLaunch)
        {
            *(uint*)(_vmcs + VmcsLayout.LaunchStateOffset) = VmcsLayout.LaunchStateLaunched;
        }

        StartGuest();
        return VmxResult.Succeed;
    }

    /// <summary>SDM 3C "Basic VM-Entry Checks", then the controls and the host state: what makes the instruction itself fail.</summary>
    private VmInstructionError CheckBeforeGuest(bool isLaunch)
    {
        if ((State->Interruptibility & BlockingByMovSs) != 0)
        {
            return VmInstructionError.EntryBlockedByMovSs;
        }

        uint launchState = *(uint*)(_vmcs + VmcsLayout.LaunchStateOffset);
        if (isLaunch && launchState != VmcsLayout.LaunchStateClear)
        {
            return VmInstructionError.VmlaunchNonClearVmcs;
        }

        if (!isLaunch && launchState != VmcsLayout.LaunchStateLaunched)
        {
            return VmInstructionError.VmresumeNonLaunchedVmcs;
        }

        if (!ControlsAreValid())
        {
            return VmInstructionError.EntryInvalidControlFields;
        }

        return HostStateIsValid() ? VmInstructionError.None : VmInstructionError.EntryInvalidHostStateFields;
    }

    /// <summary>
    /// P7, G7, G8: the first entry registers the hypervisor; a VMLAUNCH without a binding makes a VM; then VMIDR becomes the VM's (P9).
    /// False, with VMIDR as it was, when the isolation unit refuses.
    /// </summary>
    private bool TryTakeIdentity(bool isLaunch)
    {
        ref PagingContext paging = ref State->Paging;
        IsolationControl control = Memory.Control;
        if (!control.HasHypervisor && !TryRegisterHypervisor(control))
        {
            return false;
        }

        paging.HypervisorName = control.Hypervisor;
        Vmid vm = new(Read32(VmcsField.AsmiVmidBinding));
        if (vm == Vmid.None)
        {
            if (!isLaunch || control.CreateVm(out vm) != IsolationError.None)
            {
                return false;
            }

            Write(VmcsField.AsmiVmidBinding, vm.Value);
        }

        uint* counted = (uint*)(_vmcs + VmcsLayout.BoundVmidOffset);
        if (*counted == 0)
        {
            control.OnVmcsBound(vm);
            *counted = vm.Value;
        }

        return control.OnVmEntry(vm, ref paging.Name) == IsolationError.None;
    }

    /// <summary>G8: the segments within the declared range become the hypervisor's own.</summary>
    private bool TryRegisterHypervisor(IsolationControl control)
    {
        ulong segment = control.SegmentSizeBytes;
        ulong first = _processor.AsmiHypervisorBase / segment;
        ulong end = (_processor.AsmiHypervisorBase + _processor.AsmiHypervisorSize + segment - 1) / segment;
        if (end > control.SegmentCount || end < first || control.RegisterHypervisor(first, end - first, out Vmid hypervisor) != IsolationError.None)
        {
            return false;
        }

        State->Paging.Name = hypervisor;
        return true;
    }

    private void GiveBackIdentity() => Memory.Control.OnVmExit(new Vmid(Read32(VmcsField.AsmiVmidBinding)), ref State->Paging.Name);

    /// <summary>SDM 3C "VM-Entry Failures During or After Loading Guest State": host state is loaded, guest state is not saved.</summary>
    private VmxResult FailEntry(ExitReason reason, ulong qualification)
    {
        Write(VmcsField.ExitReason, (uint)reason | EntryFailureBit);
        Write(VmcsField.ExitQualification, qualification);
        LeaveToHost();
        _exitToReport = true;
        return VmxResult.Succeed;
    }

    /// <summary>SDM 3C "Loading Guest State".</summary>
    private void LoadGuestState()
    {
        CpuState* cpu = State;
        EntryControls entry = GuestEntryControls;
        _pin = (PinControls)Read32(VmcsField.PinBasedControls);
        _primary = (PrimaryControls)Read32(VmcsField.PrimaryProcessorBasedControls);
        _secondary = SecondaryOf(_primary);

        LoadGuestControlRegisters(entry);
        for (SegmentIndex index = SegmentIndex.ES; index <= SegmentIndex.TR; index++)
        {
            cpu->Segments[(int)index] = new SegmentRegister
            {
                Selector = Selector(index),
                Base = Base(index),
                Limit = Limit(index),
                AccessRights = Rights(index),
            };
        }

        cpu->Gdtr.Base = Read(VmcsField.GuestGdtrBase);
        cpu->Gdtr.Limit = (ushort)Read(VmcsField.GuestGdtrLimit);
        cpu->Idtr.Base = Read(VmcsField.GuestIdtrBase);
        cpu->Idtr.Limit = (ushort)Read(VmcsField.GuestIdtrLimit);
        cpu->Gpr[Processor.RspIndex] = Read(VmcsField.GuestRsp);
        cpu->Rip = Read(VmcsField.GuestRip);
        _processor.Rflags = Read(VmcsField.GuestRflags);
        LoadGuestPdptes();
        cpu->Activity = (ActivityState)Read32(VmcsField.GuestActivityState);
        cpu->Interruptibility = Read32(VmcsField.GuestInterruptibilityState);
        cpu->PendingDebug = Read(VmcsField.GuestPendingDebugExceptions);
    }

    /// <summary>SDM 3C "Loading Guest Control Registers, Debug Registers, and MSRs".</summary>
    private void LoadGuestControlRegisters(EntryControls entry)
    {
        CpuState* cpu = State;
        ref PagingContext paging = ref cpu->Paging;
        bool ia32e = entry.HasFlag(EntryControls.Ia32eModeGuest);
        paging.Cr0 = (paging.Cr0 & Cr0Kept) | (Read(VmcsField.GuestCr0) & ~Cr0Kept);
        paging.Cr3 = Read(VmcsField.GuestCr3);
        paging.Cr4 = Read(VmcsField.GuestCr4);
        if (entry.HasFlag(EntryControls.LoadEfer))
        {
            paging.Efer = Read(VmcsField.GuestEfer);
        }
        else
        {
            // Without the field LMA follows the control, and LME too while paging is on.
            ulong both = ControlRegisters.EferLma | ((paging.Cr0 & ControlRegisters.Cr0Pg) != 0 ? ControlRegisters.EferLme : 0);
            paging.Efer = (paging.Efer & ~both) | (ia32e ? both : 0);
        }

        if (entry.HasFlag(EntryControls.LoadDebugControls))
        {
            cpu->Dr[7] = (Read(VmcsField.GuestDr7) & 0xFFFF_2FFF) | 0x400;
            cpu->Msr.DebugCtl = Read(VmcsField.GuestDebugCtl);
        }

        if (entry.HasFlag(EntryControls.LoadPat))
        {
            cpu->Msr.Pat = Read(VmcsField.GuestPat);
        }

        cpu->Msr.SysenterCs = Read(VmcsField.GuestSysenterCs);
        cpu->Msr.SysenterEsp = Read(VmcsField.GuestSysenterEsp);
        cpu->Msr.SysenterEip = Read(VmcsField.GuestSysenterEip);

        paging.NonRoot = true;
        paging.Eptp = _secondary.HasFlag(SecondaryControls.EnableEpt) ? Read(VmcsField.EptPointer) : 0;
        paging.EptModeBasedExecute = _secondary.HasFlag(SecondaryControls.ModeBasedExecuteControl);
        paging.Vpid = _secondary.HasFlag(SecondaryControls.EnableVpid) ? (ushort)Read(VmcsField.VirtualProcessorIdentifier) : (ushort)0;
    }

    /// <summary>SDM 3C "Loading Page-Directory-Pointer-Table Entries": from the VMCS with EPT, from the table without.</summary>
    private void LoadGuestPdptes()
    {
        ref PagingContext paging = ref State->Paging;
        if (!GuestUsesPae())
        {
            return;
        }

        ulong* table = null;
        if (paging.Eptp == 0 && TryStructure(paging.Name, paging.Cr3 & 0xFFFF_FFE0, AccessKind.Read, out byte* pointer))
        {
            table = (ulong*)pointer;
        }

        for (int entry = 0; entry < 4; entry++)
        {
            paging.Pdptes[entry] = table == null ? Read(VmcsField.GuestPdpte0 + (uint)(2 * entry)) : table[entry];
        }
    }

    /// <summary>What the run loop needs to know about the guest that is about to run.</summary>
    private void StartGuest()
    {
        _exceptionBitmap = Read32(VmcsField.ExceptionBitmap);
        _tscOffset = _primary.HasFlag(PrimaryControls.UseTscOffsetting) ? Read(VmcsField.TscOffset) : 0;
        _preemptionDeadline = _pin.HasFlag(PinControls.ActivateVmxPreemptionTimer)
            ? _processor.Platform.Now + ((ulong)Read32(VmcsField.PreemptionTimerValue) << VmxCapabilities.PreemptionTimerShift)
            : ulong.MaxValue;

        uint info = Read32(VmcsField.EntryInterruptionInformation);
        _injection = (info & ValidBit) != 0 ? info : 0;
        if (_injection != 0)
        {
            // SDM 3C "Event Injection": an injected event finds the processor active and without blocking by STI or MOV SS.
            State->Activity = ActivityState.Active;
            State->Interruptibility &= ~(BlockingBySti | BlockingByMovSs);
        }

        _processor.Tlb.OnVmTransition(State->Paging.Vpid != 0);
        _processor.OnContextReplaced();
    }

    /// <summary>The current VMCS, judged anew in the hypervisor's name: its segment may have changed hands since VMPTRLD.</summary>
    private bool VmcsIsReachable()
    {
        Vmid name = InNonRoot ? State->Paging.HypervisorName : State->Paging.Name;
        return TryStructure(name, _currentPointer, AccessKind.Write, out _);
    }
}
