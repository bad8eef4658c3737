using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <content>
/// What the VMX instructions do in root operation (SDM 3C "VMX Instructions"). Faults that depend on mode, privilege and operands
/// belong to the instructions themselves.
/// </content>
public sealed unsafe partial class VmxUnit
{
    /// <summary>VMXON: enters VMX operation with the given VMXON region.</summary>
    public VmxResult Vmxon(Hpa region)
    {
        if (InOperation)
        {
            return Fail(VmInstructionError.VmxonInRootOperation);
        }

        if (!IsRegionAddress(region) || !TryStructure(State->Paging.Name, region.Value, AccessKind.Write, out byte* pointer)
            || *(uint*)pointer != VmcsLayout.RevisionId)
        {
            return VmxResult.FailInvalid;
        }

        _vmxonPointer = region.Value;
        ForgetVmcs();
        return VmxResult.Succeed;
    }

    /// <summary>VMXOFF: leaves VMX operation.</summary>
    public VmxResult Vmxoff()
    {
        if (!InOperation)
        {
            return VmxResult.FailInvalid;
        }

        _vmxonPointer = NoVmcs;
        ForgetVmcs();
        return VmxResult.Succeed;
    }

    /// <summary>VMCLEAR: the VMCS becomes inactive, not current, clear. Under ASMI this may end the VM (P8; docs/asmi.md, G6).</summary>
    public VmxResult Vmclear(Hpa region)
    {
        if (!IsRegionAddress(region))
        {
            return Fail(VmInstructionError.VmclearInvalidAddress);
        }

        if (region.Value == _vmxonPointer)
        {
            return Fail(VmInstructionError.VmclearVmxonPointer);
        }

        if (!TryStructure(State->Paging.Name, region.Value, AccessKind.Write, out byte* pointer))
        {
            return Fail(VmInstructionError.VmclearInvalidAddress);
        }

        ClearRegion(pointer);
        if (region.Value == _currentPointer)
        {
            ForgetVmcs();
        }

        return VmxResult.Succeed;
    }

    /// <summary>VMPTRLD: makes the VMCS current and active.</summary>
    public VmxResult Vmptrld(Hpa region)
    {
        if (!IsRegionAddress(region))
        {
            return Fail(VmInstructionError.VmptrldInvalidAddress);
        }

        if (region.Value == _vmxonPointer)
        {
            return Fail(VmInstructionError.VmptrldVmxonPointer);
        }

        // A region that is refused or is no memory reads as something else than a VMCS.
        if (!TryStructure(State->Paging.Name, region.Value, AccessKind.Write, out byte* pointer) || *(uint*)pointer != VmcsLayout.RevisionId)
        {
            return Fail(VmInstructionError.VmptrldIncorrectRevisionIdentifier);
        }

        _currentPointer = region.Value;
        _vmcs = pointer;
        _judgedGeneration = Memory.Control.Generation;
        return VmxResult.Succeed;
    }

    /// <summary>VMPTRST: the address of the current VMCS, or <see cref="NoVmcs"/>.</summary>
    public Hpa Vmptrst() => new(_currentPointer);

    /// <summary>VMREAD of one field of the current VMCS; the access type "high" of 64-bit fields gives their upper half.</summary>
    public VmxResult TryVmread(VmcsField field, out ulong value)
    {
        value = 0;
        if (!HasCurrentVmcs())
        {
            return VmxResult.FailInvalid;
        }

        if (!VmcsLayout.Exists((uint)field))
        {
            return Fail(VmInstructionError.UnsupportedVmcsComponent);
        }

        value = ((uint)field & 1) == 0 ? Read(field) : Read(field) >> 32;
        return VmxResult.Succeed;
    }

    /// <summary>VMWRITE of one field of the current VMCS; bits above the field's width are dropped.</summary>
    public VmxResult TryVmwrite(VmcsField field, ulong value)
    {
        if (!HasCurrentVmcs())
        {
            return VmxResult.FailInvalid;
        }

        uint encoding = (uint)field;
        if (!VmcsLayout.Exists(encoding))
        {
            return Fail(VmInstructionError.UnsupportedVmcsComponent);
        }

        if (VmcsLayout.IsReadOnly(encoding))
        {
            return Fail(VmInstructionError.VmwriteReadOnlyComponent);
        }

        Write(field, (encoding & 1) == 0 ? value & VmcsLayout.WidthMask(encoding) : (uint)Read(field) | (value << 32));
        return VmxResult.Succeed;
    }

    /// <summary>
    /// VMLAUNCH: enters the guest of the current, clear VMCS. Under ASMI the first one makes a new VM (P7; docs/asmi.md, G7).
    /// </summary>
    public VmxResult Vmlaunch() => Enter(isLaunch: true);

    /// <summary>VMRESUME: enters the guest of the current, launched VMCS.</summary>
    public VmxResult Vmresume() => Enter(isLaunch: false);

    /// <summary>VMCALL in root operation: there is no dual-monitor treatment to activate.</summary>
    public VmxResult Vmcall() => Fail(VmInstructionError.VmcallInRootOperation);

    /// <summary>INVEPT: drops what was cached by way of EPT (SDM 3C "INVEPT").</summary>
    public VmxResult Invept(InveptType type, ulong eptp)
    {
        bool valid = type == InveptType.AllContexts || (type == InveptType.SingleContext && IsValidEptp(eptp));
        if (!valid)
        {
            return Fail(VmInstructionError.InvalidOperandToInveptOrInvvpid);
        }

        _processor.Tlb.Invept(type, eptp);
        return VmxResult.Succeed;
    }

    /// <summary>INVVPID: drops what was cached under a VPID (SDM 3C "INVVPID").</summary>
    public VmxResult Invvpid(InvvpidType type, ushort vpid, Gva gva)
    {
        bool valid = type == InvvpidType.AllContexts || (type <= InvvpidType.SingleContextRetainingGlobals && vpid != 0
            && (type != InvvpidType.IndividualAddress || _processor.IsCanonical(gva.Value)));
        if (!valid)
        {
            return Fail(VmInstructionError.InvalidOperandToInveptOrInvvpid);
        }

        _processor.Tlb.Invvpid(type, vpid, gva);
        return VmxResult.Succeed;
    }

    /// <summary>VMfail: with a current VMCS the error number goes to its VM-instruction error field.</summary>
    internal VmxResult Fail(VmInstructionError error)
    {
        if (!HasCurrentVmcs())
        {
            return VmxResult.FailInvalid;
        }

        Write(VmcsField.VmInstructionError, (uint)error);
        return VmxResult.FailValid(error);
    }

    private bool IsRegionAddress(Hpa region) => (region.Value & Pages.OffsetMask) == 0 && region.Value >> State->Paging.PhysicalAddressBits == 0;

    /// <summary>The VMCLEAR of one region: launch state clear; a region that never was a VMCS gets all its fields zero.</summary>
    private void ClearRegion(byte* pointer)
    {
        uint launchState = *(uint*)(pointer + VmcsLayout.LaunchStateOffset);
        if (launchState is not (VmcsLayout.LaunchStateClear or VmcsLayout.LaunchStateLaunched))
        {
            new System.Span<byte>(pointer + VmcsLayout.AbortIndicatorOffset, VmcsLayout.RegionSize - VmcsLayout.AbortIndicatorOffset).Clear();
        }
        else
        {
            EndBinding(pointer);
        }

        *(uint*)(pointer + VmcsLayout.LaunchStateOffset) = VmcsLayout.LaunchStateClear;
    }

    /// <summary>P8, G6: the isolation unit decides whether clearing this VMCS ends its VM; then the VMCS is bound to nobody.</summary>
    private void EndBinding(byte* pointer)
    {
        uint* counted = (uint*)(pointer + VmcsLayout.BoundVmidOffset);
        uint* request = (uint*)(pointer + VmcsLayout.Offset(VmcsField.AsmiDestroyRequested));
        if (*counted != 0 && Memory.Control.OnVmcsCleared(new Vmid(*counted), *request != 0))
        {
            *counted = 0;
            *request = 0;
            *(uint*)(pointer + VmcsLayout.Offset(VmcsField.AsmiVmidBinding)) = 0;
        }
    }
}
