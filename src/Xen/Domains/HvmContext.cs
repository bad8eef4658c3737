using System;
using System.IO;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

using Xenolith.Xen.Abi;

namespace Xenolith.Xen;

/// <summary>The records of an HVM context: header, one CPU record per vCPU, end (xen/include/public/hvm/save.h).</summary>
internal static class HvmContext
{
    /// <summary>Sets the vCPUs' registers from the CPU records; records of devices that this Xen has not are passed over.</summary>
    public static Errno Load(Domain domain, ReadOnlySpan<byte> records)
    {
        bool headed = false;
        while (records.Length >= Unsafe.SizeOf<HvmSaveDescriptor>())
        {
            HvmSaveDescriptor descriptor = MemoryMarshal.Read<HvmSaveDescriptor>(records);
            records = records[Unsafe.SizeOf<HvmSaveDescriptor>()..];
            if (descriptor.TypeCode == HvmSaveType.End)
            {
                return headed ? Errno.None : Errno.EINVAL;
            }

            if (descriptor.Length > (uint)records.Length)
            {
                return Errno.EINVAL;
            }

            ReadOnlySpan<byte> record = records[..(int)descriptor.Length];
            records = records[(int)descriptor.Length..];
            if (descriptor.TypeCode == HvmSaveType.Header)
            {
                headed = record.Length >= Unsafe.SizeOf<HvmSaveHeader>() && MemoryMarshal.Read<HvmSaveHeader>(record).Magic == HvmSaveHeader.FileMagic;
            }

            if (!headed || (descriptor.TypeCode == HvmSaveType.Cpu && !TryLoadCpu(domain, descriptor.Instance, record)))
            {
                return Errno.EINVAL;
            }
        }

        return Errno.EINVAL; // no end record
    }

    public static byte[] Save(Domain domain)
    {
        using MemoryStream stream = new();
        Append(stream, HvmSaveType.Header, 0, new HvmSaveHeader
        {
            Magic = HvmSaveHeader.FileMagic,
            Version = HvmSaveHeader.FileVersion,
            GtscKhz = Clock.TscKhz,
        });
        foreach (Vcpu vcpu in domain.Vcpus)
        {
            if (vcpu.IsInitialised)
            {
                Append(stream, HvmSaveType.Cpu, (ushort)vcpu.Id, vcpu.GetRegisters());
            }
        }

        HvmSaveDescriptor end = default;
        stream.Write(MemoryMarshal.AsBytes(new ReadOnlySpan<HvmSaveDescriptor>(in end)));
        return stream.ToArray();
    }

    private static bool TryLoadCpu(Domain domain, ushort instance, ReadOnlySpan<byte> record)
    {
        if (domain.FindVcpu(instance) is not { } vcpu || record.Length < Unsafe.SizeOf<HvmHwCpu>())
        {
            return false;
        }

        HvmHwCpu cpu = MemoryMarshal.Read<HvmHwCpu>(record);
        vcpu.SetRegisters(in cpu);
        vcpu.IsOnline = true;
        return true;
    }

    private static void Append<T>(MemoryStream stream, HvmSaveType type, ushort instance, T value)
        where T : unmanaged
    {
        HvmSaveDescriptor descriptor = new() { TypeCode = type, Instance = instance, Length = (uint)Unsafe.SizeOf<T>() };
        stream.Write(MemoryMarshal.AsBytes(new ReadOnlySpan<HvmSaveDescriptor>(in descriptor)));
        stream.Write(MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in value)));
    }
}
