using System;

using Xenolith.Cpu;
using Xenolith.Mmu;
using Xenolith.Xen.Abi;

namespace Xenolith.Xen;

/// <content>Start of Xen and of Dom0.</content>
public sealed partial class Hypervisor
{
    /// <summary>MSRs whose accesses exit; all others are the vCPU's own and switched with it.</summary>
    private static readonly (uint First, uint Last)[] s_interceptedReads = [(0x1B, 0x1B), (0x3A, 0x3B), (0x480, 0x491), (0x6E0, 0x6E0), (0x800, 0x8FF)];
    private static readonly (uint First, uint Last)[] s_interceptedWrites = [(0x10, 0x10), (0x1B, 0x1B), (0x3A, 0x3B), (0x480, 0x491), (0x6E0, 0x6E0), (0x800, 0x8FF)];

    /// <summary>Declares Xen's memory to the isolation unit (docs/asmi.md, G8), executes VMXON, prepares what all VMCSs share.</summary>
    private unsafe void EnterVmxOperation()
    {
        Processor processor = Board.Processor;
        processor.EnterHostedRoot(cr3: 0);
        if (!processor.TryWriteMsr(AsmiMsr.HypervisorBase, 0) || !processor.TryWriteMsr(AsmiMsr.HypervisorSize, Heap.SizeBytes))
        {
            throw new InvalidOperationException("the processor has no ASMI MSRs");
        }

        Mfn region = TakeHeapFrame();
        Memory.Write(region.Address, VmcsLayout.RevisionId);
        VmxResult result = processor.Vmx.Vmxon(region.Address);
        if (!result.IsSuccess)
        {
            throw new InvalidOperationException($"VMXON: {result}");
        }

        MsrBitmap = TakeHeapFrame().Address;
        foreach ((uint first, uint last) in s_interceptedReads)
        {
            Intercept(first, last, 0);
        }

        foreach ((uint first, uint last) in s_interceptedWrites)
        {
            Intercept(first, last, 2048);
        }
    }

    /// <summary>Sets bits in the read or write bitmap for low MSRs (SDM 3C "MSR-Bitmap Address").</summary>
    private void Intercept(uint first, uint last, uint bitmapOffset)
    {
        for (uint msr = first; msr <= last; msr++)
        {
            Hpa address = MsrBitmap + bitmapOffset + (msr / 8);
            Memory.Write(address, (byte)(Memory.Read<byte>(address) | (1 << (int)(msr & 7))));
        }
    }

    private Mfn TakeHeapFrame() => Heap.TryAllocate(out Mfn frame)
        ? frame
        : throw new ArgumentException("Xen's heap is too small to start");

    /// <summary>
    /// Dom0 is born like every domain: its VMLAUNCH is the machine's first, and registers Xen with the isolation unit. Then it gets
    /// its memory, at GPA 0.
    /// </summary>
    private Dom0Context StartDom0()
    {
        XenDomctlCreatedomain create = new() { MaxVcpus = 1, MaxEvtchnPort = uint.MaxValue, MaxGrantFrames = -1 };
        Errno error = CreateDomain(0, in create, builder: null, out Domain? domain);
        if (error == Errno.None)
        {
            domain!.Label = "Domain-0";
            domain.MaxPages = ulong.MaxValue / 2;
            for (ulong gfn = 0; gfn < Options.Dom0MemoryBytes >> Pages.Shift && error == Errno.None; gfn++)
            {
                error = PhysmapChanges.Populate(domain, new Gfn(gfn), 0);
            }
        }

        if (error != Errno.None)
        {
            throw new ArgumentException($"Dom0 does not fit into the machine's memory ({error})");
        }

        domain!.HasStarted = true;
        domain.PauseCount = 0;
        domain.UpdateState();
        Vcpu vcpu = domain.Vcpus[0];
        vcpu.DescribeCaller();
        return new Dom0Context(this, domain, vcpu);
    }
}
