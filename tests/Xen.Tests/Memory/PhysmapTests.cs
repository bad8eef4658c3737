using System.Collections.Generic;

using Xenolith.Machine;
using Xenolith.Mmu;
using Xenolith.Xen.Abi;
using Xenolith.Xen.Tests.Support;

using Xunit;

namespace Xenolith.Xen.Tests.Memory;

// Method: a physmap and a dictionary of single pages take the same random changes (all sizes, overlapping, replaced, cleared, holes);
// after each change both must say the same for the pages around it. A split that loses a page, a table freed too early, or a heap that
// does not get its frames back makes it fail.
public class PhysmapTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void AgreesWithADictionary(ulong seed)
    {
        using TestMachine machine = new();
        ulong heapBefore = machine.Xen.FreeHeapFrames;
        Assert.Equal(Errno.None, Physmap.TryCreate(machine.Xen.Memory, machine.Xen.Heap, out Physmap? physmap));
        Dictionary<ulong, (ulong Frame, PhysmapType Type)> model = [];
        SeededRandom random = new(seed);
        for (int i = 0; i < 400; i++)
        {
            Change(physmap!, model, random, out ulong near, out ulong count);
            for (int probe = 0; probe < 20; probe++)
            {
                ulong gfn = probe < 10 ? near + random.Below(count + 2) : random.Below(1 << 20);
                PhysmapEntry entry = physmap!.Find(new Gfn(gfn));
                (ulong frame, PhysmapType type) = model.GetValueOrDefault(gfn);
                Assert.Equal((type, frame), (entry.Type, entry.IsMapped ? entry.Frame.Value : 0));
            }
        }

        physmap!.Destroy();
        Assert.Equal(heapBefore, machine.Xen.FreeHeapFrames);
    }

    [Fact]
    public void HolesCostNoTablesBelowTheDirectoryPointers()
    {
        using TestMachine machine = new();
        Assert.Equal(Errno.None, Physmap.TryCreate(machine.Xen.Memory, machine.Xen.Heap, out Physmap? physmap));
        ulong before = machine.Xen.FreeHeapFrames;
        for (ulong gib = 0; gib < 512; gib++)
        {
            Assert.Equal(Errno.None, physmap!.FillHole(new Gfn((gib << 18) + 5), new Mfn(1UL << 33)));
        }

        Assert.Equal(1UL, before - machine.Xen.FreeHeapFrames);
        Assert.Equal(PhysmapType.Hole, physmap!.Find(new Gfn(0x1_2345)).Type);
        Assert.Equal(Errno.None, physmap.Set(new Gfn(0x1_2345), new Mfn(77), 0, PhysmapType.Ram));
        Assert.Equal(new PhysmapEntry(PhysmapType.Ram, new Mfn(77), 0), physmap.Find(new Gfn(0x1_2345)));
        Assert.Equal(PhysmapType.Hole, physmap.Find(new Gfn(0x1_2346)).Type);
    }

    [Fact]
    public void FramesBeyondTheAddressWidthAreRefused()
    {
        using TestMachine machine = new();
        Assert.Equal(Errno.None, Physmap.TryCreate(machine.Xen.Memory, machine.Xen.Heap, out Physmap? physmap));
        Assert.Equal(Errno.ENOSPC, physmap!.Set(new Gfn(1UL << 36), new Mfn(1), 0, PhysmapType.Ram));
        Assert.False(physmap.Find(new Gfn(ulong.MaxValue)).IsMapped);
    }

    private static void Change(
        Physmap physmap, Dictionary<ulong, (ulong Frame, PhysmapType Type)> model, SeededRandom random, out ulong gfn, out ulong count)
    {
        int order = random.Below(4) == 0 ? 9 : 0;
        count = 1UL << order;
        gfn = random.Below(4096) & ~(count - 1);
        bool clear = random.Below(3) == 0;
        ulong frame = (random.Next() & 0xFF_FFFF) & ~(count - 1);
        Errno error = clear ? physmap.Clear(new Gfn(gfn), order) : physmap.Set(new Gfn(gfn), new Mfn(frame), order, PhysmapType.Ram);
        Assert.Equal(Errno.None, error);
        for (ulong i = 0; i < count; i++)
        {
            if (clear)
            {
                model.Remove(gfn + i);
            }
            else
            {
                model[gfn + i] = (frame + i, PhysmapType.Ram);
            }
        }
    }
}
