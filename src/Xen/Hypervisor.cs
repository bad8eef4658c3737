using System;
using System.Collections.Generic;

using Xenolith.Cpu;
using Xenolith.Machine;
using Xenolith.Mmu;
using Xenolith.Xen.Abi;

namespace Xenolith.Xen;

/// <summary>Why <see cref="Hypervisor.Run"/> came back.</summary>
public enum RunStop : byte
{
    /// <summary>Every guest has ended, or there was none.</summary>
    AllEnded,

    /// <summary>The instruction limit is reached.</summary>
    InstructionLimit,

    /// <summary>Every guest waits for an event that nothing on this machine will bring: input from outside, or never.</summary>
    Idle,

    /// <summary><see cref="Hypervisor.RequestStop"/>.</summary>
    Requested,

    /// <summary>Xen itself cannot go on: <see cref="Hypervisor.PanicMessage"/>.</summary>
    Panic,
}

/// <summary>Receives what a domain wrote to Xen's console (console_io, port 0xE9).</summary>
public delegate void ConsoleOutput(Domain domain, ReadOnlySpan<byte> bytes);

/// <summary>The result of a hypercall: a non-negative value, or a negated errno.</summary>
public readonly record struct HypercallResult(long Value)
{
    public bool IsError => Value < 0;

    public Errno Errno => Value < 0 ? (Errno)(int)-Value : Errno.None;
}

/// <summary>
/// The emulated Xen, version 4.17, on one board. Guests run on the board's processor through VM entries; Dom0 is hosted in C#
/// (<see cref="Dom0Context"/>) and reaches Xen by hypercalls only. Parts of this class: start (Hypervisor.Boot.cs), the life of domains
/// (Hypervisor.Domains.cs), running them (Hypervisor.Run.cs).
/// </summary>
public sealed partial class Hypervisor
{
    public const int VersionMajor = 4;
    public const int VersionMinor = 17;

    private readonly List<Domain> _domains = [];
    private ushort _lastVpid;

    /// <summary>Boots Xen: it declares its memory, enters VMX operation, and starts Dom0.</summary>
    /// <exception cref="ArgumentException">The board's memory is too small for Xen, or for this segment size; the message is for the
    /// user.</exception>
    public Hypervisor(Board board, HypervisorOptions options)
    {
        Board = board;
        Options = options;
        Memory = new XenMemory(board);
        Heap = new XenHeap(Memory, ChooseHeapSize(board, options));
        Frames = new FrameAllocator(board.MemoryUnit, Memory);
        PhysmapChanges = new PhysmapChanges(this);
        GrantMappings = new GrantMappings(this);
        Scheduler = new SliceScheduler<Vcpu>(board.Options.Seed, options.SliceInstructions);
        EnterVmxOperation();
        Dom0 = StartDom0();
    }

    public Board Board { get; }

    public HypervisorOptions Options { get; }

    /// <summary>All domains ever created, Dom0 first, ended ones included.</summary>
    public IReadOnlyList<Domain> Domains => _domains;

    public Dom0Context Dom0 { get; }

    /// <summary>What domains print on Xen's console goes here.</summary>
    public ConsoleOutput? ConsoleOutput { get; set; }

    /// <summary>What Xen last said, when <see cref="Run"/> has returned <see cref="RunStop.Panic"/>.</summary>
    public string PanicMessage { get; private set; } = string.Empty;

    /// <summary>Frames of Xen's heap that are free.</summary>
    public ulong FreeHeapFrames => Heap.FreeFrames;

    /// <summary>Segments that some domain holds.</summary>
    public int SegmentsInUse => Frames.SegmentsInUse;

    internal XenMemory Memory { get; }

    internal XenHeap Heap { get; }

    internal FrameAllocator Frames { get; }

    internal PhysmapChanges PhysmapChanges { get; }

    internal GrantMappings GrantMappings { get; }

    internal SliceScheduler<Vcpu> Scheduler { get; }

    /// <summary>Host-physical address of the MSR bitmap that all VMCSs share.</summary>
    internal Hpa MsrBitmap { get; private set; }

    /// <summary>The number that the last domain got.</summary>
    internal ushort LastDomId { get; private set; }

    /// <summary>The toolstack's only door: one hypercall of Dom0's. Pointers among the arguments are GPAs in Dom0's own memory.</summary>
    public HypercallResult Hypercall(Dom0Context caller, HypercallNumber number, ulong arg1 = 0, ulong arg2 = 0, ulong arg3 = 0, ulong arg4 = 0, ulong arg5 = 0)
    {
        HypercallContext call = new(this, caller.Vcpu);
        call.SetArgs(arg1, arg2, arg3, arg4, arg5);
        caller.Domain.Counters.Hypercalls++;
        return new HypercallResult(HypercallTable.DispatchWhole(call, (ulong)number));
    }

    /// <summary>The living domain with a number.</summary>
    internal Domain? FindDomain(ushort id)
    {
        foreach (Domain domain in _domains)
        {
            if (domain.Id == id && !domain.IsDying)
            {
                return domain;
            }
        }

        return null;
    }

    internal ushort NextVpid() => ++_lastVpid == 0 ? ++_lastVpid : _lastVpid; // zero is the host's

    /// <summary>Xen's console, with a bound for each domain.</summary>
    internal void WriteConsole(Domain domain, ReadOnlySpan<byte> bytes)
    {
        DomainCounters counters = domain.Counters;
        ulong room = Options.ConsoleLimitBytes - Math.Min(Options.ConsoleLimitBytes, counters.ConsoleBytes);
        int taken = (int)Math.Min(room, (ulong)bytes.Length);
        counters.ConsoleBytes += (ulong)taken;
        counters.ConsoleBytesDropped += (ulong)(bytes.Length - taken);
        if (taken > 0)
        {
            ConsoleOutput?.Invoke(domain, bytes[..taken]);
        }
    }

    /// <summary>
    /// hvm_latch_shinfo_size: a guest's shared_info has words of the width that the guest runs in when it sets up its calls.
    /// </summary>
    internal void LatchSharedInfoWidth(HypercallContext call)
    {
        if (call.Vcpu != Dom0.Vcpu)
        {
            call.Caller.SharedInfo.Is32Bit = call.Is32Bit;
        }
    }

    /// <summary>XENMAPSPACE_shared_info: the page appears in the guest, with the time in it.</summary>
    internal Errno MapSharedInfo(HypercallContext call, Domain target, Gfn gfn)
    {
        if (target == call.Caller)
        {
            LatchSharedInfoWidth(call);
        }

        Errno error = PhysmapChanges.MapXenPage(target, gfn, target.SharedInfo.Frame, target.SharedInfo.Gfn);
        if (error == Errno.None)
        {
            target.SharedInfo.Gfn = gfn.Value;
            WriteTime(target);
        }

        return error;
    }

    internal void WriteTime(Domain domain)
    {
        domain.SharedInfo.WriteWallClock(Board.Options.BootTimeSeconds, 0);
        foreach (Vcpu vcpu in domain.Vcpus)
        {
            domain.SharedInfo.WriteTime(vcpu);
        }
    }

    private static ulong ChooseHeapSize(Board board, HypervisorOptions options)
    {
        const ulong Least = 8UL << 20;
        ulong segment = board.MemoryUnit.Control.SegmentSizeBytes;
        ulong wanted = options.HeapBytes != 0 ? options.HeapBytes : Math.Max(Least, board.Memory.SizeBytes / 64);
        ulong size = (wanted + segment - 1) / segment * segment;
        if (size / segment + 2 > board.MemoryUnit.Control.SegmentCount)
        {
            throw new ArgumentException(
                $"{board.Memory.SizeBytes >> 20} MiB of machine memory are too little for Xen ({size >> 20} MiB) and Dom0 with segments of {segment >> 10} KiB");
        }

        return size;
    }
}
