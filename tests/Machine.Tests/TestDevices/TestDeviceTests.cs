using System.Collections.Generic;
using System.Text;

using Xenolith.Mmu;
using Xunit;

namespace Xenolith.Machine.Tests.TestDevices;

/// <summary>
/// Method: the devices that QEMU offers to test images are driven at their ports and windows, and answer as QEMU's sources say. Another
/// answer or a window at another place fails.
/// </summary>
public class TestDeviceTests
{
    [Theory]
    [InlineData(0u, 1)]
    [InlineData(1u, 3)]
    [InlineData(0x7Fu, 0xFF)]
    [InlineData(0x80u, 1)]
    public void AnExitStatusIsOdd(uint value, int status)
    {
        uint? seen = null;
        DebugExit device = new(written => seen = written);
        device.Write(0, 1, value);
        Assert.Equal(value, seen);
        Assert.Equal(status, DebugExit.StatusOf(value));
    }

    [Fact]
    public void TheLatchIsSeenAtBothPlacesInAnyWidth()
    {
        List<(int, bool)> lines = [];
        PortMap ports = new();
        using HostMemory memory = new(1 << 20);
        PhysicalBus bus = new(memory);
        List<byte> console = [];
        new PcTestDevice((line, level) => lines.Add((line, level)), console.Add).Attach(ports, bus);

        ports.Write(0xE0, 4, 0x44332211);
        Assert.Equal((0x11u, 0x3322u, 0x44332211u), (ports.Read(0xE0, 1), ports.Read(0xE1, 2), ports.Read(0xE8, 4)));
        ports.Write(0xE9, 2, 0xBBAA);
        Assert.Equal(0x44BBAA11u, ports.Read(0xE0, 4));
        Assert.Empty(console);
        ports.Write(0xE9, 1, 'x');
        Assert.Equal("x"u8.ToArray(), console);

        ports.Write(0x2000 + 14, 1, 1);
        ports.Write(0x2000 + 14, 1, 0);
        Assert.Equal([(14, true), (14, false)], lines);

        bus.WriteDevice(new Hpa(0xFF000FFC), 8, 0x8877665544332211);
        Assert.Equal(0x6655UL, bus.ReadDevice(new Hpa(0xFF001000), 2));
        bus.WriteDevice(new Hpa(0xFF00FFFC), 4, 0xCAFE);
        Assert.Equal(0xCAFEUL, bus.ReadDevice(new Hpa(0xFF00FFFC), 4));
    }

    [Theory]
    [InlineData(0, "mmio-no-eventfd", 0xFA, 0xFB, false)]
    [InlineData(1, "mmio-wildcard-eventfd", 0xCE, 0xFB, true)]
    [InlineData(2, "mmio-datamatch-eventfd", 0xFA, 0xFB, false)]
    [InlineData(3, "portio-no-eventfd", 0xFA, 0xFB, false)]
    public void ThePciDeviceCountsWhatItWasToldToCount(int test, string name, byte data, byte otherData, bool otherCounts)
    {
        PortMap ports = new();
        using HostMemory memory = new(1 << 20);
        PhysicalBus bus = new(memory);
        PciTestDevice device = new(ports, bus);
        Assert.Equal(0x0005_1B36u, device.ReadConfiguration(0, 4));
        device.WriteConfiguration(0x10, 4, uint.MaxValue);
        device.WriteConfiguration(0x14, 4, uint.MaxValue);
        Assert.Equal((0xFFFF_F000u, 0xFFFF_FF01u), (device.ReadConfiguration(0x10, 4), device.ReadConfiguration(0x14, 4)));
        device.AssignBar(0, 0xFEB0_0000);
        device.AssignBar(1, 0xC000);
        device.WriteConfiguration(PciFunction.Command, 2, 3);

        bool isMemory = test < 3;
        void Write(uint offset, byte value)
        {
            if (isMemory)
            {
                bus.WriteDevice(new Hpa(0xFEB0_0000 + offset), 1, value);
            }
            else
            {
                ports.Write((ushort)(0xC000 + offset), 1, value);
            }
        }

        uint Read(uint offset, int size) =>
            isMemory ? (uint)bus.ReadDevice(new Hpa(0xFEB0_0000 + offset), size) : ports.Read((ushort)(0xC000 + offset), size);

        Assert.Equal(0u, Read(4, 4)); // no test selected
        Write(0, (byte)(test % 3));
        StringBuilder text = new();
        for (uint at = 16; Read(at, 1) != 0; at++)
        {
            text.Append((char)Read(at, 1));
        }

        Assert.Equal(name, text.ToString());
        Assert.Equal(data, (byte)Read(8, 1));
        uint offset = Read(4, 4);
        Write(offset, data);
        Write(offset, otherData);
        Write(offset + 8, data);
        Assert.Equal(otherCounts ? 2u : 1u, Read(12, 4));
        Write(0, (byte)(test % 3));
        Assert.Equal(0u, Read(12, 4)); // selecting starts anew

        device.WriteConfiguration(PciFunction.Command, 2, 0);
        Assert.Equal(uint.MaxValue, Read(4, 4)); // the windows are gone
    }
}
