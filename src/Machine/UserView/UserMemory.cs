using System;
using System.Collections.Generic;

using Xenolith.Mmu;

namespace Xenolith.Machine;

/// <summary>
/// The memory side of the user-mode view. Instead of walking page tables it answers as tables would that map a list of ranges,
/// readable, writable and executable in user mode, and the system's own pages in supervisor mode. A page gets its frame when it is
/// first touched, so that a range costs nothing before.
/// </summary>
internal sealed unsafe class UserMemory : MemoryUnit
{
    /// <summary>Where the system's own pages are mapped: out of reach of programs, as an operating system does it.</summary>
    public const ulong SystemBase = 0xFFFF_FE00_0000_0000;

    /// <summary>The system's own pages come first in physical memory.</summary>
    public const ulong SystemBytes = 0x1_0000;

    /// <summary>Wiping more frames than this is the host kernel's work.</summary>
    private const ulong ManyFrames = 64;

    private const PageRights UserPage = PageRights.GuestAll | Present;
    private const PageRights SystemPage = PageRights.RW | Present;
    private const PageRights Present = PageRights.Dirty | PageRights.EptAll | PageRights.IsolationAll | PageRights.IsolationPage;

    private readonly ResettableControl _control;
    private readonly List<(ulong First, ulong Last)> _ranges = [];
    private readonly Dictionary<ulong, ulong> _frames = [];
    private ulong _nextFrame = SystemBytes;
    private ulong _lastPage = ulong.MaxValue;
    private ulong _lastFrame;

    public UserMemory(PhysicalBus bus)
        : this(bus, new ResettableControl(bus.Memory.SizeBytes))
    {
    }

    private UserMemory(PhysicalBus bus, ResettableControl control)
        : base(bus, control) => _control = control;

    /// <summary>The program has touched more than there is.</summary>
    public bool IsExhausted { get; private set; }

    /// <summary>Bytes of memory that the program has touched, in whole pages.</summary>
    public ulong TouchedBytes => _nextFrame - SystemBytes;

    /// <summary>Forgets all ranges and all that was written; TLBs that were filled from here notice it at their next refresh.</summary>
    public void Reset()
    {
        ulong used = TouchedBytes;
        if (used > ManyFrames << Pages.Shift)
        {
            Bus.NoteWrite(new Hpa(SystemBytes), used);
            Bus.Memory.Discard(SystemBytes, used);
        }
        else
        {
            Bus.Clear(new Hpa(SystemBytes), used);
        }

        _nextFrame = SystemBytes;
        _lastPage = ulong.MaxValue;
        _ranges.Clear();
        _frames.Clear();
        IsExhausted = false;
        _control.NextGeneration();
    }

    /// <summary>Maps the pages that a range touches.</summary>
    public void Map(ulong start, ulong length)
    {
        if (length != 0)
        {
            _ranges.Add((start & ~Pages.OffsetMask, (start + length - 1) | Pages.OffsetMask));
        }
    }

    public bool IsMapped(ulong address)
    {
        foreach ((ulong first, ulong last) in _ranges)
        {
            if (address - first <= last - first)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The host's pointer to a mapped byte; valid to the end of its page. Null when nothing is mapped there.</summary>
    public byte* Touch(ulong address) => TryFrame(address, out ulong frame) ? Bus.RamPointer(new Hpa(frame | (address & Pages.OffsetMask))) : null;

    /// <summary>Writes bytes; false when some are not mapped.</summary>
    public bool TryPut(ulong address, ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            int piece = (int)ulong.Min((ulong)bytes.Length, Pages.Size - (address & Pages.OffsetMask));
            if (!TryFrame(address, out ulong frame))
            {
                return false;
            }

            Hpa target = new(frame | (address & Pages.OffsetMask));
            Bus.NoteWrite(target, (ulong)piece);
            bytes[..piece].CopyTo(new Span<byte>(Bus.RamPointer(target), piece));
            bytes = bytes[piece..];
            address += (ulong)piece;
        }

        return true;
    }

    /// <inheritdoc/>
    public override TranslationStatus Translate(
        ref PagingContext context, Gva gva, AccessKind kind, AccessMode mode, out Translation translation)
    {
        translation = default;
        translation.Gva = gva;
        Counters.Walks++;
        bool isSystem = mode != AccessMode.User && gva.Value - SystemBase < SystemBytes;
        ulong frame = (gva.Value - SystemBase) & ~Pages.OffsetMask;
        if (!isSystem && !TryFrame(gva.Value, out frame))
        {
            translation.ErrorCode = (mode == AccessMode.User ? PageFaultCode.US : 0)
                | (kind == AccessKind.Write ? PageFaultCode.WR : 0)
                | (kind == AccessKind.Execute ? PageFaultCode.ID : 0);
            return TranslationStatus.PageFault;
        }

        translation.Hpa = new Hpa(frame | (gva.Value & Pages.OffsetMask));
        translation.Gpa = new Gpa(translation.Hpa.Value);
        translation.PageShift = Pages.Shift;
        translation.GuestPageShift = Pages.Shift;
        translation.Rights = isSystem ? SystemPage : UserPage;
        translation.MayRead = true;
        translation.MayWrite = true;
        translation.MayExecute = true;
        return TranslationStatus.Ok;
    }

    /// <inheritdoc/>
    public override TranslationStatus TranslateGuestPhysical(
        ref PagingContext context, Gpa gpa, AccessKind kind, bool isPagingStructure, out Translation translation)
    {
        translation = default;
        translation.Gpa = gpa;
        translation.Hpa = new Hpa(gpa.Value);
        return TranslationStatus.Ok;
    }

    /// <inheritdoc/>
    public override Verdict Judge(in PhysicalAccess access) => Verdict.AllowAllKinds(segment: 0);

    /// <inheritdoc/>
    public override bool TryRead(Vmid name, Hpa address, Span<byte> destination, AccessOrigin origin)
    {
        if (!Bus.IsRam(address, (ulong)destination.Length))
        {
            return false;
        }

        new ReadOnlySpan<byte>(Bus.RamPointer(address), destination.Length).CopyTo(destination);
        return true;
    }

    /// <inheritdoc/>
    public override bool TryWrite(Vmid name, Hpa address, ReadOnlySpan<byte> source, AccessOrigin origin)
    {
        if (!Bus.IsRam(address, (ulong)source.Length))
        {
            return false;
        }

        Bus.NoteWrite(address, (ulong)source.Length);
        source.CopyTo(new Span<byte>(Bus.RamPointer(address), source.Length));
        return true;
    }

    /// <summary>The frame of a mapped page; the first touch gives it one.</summary>
    private bool TryFrame(ulong address, out ulong frame)
    {
        ulong page = address & ~Pages.OffsetMask;
        frame = _lastFrame;
        if (page == _lastPage)
        {
            return true;
        }

        if (!_frames.TryGetValue(page, out frame))
        {
            if (!IsMapped(address))
            {
                return false;
            }

            if (_nextFrame >= Bus.Memory.SizeBytes)
            {
                IsExhausted = true;
                return false;
            }

            frame = _nextFrame;
            _nextFrame += Pages.Size;
            _frames.Add(page, frame);
        }

        _lastPage = page;
        _lastFrame = frame;
        return true;
    }

    /// <summary>Nobody judges here; but TLBs watch the generation, which makes forgetting cheap.</summary>
    private sealed class ResettableControl(ulong memoryBytes) : IsolationControl(memoryBytes, 1 << 21)
    {
        public void NextGeneration() => Generation++;
    }
}
