using System;
using System.Runtime.InteropServices;

using Xenolith.Mmu;

namespace Xenolith.Xen;

/// <summary>
/// The memory of whoever made a hypercall, as that caller sees it: through its page tables and its EPT, judged in its name
/// (docs/asmi.md, G11). Dom0 has no paging: its linear addresses are guest-physical.
/// </summary>
internal sealed unsafe class CallerMemory(MemoryUnit memory)
{
    private const ulong Cr0Paging = 1UL << 31;

    /// <summary>The caller's paging registers.</summary>
    public PagingContext Context;

    /// <summary>In which right its pointers are followed.</summary>
    public AccessMode Mode { get; set; }

    /// <summary>
    /// Reads from linear address on. False when a page is absent, refused or no memory; earlier pages may have been read.
    /// </summary>
    public bool TryRead(ulong linear, Span<byte> destination)
    {
        while (destination.Length > 0)
        {
            int chunk = ChunkLength(linear, destination.Length);
            if (!TryTranslate(linear, AccessKind.Read, (uint)chunk, out Hpa address))
            {
                return false;
            }

            new ReadOnlySpan<byte>(memory.Bus.RamPointer(address), chunk).CopyTo(destination);
            destination = destination[chunk..];
            linear += (uint)chunk;
        }

        return true;
    }

    /// <summary>
    /// Writes from linear address on. False when a page is absent, refused or no memory; earlier pages may have been written.
    /// </summary>
    public bool TryWrite(ulong linear, ReadOnlySpan<byte> source)
    {
        while (source.Length > 0)
        {
            int chunk = ChunkLength(linear, source.Length);
            if (!TryTranslate(linear, AccessKind.Write, (uint)chunk, out Hpa address))
            {
                return false;
            }

            memory.Bus.NoteWrite(address, (ulong)chunk);
            source[..chunk].CopyTo(new Span<byte>(memory.Bus.RamPointer(address), chunk));
            source = source[chunk..];
            linear += (uint)chunk;
        }

        return true;
    }

    public bool TryRead<T>(ulong linear, out T value)
        where T : unmanaged
    {
        value = default;
        return TryRead(linear, MemoryMarshal.AsBytes(new Span<T>(ref value)));
    }

    public bool TryWrite<T>(ulong linear, in T value)
        where T : unmanaged
        => TryWrite(linear, MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in value)));

    /// <summary>One translation for its own sake, of a linear address in a right of choice.</summary>
    public TranslationStatus Translate(Gva address, AccessKind kind, AccessMode mode)
    {
        if ((Context.Cr0 & Cr0Paging) == 0)
        {
            return memory.TranslateGuestPhysical(ref Context, new Gpa(address.Value), kind, isPagingStructure: false, out _);
        }

        return IsCanonical(address.Value, Context.Cr4) ? memory.Translate(ref Context, address, kind, mode, out _) : TranslationStatus.PageFault;
    }

    private static int ChunkLength(ulong linear, int length) =>
        (int)Math.Min((ulong)length, Pages.Size - (linear & Pages.OffsetMask));

    /// <summary>One page's worth: translated and judged once, as a load or store of the caller's would be.</summary>
    private bool TryTranslate(ulong linear, AccessKind kind, uint length, out Hpa address)
    {
        Translation translation;
        TranslationStatus status;
        if ((Context.Cr0 & Cr0Paging) != 0)
        {
            status = IsCanonical(linear, Context.Cr4)
                ? memory.Translate(ref Context, new Gva(linear), kind, Mode, out translation)
                : Refuse(out translation);
        }
        else
        {
            status = memory.TranslateGuestPhysical(ref Context, new Gpa(linear), kind, isPagingStructure: false, out translation);
        }

        address = translation.Hpa;
        return status == TranslationStatus.Ok && memory.Bus.IsRam(address, length);
    }

    /// <summary>SDM 1 "Canonical Addressing".</summary>
    private static bool IsCanonical(ulong linear, ulong cr4)
    {
        int shift = (cr4 & Cr4.LA57) != 0 ? 7 : 16;
        return (long)(linear << shift) >> shift == (long)linear;
    }

    private static TranslationStatus Refuse(out Translation translation)
    {
        translation = default;
        return TranslationStatus.PageFault;
    }
}
