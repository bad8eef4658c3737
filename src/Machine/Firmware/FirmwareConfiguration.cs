using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Text;

using Xenolith.Mmu;

namespace Xenolith.Machine;

/// <summary>Keys of items that have a fixed one (QEMU, docs/specs/fw_cfg and include/standard-headers/linux/qemu_fw_cfg.h).</summary>
public enum FirmwareKey : ushort
{
    Signature = 0x00,
    Id = 0x01,
    Uuid = 0x02,
    RamSize = 0x03,
    NoGraphic = 0x04,
    Processors = 0x05,
    KernelSize = 0x08,
    InitrdSize = 0x0B,
    Numa = 0x0D,
    BootMenu = 0x0E,
    MaxProcessors = 0x0F,
    KernelData = 0x11,
    InitrdData = 0x12,
    CommandLineSize = 0x14,
    CommandLineData = 0x15,
    FileDirectory = 0x19,
    FirstFile = 0x20,
    AcpiTables = 0x8000,
    SmbiosEntries = 0x8001,
    Irq0Override = 0x8002,
}

/// <summary>
/// QEMU's firmware configuration device: items of bytes by number, and files by name, for firmware and test images. A selector at port
/// 510H, data at 511H, and a DMA interface at 514H.
/// </summary>
/// <param name="memory">What the DMA interface reads and writes, in the name in which devices do.</param>
public sealed class FirmwareConfiguration(MemoryUnit memory) : IPortDevice
{
    public const ushort FirstPort = 0x510;
    public const ushort PortCount = 12;

    // The device's ports from the first: selector (16 bits), data (8 bits; the two overlap), DMA address (64 bits, big-endian).
    private const ushort Data = 1;
    private const ushort DmaHigh = 4;
    private const ushort DmaLow = 8;
    private const uint FeatureTraditional = 1;
    private const uint FeatureDma = 2;
    private const ushort WriteMode = 0x4000; // of a selector; nothing is writable here

    // FWCfgDmaAccess: control, length, address, all big-endian.
    private const int DmaAccessSize = 16;
    private const uint DmaError = 1;
    private const uint DmaRead = 2;
    private const uint DmaSkip = 4;
    private const uint DmaSelect = 8;
    private const uint DmaWrite = 16;
    private const int NameSize = 56;
    private const int MaxPiece = 1 << 20;

    private readonly SortedDictionary<ushort, byte[]> _items = new()
    {
        [(ushort)FirmwareKey.Signature] = "QEMU"u8.ToArray(),
        [(ushort)FirmwareKey.Id] = BitConverter.GetBytes(FeatureTraditional | FeatureDma),
        [(ushort)FirmwareKey.FileDirectory] = new byte[4],
    };

    private readonly SortedDictionary<string, byte[]> _files = new(StringComparer.Ordinal);
    private byte[] _selected = [];
    private uint _offset;
    private uint _dmaHigh;

    public void Add(FirmwareKey key, byte[] bytes) => _items[(ushort)key] = bytes;

    public void Add(FirmwareKey key, ushort value) => Add(key, BitConverter.GetBytes(value));

    public void Add(FirmwareKey key, uint value) => Add(key, BitConverter.GetBytes(value));

    public void Add(FirmwareKey key, ulong value) => Add(key, BitConverter.GetBytes(value));

    /// <summary>A file: an item with a name of at most 55 characters, listed in the directory.</summary>
    public void AddFile(string name, byte[] bytes)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(name.Length, NameSize);
        _files[name] = bytes;
        List<byte> directory = [.. new byte[4]];
        ushort key = (ushort)FirmwareKey.FirstFile;
        foreach ((string file, byte[] contents) in _files)
        {
            byte[] entry = new byte[8 + NameSize]; // size, key, reserved, name
            BinaryPrimitives.WriteInt32BigEndian(entry, contents.Length);
            BinaryPrimitives.WriteUInt16BigEndian(entry.AsSpan(4), key);
            Encoding.ASCII.GetBytes(file).CopyTo(entry, 8);
            directory.AddRange(entry);
            _items[key++] = contents;
        }

        byte[] bytesOfAll = [.. directory];
        BinaryPrimitives.WriteInt32BigEndian(bytesOfAll, _files.Count);
        Add(FirmwareKey.FileDirectory, bytesOfAll);
    }

    public uint Read(ushort offset, int sizeBytes)
    {
        if (offset <= Data)
        {
            return sizeBytes == 1 ? Next() : 0u;
        }

        // The DMA address register reads as a signature, in the order of its bytes.
        uint value = 0;
        for (int i = 0; i < sizeBytes; i++)
        {
            int at = offset - DmaHigh + i;
            value |= at is >= 0 and < 8 ? (uint)"QEMU CFG"[at] << (8 * i) : 0;
        }

        return value;
    }

    public void Write(ushort offset, int sizeBytes, uint value)
    {
        switch (offset)
        {
            case 0 when sizeBytes == 2:
                Select((ushort)value);
                break;
            case DmaHigh when sizeBytes == 4:
                _dmaHigh = BinaryPrimitives.ReverseEndianness(value);
                break;
            case DmaLow when sizeBytes == 4:
                ulong address = ((ulong)_dmaHigh << 32) | BinaryPrimitives.ReverseEndianness(value);
                _dmaHigh = 0;
                Transfer(new Hpa(address));
                break;
            default:
                break; // data is read-only
        }
    }

    private void Select(ushort key)
    {
        _selected = _items.GetValueOrDefault((ushort)(key & ~WriteMode), []);
        _offset = 0;
    }

    private byte Next()
    {
        byte value = _offset < (uint)_selected.Length ? _selected[_offset] : (byte)0;
        _offset = _offset == uint.MaxValue ? _offset : _offset + 1;
        return value;
    }

    /// <summary>Carries out the access that is described at an address, and writes its outcome there.</summary>
    private void Transfer(Hpa address)
    {
        Span<byte> access = stackalloc byte[DmaAccessSize];
        if (!memory.TryRead(memory.Control.Hypervisor, address, access))
        {
            return;
        }

        uint control = BinaryPrimitives.ReadUInt32BigEndian(access);
        uint length = BinaryPrimitives.ReadUInt32BigEndian(access[4..]);
        Hpa target = new(BinaryPrimitives.ReadUInt64BigEndian(access[8..]));
        if ((control & DmaSelect) != 0)
        {
            Select((ushort)(control >> 16));
        }

        bool isGood = true;
        if ((control & DmaRead) != 0)
        {
            isGood = TryCopy(target, length);
        }
        else if ((control & DmaWrite) != 0)
        {
            isGood = false; // nothing is writable
        }
        else if ((control & DmaSkip) != 0)
        {
            Skip(length);
        }

        BinaryPrimitives.WriteUInt32BigEndian(access, isGood ? 0 : DmaError);
        _ = memory.TryWrite(memory.Control.Hypervisor, address, access[..4]);
    }

    private void Skip(uint length) => _offset = _offset > uint.MaxValue - length ? uint.MaxValue : _offset + length;

    /// <summary>Copies from the item; behind its end come zeroes.</summary>
    private bool TryCopy(Hpa target, uint length)
    {
        while (length != 0)
        {
            int piece = (int)uint.Min(length, MaxPiece);
            byte[] bytes = new byte[piece];
            if (_offset < (uint)_selected.Length)
            {
                int have = int.Min(piece, _selected.Length - (int)_offset);
                _selected.AsSpan((int)_offset, have).CopyTo(bytes);
            }

            if (!memory.TryWrite(memory.Control.Hypervisor, target, bytes))
            {
                return false;
            }

            Skip((uint)piece);
            target += (ulong)piece;
            length -= (uint)piece;
        }

        return true;
    }
}
