using System;
using System.Runtime.InteropServices;

namespace Xenolith.Xen.Abi;

/// <summary>
/// The two forms of struct vcpu_hvm_context's register file (xen/include/public/hvm/hvm_vcpu.h), read into the one form that Xen keeps.
/// </summary>
internal static class HvmVcpuContext
{
    private const uint Cr0ProtectionEnable = 1;
    private const uint TssBusy32 = 0x8B;

    /// <summary>struct vcpu_hvm_x86_32: registers, control registers, then CS, DS, SS, ES, TR as bases, limits, attributes.</summary>
    public static HvmHwCpu Read32(ReadOnlySpan<byte> registers)
    {
        ReadOnlySpan<uint> words = MemoryMarshal.Cast<byte, uint>(registers[..112]);
        HvmHwCpu cpu = VcpuState.FlatProtectedMode();
        cpu.Rax = words[0];
        cpu.Rcx = words[1];
        cpu.Rdx = words[2];
        cpu.Rbx = words[3];
        cpu.Rsp = words[4];
        cpu.Rbp = words[5];
        cpu.Rsi = words[6];
        cpu.Rdi = words[7];
        cpu.Rip = words[8];
        cpu.Rflags = words[9] | 2;
        cpu.Cr0 = words[10];
        cpu.Cr3 = words[11];
        cpu.Cr4 = words[12];
        cpu.MsrEfer = words[14] | ((ulong)words[15] << 32);
        (cpu.CsBase, cpu.DsBase, cpu.SsBase, cpu.EsBase, cpu.TrBase) = (words[16], words[17], words[18], words[19], words[20]);
        (cpu.CsLimit, cpu.DsLimit, cpu.SsLimit, cpu.EsLimit, cpu.TrLimit) = (words[21], words[22], words[23], words[24], words[25]);
        ReadOnlySpan<ushort> rights = MemoryMarshal.Cast<byte, ushort>(registers.Slice(104, 10));
        (cpu.CsArbytes, cpu.DsArbytes, cpu.SsArbytes, cpu.EsArbytes, cpu.TrArbytes) = (rights[0], rights[1], rights[2], rights[3], rights[4]);
        return cpu;
    }

    /// <summary>struct vcpu_hvm_x86_64: the vCPU starts in 64-bit mode with flat segments.</summary>
    public static HvmHwCpu Read64(ReadOnlySpan<byte> registers)
    {
        ReadOnlySpan<ulong> words = MemoryMarshal.Cast<byte, ulong>(registers[..112]);
        HvmHwCpu cpu = VcpuState.FlatProtectedMode();
        cpu.Rax = words[0];
        cpu.Rcx = words[1];
        cpu.Rdx = words[2];
        cpu.Rbx = words[3];
        cpu.Rsp = words[4];
        cpu.Rbp = words[5];
        cpu.Rsi = words[6];
        cpu.Rdi = words[7];
        cpu.Rip = words[8];
        cpu.Rflags = words[9] | 2;
        cpu.Cr0 = words[10] | Cr0ProtectionEnable;
        cpu.Cr3 = words[11];
        cpu.Cr4 = words[12];
        cpu.MsrEfer = words[13];
        cpu.CsArbytes = 0xA9B;
        cpu.TrArbytes = TssBusy32;
        return cpu;
    }
}
