using System;
using System.Collections.Generic;
using System.Linq;
using Xenolith.Mmu;
using Xenolith.Shared;
using Xunit;

namespace Xenolith.Guests.Tests;

// Method: the ELF files in images/ (and Debian's GRUB when it was fetched) are read by the same code that builds domains.
// An image that was not rebuilt, grew out of all proportion, lost its notes, or whose System.map belongs to another build fails.
public sealed class ShippedImageTests
{
    public static TheoryData<string> Guests => ["hello", "tenant", "prowler", "bench", "triple", "wild", "flood"];

    [Theory]
    [MemberData(nameof(Guests))]
    public void ImagesCarryTheirNotes(string guest)
    {
        ElfImage image = ElfImage.Load(Repository.Image($"{guest}/{guest}.elf"));
        XenNotes notes = XenNotes.Of(image);
        Assert.True(image.Is64Bit);
        Assert.Equal(new Gpa(0x100000), notes.RequirePhys32Entry());
        Assert.Equal("Xenolith guest", notes.GuestOs);
        Assert.Equal("1", notes.GuestVersion);
        Assert.Equal("generic", notes.Loader);
        Assert.Equal("xen-3.0", notes.Text(XenElfNote.XenVersion));
        Assert.Equal(5, notes.Types.Count);
    }

    [Theory]
    [MemberData(nameof(Guests))]
    public void ImagesFitIntoASmallDomain(string guest)
    {
        PvhLoadPlan plan = PvhLoadPlan.Of(ElfImage.Load(Repository.Image($"{guest}/{guest}.elf")), 4UL << 20);
        Assert.Equal(2, plan.Chunks.Count);
        Assert.InRange(plan.Chunks.Sum(static c => c.Bytes.Length), 1000, 32 << 10);
    }

    [Theory]
    [MemberData(nameof(Guests))]
    public void SystemMapsBelongToTheirImages(string guest)
    {
        SystemMap fromFile = SystemMap.Load(Repository.Image($"{guest}/System.map"));
        SystemMap fromImage = SystemMap.Of(ElfImage.Load(Repository.Image($"{guest}/{guest}.elf")));
        Assert.True(fromFile.TryFind("guest_main", out _));
        Assert.Equal(Places(fromImage), Places(fromFile));

        static IEnumerable<(ulong, string)> Places(SystemMap map) => map.Symbols.Select(static s => (s.Address.Value, s.Name)).Order();
    }

    [DebianFact("grub-i386-xen_pvh.bin")]
    public void DebiansGrubIsUnderstood()
    {
        ElfImage image = ElfImage.Load(Repository.Image("debian/cache/grub-i386-xen_pvh.bin"));
        Assert.False(image.Is64Bit);
        PvhLoadPlan plan = PvhLoadPlan.Of(image, 64UL << 20);
        Assert.Equal(new Gpa(0x100000), plan.Entry);
        Assert.Equal(2, plan.Chunks.Count);
        Assert.Equal(plan.Chunks[0].End, plan.Chunks[1].Start); // its modules follow its .bss without a gap
        Assert.Equal([XenElfNote.Phys32Entry], XenNotes.Of(image).Types);
    }
}
