using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Text;

using Xenolith.Mmu;

namespace Xenolith.Machine;

/// <summary>
/// QEMU's pci-testdev (docs/specs/pci-testdev): a function with a memory and an I/O window for measuring how fast a hypervisor lets a
/// guest reach a device. Software selects one of three tests in either window, reads where to write what, writes, and reads how often
/// that was seen. The ways in which the three are delivered on QEMU (eventfds) make no difference here.
/// </summary>
public sealed class PciTestDevice : PciFunction
{
    /// <summary>Where it stands on bus 0 when nobody says otherwise.</summary>
    public const int DefaultSlot = 4;

    private const ushort RedHat = 0x1B36;
    private const ushort TestDevice = 0x0005;
    private const uint OtherClass = 0xFF_0000;
    private const uint MemoryWindowSize = 4096;
    private const uint PortWindowSize = 256;
    private const int TestsPerWindow = 3;

    // struct PCITestDevHdr: 0 test, 1 width, 2 two bytes, 4 offset, 8 data, 9 three bytes, 12 count, 16 name
    private const int TestSelector = 0;
    private const int Offset = 4;
    private const int Data = 8;
    private const int Count = 12;
    private const int Name = 16;
    private const byte MatchedData = 0xFA;
    private const byte WildcardData = 0xCE;
    private const int Wildcard = 1;

    private static readonly string[] s_names = ["no-eventfd", "wildcard-eventfd", "datamatch-eventfd"];

    private readonly PortMap _ports;
    private readonly PhysicalBus _bus;
    private readonly List<byte[]> _tests = [];
    private readonly Window _memoryWindow;
    private readonly Window _portWindow;
    private int _current = -1;

    public PciTestDevice(PortMap ports, PhysicalBus bus)
        : base(RedHat, TestDevice, OtherClass)
    {
        _ports = ports;
        _bus = bus;
        _memoryWindow = new Window(this, 0);
        _portWindow = new Window(this, 1);
        DeclareBar(0, isIo: false, MemoryWindowSize);
        DeclareBar(1, isIo: true, PortWindowSize);
        for (int test = 0; test < 2 * TestsPerWindow; test++)
        {
            _tests.Add(MakeHeader(test));
        }
    }

    /// <inheritdoc/>
    protected override void OnMappingChanged()
    {
        _bus.Detach(_memoryWindow);
        _ports.Detach(_portWindow);
        if ((CommandRegister & CommandMemory) != 0)
        {
            _bus.Attach(new Hpa(BarAddress(0)), MemoryWindowSize, _memoryWindow);
        }

        if ((CommandRegister & CommandIo) != 0)
        {
            _ports.Attach((ushort)BarAddress(1), (ushort)PortWindowSize, _portWindow);
        }
    }

    private static byte[] MakeHeader(int test)
    {
        bool isMemory = test < TestsPerWindow;
        byte[] name = Encoding.ASCII.GetBytes((isMemory ? "mmio-" : "portio-") + s_names[test % TestsPerWindow]);
        byte[] header = new byte[Name + name.Length + 1];
        header[TestSelector] = (byte)test;
        header[1] = 1; // width of the access that counts
        uint half = (isMemory ? MemoryWindowSize : PortWindowSize) / 2;
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(Offset), half + (uint)test);
        header[Data] = test % TestsPerWindow == Wildcard ? WildcardData : MatchedData;
        name.CopyTo(header, Name);
        return header;
    }

    private byte Read(uint offset)
    {
        // The last byte, the name's NUL, reads as the zero beyond the end.
        return _current >= 0 && offset < _tests[_current].Length ? _tests[_current][offset] : (byte)0;
    }

    private void Write(uint offset, byte value, int window)
    {
        if (offset == TestSelector)
        {
            _current = value < TestsPerWindow ? (window * TestsPerWindow) + value : -1;
            if (_current >= 0)
            {
                BinaryPrimitives.WriteUInt32LittleEndian(_tests[_current].AsSpan(Count), 0);
            }

            return;
        }

        if (_current < 0)
        {
            return;
        }

        byte[] test = _tests[_current];
        bool fits = _current % TestsPerWindow == Wildcard || value == test[Data];
        if (offset == BinaryPrimitives.ReadUInt32LittleEndian(test.AsSpan(Offset)) && fits)
        {
            uint count = BinaryPrimitives.ReadUInt32LittleEndian(test.AsSpan(Count));
            BinaryPrimitives.WriteUInt32LittleEndian(test.AsSpan(Count), count + 1);
        }
    }

    /// <summary>One of the two windows; wide accesses are one of each byte.</summary>
    private sealed class Window(PciTestDevice device, int number) : BytePortDevice, IMmioDevice
    {
        public override byte ReadByte(ushort offset) => device.Read(offset);

        public override void WriteByte(ushort offset, byte value) => device.Write(offset, value, number);

        public ulong Read(ulong offset, int sizeBytes)
        {
            ulong value = 0;
            for (int n = 0; n < sizeBytes; n++)
            {
                value |= (ulong)device.Read((uint)offset + (uint)n) << (8 * n);
            }

            return value;
        }

        public void Write(ulong offset, int sizeBytes, ulong value)
        {
            for (int n = 0; n < sizeBytes; n++)
            {
                device.Write((uint)offset + (uint)n, (byte)(value >> (8 * n)), number);
            }
        }
    }
}
