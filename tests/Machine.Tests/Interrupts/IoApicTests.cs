using Xunit;

namespace Xenolith.Machine.Tests;

// Method: an IO-APIC and a local APIC, with the pins in the test's hand. An edge that is delivered twice or kept while masked, a level that
// is not asked for again after its EOI, or a register with other bits than the data sheet's makes it fail.
public sealed class IoApicTests
{
    private readonly TestApicOwner _apic = new(new TestClock());
    private readonly IoApic _ioApic;

    public IoApicTests()
    {
        _apic[0xF0] = 0x1FF;
        _ioApic = new IoApic(_apic.Bus, 24);
    }

    [Fact]
    public void Registers()
    {
        Assert.Equal(0x0017_0020u, Read(1));
        Assert.Equal(0x002F_0020u, Read(new IoApic(_apic.Bus, 48), 1));
        Write(0, 0xFFFF_FFFF);
        Assert.Equal((0x0F00_0000u, 0x0F00_0000u), (Read(0), Read(2)));
        Assert.Equal((0x1_0000u, 0u), (Read(0x10 + (2 * 5)), Read(0x11 + (2 * 5))));
        Write(0x10, 0xFFFF_FFFF);
        Write(0x11, 0xFFFF_FFFF);
        Assert.Equal((0x1_AFFFu, 0xFF00_0000u), (Read(0x10), Read(0x11))); // status and remote IRR are not software's
        Assert.Equal(0u, Read(0x40)); // no pin 24
    }

    [Fact]
    public void EdgesAreDeliveredOnceAndLostWhileMasked()
    {
        Write(0x10 + (2 * 14), 0x31);
        _ioApic.SetPin(14, true);
        Assert.Equal(0x31, _apic.Take());
        _ioApic.SetPin(14, true);
        Assert.Equal(-2, _apic.Take());
        _ioApic.SetPin(14, false);
        _apic[0xB0] = 0;
        Write(0x10 + (2 * 14), 0x1_0031);
        _ioApic.SetPin(14, true);
        Write(0x10 + (2 * 14), 0x31);
        Assert.Equal(-2, _apic.Take());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void LevelsAreHeldUntilTheirEoi(bool byRegister)
    {
        Write(0x10 + (2 * 14), 0x8031);
        _ioApic.SetPin(14, true);
        Assert.Equal((0xC031u, 0x31), (Read(0x10 + (2 * 14)), _apic.Take()));
        _apic[0xB0] = 0;
        Assert.Equal(["eoi 31"], _apic.Log);
        Assert.Equal(-2, _apic.Take());
        End(byRegister);
        Assert.Equal((0xC031u, 0x31), (Read(0x10 + (2 * 14)), _apic.Take())); // still asserted
        _ioApic.SetPin(14, false);
        _apic[0xB0] = 0;
        End(byRegister);
        Assert.Equal((0x8031u, -2), (Read(0x10 + (2 * 14)), _apic.Take()));
    }

    [Fact]
    public void AMaskedLevelComesWhenItIsUnmasked()
    {
        Write(0x10 + (2 * 14), 0x1_8031);
        _ioApic.SetPin(14, true);
        Assert.Equal(-2, _apic.Take());
        Write(0x10 + (2 * 14), 0x8031);
        Assert.Equal(0x31, _apic.Take());
    }

    [Fact]
    public void RemoteIrrIsClearedByMakingThePinAnEdge()
    {
        Write(0x10 + (2 * 14), 0x8031);
        _ioApic.SetPin(14, true);
        _ioApic.SetPin(14, false);
        Assert.Equal(0xC031u, Read(0x10 + (2 * 14)));
        Write(0x10 + (2 * 14), 0x31);
        Write(0x10 + (2 * 14), 0x8031);
        Assert.Equal(0x8031u, Read(0x10 + (2 * 14)));
    }

    [Fact]
    public void OtherDeliveryModesAndDestinations()
    {
        Write(0x10, 0x400); // NMI
        _ioApic.SetPin(0, true);
        Write(0x12, 0x700); // ExtINT
        _ioApic.SetPin(1, true);
        Assert.Equal(["nmi"], _apic.Log);
        Assert.Equal(-1, _apic.Take());
        Write(0x15, 3u << 24); // pin 2 to a processor that is not there: a level stays free to try again
        Write(0x14, 0x8041);
        _ioApic.SetPin(2, true);
        Assert.Equal((0x8041u, -2), (Read(0x14), _apic.Take()));
        Write(0x15, 0);
        Assert.Equal((0xC041u, 0x41), (Read(0x14), _apic.Take()));
    }

    private void End(bool byRegister)
    {
        if (byRegister)
        {
            _ioApic.Write(0x40, 4, 0x31);
        }
        else
        {
            _ioApic.EndOfInterrupt(0x31);
        }
    }

    private uint Read(byte register) => Read(_ioApic, register);

    private static uint Read(IoApic chip, byte register)
    {
        chip.Write(0, 4, register);
        return (uint)chip.Read(0x10, 4);
    }

    private void Write(int register, uint value)
    {
        _ioApic.Write(0, 4, (ulong)register);
        _ioApic.Write(0x10, 4, value);
    }
}
