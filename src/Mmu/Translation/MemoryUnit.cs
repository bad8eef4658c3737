using System;

namespace Xenolith.Mmu;

/// <summary>Counts of what translation and judgement cost, in the units of docs/counting.md. Read as differences.</summary>
public struct TranslationCounters
{
    /// <summary>Walks started: TLB misses, and translations asked for explicitly.</summary>
    public ulong Walks;

    /// <summary>References to paging structures of the guest (or of root-mode software).</summary>
    public ulong GuestReferences;

    /// <summary>References to EPT paging structures.</summary>
    public ulong EptReferences;

    /// <summary>Writes of accessed and dirty bits into paging-structure entries, of both stages.</summary>
    public ulong Updates;

    /// <summary>Accesses that the isolation unit judged (references, updates, data, ports).</summary>
    public ulong Judged;

    /// <summary>Look-ups in the unit's own table.</summary>
    public ulong Lookups;

    /// <summary>Accesses that the unit refused.</summary>
    public ulong Denied;

    public readonly ulong References => GuestReferences + EptReferences;
}

/// <summary>
/// The memory side of one machine: guest paging, EPT and isolation unit composed. The concrete class is generic over the unit and
/// the probe (<c>TranslationUnit&lt;TUnit, TProbe&gt;</c>); this is the one virtual call that a TLB miss pays.
/// </summary>
public abstract class MemoryUnit(PhysicalBus bus, IsolationControl control)
{
    public PhysicalBus Bus => bus;

    public IsolationControl Control => control;

    /// <summary>Counters of this unit since it was built.</summary>
    public TranslationCounters Counters;

    /// <summary>Translates a linear address for one access of at most one page; sets accessed and dirty bits on success.</summary>
    /// <param name="context">The processor's paging registers.</param>
    /// <param name="gva">Linear address; canonicality is the caller's check.</param>
    /// <param name="kind">What the access wants.</param>
    /// <param name="mode">In which right.</param>
    /// <param name="translation">The outcome; every field is meaningful only as the status says.</param>
    public abstract TranslationStatus Translate(ref PagingContext context, Gva gva, AccessKind kind, AccessMode mode, out Translation translation);

    /// <summary>The second stage alone: EPT (when on) and the isolation unit, for an access whose address is guest-physical.</summary>
    /// <param name="isPagingStructure">The reference is to a paging structure of the guest (PDPTE loads), which EPT violations
    /// report.</param>
    public abstract TranslationStatus TranslateGuestPhysical(ref PagingContext context, Gpa gpa, AccessKind kind, bool isPagingStructure, out Translation translation);

    /// <summary>
    /// Loads the four PDPTE registers, as MOV to CR3 does under PAE paging (SDM 3A "PDPTE Registers"): one reference of 32 bytes, through
    /// EPT, and for EPT a read even with its accessed and dirty flags on.
    /// </summary>
    /// <param name="context">Its PDPTE registers change only on success.</param>
    /// <param name="cr3">The value that CR3 is to get.</param>
    /// <param name="hasReservedBits">True, with nothing loaded, when a present entry has a reserved bit set: #GP(0).</param>
    /// <param name="translation">The fault when the status is not <see cref="TranslationStatus.Ok"/>.</param>
    public unsafe TranslationStatus LoadPdptes(ref PagingContext context, ulong cr3, out bool hasReservedBits, out Translation translation)
    {
        hasReservedBits = false;
        Gpa table = new(cr3 & 0xFFFF_FFE0);
        TranslationStatus status = TranslateGuestPhysical(ref context, table, AccessKind.Read, isPagingStructure: true, out translation);
        if (status != TranslationStatus.Ok)
        {
            return status;
        }

        ulong* entries = stackalloc ulong[4];
        ulong reserved = PagingContext.PdpteReserved(context.PhysicalAddressBits);
        for (int i = 0; i < 4; i++)
        {
            Hpa address = translation.Hpa + (8UL * (ulong)i);
            entries[i] = bus.IsRam(address, 8) ? *(ulong*)bus.RamPointer(address) : bus.ReadDevice(address, 8);
            hasReservedBits |= (entries[i] & 1) != 0 && (entries[i] & reserved) != 0;
        }

        for (int i = 0; i < 4 && !hasReservedBits; i++)
        {
            context.Pdptes[i] = entries[i];
        }

        return TranslationStatus.Ok;
    }

    /// <summary>Has one access judged that needs no translation. It must not cross a page.</summary>
    public abstract Verdict Judge(in PhysicalAccess access);

    /// <summary>
    /// Reads memory in a given name: each page touched is one judged access. False, with nothing read, when one is refused or is not RAM.
    /// </summary>
    public abstract bool TryRead(Vmid name, Hpa address, Span<byte> destination, AccessOrigin origin = AccessOrigin.Hypervisor);

    /// <summary>Writes memory in a given name. False, with nothing written, when a page is refused or is not RAM.</summary>
    public abstract bool TryWrite(Vmid name, Hpa address, ReadOnlySpan<byte> source, AccessOrigin origin = AccessOrigin.Hypervisor);
}
