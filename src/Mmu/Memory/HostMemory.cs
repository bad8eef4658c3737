using System;
using System.Runtime.InteropServices;

namespace Xenolith.Mmu;

/// <summary>
/// The machine's RAM: one sparse, zero-filled, anonymous mapping of the host process, HPA 0 upward. A page costs nothing until
/// it is touched, so tens of GiB may be reserved. The layout is fixed and unmanaged, so that engines can address it directly.
/// </summary>
public sealed unsafe partial class HostMemory : IDisposable
{
    private const int ProtReadWrite = 0x1 | 0x2;
    private const int MapPrivateAnonymousNoReserve = 0x02 | 0x20 | 0x4000;

    private const int MadvDontNeed = 4;

    private byte* _base;

    /// <param name="sizeBytes">Size of the RAM in bytes; a whole number of pages.</param>
    /// <exception cref="ArgumentOutOfRangeException">The size is zero or not page-aligned.</exception>
    /// <exception cref="OutOfMemoryException">The host cannot reserve that much address space.</exception>
    public HostMemory(ulong sizeBytes)
    {
        if (sizeBytes == 0 || (sizeBytes & Pages.OffsetMask) != 0)
        {
            throw new ArgumentOutOfRangeException(nameof(sizeBytes), "memory size must be a whole, non-zero number of 4-KiB pages");
        }

        nint address = MMap(0, (nuint)sizeBytes, ProtReadWrite, MapPrivateAnonymousNoReserve, -1, 0);
        if (address == -1)
        {
            throw new OutOfMemoryException($"cannot reserve {sizeBytes >> 20} MiB of machine memory");
        }

        _base = (byte*)address;
        SizeBytes = sizeBytes;
    }

    public ulong SizeBytes { get; }

    /// <summary>Where HPA 0 lies in the host process.</summary>
    public byte* Base => _base;

    /// <summary>Whole pages become zero again, and cost the host nothing again.</summary>
    public void Discard(ulong offset, ulong sizeBytes)
    {
        if (MAdvise((nint)_base + (nint)offset, (nuint)sizeBytes, MadvDontNeed) != 0)
        {
            new Span<byte>(_base + offset, checked((int)sizeBytes)).Clear();
        }
    }

    public void Dispose()
    {
        if (_base != null)
        {
            _ = MUnmap((nint)_base, (nuint)SizeBytes);
            _base = null;
        }
    }

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint MMap(nint address, nuint length, int protection, int flags, int descriptor, long offset);

    [LibraryImport("libc", EntryPoint = "munmap", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int MUnmap(nint address, nuint length);

    [LibraryImport("libc", EntryPoint = "madvise", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int MAdvise(nint address, nuint length, int advice);
}
