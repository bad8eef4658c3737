using Xenolith.Cpu;
using Xenolith.Xen.Abi;

namespace Xenolith.Xen.Exits;

/// <summary>
/// VMCALL: a hypercall. 64-bit callers pass RDI, RSI, RDX, R10, R8 (arch-x86/xen-x86_64.h), others EBX, ECX, EDX, ESI, EDI
/// (arch-x86/xen-x86_32.h); the number is in (R|E)AX, and so is the result.
/// </summary>
internal readonly struct Vmcall : IExitHandler
{
    private const ulong Cr0ProtectionEnable = 1;
    private const ulong RflagsVirtual8086 = 1 << 17;
    private const int R8 = 8;
    private const int R10 = 10;

    public static void Handle(in ExitContext exit)
    {
        exit.Domain.Counters.Hypercalls++;
        ulong rip = exit.Vmcs[VmcsField.GuestRip];
        exit.SkipInstruction();
        bool is64Bit = exit.Is64Bit;
        long result = IsAllowed(in exit) ? Call(in exit, is64Bit) : Errno.EPERM.Negated();
        if (exit.Vcpu.Call.TryContinue())
        {
            // The guest executes the same VMCALL again, with the argument changed, when its turn comes.
            exit.Vmcs[VmcsField.GuestRip] = rip;
            exit.SetRegister(is64Bit ? ExitContext.Rdi : ExitContext.Rbx, exit.Vcpu.Call.ContinuationArgument);
            exit.Hypervisor.EndSlice();
            return;
        }

        // SCHEDOP_shutdown and the like may have ended the domain; its registers stay as they are.
        exit.SetRegister(ExitContext.Rax, is64Bit ? (ulong)result : (uint)result);
    }

    /// <summary>Protected mode, CPL 0: everything else gets EPERM before Xen looks at the number.</summary>
    private static bool IsAllowed(in ExitContext exit) =>
        (exit.Vmcs[VmcsField.GuestCr0] & Cr0ProtectionEnable) != 0
        && (exit.Vmcs[VmcsField.GuestRflags] & RflagsVirtual8086) == 0
        && exit.Cpl == 0;

    private static long Call(in ExitContext exit, bool is64Bit)
    {
        HypercallContext call = exit.Vcpu.Call;
        call.Is32Bit = !is64Bit;
        if (is64Bit)
        {
            call.SetArgs(
                exit.Register(ExitContext.Rdi), exit.Register(ExitContext.Rsi), exit.Register(ExitContext.Rdx), exit.Register(R10), exit.Register(R8));
        }
        else
        {
            call.SetArgs(
                (uint)exit.Register(ExitContext.Rbx),
                (uint)exit.Register(ExitContext.Rcx),
                (uint)exit.Register(ExitContext.Rdx),
                (uint)exit.Register(ExitContext.Rsi),
                (uint)exit.Register(ExitContext.Rdi));
        }

        exit.Vcpu.DescribeCaller();
        ulong number = exit.Register(ExitContext.Rax);
        return HypercallTable.Dispatch(call, is64Bit ? number : (uint)number);
    }
}
