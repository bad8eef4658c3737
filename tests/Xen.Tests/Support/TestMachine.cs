using System;
using System.Collections.Generic;
using System.IO;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

using Iced.Intel;

using Xenolith.Machine;
using Xenolith.Mmu;
using Xenolith.Xen.Abi;

namespace Xenolith.Xen.Tests.Support;

/// <summary>
/// A small machine with Xen on it, and short ways to make hypercalls as Dom0 or as a guest and to build guests from a few instructions.
/// </summary>
internal sealed class TestMachine : IDisposable
{
    public const ulong CodeAddress = 0x1_0000;
    public const ulong StackTop = 0x2_0000;
    private const ulong ArgumentAddress = 0x1000;
    private const ulong BufferAddress = 0x4000;

    public TestMachine(string isolation = "none", ulong segmentKiB = 4, ulong memoryMiB = 64, ulong seed = 1, HypervisorOptions? options = null)
    {
        IsolationSelection selection = new IsolationRegistry().Parse(isolation);
        Board = new Board(new BoardOptions
        {
            MemoryBytes = memoryMiB << 20,
            Isolation = selection.Factory,
            IsolationOptions = new IsolationOptions(selection.Profile, segmentKiB << 10),
            Seed = seed,
        });
        Xen = new Hypervisor(Board, options ?? new HypervisorOptions { Dom0MemoryBytes = 256 << 10, HeapBytes = 4 << 20 })
        {
            ConsoleOutput = (domain, bytes) => _ = Console(domain.Id).Append(Encoding.Latin1.GetString(bytes)),
        };
    }

    public Board Board { get; }

    public Hypervisor Xen { get; }

    public Dictionary<ushort, StringBuilder> Consoles { get; } = [];

    public StringBuilder Console(ushort domain)
    {
        if (!Consoles.TryGetValue(domain, out StringBuilder? text))
        {
            Consoles.Add(domain, text = new StringBuilder());
        }

        return text;
    }

    public void Dispose() => Board.Dispose();

    /// <summary>A hypercall of Dom0's with one argument structure.</summary>
    public HypercallResult Call<T>(HypercallNumber number, uint? subOp, ref T argument, ulong count = 0)
        where T : unmanaged
    {
        if (!Xen.Dom0.TryWrite(new Gpa(ArgumentAddress), MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in argument))))
        {
            throw new InvalidOperationException("Dom0's memory");
        }

        HypercallResult result = subOp is { } op ? Xen.Dom0.Hypercall(number, op, ArgumentAddress, count) : Xen.Dom0.Hypercall(number, ArgumentAddress);
        _ = Xen.Dom0.TryRead(new Gpa(ArgumentAddress), MemoryMarshal.AsBytes(new Span<T>(ref argument)));
        return result;
    }

    public HypercallResult Domctl(DomctlCommand command, ushort domain)
    {
        XenDomctl argument = new(command, domain);
        return Call(HypercallNumber.Domctl, null, ref argument);
    }

    /// <summary>Puts values into Dom0's memory and returns their address.</summary>
    public ulong Put<T>(ReadOnlySpan<T> values, uint offset = 0)
        where T : unmanaged
    {
        _ = Xen.Dom0.TryWrite(new Gpa(BufferAddress + offset), MemoryMarshal.AsBytes(values));
        return BufferAddress + offset;
    }

    /// <summary>A paused domain with so many pages from GPA 0 on.</summary>
    public Domain CreateDomain(ulong pages, uint vcpus = 1)
    {
        XenDomctl create = new(DomctlCommand.CreateDomain, 0);
        create.Argument<XenDomctlCreatedomain>() = new XenDomctlCreatedomain
        {
            Flags = XenDomctlCreatedomain.CdfHvm | XenDomctlCreatedomain.CdfHap,
            MaxVcpus = vcpus,
            MaxEvtchnPort = uint.MaxValue,
            MaxGrantFrames = -1,
            GrantOpts = 1,
        };
        Require(Call(HypercallNumber.Domctl, null, ref create));
        XenDomctl vcpuCount = new(DomctlCommand.MaxVcpus, create.Domain);
        vcpuCount.Argument<XenDomctlMaxVcpus>().Max = vcpus;
        Require(Call(HypercallNumber.Domctl, null, ref vcpuCount));
        XenDomctl memory = new(DomctlCommand.MaxMem, create.Domain);
        memory.Argument<XenDomctlMaxMem>().MaxMemkb = (pages + 16) * 4;
        Require(Call(HypercallNumber.Domctl, null, ref memory));
        for (ulong gfn = 0; gfn < pages; gfn++)
        {
            XenMemoryReservation reservation = new() { ExtentStart = Put<ulong>([gfn]), NrExtents = 1, DomId = create.Domain };
            if (Call(HypercallNumber.MemoryOp, (uint)XenMem.PopulatePhysmap, ref reservation).Value != 1)
            {
                throw new InvalidOperationException("populate");
            }
        }

        return Xen.FindDomain(create.Domain)!;
    }

    /// <summary>A domain that will run 32-bit code from <see cref="CodeAddress"/> on; still paused.</summary>
    public Domain CreateGuest(Action<Assembler> program, ulong pages = 64)
    {
        Domain domain = CreateDomain(pages);
        WriteForeign(domain, CodeAddress, Assemble(program));
        HvmHwCpu cpu = VcpuState.FlatProtectedMode();
        cpu.Rip = CodeAddress;
        cpu.Rsp = StackTop;
        SetRegisters(domain, in cpu);
        return domain;
    }

    public void SetRegisters(Domain domain, in HvmHwCpu cpu)
    {
        using MemoryStream records = new();
        HvmSaveHeader header = new() { Magic = HvmSaveHeader.FileMagic, Version = HvmSaveHeader.FileVersion };
        Append(records, HvmSaveType.Header, in header);
        Append(records, HvmSaveType.Cpu, in cpu);
        HvmSaveDescriptor end = default;
        records.Write(MemoryMarshal.AsBytes(new ReadOnlySpan<HvmSaveDescriptor>(in end)));
        byte[] bytes = records.ToArray();
        XenDomctl argument = new(DomctlCommand.SetHvmContext, domain.Id);
        argument.Argument<XenDomctlHvmcontext>() = new XenDomctlHvmcontext { Size = (uint)bytes.Length, Buffer = Put<byte>(bytes) };
        Require(Call(HypercallNumber.Domctl, null, ref argument));
    }

    /// <summary>Writes a domain's memory as a builder does: through foreign mappings in Dom0's physmap.</summary>
    public void WriteForeign(Domain domain, ulong address, ReadOnlySpan<byte> bytes)
    {
        const ulong Window = 0x10_0000;
        while (bytes.Length > 0)
        {
            int part = (int)Math.Min((ulong)bytes.Length, Pages.Size - (address & Pages.OffsetMask));
            if (MapForeign(domain, address >> Pages.Shift, Window) != 0)
            {
                throw new InvalidOperationException("foreign mapping");
            }

            if (!Xen.Dom0.TryWrite(new Gpa((Window << Pages.Shift) + (address & Pages.OffsetMask)), bytes[..part]))
            {
                throw new InvalidOperationException("foreign write refused");
            }

            XenRemoveFromPhysmap remove = new() { DomId = DomId.Self, Gpfn = Window };
            Require(Call(HypercallNumber.MemoryOp, (uint)XenMem.RemoveFromPhysmap, ref remove));
            bytes = bytes[part..];
            address += (ulong)part;
        }
    }

    /// <summary>XENMAPSPACE_gmfn_foreign of one frame; the per-page result.</summary>
    public int MapForeign(Domain domain, ulong gfn, ulong window)
    {
        XenAddToPhysmapBatch batch = new()
        {
            DomId = DomId.Self,
            Space = (ushort)XenMapSpace.GmfnForeign,
            Size = 1,
            ForeignDomId = domain.Id,
            Idxs = Put<ulong>([gfn], 0x800),
            Gpfns = Put<ulong>([window], 0x808),
            Errs = Put<int>([0], 0x810),
        };
        HypercallResult result = Call(HypercallNumber.MemoryOp, (uint)XenMem.AddToPhysmapBatch, ref batch);
        Span<int> error = stackalloc int[1];
        _ = Xen.Dom0.TryRead(new Gpa(batch.Errs), MemoryMarshal.AsBytes(error));
        return result.IsError ? (int)result.Value : error[0];
    }

    public void Unpause(Domain domain) => Require(Domctl(DomctlCommand.UnpauseDomain, domain.Id));

    public void Destroy(Domain domain) => Require(Domctl(DomctlCommand.DestroyDomain, domain.Id));

    /// <summary>A hypercall as a domain's first vCPU would make it, its linear addresses being guest-physical.</summary>
    public long CallAs(Domain domain, HypercallNumber number, ulong arg1 = 0, ulong arg2 = 0, ulong arg3 = 0, bool is32Bit = false)
    {
        Vcpu vcpu = domain.Vcpus[0];
        vcpu.DescribeCaller();
        HypercallContext call = new(Xen, vcpu) { Is32Bit = is32Bit };
        call.SetArgs(arg1, arg2, arg3, 0, 0);
        return HypercallTable.DispatchWhole(call, (ulong)number);
    }

    /// <summary>A hypercall of a domain's with one argument structure at GPA 0x3000.</summary>
    public long CallAs<T>(Domain domain, HypercallNumber number, uint subOp, ref T argument, ulong count = 0, bool is32Bit = false)
        where T : unmanaged
    {
        const ulong Address = 0x3000;
        Vcpu vcpu = domain.Vcpus[0];
        vcpu.DescribeCaller();
        if (!vcpu.Caller.TryWrite(Address, in argument))
        {
            throw new InvalidOperationException("the domain's memory refuses it");
        }

        long result = CallAs(domain, number, subOp, Address, count, is32Bit);
        _ = vcpu.Caller.TryRead(Address, out argument);
        return result;
    }

    public static void Require(HypercallResult result)
    {
        if (result.IsError)
        {
            throw new InvalidOperationException($"hypercall failed: {result.Errno}");
        }
    }

    public static byte[] Assemble(Action<Assembler> program)
    {
        Assembler assembler = new(32);
        program(assembler);
        using MemoryStream stream = new();
        _ = assembler.Assemble(new StreamCodeWriter(stream), CodeAddress);
        return stream.ToArray();
    }

    private static void Append<T>(MemoryStream stream, HvmSaveType type, in T value)
        where T : unmanaged
    {
        HvmSaveDescriptor descriptor = new() { TypeCode = type, Length = (uint)Unsafe.SizeOf<T>() };
        stream.Write(MemoryMarshal.AsBytes(new ReadOnlySpan<HvmSaveDescriptor>(in descriptor)));
        stream.Write(MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in value)));
    }
}
