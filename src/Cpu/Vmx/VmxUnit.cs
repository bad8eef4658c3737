using System;

using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <summary>
/// The VMX microcode of one processor (SDM 3C): what the VMX instructions do once their operands are fetched. The emulated Xen calls
/// these methods where another hypervisor executes the instructions; there is no other way into a guest. Parts of this class by
/// subject: VMX instructions, entry checks, VM entry, VM exit, intercepts.
/// </summary>
public sealed unsafe partial class VmxUnit
{
    /// <summary>What VMPTRST stores when there is no current VMCS.</summary>
    public const ulong NoVmcs = ulong.MaxValue;

    private readonly Processor _processor;
    private ulong _vmxonPointer = NoVmcs;
    private ulong _currentPointer = NoVmcs;

    /// <summary>The current VMCS region in host memory; judged at VMPTRLD and again at each transition.</summary>
    private byte* _vmcs;

    /// <summary>The state of ownership under which the current VMCS was last judged.</summary>
    private ulong _judgedGeneration;

    internal VmxUnit(Processor processor) => _processor = processor;

    /// <summary>In VMX operation, root or non-root: between VMXON and VMXOFF.</summary>
    public bool InOperation => _vmxonPointer != NoVmcs;

    /// <summary>In VMX non-root operation: a guest runs.</summary>
    public bool InNonRoot => _processor.State->Paging.NonRoot;

    private CpuState* State => _processor.State;

    private MemoryUnit Memory => _processor.Memory;

    /// <summary>Reads an existing field of the current VMCS, as the microcode itself does.</summary>
    internal ulong Read(VmcsField field) => *(ulong*)(_vmcs + VmcsLayout.Offset(field));

    internal uint Read32(VmcsField field) => *(uint*)(_vmcs + VmcsLayout.Offset(field));

    internal void Write(VmcsField field, ulong value) => *(ulong*)(_vmcs + VmcsLayout.Offset(field)) = value;

    /// <summary>
    /// True while there is a current VMCS and the software that runs may reach it. Its segment may have changed hands since VMPTRLD: then
    /// it is judged anew, and a VMCS that is refused is current no more (docs/asmi.md, G14).
    /// </summary>
    private bool HasCurrentVmcs()
    {
        if (_vmcs == null || _judgedGeneration == Memory.Control.Generation)
        {
            return _vmcs != null;
        }

        _judgedGeneration = Memory.Control.Generation;
        if (!VmcsIsReachable())
        {
            ForgetVmcs();
        }

        return _vmcs != null;
    }

    private void ForgetVmcs()
    {
        _currentPointer = NoVmcs;
        _vmcs = null;
    }

    /// <summary>Judges one page of a VMX structure in a name, and finds it in RAM.</summary>
    private bool TryStructure(Vmid name, ulong address, AccessKind kind, out byte* pointer)
    {
        Hpa hpa = new(address);
        pointer = null;
        if (!Memory.Bus.IsRam(hpa, 1) || !Memory.Judge(new PhysicalAccess(hpa, kind, AccessOrigin.VmxStructure, name)).IsAllowed)
        {
            return false;
        }

        pointer = Memory.Bus.RamPointer(hpa);
        return true;
    }
}
