using System;

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
    internal Dom0Context(Hypervisor hypervisor, Domain domain)
    {
        Hypervisor = hypervisor;
        Domain = domain;
    }

    public Hypervisor Hypervisor { get; }

    public Domain Domain { get; }

    /// <summary>Dom0's RAM is [0, this) of its guest-physical address space; what lies above is free for foreign mappings.</summary>
    public ulong MemoryBytes => Hypervisor.Options.Dom0MemoryBytes;

    /// <summary>Called by <see cref="Hypervisor.Run"/> when an event is pending for Dom0: its interrupt handler.</summary>
    public Action? Upcall { get; set; }

    /// <summary>Reads Dom0's memory. False, with nothing read, when a page is not mapped or the isolation unit refuses it.</summary>
    public bool TryRead(Gpa address, Span<byte> destination) => false;

    /// <summary>Writes Dom0's memory. False when a page is not mapped or is refused; pages before it may have been written.</summary>
    public bool TryWrite(Gpa address, ReadOnlySpan<byte> source) => false;

    /// <summary>
    /// The ports that are pending and not masked in Dom0's shared_info, lowest first; taking one clears it. Zero: none.
    /// Xen has mapped the page for Dom0 before it starts.
    /// </summary>
    public uint TakePendingPort() => 0;

    /// <inheritdoc cref="Hypervisor.Hypercall"/>
    public HypercallResult Hypercall(HypercallNumber number, ulong arg1 = 0, ulong arg2 = 0, ulong arg3 = 0, ulong arg4 = 0, ulong arg5 = 0) =>
        Hypervisor.Hypercall(this, number, arg1, arg2, arg3, arg4, arg5);
}
