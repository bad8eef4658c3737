using System;
using System.Numerics;
using System.Runtime.InteropServices;

using Xenolith.Mmu;
using Xenolith.Xen.Abi;

namespace Xenolith.Xen;

/// <summary>
/// Dom0: a domain like the others (born by a VM entry, with an identity, a physmap and memory of its own), whose software is the C#
/// toolstack instead of instructions. Its linear addresses are its guest-physical ones; each access goes through its EPT and is
/// judged in its name, also where it has mapped frames of other domains.
/// </summary>
public sealed class Dom0Context
{
    // struct shared_info, 64-bit layout (xen/include/public/xen.h): vcpu_info[0], then 64 words pending and 64 words mask.
    private const uint SelectorOffset = 8;
    private const uint PendingOffset = 2048;
    private const int PendingWords = 64;

    internal Dom0Context(Hypervisor hypervisor, Domain domain, Vcpu vcpu)
    {
        Hypervisor = hypervisor;
        Domain = domain;
        Vcpu = vcpu;
    }

    public Hypervisor Hypervisor { get; }

    public Domain Domain { get; }

    /// <summary>Dom0's RAM is [0, this) of its guest-physical address space; what lies above is free for foreign mappings.</summary>
    public ulong MemoryBytes => Hypervisor.Options.Dom0MemoryBytes;

    /// <summary>Called by <see cref="Hypervisor.Run"/> when an event is pending for Dom0: its interrupt handler.</summary>
    public Action? Upcall { get; set; }

    /// <summary>
    /// Called by <see cref="Hypervisor.Run"/> before every time slice: the time that Dom0's daemons get without an event, for guests
    /// that poll a ring instead of sending one. True when it did something.
    /// </summary>
    public Func<bool>? Tick { get; set; }

    internal Vcpu Vcpu { get; }

    /// <summary>True while an event waits for Dom0.</summary>
    internal bool HasPendingEvent => Domain.SharedInfo.IsUpcallPending(Vcpu);

    /// <summary>
    /// Reads Dom0's memory. False when a page is not mapped or the isolation unit refuses it; pages before it may have been read.
    /// </summary>
    public bool TryRead(Gpa address, Span<byte> destination) => Vcpu.Caller.TryRead(address.Value, destination);

    /// <summary>Writes Dom0's memory. False when a page is not mapped or is refused; pages before it may have been written.</summary>
    public bool TryWrite(Gpa address, ReadOnlySpan<byte> source) => Vcpu.Caller.TryWrite(address.Value, source);

    /// <summary>
    /// The ports that are pending and not masked in Dom0's shared_info, lowest first; taking one clears it. Zero: none, and the upcall
    /// is taken back.
    /// </summary>
    public uint TakePendingPort()
    {
        Gpa page = new(Domain.SharedInfo.Gfn << Pages.Shift);
        Span<ulong> words = stackalloc ulong[2 * PendingWords];
        if (Domain.SharedInfo.Gfn == ulong.MaxValue || !TryRead(page + PendingOffset, MemoryMarshal.AsBytes(words)))
        {
            return 0;
        }

        for (int i = 0; i < PendingWords; i++)
        {
            ulong ready = words[i] & ~words[PendingWords + i];
            if (ready != 0)
            {
                ulong rest = words[i] & ~(ready & (0 - ready));
                return Write(page + PendingOffset + ((uint)i * sizeof(ulong)), rest) ? (uint)((64 * i) + BitOperations.TrailingZeroCount(ready)) : 0;
            }
        }

        // evtchn_upcall_pending, then evtchn_pending_sel: the next event starts afresh.
        _ = TryWrite(page, [0]);
        _ = Write(page + SelectorOffset, 0);
        return 0;
    }

    /// <inheritdoc cref="Hypervisor.Hypercall"/>
    public HypercallResult Hypercall(HypercallNumber number, ulong arg1 = 0, ulong arg2 = 0, ulong arg3 = 0, ulong arg4 = 0, ulong arg5 = 0) =>
        Hypervisor.Hypercall(this, number, arg1, arg2, arg3, arg4, arg5);

    private bool Write(Gpa address, ulong value) => TryWrite(address, MemoryMarshal.AsBytes(new ReadOnlySpan<ulong>(in value)));
}
