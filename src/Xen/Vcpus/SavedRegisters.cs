using System;

using Xenolith.Cpu;

namespace Xenolith.Xen;

/// <summary>
/// The registers of a vCPU that VM entries and exits do not switch. While another vCPU runs they lie in a page of Xen's heap, like
/// the VMCS; so an infected Xen can read them there (docs/asmi.md, G10).
/// </summary>
internal unsafe struct SavedRegisters
{
    public fixed ulong Gpr[16];
    public fixed ulong Dr[8];
    public ulong Cr2;
    public ulong Cr8;
    public ulong Xcr0;
    public uint Pkru;
    public uint Mxcsr;
    public VectorRegisters Vector;
    public X87Registers X87;
    public ushort Fcw;
    public ushort Fsw;
    public ushort Ftw;
    public ushort Fop;
    public ulong Fip;
    public ulong Fdp;
    public ushort Fcs;
    public ushort Fds;
    public Msrs Msr;

    /// <summary>The state after reset or INIT (SDM 3A "Processor State After Reset"), as far as it lies here.</summary>
    public static SavedRegisters Reset()
    {
        SavedRegisters registers = default;
        registers.Xcr0 = 1;
        registers.Mxcsr = 0x1F80;
        registers.Fcw = 0x37F;
        registers.Ftw = 0xFFFF;
        registers.Dr[6] = 0xFFFF_0FF0;
        registers.Msr.Pat = VcpuState.PatAfterReset;
        return registers;
    }

    public void CopyFrom(CpuState* cpu)
    {
        for (int i = 0; i < 16; i++)
        {
            Gpr[i] = cpu->Gpr[i];
        }

        for (int i = 0; i < 8; i++)
        {
            Dr[i] = cpu->Dr[i];
        }

        Cr2 = cpu->Cr2;
        Cr8 = cpu->Cr8;
        Xcr0 = cpu->Xcr0;
        Pkru = cpu->Paging.Pkru;
        Mxcsr = cpu->Mxcsr;
        Vector = cpu->Vector;
        X87 = cpu->X87;
        Fcw = cpu->Fcw;
        Fsw = cpu->Fsw;
        Ftw = cpu->Ftw;
        Fop = cpu->Fop;
        Fip = cpu->Fip;
        Fdp = cpu->Fdp;
        Fcs = cpu->Fcs;
        Fds = cpu->Fds;
        Msr = cpu->Msr;
    }

    public readonly void CopyTo(CpuState* cpu)
    {
        for (int i = 0; i < 16; i++)
        {
            cpu->Gpr[i] = Gpr[i];
        }

        for (int i = 0; i < 8; i++)
        {
            cpu->Dr[i] = Dr[i];
        }

        cpu->Cr2 = Cr2;
        cpu->Cr8 = Cr8;
        cpu->Xcr0 = Xcr0;
        cpu->Paging.Pkru = Pkru;
        cpu->Mxcsr = Mxcsr;
        cpu->Vector = Vector;
        cpu->X87 = X87;
        cpu->Fcw = Fcw;
        cpu->Fsw = Fsw;
        cpu->Ftw = Ftw;
        cpu->Fop = Fop;
        cpu->Fip = Fip;
        cpu->Fdp = Fdp;
        cpu->Fcs = Fcs;
        cpu->Fds = Fds;
        cpu->Msr = Msr;
    }
}
