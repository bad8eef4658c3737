using System.Collections.Generic;

using Xenolith.Mmu;

namespace Xenolith.Xen;

/// <summary>
/// Xen's own frames: [0, size) of host-physical memory, which it declares before its first VMLAUNCH. Frame 0 is never handed out:
/// the hypervisor's VMIDR slot lies there (docs/asmi.md, P9).
/// </summary>
internal sealed class XenHeap(XenMemory memory, ulong sizeBytes)
{
    private readonly Stack<ulong> _free = new();
    private ulong _next = 1;

    public ulong SizeBytes => sizeBytes;

    public ulong FreeFrames => (ulong)_free.Count + (sizeBytes >> Pages.Shift) - _next;

    /// <summary>A zero-filled frame. False when the heap is used up.</summary>
    public bool TryAllocate(out Mfn frame)
    {
        if (!_free.TryPop(out ulong number))
        {
            number = _next;
            if (number >= sizeBytes >> Pages.Shift)
            {
                frame = default;
                return false;
            }

            _next++;
        }

        frame = new Mfn(number);
        return memory.TryClearPage(frame) ? true : throw new XenPanicException($"Xen was refused its own frame {frame}");
    }

    public void Free(Mfn frame) => _free.Push(frame.Value);
}
