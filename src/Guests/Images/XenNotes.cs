using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Text;
using Xenolith.Mmu;

namespace Xenolith.Guests;

/// <summary>Types of ELF notes owned by "Xen" (xen/include/public/elfnote.h).</summary>
public enum XenElfNote : uint
{
    Info = 0,
    Entry = 1,
    HypercallPage = 2,
    VirtBase = 3,
    PaddrOffset = 4,
    XenVersion = 5,
    GuestOs = 6,
    GuestVersion = 7,
    Loader = 8,
    PaeMode = 9,
    Features = 10,
    BsdSymtab = 11,
    HvStartLow = 12,
    L1MfnValid = 13,
    SuspendCancel = 14,
    InitP2m = 15,
    ModStartPfn = 16,
    SupportedFeatures = 17,
    Phys32Entry = 18,
}

/// <summary>What an image tells Xen's domain builder about itself.</summary>
public sealed class XenNotes
{
    private readonly ElfImage _image;
    private readonly Dictionary<XenElfNote, ElfNote> _notes = [];

    private XenNotes(ElfImage image)
    {
        _image = image;
        foreach (ElfNote note in image.Notes)
        {
            if (note.Owner == "Xen")
            {
                _notes[(XenElfNote)note.Type] = note; // the last one counts, as in Xen's libelf
            }
        }
    }

    /// <summary>The types that are there.</summary>
    public IReadOnlyCollection<XenElfNote> Types => _notes.Keys;

    public string? GuestOs => Text(XenElfNote.GuestOs);

    public string? GuestVersion => Text(XenElfNote.GuestVersion);

    public string? Loader => Text(XenElfNote.Loader);

    public static XenNotes Of(ElfImage image) => new(image);

    /// <summary>XEN_ELFNOTE_PHYS32_ENTRY: where a PVH domain starts, in 32-bit protected mode without paging.</summary>
    /// <exception cref="ImageFormatException">The note is missing, or not a 32-bit address.</exception>
    public Gpa RequirePhys32Entry()
    {
        if (!_notes.TryGetValue(XenElfNote.Phys32Entry, out ElfNote? note))
        {
            throw new ImageFormatException(
                $"{_image.Name}: has no Xen note PHYS32_ENTRY (type 18), so it is no PVH kernel; build it with PVH support (Linux: CONFIG_PVH=y)");
        }

        ulong entry = Number(note);
        if (entry > uint.MaxValue)
        {
            throw new ImageFormatException(_image.Name, note.Offset, $"the PVH entry 0x{entry:x} is not below 4 GiB", "link the kernel lower");
        }

        return new Gpa(entry);
    }

    /// <summary>A note as a number of 4 or 8 bytes; null when it is not there.</summary>
    /// <exception cref="ImageFormatException">It has another size.</exception>
    public ulong? Number(XenElfNote type) => _notes.TryGetValue(type, out ElfNote? note) ? Number(note) : null;

    /// <summary>A note as text up to its NUL; null when it is not there.</summary>
    public string? Text(XenElfNote type)
    {
        if (!_notes.TryGetValue(type, out ElfNote? note))
        {
            return null;
        }

        ReadOnlySpan<byte> bytes = note.Description.Span;
        int end = bytes.IndexOf((byte)0);
        return Encoding.Latin1.GetString(end < 0 ? bytes : bytes[..end]);
    }

    private ulong Number(ElfNote note) => note.Description.Length switch
    {
        4 => BinaryPrimitives.ReadUInt32LittleEndian(note.Description.Span),
        8 => BinaryPrimitives.ReadUInt64LittleEndian(note.Description.Span),
        int size => throw new ImageFormatException(
            _image.Name, note.Offset, $"the Xen note of type {note.Type} has {size} bytes where a number of 4 or 8 is expected", ImageBytes.Incomplete),
    };
}
