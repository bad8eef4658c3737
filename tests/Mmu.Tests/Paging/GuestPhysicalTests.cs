using Xunit;

namespace Xenolith.Mmu.Tests;

/// <summary>
/// Accesses that start from a guest-physical address: PDPTE loads, and Dom0's own memory. There is no linear address, so exit
/// qualifications must say so, and EPT takes a PDPTE load for a read even with its accessed and dirty flags on. Reserved bits of PDPTEs
/// must be found one by one, and a load that fails must change no register.
/// </summary>
public class GuestPhysicalTests
{
    private const ulong Cr3 = 0x3020;

    [Fact]
    public unsafe void PdptesAreLoadedFromThirtyTwoAlignedBytes()
    {
        using TestMachine machine = Machine();
        Assert.Equal(TranslationStatus.Ok, machine.Unit.LoadPdptes(ref machine.Context, Cr3 | 0x1F, out bool reserved, out _));
        Assert.False(reserved);
        for (ulong i = 0; i < 4; i++)
        {
            Assert.Equal(0x10_0001 + (i << 12), machine.Context.Pdptes[i]);
        }

        Assert.Equal(1UL, machine.Unit.Counters.Judged);
        Assert.Equal(1UL, machine.Unit.Counters.GuestReferences);
    }

    [Fact]
    public unsafe void ReservedBitsOfPresentPdptesAreFoundAndNothingIsLoaded()
    {
        using TestMachine machine = Machine();
        for (int bit = 1; bit < 64; bit++)
        {
            machine.Write64(Cr3 + 16, (1UL << bit) | 1);
            bool isReserved = bit is 1 or 2 or (>= 5 and <= 8) or >= 40; // MAXPHYADDR is 40 here
            Assert.Equal(TranslationStatus.Ok, machine.Unit.LoadPdptes(ref machine.Context, Cr3, out bool found, out _));
            Assert.Equal(isReserved, found);
            Assert.Equal(isReserved ? 0 : (1UL << bit) | 1, machine.Context.Pdptes[2]);
            machine.Context.Pdptes[2] = 0;
            machine.Write64(Cr3 + 16, 1UL << bit); // not present: nothing is reserved
            _ = machine.Unit.LoadPdptes(ref machine.Context, Cr3, out found, out _);
            Assert.False(found);
            machine.Context.Pdptes[2] = 0;
        }
    }

    [Fact]
    public void EptTakesThePdpteLoadForAReadAndReportsNoLinearAddress()
    {
        using TestMachine machine = Machine();
        machine.UseIdentityEpt(4, 1, Eptp.AccessedDirty);
        ulong leaf = machine.MapEpt(Cr3 & ~0xFFFUL, Cr3 & ~0xFFFUL, 1, 1); // read-only
        Assert.Equal(TranslationStatus.Ok, machine.Unit.LoadPdptes(ref machine.Context, Cr3, out _, out _));
        Assert.Equal(1UL << 8, machine.Read64(leaf) & (3UL << 8)); // accessed, not dirty

        machine.Write64(leaf, 0);
        Assert.Equal(TranslationStatus.EptViolation, machine.Unit.LoadPdptes(ref machine.Context, Cr3, out _, out Translation fault));
        Assert.Equal(EptQualification.Read, fault.ExitQualification);
        Assert.Equal(Cr3, fault.FaultGpa.Value);
    }

    [Fact]
    public void DenialWithoutALinearAddressSaysSo()
    {
        byte[] denied = new byte[16];
        denied[3] = 1 << (int)AccessKind.Read;
        using TestMachine machine = Machine(denied);
        Assert.Equal(TranslationStatus.IsolationViolation, machine.Unit.LoadPdptes(ref machine.Context, Cr3, out _, out Translation fault));
        Assert.Equal(EptQualification.Read | EptQualification.PagingStructure, fault.ExitQualification);
        Assert.Equal(AccessOrigin.GuestPaging, fault.DeniedOrigin);

        Gpa gpa = new(0x3123);
        Assert.Equal(
            TranslationStatus.IsolationViolation,
            machine.Unit.TranslateGuestPhysical(ref machine.Context, gpa, AccessKind.Read, isPagingStructure: false, out fault));
        Assert.Equal(EptQualification.Read, fault.ExitQualification);
        Assert.Equal(0x3123UL, fault.DeniedHpa.Value);
        Assert.Equal(ScriptedUnit.Guest, fault.DeniedName);
        Assert.Equal(
            TranslationStatus.Ok,
            machine.Unit.TranslateGuestPhysical(ref machine.Context, gpa, AccessKind.Write, isPagingStructure: false, out Translation found));
        Assert.Equal(0x3123UL, found.Hpa.Value);
    }

    [Fact]
    public void WildTableAddressesReadAllOnesAndEndInReservedBits()
    {
        // CR3 beyond RAM: nothing answers there, the entry reads as all ones, which reserves bits (SDM 3A: the fault has P and RSVD).
        using TestMachine machine = Machine();
        machine.UseLongMode(4);
        machine.Context.Cr3 = 0xFF_FFFF_F000;
        Assert.Equal(TranslationStatus.PageFault, machine.Translate(0x1000, AccessKind.Read, AccessMode.User, out Translation fault));
        Assert.Equal(PageFaultCode.P | PageFaultCode.RSVD | PageFaultCode.US, fault.ErrorCode);
        machine.Context.Eptp = 0xFF_FFFF_F01E;
        Assert.Equal(TranslationStatus.EptMisconfiguration, machine.Translate(0x1000, AccessKind.Read, AccessMode.User, out _));
    }

    private static TestMachine Machine(byte[]? denied = null)
    {
        TestMachine machine = TestMachine.WithScript(denied ?? []);
        for (int i = 0; i < 7; i++)
        {
            _ = machine.NewFrame();
        }

        machine.Context.Cr0 = Cr0.PG | 1;
        machine.Context.Cr4 = Cr4.PAE;
        for (ulong i = 0; i < 4; i++)
        {
            machine.Write64(Cr3 + (i * 8), 0x10_0001 + (i << 12));
        }

        return machine;
    }
}
