using System;
using System.Collections.Generic;
using Xenolith.Mmu;

namespace Xenolith.Guests;

/// <summary>
/// Who gets which part of the RAM while an image is laid out: what has a fixed address is claimed, what has none is placed where
/// there is room below 4 GiB.
/// </summary>
internal sealed class BootMemory(string name, IReadOnlyList<MemoryRange> map)
{
    /// <summary>Loaders leave the interrupt table and the BIOS data area alone.</summary>
    private const ulong LowestFree = 0x1000;

    private const ulong FourGiB = 1UL << 32;

    private readonly List<LoadChunk> _chunks = [];
    private readonly List<(ulong Start, ulong End, string What)> _taken = [];
    private (ulong Start, ulong End) _kept;

    /// <summary>Sorted by address.</summary>
    public List<LoadChunk> Chunks
    {
        get
        {
            _chunks.Sort(static (a, b) => a.Start.Value.CompareTo(b.Start.Value));
            return _chunks;
        }
    }

    /// <summary>KiB of RAM from address 0 (at most 640), and from 1 MiB up to the first hole: as BIOS services count it.</summary>
    public (uint Lower, uint Upper) BasicKiB
    {
        get
        {
            ulong lower = 0;
            ulong upper = 0;
            foreach (MemoryRange range in map)
            {
                if (range.Type == MemoryRangeType.Ram && range.Start.Value == 0)
                {
                    lower = Math.Min(range.SizeBytes, 640 << 10);
                }

                if (range.Type == MemoryRangeType.Ram && range.Start.Value <= 0x100000 && range.End.Value > 0x100000)
                {
                    upper = range.End.Value - 0x100000;
                }
            }

            return ((uint)(lower >> 10), (uint)(upper >> 10));
        }
    }

    /// <summary>Bytes at a fixed address, and zeroes behind them.</summary>
    /// <exception cref="ImageFormatException">That is no RAM, or is taken.</exception>
    public void Load(ulong start, ReadOnlyMemory<byte> bytes, ulong zeroBytes, string what)
    {
        ulong size = (ulong)bytes.Length + zeroBytes;
        if (size == 0)
        {
            return;
        }

        Claim(start, size, what);
        _chunks.Add(new LoadChunk(new Gpa(start), bytes, zeroBytes));
    }

    /// <summary>Keeps a range free of anything that is placed later.</summary>
    /// <exception cref="ImageFormatException">That is no RAM, or is taken.</exception>
    public void Claim(ulong start, ulong size, string what)
    {
        if (start > ulong.MaxValue - size || !IsRam(start, start + size))
        {
            throw new ImageFormatException(
                $"{name}: {what} needs {size} bytes at address 0x{start:x}, where the machine has no RAM; give it more memory, or link the image lower");
        }

        if (FindTaken(start, start + size) is { } other)
        {
            throw new ImageFormatException($"{name}: {what} at address 0x{start:x} overlaps {other.What}; link the image anew");
        }

        _taken.Add((start, start + size, what));
    }

    /// <summary>Keeps a range free of what is placed later; what is loaded at a fixed address may lie in it.</summary>
    public void Keep(ulong start, ulong size) => _kept = (start, start + size);

    /// <summary>The lowest free address from <paramref name="from"/> up that has room for so many bytes.</summary>
    /// <exception cref="ImageFormatException">There is none below 4 GiB.</exception>
    public ulong FindUp(ulong from, ulong size, ulong alignment, string what)
    {
        ulong at = RoundUp(Math.Max(from, LowestFree), alignment);
        while (at + size <= FourGiB)
        {
            if (FindTakenOrKept(at, at + size) is { } taken)
            {
                at = RoundUp(taken.End, alignment);
            }
            else if (IsRam(at, at + size))
            {
                return at;
            }
            else if (NextRam(at) is { } next)
            {
                at = RoundUp(next, alignment);
            }
            else
            {
                break;
            }
        }

        throw NoRoom(size, what);
    }

    /// <summary>The highest free address, so that so many bytes end below a limit.</summary>
    /// <exception cref="ImageFormatException">There is none.</exception>
    public ulong FindDown(ulong limit, ulong size, ulong alignment, string what)
    {
        ulong end = Math.Min(limit, FourGiB);
        for (int i = map.Count - 1; i >= 0; i--)
        {
            MemoryRange range = map[i];
            ulong top = Math.Min(end, range.End.Value);
            while (range.Type == MemoryRangeType.Ram && top >= size && top - size >= Math.Max(range.Start.Value, LowestFree))
            {
                ulong at = (top - size) / alignment * alignment;
                if (at < Math.Max(range.Start.Value, LowestFree))
                {
                    break;
                }

                if (FindTakenOrKept(at, at + size) is not { } taken)
                {
                    return at;
                }

                top = taken.Start;
            }
        }

        throw NoRoom(size, what);
    }

    private ImageFormatException NoRoom(ulong size, string what) =>
        new($"{name}: there is no room for {what} ({size} bytes); give the machine more memory");

    private (ulong Start, ulong End, string What)? FindTakenOrKept(ulong start, ulong end) =>
        _kept.Start < end && start < _kept.End ? (_kept.Start, _kept.End, string.Empty) : FindTaken(start, end);

    private (ulong Start, ulong End, string What)? FindTaken(ulong start, ulong end)
    {
        foreach ((ulong Start, ulong End, string What) taken in _taken)
        {
            if (taken.Start < end && start < taken.End)
            {
                return taken;
            }
        }

        return null;
    }

    private bool IsRam(ulong start, ulong end)
    {
        foreach (MemoryRange range in map)
        {
            if (range.Type == MemoryRangeType.Ram && start >= range.Start.Value && start < range.End.Value)
            {
                start = Math.Min(end, range.End.Value); // ranges of RAM may touch
            }
        }

        return start == end;
    }

    private ulong? NextRam(ulong from)
    {
        foreach (MemoryRange range in map)
        {
            if (range.Type == MemoryRangeType.Ram && range.Start.Value > from)
            {
                return range.Start.Value;
            }
        }

        return null;
    }

    private static ulong RoundUp(ulong value, ulong unit) => (value + unit - 1) / unit * unit;
}
