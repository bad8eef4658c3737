using System;

using Xenolith.Cpu;
using Xenolith.Mmu;

namespace Xenolith.Xen.Exits;

/// <summary>The MSRs that exit: what a guest of Xen reads in them. Others are switched with the vCPU and never exit.</summary>
internal readonly struct Rdmsr : IExitHandler
{
    public const uint ApicBase = 0x1B;
    public const uint FeatureControl = 0x3A;
    public const uint TscAdjust = 0x3B;

    // The local APIC's page, enabled, and for vCPU 0 the boot-strap bit.
    private const ulong ApicEnabled = 0xFEE0_0800;
    private const ulong BootStrapProcessor = 1 << 8;
    private const ulong Locked = 1;

    public static void Handle(in ExitContext exit)
    {
        ulong value;
        switch ((uint)exit.Register(ExitContext.Rcx))
        {
            case ApicBase:
                value = ApicEnabled | (exit.Vcpu.Id == 0 ? BootStrapProcessor : 0);
                break;
            case FeatureControl:
                value = Locked; // no VMX for guests
                break;
            case TscAdjust:
                value = exit.Vcpu.TscAdjust;
                break;
            default:
                exit.InjectGeneralProtection();
                return;
        }

        exit.SetRegister(ExitContext.Rax, (uint)value);
        exit.SetRegister(ExitContext.Rdx, value >> 32);
        exit.SkipInstruction();
    }
}

/// <summary>Writes of MSRs that exit: the hypercall page, and the time-stamp counter.</summary>
internal readonly struct Wrmsr : IExitHandler
{
    /// <summary>The MSR that CPUID leaf 40000002H names.</summary>
    public const uint HypercallPage = 0x4000_0000;

    private const uint TimeStampCounter = 0x10;
    private const int StubBytes = 32;
    private const int IretNumber = 23;

    public static void Handle(in ExitContext exit)
    {
        ulong value = (uint)exit.Register(ExitContext.Rax) | (exit.Register(ExitContext.Rdx) << 32);
        bool done = (uint)exit.Register(ExitContext.Rcx) switch
        {
            HypercallPage => TryFillHypercallPage(in exit, value),
            TimeStampCounter => SetTimeStamp(in exit, value),
            Rdmsr.TscAdjust => AdjustTimeStamp(in exit, value),
            Rdmsr.ApicBase => true, // the page cannot be moved or switched off
            _ => false,
        };
        if (!done)
        {
            exit.InjectGeneralProtection();
            return;
        }

        exit.SkipInstruction();
    }

    /// <summary>
    /// Bits 63:12 name the guest frame, bits 11:0 the page of the transfer area, of which there is one. The stubs work in every mode:
    /// mov eax, number; vmcall; ret. They are written in the guest's name: it asked for them (docs/asmi.md, G11).
    /// </summary>
    private static bool TryFillHypercallPage(in ExitContext exit, ulong value)
    {
        if ((value & Pages.OffsetMask) != 0)
        {
            return false;
        }

        Span<byte> page = stackalloc byte[(int)Pages.Size];
        page.Fill(0xCC);
        for (int number = 0; number < page.Length / StubBytes; number++)
        {
            Span<byte> stub = page.Slice(number * StubBytes, StubBytes);
            if (number == IretNumber)
            {
                stub[0] = 0x0F; // ud2: there is no HYPERVISOR_iret for these guests
                stub[1] = 0x0B;
                continue;
            }

            stub[0] = 0xB8; // mov eax, imm32
            _ = BitConverter.TryWriteBytes(stub[1..], number);
            stub[5] = 0x0F; // vmcall
            stub[6] = 0x01;
            stub[7] = 0xC1;
            stub[8] = 0xC3; // ret
        }

        PhysmapEntry entry = exit.Domain.Physmap.Find(new Gpa(value).Frame);
        exit.Domain.SharedInfo.Is32Bit = !exit.Is64Bit;
        return entry.Type == PhysmapType.Ram
            && exit.Hypervisor.Board.MemoryUnit.TryWrite(exit.Domain.Vmid, entry.Frame.Address, page);
    }

    private static bool SetTimeStamp(in ExitContext exit, ulong value)
    {
        ulong offset = value - exit.Hypervisor.Board.Now;
        exit.Vcpu.TscAdjust += offset - exit.Vmcs[VmcsField.TscOffset];
        exit.Vmcs[VmcsField.TscOffset] = offset;
        return true;
    }

    private static bool AdjustTimeStamp(in ExitContext exit, ulong value)
    {
        exit.Vmcs[VmcsField.TscOffset] += value - exit.Vcpu.TscAdjust;
        exit.Vcpu.TscAdjust = value;
        return true;
    }
}

/// <summary>XSETBV: XCR0 as the processor permits it (SDM 2D "XSETBV").</summary>
internal readonly unsafe struct Xsetbv : IExitHandler
{
    private const ulong X87 = 1;
    private const ulong Sse = 2;
    private const ulong Avx = 4;

    public static void Handle(in ExitContext exit)
    {
        ulong value = (uint)exit.Register(ExitContext.Rax) | (exit.Register(ExitContext.Rdx) << 32);
        CpuidLeaf supported = CpuidModel.Query(0xD, 0, exit.State);
        ulong mask = supported.Eax | ((ulong)supported.Edx << 32);
        bool avxNeedsSse = (value & (Sse | Avx)) == Avx;
        if ((uint)exit.Register(ExitContext.Rcx) != 0 || exit.Cpl != 0 || (value & X87) == 0 || (value & ~mask) != 0 || avxNeedsSse)
        {
            exit.InjectGeneralProtection();
            return;
        }

        exit.State->Xcr0 = value;
        exit.SkipInstruction();
    }
}
