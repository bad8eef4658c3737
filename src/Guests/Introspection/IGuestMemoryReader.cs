using System;
using Xenolith.Mmu;

namespace Xenolith.Guests;

/// <summary>
/// How a tool reads a guest's memory by linear address, without knowing how the bytes are reached. Whoever implements it
/// reads in somebody's name and by hypercalls, so a read may be refused: that is an answer, not an error.
/// </summary>
public interface IGuestMemoryReader
{
    /// <summary>Reads [address, address + destination.Length); false when any byte of it cannot be read.</summary>
    bool TryRead(Gva address, Span<byte> destination);
}
