using System;
using System.Buffers.Binary;
using System.Text;

using Xenolith.Mmu;
using Xunit;

namespace Xenolith.Machine.Tests.Firmware;

/// <summary>
/// Method: the device is driven at its ports as QEMU's documentation of fw_cfg says firmware does, byte by byte and by DMA. Another byte
/// than the item's, a transfer to a place that is not RAM that succeeds or throws, or a directory that does not lead to its files fails.
/// </summary>
public sealed class FirmwareConfigurationTests : IDisposable
{
    private const ushort Selector = 0;
    private const ushort Data = 1;

    private readonly Board _board = new(new BoardOptions { MemoryBytes = 1 << 20, Isolation = new IsolationRegistry().Parse("none").Factory });
    private readonly FirmwareConfiguration _device;

    public FirmwareConfigurationTests()
    {
        _device = new FirmwareConfiguration(_board.MemoryUnit);
        _device.Add(FirmwareKey.Processors, (ushort)3);
        _device.AddFile("etc/b", [7, 8, 9]);
        _device.AddFile("etc/a", new byte[5000]);
    }

    public void Dispose() => _board.Dispose();

    [Fact]
    public void SignatureFeaturesAndItems()
    {
        Assert.Equal("QEMU", Encoding.ASCII.GetString(Take(0, 4)));
        Assert.Equal([3, 0, 0, 0], Take(1, 4));
        Assert.Equal([3, 0, 0], Take(5, 3)); // behind the end: zero
        Assert.Equal([0], Take(0x1234, 1)); // no such item
        Assert.Equal((0x554D4551u, 0x47464320u), (_device.Read(4, 4), _device.Read(8, 4)));
    }

    [Fact]
    public void TheDirectoryLeadsToTheFiles()
    {
        byte[] directory = Take(0x19, 4 + (2 * 64));
        Assert.Equal(2u, BinaryPrimitives.ReadUInt32BigEndian(directory));
        Assert.Equal("etc/a", Name(directory, 4));
        Assert.Equal("etc/b", Name(directory, 68));
        Assert.Equal(3u, BinaryPrimitives.ReadUInt32BigEndian(directory.AsSpan(68)));
        ushort key = BinaryPrimitives.ReadUInt16BigEndian(directory.AsSpan(72));
        Assert.Equal([7, 8, 9], Take(key, 3));
        Assert.Equal([7], Take((ushort)(key | 0x4000), 1)); // the write bit selects the same item
    }

    [Fact]
    public void DmaReadsSkipsAndRefuses()
    {
        Assert.Equal(0u, Transfer((0x21u << 16) | 8 | 2, 2, 0x5000)); // select, read
        Assert.Equal([7, 8, 0], Memory(0x5000, 3));
        Assert.Equal(0u, Transfer(2, 3, 0x5000)); // goes on behind the last byte
        Assert.Equal([9, 0, 0], Memory(0x5000, 3));
        Assert.Equal(0u, Transfer((0x21u << 16) | 8 | 4, 2, 0)); // select, skip
        Assert.Equal([9], Bytes(1));
        Assert.Equal(1u, Transfer((0x21u << 16) | 8 | 16, 1, 0x5000)); // nothing can be written
        Assert.Equal(1u, Transfer(2, 4, 0xFFFFFFFFF000)); // no RAM there
        Assert.Equal(1u, Transfer(2, uint.MaxValue, 0x5000)); // runs over the end
        _device.Write(8, 4, BinaryPrimitives.ReverseEndianness(0xFFFF_FFF0)); // the description itself is nowhere
    }

    [Fact]
    public void OtherAccessesDoNothing()
    {
        _device.Write(Selector, 2, 5);
        _device.Write(Data, 1, 0xFF);
        _device.Write(Selector, 4, 0);
        Assert.Equal(0u, _device.Read(Data, 4));
        Assert.Equal([3], Bytes(1));
    }

    private static string Name(byte[] directory, int entry) => Encoding.ASCII.GetString(directory, entry + 8, 5);

    private byte[] Take(ushort key, int count)
    {
        _device.Write(Selector, 2, key);
        return Bytes(count);
    }

    private byte[] Bytes(int count)
    {
        byte[] bytes = new byte[count];
        for (int i = 0; i < count; i++)
        {
            bytes[i] = (byte)_device.Read(Data, 1);
        }

        return bytes;
    }

    private uint Transfer(uint control, uint length, ulong target)
    {
        byte[] access = new byte[16];
        BinaryPrimitives.WriteUInt32BigEndian(access, control);
        BinaryPrimitives.WriteUInt32BigEndian(access.AsSpan(4), length);
        BinaryPrimitives.WriteUInt64BigEndian(access.AsSpan(8), target);
        Assert.True(_board.MemoryUnit.TryWrite(Vmid.None, new Hpa(0x1000), access));
        _device.Write(4, 4, 0);
        _device.Write(8, 4, BinaryPrimitives.ReverseEndianness(0x1000u));
        return BinaryPrimitives.ReadUInt32BigEndian(Memory(0x1000, 4));
    }

    private byte[] Memory(ulong address, int count)
    {
        byte[] bytes = new byte[count];
        Assert.True(_board.MemoryUnit.TryRead(Vmid.None, new Hpa(address), bytes));
        return bytes;
    }
}
