using System;
using System.Runtime.InteropServices;

using Xenolith.Machine;
using Xenolith.Mmu;

namespace Xenolith.Xen;

/// <summary>Xen cannot go on: its own memory refuses it. What the console of a real host would show last.</summary>
internal sealed class XenPanicException(string message) : Exception(message);

/// <summary>
/// Xen's own loads and stores: host-physical, in the name that VMIDR holds at that moment. There is no other way from this floor to
/// memory, so whatever an infected Xen does is judged like everything else.
/// </summary>
internal sealed unsafe class XenMemory(Board board)
{
    private readonly MemoryUnit _memory = board.MemoryUnit;
    private readonly Cpu.CpuState* _state = board.Processor.State;

    /// <summary>VMIDR: in root operation the hypervisor's identity, as the last VM exit loaded it.</summary>
    public Vmid Name => _state->Paging.Name;

    public bool TryRead(Hpa address, Span<byte> destination) => _memory.TryRead(Name, address, destination);

    public bool TryWrite(Hpa address, ReadOnlySpan<byte> source) => _memory.TryWrite(Name, address, source);

    public bool TryRead<T>(Hpa address, out T value)
        where T : unmanaged
    {
        value = default;
        return _memory.TryRead(Name, address, MemoryMarshal.AsBytes(new Span<T>(ref value)));
    }

    public bool TryWrite<T>(Hpa address, in T value)
        where T : unmanaged
        => _memory.TryWrite(Name, address, MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in value)));

    /// <summary>Reads Xen's heap.</summary>
    /// <exception cref="XenPanicException">The isolation unit no longer takes Xen for the owner of its heap.</exception>
    public T Read<T>(Hpa address)
        where T : unmanaged
        => TryRead(address, out T value) ? value : throw new XenPanicException($"Xen was refused its own memory at {address} (read)");

    /// <summary>Writes Xen's heap.</summary>
    /// <exception cref="XenPanicException">The isolation unit no longer takes Xen for the owner of its heap.</exception>
    public void Write<T>(Hpa address, in T value)
        where T : unmanaged
    {
        if (!TryWrite(address, in value))
        {
            throw new XenPanicException($"Xen was refused its own memory at {address} (write)");
        }
    }

    /// <summary>Fills one page with zeros. False when it is refused.</summary>
    public bool TryClearPage(Mfn frame)
    {
        Span<byte> zeros = stackalloc byte[(int)Pages.Size];
        zeros.Clear();
        return TryWrite(frame.Address, zeros);
    }
}
