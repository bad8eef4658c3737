using Xenolith.Xen.Abi;

namespace Xenolith.Xen;

/// <summary>One row of the hypercall table: served by a handler, or refused with an errno, and why.</summary>
/// <param name="Number">Which hypercall.</param>
/// <param name="SubOp">Which sub-operation; null for the whole hypercall.</param>
/// <param name="Name">The ABI's own name.</param>
/// <param name="Refusal">With which errno it is refused; None when it is served.</param>
/// <param name="Why">For whom it is served, or why it is refused.</param>
public sealed unsafe record HypercallEntry(HypercallNumber Number, uint? SubOp, string Name, Errno Refusal, string Why)
{
    internal delegate*<HypercallContext, long> Handler { get; init; }

    public bool IsServed => Refusal == Errno.None;

    internal static HypercallEntry Serve(HypercallNumber number, uint? subOp, string name, delegate*<HypercallContext, long> handler, string why) =>
        new(number, subOp, name, Errno.None, why) { Handler = handler };

    internal static HypercallEntry Refuse(HypercallNumber number, uint? subOp, string name, Errno errno, string why) =>
        new(number, subOp, name, errno, why);
}
