using Xenolith.Cpu;

namespace Xenolith.Xen.Exits;

/// <summary>CPUID: the processor's leaves as a guest of Xen sees them, and Xen's own (xen/include/public/arch-x86/cpuid.h).</summary>
internal readonly unsafe struct Cpuid : IExitHandler
{
    private const uint XenBase = 0x4000_0000;
    private const uint XenLeaves = 5;
    private const uint HypervisorPresent = 1u << 31;
    private const uint Monitor = 1u << 3;
    private const uint Vmx = 1u << 5; // no nested virtualization
    private const uint Osxsave = 1u << 27;
    private const uint Ospke = 1u << 4;
    private const uint La57 = 1u << 16;
    private const ulong Cr4Osxsave = 1 << 18;
    private const ulong Cr4Pke = 1 << 22;

    // Leaf 4: XEN_HVM_CPUID_*: VCPU_ID_PRESENT, DOMID_PRESENT, UPCALL_VECTOR.
    private const uint HvmFeatures = (1 << 3) | (1 << 4) | (1 << 6);

    public static void Handle(in ExitContext exit)
    {
        uint leaf = (uint)exit.Register(ExitContext.Rax);
        uint subleaf = (uint)exit.Register(ExitContext.Rcx);
        CpuidLeaf result = leaf - XenBase <= 0xFF ? XenLeaf(in exit, leaf - XenBase, subleaf) : ProcessorLeaf(in exit, leaf, subleaf);
        exit.SetRegister(ExitContext.Rax, result.Eax);
        exit.SetRegister(ExitContext.Rbx, result.Ebx);
        exit.SetRegister(ExitContext.Rcx, result.Ecx);
        exit.SetRegister(ExitContext.Rdx, result.Edx);
        exit.SkipInstruction();
    }

    private static CpuidLeaf XenLeaf(in ExitContext exit, uint index, uint subleaf) => index switch
    {
        0 => new CpuidLeaf(XenBase + XenLeaves, 0x566E_6558, 0x6558_4D4D, 0x4D4D_566E), // "XenVMMXenVMM"
        1 => new CpuidLeaf((Hypervisor.VersionMajor << 16) | Hypervisor.VersionMinor, 0, 0, 0),
        2 => new CpuidLeaf(1, Wrmsr.HypercallPage, 0, 0), // one hypercall page, set up by this MSR
        3 => Time(subleaf),
        4 when subleaf == 0 => new CpuidLeaf(HvmFeatures, (uint)exit.Vcpu.Id, exit.Domain.Id, 0),
        _ => default,
    };

    /// <summary>Nothing emulates the TSC: it is the clock, and reliable.</summary>
    private static CpuidLeaf Time(uint subleaf) => subleaf switch
    {
        0 => new CpuidLeaf((1 << 1) | (1 << 2), 0, Clock.TscKhz, 0),
        1 => new CpuidLeaf(0, 0, Clock.TscToSystemMul, (uint)Clock.TscShift),
        2 => new CpuidLeaf(Clock.TscKhz, 0, 0, 0),
        _ => default,
    };

    private static CpuidLeaf ProcessorLeaf(in ExitContext exit, uint leaf, uint subleaf)
    {
        CpuidLeaf result = CpuidModel.Query(leaf, subleaf, exit.State);
        ulong cr4 = exit.Vmcs[VmcsField.GuestCr4];
        uint apicId = (uint)exit.Vcpu.Id * 2; // as Xen numbers them
        return leaf switch
        {
            1 => result with
            {
                Ebx = (result.Ebx & 0x00FF_FFFF) | (apicId << 24),
                Ecx = (result.Ecx & ~(Monitor | Vmx | Osxsave)) | HypervisorPresent | ((cr4 & Cr4Osxsave) != 0 ? Osxsave : 0),
            },
            7 when subleaf == 0 => result with { Ecx = (result.Ecx & ~(La57 | Ospke)) | ((cr4 & Cr4Pke) != 0 ? Ospke : 0) },
            0xB => result with { Edx = apicId },
            _ => result,
        };
    }
}
