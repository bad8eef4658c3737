using Xenolith.Cpu;
using Xenolith.Mmu;

namespace Xenolith.Xen.Exits;

/// <summary>One VM exit under way: whose it is, what the VMCS says about it, and the guest's registers.</summary>
internal readonly unsafe struct ExitContext(Hypervisor hypervisor, Vcpu vcpu)
{
    public const int Rax = 0;
    public const int Rcx = 1;
    public const int Rdx = 2;
    public const int Rbx = 3;
    public const int Rsi = 6;
    public const int Rdi = 7;

    private const ulong BlockingByStiOrMovSs = 3;
    private const ulong EferLma = 1 << 10;
    private const ulong CsLong = 1 << 13;

    public Hypervisor Hypervisor => hypervisor;

    public Vcpu Vcpu => vcpu;

    public Domain Domain => vcpu.Domain;

    public Vmcs Vmcs => vcpu.Vmcs;

    public CpuState* State => hypervisor.Board.Processor.State;

    public ulong Qualification => vcpu.Vmcs[VmcsField.ExitQualification];

    /// <summary>The guest runs in 64-bit mode.</summary>
    public bool Is64Bit => (Vmcs[VmcsField.GuestEfer] & EferLma) != 0 && (Vmcs[VmcsField.GuestCsAccessRights] & CsLong) != 0;

    /// <summary>CPL, from the DPL of SS (SDM 3C "Guest Register State").</summary>
    public int Cpl => (int)(Vmcs[VmcsField.GuestSsAccessRights] >> 5) & 3;

    /// <summary>A general register of the guest; RSP lies in the VMCS.</summary>
    public ulong Register(int index) => index == 4 ? Vmcs[VmcsField.GuestRsp] : State->Gpr[index];

    public void SetRegister(int index, ulong value)
    {
        if (index == 4)
        {
            Vmcs[VmcsField.GuestRsp] = value;
            return;
        }

        State->Gpr[index] = value;
    }

    /// <summary>The exit's instruction is done: RIP moves past it, and the shadow of STI or MOV SS ends with it.</summary>
    public void SkipInstruction()
    {
        ulong rip = Vmcs[VmcsField.GuestRip] + Vmcs[VmcsField.ExitInstructionLength];
        Vmcs[VmcsField.GuestRip] = Is64Bit ? rip : (uint)rip;
        Vmcs[VmcsField.GuestInterruptibilityState] &= ~BlockingByStiOrMovSs;
    }

    /// <summary>#GP(0), with RIP at the instruction.</summary>
    public void InjectGeneralProtection() => vcpu.InjectException(Vector.GP, 0);

    public void Crash(DomainExitKind kind, string detail, IsolationFault? fault = null) => hypervisor.Crash(vcpu, kind, detail, fault);
}
