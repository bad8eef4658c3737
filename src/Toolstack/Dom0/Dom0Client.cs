using System;
using System.Collections.Generic;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

using Xenolith.Mmu;
using Xenolith.Xen;
using Xenolith.Xen.Abi;

namespace Xenolith.Toolstack;

/// <summary>
/// Dom0's side of the hypercall interface: lays arguments out in Dom0's own memory, makes the call, reads the results back; maps
/// frames of other domains and reaches them through Dom0's own addresses. Nothing in the toolstack touches a domain in another way.
/// </summary>
public sealed class Dom0Client
{
    /// <summary>The most frames that one call maps, and that one buffer's worth of extents names.</summary>
    public const int BatchFrames = 64;

    // Dom0's memory, as its toolstack uses it: one page for the argument, then a buffer for arrays that arguments point to.
    private const ulong ArgumentAddress = 0x1000;
    private const ulong BufferAddress = 0x2000;
    private const int BufferSizeBytes = 0x10000;

    // Dom0's guest-physical frames above its RAM: where foreign frames and shared_info appear.
    private const ulong FirstMappingFrame = 0x10_0000;

    private readonly Dom0Context _context;
    private readonly Stack<Gfn> _freeFrames = new();
    private ulong _nextFrame = FirstMappingFrame;

    public Dom0Client(Dom0Context context)
    {
        _context = context;

        // Without shared_info no event would ever show.
        XenAddToPhysmap map = new() { DomId = DomId.Self, Space = XenMapSpace.SharedInfo, Gpfn = TakeFrame().Value };
        Check(MemoryOp(XenMem.AddToPhysmap, ref map), "XENMEM_add_to_physmap of Dom0's shared_info");
    }

    public Dom0Context Context => _context;

    /// <summary>XEN_DOMCTL_*: the header and the union go in, and what the call answers comes back in them.</summary>
    public HypercallResult Domctl(ref XenDomctl argument) => Call(HypercallNumber.Domctl, ref argument, subOperation: null);

    public HypercallResult MemoryOp<T>(XenMem operation, ref T argument)
        where T : unmanaged
        => Call(HypercallNumber.MemoryOp, ref argument, (ulong)operation);

    public HypercallResult EventChannelOp<T>(EvtchnOp operation, ref T argument)
        where T : unmanaged
        => Call(HypercallNumber.EventChannelOp, ref argument, (ulong)operation);

    public HypercallResult SetHvmParam(ushort domain, HvmParam index, ulong value)
    {
        XenHvmParam argument = new() { DomId = domain, Index = index, Value = value };
        return Call(HypercallNumber.HvmOp, ref argument, (ulong)HvmOp.SetParam);
    }

    public HypercallResult GetHvmParam(ushort domain, HvmParam index, out ulong value)
    {
        XenHvmParam argument = new() { DomId = domain, Index = index };
        HypercallResult result = Call(HypercallNumber.HvmOp, ref argument, (ulong)HvmOp.GetParam);
        value = argument.Value;
        return result;
    }

    /// <summary>Puts bytes into the buffer that hypercall arguments may point to, and returns its address.</summary>
    public ulong PutBuffer<T>(ReadOnlySpan<T> values, int offset = 0)
        where T : unmanaged
    {
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(values);
        if (offset + bytes.Length > BufferSizeBytes || !_context.TryWrite(new Gpa(BufferAddress + (ulong)offset), bytes))
        {
            throw new InvalidOperationException("Dom0's own memory refuses Dom0");
        }

        return BufferAddress + (ulong)offset;
    }

    public void GetBuffer<T>(Span<T> values, int offset = 0)
        where T : unmanaged
    {
        if (!_context.TryRead(new Gpa(BufferAddress + (ulong)offset), MemoryMarshal.AsBytes(values)))
        {
            throw new InvalidOperationException("Dom0's own memory refuses Dom0");
        }
    }

    /// <summary>
    /// Maps one frame of a domain for as long as it is wanted. False: the hypervisor refuses, <paramref name="error"/> says why.
    /// </summary>
    public bool TryMap(ushort domain, Gfn frame, out Gpa address, out Errno error)
    {
        Gfn window = TakeFrame();
        address = window.Address;
        error = MapBatch(domain, frame, window, 1);
        if (error != Errno.None)
        {
            _freeFrames.Push(window);
        }

        return error == Errno.None;
    }

    public void Unmap(Gpa address)
    {
        XenRemoveFromPhysmap argument = new() { DomId = DomId.Self, Gpfn = address.Frame.Value };
        MemoryOp(XenMem.RemoveFromPhysmap, ref argument);
        _freeFrames.Push(address.Frame);
    }

    /// <summary>Writes a domain's memory through a window that is mapped and unmapped as the write proceeds.</summary>
    /// <returns>None; or the errno of the mapping; or EFAULT where the isolation unit refuses Dom0 the frame.</returns>
    public Errno Write(ushort domain, Gpa address, ReadOnlySpan<byte> source)
    {
        while (source.Length > 0)
        {
            ulong offset = address.Value & Pages.OffsetMask;
            int frames = (int)Math.Min((offset + (ulong)source.Length + Pages.OffsetMask) >> Pages.Shift, BatchFrames);
            int part = (int)Math.Min((ulong)source.Length, ((ulong)frames << Pages.Shift) - offset);
            Gfn window = new(FirstMappingFrame - BatchFrames);
            Errno error = MapBatch(domain, address.Frame, window, frames);
            if (error != Errno.None)
            {
                return error;
            }

            bool written = _context.TryWrite(window.Address + offset, source[..part]);
            for (int i = 0; i < frames; i++)
            {
                XenRemoveFromPhysmap argument = new() { DomId = DomId.Self, Gpfn = window.Value + (ulong)i };
                MemoryOp(XenMem.RemoveFromPhysmap, ref argument);
            }

            if (!written)
            {
                return Errno.EFAULT;
            }

            source = source[part..];
            address += (ulong)part;
        }

        return Errno.None;
    }

    /// <summary>Throws for a call that can fail only when the machine has run out of something.</summary>
    /// <exception cref="InputException">The hypervisor answered with an error.</exception>
    public static long Check(HypercallResult result, string what) =>
        result.IsError ? throw new InputException($"{what} failed: {result.Errno}") : result.Value;

    private Errno MapBatch(ushort domain, Gfn frame, Gfn window, int frames)
    {
        const int GpfnsOffset = BatchFrames * sizeof(ulong);
        const int ErrsOffset = 2 * GpfnsOffset;
        Span<ulong> idxs = stackalloc ulong[frames];
        Span<ulong> gpfns = stackalloc ulong[frames];
        Span<int> errs = stackalloc int[frames];
        for (int i = 0; i < frames; i++)
        {
            idxs[i] = frame.Value + (ulong)i;
            gpfns[i] = window.Value + (ulong)i;
            errs[i] = 0;
        }

        XenAddToPhysmapBatch argument = new()
        {
            DomId = DomId.Self,
            Space = (ushort)XenMapSpace.GmfnForeign,
            Size = (ushort)frames,
            ForeignDomId = domain,
            Idxs = PutBuffer<ulong>(idxs),
            Gpfns = PutBuffer<ulong>(gpfns, GpfnsOffset),
            Errs = PutBuffer<int>(errs, ErrsOffset),
        };
        HypercallResult result = MemoryOp(XenMem.AddToPhysmapBatch, ref argument);
        if (result.IsError)
        {
            return result.Errno;
        }

        GetBuffer(errs, ErrsOffset);
        foreach (int error in errs)
        {
            if (error != 0)
            {
                return (Errno)(-error);
            }
        }

        return Errno.None;
    }

    private Gfn TakeFrame() => _freeFrames.TryPop(out Gfn frame) ? frame : new Gfn(_nextFrame++);

    private HypercallResult Call<T>(HypercallNumber number, ref T argument, ulong? subOperation)
        where T : unmanaged
    {
        if (Unsafe.SizeOf<T>() > (int)Pages.Size || !_context.TryWrite(new Gpa(ArgumentAddress), MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in argument))))
        {
            throw new InvalidOperationException("Dom0's own memory refuses Dom0");
        }

        HypercallResult result = subOperation is { } operation
            ? _context.Hypercall(number, operation, ArgumentAddress)
            : _context.Hypercall(number, ArgumentAddress);
        _context.TryRead(new Gpa(ArgumentAddress), MemoryMarshal.AsBytes(new Span<T>(ref argument)));
        return result;
    }
}
