using Xenolith.Cpu;
using Xenolith.Mmu;

namespace Xenolith.Xen;

/// <summary>
/// One VMCS in Xen's heap, used as a hypervisor uses it: by VMPTRLD, VMREAD and VMWRITE. A VMX instruction that fails here is a bug of
/// Xen's, or an isolation unit that no longer takes Xen for the owner of its memory.
/// </summary>
internal sealed class Vmcs(VmxUnit vmx, Hpa region)
{
    public Hpa Region => region;

    public ulong this[VmcsField field]
    {
        get
        {
            MakeCurrent();
            Require(vmx.TryVmread(field, out ulong value), "VMREAD", field);
            return value;
        }

        set
        {
            MakeCurrent();
            Require(vmx.TryVmwrite(field, value), "VMWRITE", field);
        }
    }

    public void MakeCurrent()
    {
        if (vmx.Vmptrst() != region)
        {
            Require(vmx.Vmptrld(region), "VMPTRLD", region);
        }
    }

    /// <summary>VMCLEAR; under ASMI it may end the VM.</summary>
    public void Clear() => Require(vmx.Vmclear(region), "VMCLEAR", region);

    private static void Require(VmxResult result, string instruction, object operand)
    {
        if (!result.IsSuccess)
        {
            throw new XenPanicException($"{instruction} {operand}: {result}");
        }
    }
}
