using System.Collections.Generic;

using Xenolith.Mmu;

using Xunit;

namespace Xenolith.Machine.Tests;

// Method: the small devices of the board through the machine's ports, as software finds them. A port that answers otherwise than its
// chip, a PCI register whose fixed bits move, or a memory map with a hole in the wrong place makes it fail.
public sealed class BoardDeviceTests : System.IDisposable
{
    private readonly BareMachine _machine = new(new BareMachineOptions { MemoryBytes = 32 << 20, Processors = 2 });

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void KeyboardController()
    {
        Assert.Equal(0x14u, In(0x64));
        Out(0x64, 0xAA);
        Assert.Equal((0x1Du, 0x55u), (In(0x64), In(0x60)));
        Out(0x64, 0xAB);
        Assert.Equal(0u, In(0x60));
        Out(0x64, 0x60);
        Out(0x60, 0x47);
        Out(0x64, 0x20);
        Assert.Equal(0x47u, In(0x60));
        Out(0x64, 0xD0);
        Assert.Equal(3u, In(0x60) & 3); // running, A20 open
        Out(0x60, 0xED); // the keyboard's lamps, and which
        Out(0x60, 0x07);
        Assert.Equal((0xFAu, 0xFAu, 0x14u), (In(0x60), In(0x60), In(0x64)));
        Out(0x60, 0xFF);
        Assert.Equal((0xFAu, 0xAAu), (In(0x60), In(0x60)));
        Out(0x64, 0xD4);
        Out(0x60, 0xFF); // a mouse that is not there
        Assert.Equal(0x14u, In(0x64));
        Assert.Equal(2u, In(0x92));
    }

    [Fact]
    public void PciConfiguration()
    {
        Assert.Equal(0x1237_8086u, Config(0, 0, 0));
        Assert.Equal((0x7000_8086u, 0x7113_8086u), (Config(1, 0, 0), Config(1, 3, 0)));
        Assert.Equal(uint.MaxValue, Config(2, 0, 0));
        Assert.Equal(0x0680_0003u, Config(1, 3, 8));
        _ = Config(0, 0, 0x58);
        _machine.Ports.Write(0xCFD, 1, 0xFF); // PAM0, a byte of its own
        Assert.Equal((0xF0u, 0xF000u), (_machine.Ports.Read(0xCFD, 1), _machine.Ports.Read(0xCFC, 2)));
        _machine.Ports.Write(0xCF8, 4, 0x7F00_0000); // not enabled
        Assert.Equal(uint.MaxValue, _machine.Ports.Read(0xCFC, 4));
        Assert.Equal(0x7F00_0000u & 0x80FF_FFFC, _machine.Ports.Read(0xCF8, 4));
        _machine.Ports.Write(0xCF8, 4, 0x8000_0000);
        Assert.Equal(0x86u, _machine.Ports.Read(0xCFC, 1));
        Assert.Equal(0x1237u, _machine.Ports.Read(0xCFE, 2));
    }

    [Fact]
    public void WindowsOfPciFunctionsAreSizedAndAssigned()
    {
        Probe probe = new();
        _machine.Pci.Attach(5, 0, probe);
        Assert.Equal((0u, 1u), (Config(5, 0, 0x10), Config(5, 0, 0x14)));
        _machine.Ports.Write(0xCFC, 4, uint.MaxValue);
        Assert.Equal(0xFFFF_FFE1u, Config(5, 0, 0x14));
        _ = Config(5, 0, 0x10);
        _machine.Ports.Write(0xCFC, 4, uint.MaxValue);
        Assert.Equal((0xFFFF_0000u, 0u), (Config(5, 0, 0x10), Config(5, 0, 0x18)));
        _machine.PrepareAsFirmware();
        Assert.Equal((0xC000_0000u, 0xC001u, 3u), (Config(5, 0, 0x10), Config(5, 0, 0x14), Config(5, 0, 4) & 0xFFFF));
        Assert.Equal([0xC000_0000UL, 0xC000UL], [probe.BarAddress(0), probe.BarAddress(1)]);
    }

    [Fact]
    public void PciInterruptsGoWhereTheyAreRouted()
    {
        _machine.Pics.Slave.PrepareAsFirmware(0x70);
        _machine.Pics.Master.PrepareAsFirmware(0x08);
        _machine.Pics.Slave.WriteByte(1, 0);
        _machine.Pics.Master.WriteByte(1, 0);
        _machine.SetPciInterrupt(5, 1, true); // PIRQ A by turns: device 5, INTA#
        Assert.False(_machine.Pics.Master.Output);
        _machine.SetPciInterrupt(5, 1, false);
        _machine.PrepareAsFirmware();
        _machine.Pics.Slave.WriteByte(1, 0);
        _machine.Pics.Master.WriteByte(1, 0);
        _machine.SetPciInterrupt(5, 1, true);
        _machine.SetPciInterrupt(9, 1, true); // shares it
        Assert.Equal(0x72, _machine.Pics.Acknowledge());
        _machine.SetPciInterrupt(5, 1, false);
        Assert.Equal(0x04, _machine.Pics.Slave.ReadByte(0)); // still asked for
        _machine.SetPciInterrupt(9, 1, false);
        Assert.Equal(0x00, _machine.Pics.Slave.ReadByte(0));
    }

    [Fact]
    public void AcpiRegistersAppearAtTheirBase()
    {
        Assert.Equal(uint.MaxValue, _machine.Ports.Read(0x608, 4));
        _machine.PrepareAsFirmware();
        Assert.Equal((0u, 1u), (_machine.Ports.Read(0x608, 4), _machine.Ports.Read(0x604, 2)));
        _machine.Ports.Write(0x602, 2, 0x0101);
        Assert.Equal(0x0101u, _machine.Ports.Read(0x602, 2));
        _ = Config(1, 3, 0x40);
        _machine.Ports.Write(0xCFC, 4, 0xB000);
        Assert.Equal((uint.MaxValue, 1u), (_machine.Ports.Read(0x604, 4), _machine.Ports.Read(0xB004, 4)));
    }

    [Fact]
    public void TheAcpiTimerCarriesAndInterrupts()
    {
        TestClock clock = new();
        InterruptLine sci = new(_ => { });
        AcpiPowerManagement pm = new(clock.Clock, sci, _ => { });
        pm.PrepareAsFirmware();
        pm.Write(2, 2, 1);
        clock.GoTo(1_000_000_000);
        Assert.Equal(3_579_545u, pm.Read(8, 4));
        ulong carry = (((1UL << 23) * 1_000_000_000) + 3_579_544) / 3_579_545;
        clock.GoTo(carry - 1);
        Assert.False(sci.IsAsserted);
        clock.GoTo(carry);
        Assert.Equal((true, 1u), (sci.IsAsserted, pm.Read(0, 2) & 0xFFFF));
        pm.Write(0, 2, 1);
        Assert.False(sci.IsAsserted);
        clock.GoTo(2 * carry);
        Assert.True(sci.IsAsserted);
    }

    [Fact]
    public void WideAccessesAreSplitWhereDevicesAreNarrow()
    {
        Out(0x21, 0x5A);
        Assert.Equal(0x5A00u, _machine.Ports.Read(0x20, 2) & 0xFF00);
        _machine.Ports.Write(0x80, 4, 0x4433_2211);
        Assert.Equal((0x4433u, 0x11u), (_machine.Ports.Read(0x82, 2), In(0x80)));
        Assert.Equal(0xFFFFu, _machine.Ports.Read(0x2F8, 2)); // no COM2
    }

    [Fact]
    public void MemoryLeavesAHoleBelowFourGigabytes()
    {
        using BareMachine big = new(new BareMachineOptions { MemoryBytes = 4UL << 30 });
        Assert.Equal([(0UL, 3UL << 30), (4UL << 30, 5UL << 30)], new List<(ulong, ulong)>(big.RamRanges));
        Assert.True(big.Bus.IsRam(new Hpa((3UL << 30) - 1), 1));
        Assert.False(big.Bus.IsRam(new Hpa(3UL << 30), 1));
        Assert.Equal(ulong.MaxValue, big.Bus.ReadDevice(new Hpa(0xFFFF_0000), 8));
        Assert.Equal(0x0017_0020UL, ReadIoApicVersion(big));
        Assert.True(big.Bus.IsRam(new Hpa((5UL << 30) - 8), 8));
        Assert.Equal((0x00u, 0x40u), (Cmos(big, 0x5B), Cmos(big, 0x5C)));
    }

    private static ulong ReadIoApicVersion(BareMachine machine)
    {
        machine.Bus.WriteDevice(new Hpa(IoApic.DefaultAddress), 4, 1);
        return machine.Bus.ReadDevice(new Hpa(IoApic.DefaultAddress + 0x10), 4);
    }

    private static uint Cmos(BareMachine machine, byte register)
    {
        machine.Ports.Write(0x70, 1, register);
        return machine.Ports.Read(0x71, 1);
    }

    private uint Config(uint device, uint function, uint offset)
    {
        _machine.Ports.Write(0xCF8, 4, 0x8000_0000 | (device << 11) | (function << 8) | offset);
        return _machine.Ports.Read(0xCFC, 4);
    }

    private void Out(ushort port, byte value) => _machine.Ports.Write(port, 1, value);

    private uint In(ushort port) => _machine.Ports.Read(port, 1);

    private sealed class Probe : PciFunction
    {
        public Probe()
            : base(0x1234, 0x5678, 0xFF0000)
        {
            DeclareBar(0, isIo: false, 0x1_0000);
            DeclareBar(1, isIo: true, 0x20);
        }
    }
}
