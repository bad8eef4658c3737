using System;

namespace Xenolith.Toolstack.Rings;

/// <summary>
/// A page that a guest and a daemon of Dom0's share. Every access goes through Dom0's mapping and is judged in Dom0's name, so each
/// may be refused; and whatever it holds was written by the guest, so none of it may be believed.
/// </summary>
public interface IRingPage
{
    /// <param name="offset">Byte offset in the page; the access does not leave the page.</param>
    bool TryRead(int offset, Span<byte> destination);

    /// <inheritdoc cref="TryRead"/>
    bool TryWrite(int offset, ReadOnlySpan<byte> source);

    /// <summary>Tells the guest that something has changed (EVTCHNOP_send).</summary>
    void Notify();
}
