using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <content>VM exit (SDM 3C "VM Exits"), with the changes that ASMI makes to it (docs/asmi.md).</content>
public sealed unsafe partial class VmxUnit
{
    // VMX-abort indicators (SDM 3C "VMX Aborts").
    private const uint AbortSavingMsrs = 1;
    private const uint AbortHostPdpte = 2;
    private const uint AbortCorruptVmcs = 3;
    private const uint AbortLoadingMsrs = 4;

    // Host segments have these access rights (SDM 3C "Loading Host Segment and Descriptor-Table Registers").
    private const uint HostCode64 = 0xA09B;
    private const uint HostCode32 = 0xC09B;
    private const uint HostData = 0xC093;
    private const uint HostTask = 0x008B;

    /// <summary>VPID of the guest that was left: without one the TLB entries of both worlds go.</summary>
    private ushort _leftVpid;

    /// <summary>Takes a VM exit: basic information, guest state to the VMCS, host state from it.</summary>
    /// <param name="reason">Basic exit reason.</param>
    /// <param name="qualification">Exit qualification.</param>
    /// <param name="instructionLength">Length in bytes of the instruction that caused the exit; zero when none did.</param>
    /// <param name="instructionInformation">VM-exit instruction-information field.</param>
    internal Outcome Exit(ExitReason reason, ulong qualification = 0, uint instructionLength = 0, uint instructionInformation = 0)
    {
        Write(VmcsField.ExitInterruptionInformation, 0);
        return FinishExit(reason, qualification, instructionLength, instructionInformation);
    }

    /// <summary>
    /// A VM exit due to an exception, an NMI or an acknowledged interrupt, which goes to the VM-exit interruption information.
    /// </summary>
    internal Outcome ExitForEvent(ExitReason reason, in EventToDeliver cause, ulong qualification)
    {
        Write(VmcsField.ExitInterruptionInformation, cause.Information | (_processor.IretUnblockedNmi ? 1u << 12 : 0));
        Write(VmcsField.ExitInterruptionErrorCode, cause.HasErrorCode ? cause.ErrorCode : 0);
        return FinishExit(reason, qualification, cause.InstructionLength, 0);
    }

    /// <summary>An access of the guest failed below its own paging: EPT violation, EPT misconfiguration or isolation violation.</summary>
    internal Outcome ExitForTranslation(TranslationStatus status, in Translation translation)
    {
        Write(VmcsField.GuestPhysicalAddress, translation.FaultGpa.Value);
        Write(VmcsField.GuestLinearAddress, translation.Gva.Value);
        if (status == TranslationStatus.EptMisconfiguration)
        {
            return Exit(ExitReason.EptMisconfiguration);
        }

        ulong qualification = translation.ExitQualification | (_processor.IretUnblockedNmi ? 1u << 12 : 0);
        if (status == TranslationStatus.EptViolation)
        {
            return Exit(ExitReason.EptViolation, qualification);
        }

        Write(VmcsField.AsmiViolationHpa, translation.DeniedHpa.Value);
        Write(VmcsField.AsmiViolationSegment, translation.Segment);
        Write(VmcsField.AsmiViolationOwner, translation.Owner.Value);
        Write(VmcsField.AsmiViolationName, translation.DeniedName.Value);
        Write(VmcsField.AsmiViolationAccess, (uint)translation.DeniedKind | ((uint)translation.DeniedOrigin << 8));
        return Exit(ExitReason.IsolationViolation, qualification);
    }

    private Outcome FinishExit(ExitReason reason, ulong qualification, uint instructionLength, uint instructionInformation)
    {
        if (!VmcsIsReachable())
        {
            return Abort(AbortCorruptVmcs);
        }

        Write(VmcsField.ExitReason, (uint)reason);
        Write(VmcsField.ExitQualification, qualification);
        Write(VmcsField.ExitInstructionLength, instructionLength);
        Write(VmcsField.ExitInstructionInformation, instructionInformation);
        SaveVectoring(reason, in _processor.Delivering);
        Write(VmcsField.EntryInterruptionInformation, Read32(VmcsField.EntryInterruptionInformation) & ~ValidBit);
        SaveGuestState();
        if (!StoreMsrs())
        {
            return Abort(AbortSavingMsrs);
        }

        GiveBackIdentity();
        return LeaveToHost();
    }

    /// <summary>SDM 3C "Information for VM Exits That Occur During Event Delivery".</summary>
    private void SaveVectoring(ExitReason reason, in EventToDeliver delivering)
    {
        // A triple fault is not "during delivery", and neither is an event that exits by itself (nothing is being delivered then).
        bool during = delivering.IsValid && reason != ExitReason.TripleFault;
        Write(VmcsField.IdtVectoringInformation, during ? delivering.Information : 0);
        Write(VmcsField.IdtVectoringErrorCode, during && delivering.HasErrorCode ? delivering.ErrorCode : 0);
        if (during && delivering.IsSoftware)
        {
            Write(VmcsField.ExitInstructionLength, delivering.InstructionLength);
        }

        _processor.Delivering = default;
    }

    /// <summary>SDM 3C "Saving Guest State".</summary>
    private void SaveGuestState()
    {
        CpuState* cpu = State;
        ref PagingContext paging = ref cpu->Paging;
        ExitControls exit = (ExitControls)Read32(VmcsField.VmExitControls);
        Write(VmcsField.GuestCr0, paging.Cr0);
        Write(VmcsField.GuestCr3, paging.Cr3);
        Write(VmcsField.GuestCr4, paging.Cr4);
        Write(VmcsField.GuestSysenterCs, (uint)cpu->Msr.SysenterCs);
        Write(VmcsField.GuestSysenterEsp, cpu->Msr.SysenterEsp);
        Write(VmcsField.GuestSysenterEip, cpu->Msr.SysenterEip);
        if (exit.HasFlag(ExitControls.SaveDebugControls))
        {
            Write(VmcsField.GuestDr7, cpu->Dr[7]);
            Write(VmcsField.GuestDebugCtl, cpu->Msr.DebugCtl);
        }

        if (exit.HasFlag(ExitControls.SavePat))
        {
            Write(VmcsField.GuestPat, cpu->Msr.Pat);
        }

        if (exit.HasFlag(ExitControls.SaveEfer))
        {
            Write(VmcsField.GuestEfer, paging.Efer);
        }

        for (SegmentIndex index = SegmentIndex.ES; index <= SegmentIndex.TR; index++)
        {
            ref SegmentRegister segment = ref cpu->Segments[(int)index];
            uint step = 2 * (uint)index;
            Write(VmcsField.GuestEsSelector + step, segment.Selector);
            Write(VmcsField.GuestEsBase + step, segment.Base);
            Write(VmcsField.GuestEsLimit + step, segment.Limit);
            Write(VmcsField.GuestEsAccessRights + step, segment.AccessRights);
        }

        Write(VmcsField.GuestGdtrBase, cpu->Gdtr.Base);
        Write(VmcsField.GuestGdtrLimit, cpu->Gdtr.Limit);
        Write(VmcsField.GuestIdtrBase, cpu->Idtr.Base);
        Write(VmcsField.GuestIdtrLimit, cpu->Idtr.Limit);
        Write(VmcsField.GuestRip, cpu->Rip);
        Write(VmcsField.GuestRsp, cpu->Gpr[Processor.RspIndex]);
        Write(VmcsField.GuestRflags, _processor.Rflags);
        SaveGuestNonRegisterState(exit);
    }

    /// <summary>SDM 3C "Saving Non-Register State".</summary>
    private void SaveGuestNonRegisterState(ExitControls exit)
    {
        CpuState* cpu = State;
        ref PagingContext paging = ref cpu->Paging;
        Write(VmcsField.GuestActivityState, (uint)cpu->Activity);
        Write(VmcsField.GuestInterruptibilityState, cpu->Interruptibility);
        Write(VmcsField.GuestPendingDebugExceptions, cpu->PendingDebug);

        bool lma = (paging.Efer & ControlRegisters.EferLma) != 0;
        uint entry = Read32(VmcsField.VmEntryControls) & ~(uint)EntryControls.Ia32eModeGuest;
        Write(VmcsField.VmEntryControls, entry | (lma ? (uint)EntryControls.Ia32eModeGuest : 0));
        if (exit.HasFlag(ExitControls.SavePreemptionTimer))
        {
            Write(VmcsField.PreemptionTimerValue, PreemptionTimerLeft);
        }

        if (paging.Eptp != 0 && !lma && (paging.Cr0 & ControlRegisters.Cr0Pg) != 0 && (paging.Cr4 & ControlRegisters.Cr4Pae) != 0)
        {
            for (int entryIndex = 0; entryIndex < 4; entryIndex++)
            {
                Write(VmcsField.GuestPdpte0 + (uint)(2 * entryIndex), paging.Pdptes[entryIndex]);
            }
        }
    }

    /// <summary>SDM 3C "Loading Host State", and the host's MSRs; the last step of every exit and of every failed entry.</summary>
    private Outcome LeaveToHost()
    {
        CpuState* cpu = State;
        LoadHostControlRegisters();
        LoadHostSegments();
        cpu->Gdtr = new TableRegister { Base = Read(VmcsField.HostGdtrBase), Limit = ushort.MaxValue };
        cpu->Idtr = new TableRegister { Base = Read(VmcsField.HostIdtrBase), Limit = ushort.MaxValue };
        cpu->Rip = Read(VmcsField.HostRip);
        cpu->Gpr[Processor.RspIndex] = Read(VmcsField.HostRsp);
        _processor.Rflags = RflagsBits.Fixed1;
        cpu->Activity = ActivityState.Active;
        cpu->Interruptibility &= _pin.HasFlag(PinControls.VirtualNmis) ? 0 : BlockingByNmi;
        cpu->PendingDebug = 0;
        _injection = 0;
        _preemptionDeadline = ulong.MaxValue;
        if (!_processor.TryLoadPdptes())
        {
            return Abort(AbortHostPdpte);
        }

        if (LoadMsrs(VmcsField.ExitMsrLoadAddress, Read32(VmcsField.ExitMsrLoadCount)) != 0)
        {
            return Abort(AbortLoadingMsrs);
        }

        _processor.Tlb.OnVmTransition(_leftVpid != 0);
        _processor.OnContextReplaced();
        return Outcome.VmExit;
    }

    /// <summary>SDM 3C "Loading Host Control Registers, Debug Registers, MSRs".</summary>
    private void LoadHostControlRegisters()
    {
        CpuState* cpu = State;
        ref PagingContext paging = ref cpu->Paging;
        ExitControls exit = (ExitControls)Read32(VmcsField.VmExitControls);
        ulong longMode = exit.HasFlag(ExitControls.HostAddressSpaceSize) ? ControlRegisters.EferLma | ControlRegisters.EferLme : 0;
        paging.NonRoot = false;
        paging.Eptp = 0;
        paging.EptModeBasedExecute = false;
        _leftVpid = paging.Vpid;
        paging.Vpid = 0;
        paging.Cr0 = (paging.Cr0 & Cr0Kept) | (Read(VmcsField.HostCr0) & ~Cr0Kept);
        paging.Cr3 = Read(VmcsField.HostCr3);
        paging.Cr4 = Read(VmcsField.HostCr4) | (longMode != 0 ? ControlRegisters.Cr4Pae : 0);
        paging.Efer = exit.HasFlag(ExitControls.LoadEfer)
            ? Read(VmcsField.HostEfer)
            : (paging.Efer & ~(ControlRegisters.EferLma | ControlRegisters.EferLme)) | longMode;
        if (exit.HasFlag(ExitControls.LoadPat))
        {
            cpu->Msr.Pat = Read(VmcsField.HostPat);
        }

        cpu->Dr[7] = 0x400;
        cpu->Msr.DebugCtl = 0;
        cpu->Msr.SysenterCs = Read(VmcsField.HostSysenterCs);
        cpu->Msr.SysenterEsp = Read(VmcsField.HostSysenterEsp);
        cpu->Msr.SysenterEip = Read(VmcsField.HostSysenterEip);
    }

    /// <summary>SDM 3C "Loading Host Segment and Descriptor-Table Registers".</summary>
    private void LoadHostSegments()
    {
        bool is64 = (State->Paging.Efer & ControlRegisters.EferLma) != 0;
        SetHostSegment(SegmentIndex.CS, VmcsField.HostCsSelector, 0, is64 ? HostCode64 : HostCode32);
        SetHostSegment(SegmentIndex.SS, VmcsField.HostSsSelector, 0, HostData);
        SetHostSegment(SegmentIndex.DS, VmcsField.HostDsSelector, 0, HostData);
        SetHostSegment(SegmentIndex.ES, VmcsField.HostEsSelector, 0, HostData);
        SetHostSegment(SegmentIndex.FS, VmcsField.HostFsSelector, Read(VmcsField.HostFsBase), HostData);
        SetHostSegment(SegmentIndex.GS, VmcsField.HostGsSelector, Read(VmcsField.HostGsBase), HostData);
        SetHostSegment(SegmentIndex.TR, VmcsField.HostTrSelector, Read(VmcsField.HostTrBase), HostTask);
        State->Segments[(int)SegmentIndex.TR].Limit = 0x67;
        State->Segments[(int)SegmentIndex.LDTR] = new SegmentRegister { AccessRights = SegmentRegister.UnusableBit };
    }

    private void SetHostSegment(SegmentIndex index, VmcsField selectorField, ulong segmentBase, uint accessRights)
    {
        ushort selector = (ushort)Read(selectorField);
        State->Segments[(int)index] = new SegmentRegister
        {
            Selector = selector,
            Base = segmentBase,
            Limit = uint.MaxValue,
            AccessRights = selector == 0 ? SegmentRegister.UnusableBit : accessRights,
        };
    }

    /// <summary>
    /// SDM 3C "VMX Aborts": the indicator goes to the VMCS region as far as it can be reached, and the processor shuts down.
    /// </summary>
    private Outcome Abort(uint indicator)
    {
        if (VmcsIsReachable())
        {
            *(uint*)(_vmcs + VmcsLayout.AbortIndicatorOffset) = indicator;
        }

        ForgetVmcs();

        State->Paging.NonRoot = false;
        State->Paging.Name = Memory.Control.Hypervisor;
        State->Activity = ActivityState.Shutdown;
        _processor.OnContextReplaced();
        return Outcome.VmExit;
    }
}
