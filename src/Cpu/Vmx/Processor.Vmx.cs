namespace Xenolith.Cpu;

/// <content>VMX.</content>
public sealed unsafe partial class Processor
{
    private VmxUnit? _vmx;

    /// <summary>The VMX microcode of this processor.</summary>
    public VmxUnit Vmx => _vmx ??= new VmxUnit(this);

    /// <summary>
    /// True when the hypervisor is C# (the emulated Xen): a VM exit makes Run return <see cref="StopReason.VmExit"/>
    /// after guest state was saved and host state loaded, instead of executing the host's instructions.
    /// </summary>
    public bool HostedHypervisor { get; set; }
}
