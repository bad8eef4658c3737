using System;

using Xenolith.Mmu;
using Xenolith.Toolstack.Rings;
using Xenolith.Xen.Abi;

namespace Xenolith.Toolstack;

/// <summary>A ring page of a guest, mapped into Dom0, with the event channel that rings its bell.</summary>
/// <param name="address">Where the page lies in Dom0's own guest-physical address space.</param>
/// <param name="localPort">Dom0's end of the channel.</param>
internal sealed class ForeignRingPage(Dom0Client dom0, Gpa address, uint localPort) : IRingPage
{
    public Gpa Address => address;

    public uint LocalPort => localPort;

    public bool TryRead(int offset, Span<byte> destination) => dom0.Context.TryRead(address + (ulong)offset, destination);

    public bool TryWrite(int offset, ReadOnlySpan<byte> source) => dom0.Context.TryWrite(address + (ulong)offset, source);

    public void Notify()
    {
        EvtchnPort argument = new() { Port = localPort };
        dom0.EventChannelOp(EvtchnOp.Send, ref argument);
    }
}
