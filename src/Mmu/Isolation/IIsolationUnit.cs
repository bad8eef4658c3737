namespace Xenolith.Mmu;

/// <summary>
/// The isolation seam: the last judge of every physical access, between translation and memory. An implementation is a struct, so
/// that the walker is compiled for it and judges without virtual calls; shared state belongs in an object that the struct holds.
/// To add a unit: write the struct, an <see cref="IsolationControl"/> if identities or ownership matter to it, and an
/// <see cref="IsolationFactory{TUnit}"/> with a name. docs/isolation-units.md has a complete example.
/// </summary>
public interface IIsolationUnit
{
    /// <summary>Judges one access. It is asked for every paging-structure reference and for the datum, exactly once each.</summary>
    Verdict Judge(in PhysicalAccess access);
}
