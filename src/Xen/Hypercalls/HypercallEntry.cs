using Xenolith.Xen.Abi;

namespace Xenolith.Xen;

/// <summary>One row of the hypercall table: served by a handler, or refused with an errno, and why.</summary>
/// <param name="number">Which hypercall.</param>
/// <param name="subOp">Which sub-operation; null for the whole hypercall.</param>
/// <param name="name">The ABI's own name.</param>
/// <param name="refusal">With which errno it is refused; None when it is served.</param>
/// <param name="why">For whom it is served, or why it is refused.</param>
public sealed unsafe class HypercallEntry(HypercallNumber number, uint? subOp, string name, Errno refusal, string why)
{
    public HypercallNumber Number => number;

    public uint? SubOp => subOp;

    public string Name => name;

    public Errno Refusal => refusal;

    public string Why => why;

    public bool IsServed => refusal == Errno.None;

    internal delegate*<HypercallContext, long> Handler { get; private init; }

    internal static HypercallEntry Serve(HypercallNumber number, uint? subOp, string name, delegate*<HypercallContext, long> handler, string why) =>
        new(number, subOp, name, Errno.None, why) { Handler = handler };

    internal static HypercallEntry Refuse(HypercallNumber number, uint? subOp, string name, Errno errno, string why) =>
        new(number, subOp, name, errno, why);
}
