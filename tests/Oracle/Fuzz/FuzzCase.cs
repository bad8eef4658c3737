using System;
using System.Buffers.Binary;
using System.Collections.Generic;

using Xenolith.Cpu;

namespace Xenolith.Oracle.Fuzz;

/// <summary>
/// One case: everything that a machine starts with, and what happens to it from outside, all of it from one number.
/// </summary>
internal sealed partial class FuzzCase
{
    private readonly FuzzCode _code = new();
    private FuzzRandom _random;

    public byte[] Image { get; } = new byte[FuzzMap.MemorySize];

    public ulong Number { get; private set; }

    public FuzzMode Mode { get; private set; }

    public int Cpl { get; private set; }

    /// <summary>Runs of so many instructions; before each but the first an event may come: a vector, -1 for an NMI, -2 for none.</summary>
    public List<(int Instructions, int Event)> Slices { get; } = [];

    public bool IsLong => Mode >= FuzzMode.Long;

    private int CodeBits => Mode switch
    {
        FuzzMode.Long => 64,
        FuzzMode.Protected32 or FuzzMode.Paged32 or FuzzMode.Pae or FuzzMode.Compatibility32 => 32,
        _ => 16,
    };

    private int HandlerBits => IsLong ? 64 : Mode == FuzzMode.Real || Mode == FuzzMode.Protected16 ? 16 : 32;

    public override string ToString() => $"case {Number} ({Mode}, CPL {Cpl})";

    public void Make(ulong number)
    {
        Number = number;
        _random = new FuzzRandom(number * 0x2545_F491_4F6C_DD1D);
        Mode = (FuzzMode)_random.Below(9);
        Cpl = Mode == FuzzMode.Virtual8086 ? 3 : Mode == FuzzMode.Real ? 0 : _random.OneIn(2) ? 3 : 0;
        Span<byte> image = Image;
        image.Clear();
        _random.Fill(image.Slice((int)FuzzMap.Data, 0x400));
        _random.Fill(image.Slice((int)FuzzMap.Stack - 0x200, 0x400));
        WriteDescriptors();
        WriteTasks();
        WritePaging();
        WriteHandlers();
        _code.Fill(ref _random, image.Slice((int)FuzzMap.Code, FuzzMap.CodeBytes), CodeBits);
        Slices.Clear();
        int count = 1 + _random.Below(4);
        for (int i = 0; i < count; i++)
        {
            int what = _random.Below(6) switch { 0 => -1, <= 2 => _random.Below(256), _ => -2 };
            Slices.Add((1 + _random.Below(300), what));
        }
    }

    private void WriteDescriptors()
    {
        uint code = IsLong ? 0xA09Bu : HandlerBits == 32 ? 0xC09Bu : 0x009B;
        Put(FuzzMap.KernelCode, Flat(code));
        Put(FuzzMap.KernelData, Flat(HandlerBits == 16 ? 0x0093u : 0xC093));
        Put(FuzzMap.UserCode, Flat(code | 0x60));
        Put(FuzzMap.UserData, Flat(HandlerBits == 16 ? 0x00F3u : 0xC0F3));
        Put(FuzzMap.UserCode32, Flat(0xC0FB));
        Put(FuzzMap.Task, System(FuzzMap.Tss, 0x8B, 0x200));
        Put(FuzzMap.Code16, Flat(Cpl == 3 ? 0x00FBu : 0x009B));
        Put(FuzzMap.Data16, Flat(Cpl == 3 ? 0x00F3u : 0x0093));
        Put(10, Flat(code | 4)); // conforming
        Put(11, 0x0000_0000_0000_7FFF | (0x40F7UL << 40)); // expands down
        Put(12, System(FuzzMap.Ldt, 0xE2, 0x1FF));
        Put(14, System(FuzzMap.SecondTss, _random.OneIn(4) ? 0x8Bu : 0xE9, 0x67));
        Put(15, System(FuzzMap.SmallTss, 0xE1, 0x2B));
        Put(16, Gate(FuzzMap.Handlers, 8, 0xECu, _random.Below(4)));
        Put(17, 0);
        Put(18, Gate(0, 14 * 8, 0xE5, 0));
        Put(19, Flat(0xC073)); // not present
        for (int index = 20; index < FuzzMap.GdtEntries; index++)
        {
            Put(index, _random.OneIn(2) ? _random.Next() : System(_random.Next() & 0xF_FFFF, (uint)_random.Next() & 0xF0FF, (uint)_random.Next() & 0xFFFF));
        }

        for (ulong at = FuzzMap.Ldt; at < FuzzMap.Ldt + 0x100; at += 8)
        {
            Write(at, _random.OneIn(2) ? Flat(((uint)_random.Next() & 0xF0FF) | 0x90) : _random.Next());
        }

        for (uint vector = 0; vector < 256; vector++)
        {
            WriteGate(vector);
        }
    }

    private void WriteGate(uint vector)
    {
        ulong target = FuzzMap.Handlers + (vector % 32 * FuzzMap.HandlerBytes);
        Write(vector * 4UL, 0x3000UL << 16 | (vector % 32 * FuzzMap.HandlerBytes), 4);
        uint type = (HandlerBits == 16 ? 0x86u : 0x8E) | (uint)_random.Below(2) | (uint)(_random.Below(4) << 5);
        ushort selector = FuzzMap.KernelCode * 8;
        if (_random.OneIn(24))
        {
            switch (_random.Below(4))
            {
                case 0:
                    (type, selector) = (0x85, 14 * 8); // a task
                    break;
                case 1:
                    type = 0x0E; // not present
                    break;
                case 2:
                    selector = (ushort)_random.Below(256);
                    break;
                default:
                    type = (uint)_random.Next() & 0xFF;
                    break;
            }
        }

        int ist = IsLong && _random.OneIn(8) ? _random.Below(8) : 0;
        ulong low = Gate(target, selector, type, ist);
        Write(FuzzMap.Idt + (vector * (IsLong ? 16u : 8u)), low);
        if (IsLong && _random.OneIn(100))
        {
            Write(FuzzMap.Idt + (vector * 16) + 8, _random.Next());
        }
    }

    private void WriteTasks()
    {
        ulong stack = FuzzMap.Stack + 0x4000;
        if (IsLong)
        {
            for (ulong at = 4; at < 0x5C; at += 8)
            {
                Write(FuzzMap.Tss + at, _random.OneIn(20) ? _random.Edge() : stack + (at * 64));
            }
        }
        else
        {
            Write(FuzzMap.Tss + 4, (uint)stack, 4);
            Write(FuzzMap.Tss + 8, FuzzMap.KernelData * 8, 4);
            Write(FuzzMap.Tss + 0x1C, Cr3, 4);
        }

        Write(FuzzMap.Tss, 14 * 8, 2);
        Write(FuzzMap.Tss + 0x66, 0x88, 2);
        _random.Fill(Image.AsSpan((int)FuzzMap.Tss + 0x68, 0x190));
        ulong at32 = FuzzMap.SecondTss;
        Write(at32 + 4, (uint)stack, 4);
        Write(at32 + 8, FuzzMap.KernelData * 8, 4);
        Write(at32 + 0x1C, Cr3, 4);
        Write(at32 + 0x20, FuzzMap.Code + (ulong)_random.Below(256), 4);
        Write(at32 + 0x24, _random.Next() & 0x7ED5 & (_random.OneIn(4) ? ulong.MaxValue : ~0x4100UL), 4);
        Write(at32 + 0x38, FuzzMap.Stack + 0x1000, 4);
        for (ulong i = 0; i < 7; i++)
        {
            bool odd = _random.OneIn(12);
            Write(at32 + 0x48 + (4 * i), odd ? (ulong)_random.Below(256) : i == 1 ? 8u : i == 6 ? 0u : 16u, 2);
        }

        Write(at32 + 0x64, _random.OneIn(8) ? 1u : 0, 2);
        ulong at16 = FuzzMap.SmallTss;
        Write(at16 + 0x0E, (ulong)_random.Below(256), 2);
        Write(at16 + 0x1A, 0x8000, 2);
        Write(at16 + 0x22, 16, 2);
        Write(at16 + 0x24, 8, 2);
        Write(at16 + 0x26, 16, 2);
        Write(at16 + 0x28, 16, 2);
    }

    private void WritePaging()
    {
        const ulong Table = 0x67;
        Write(FuzzMap.Pml4, FuzzMap.Pdpt | Table);
        Write(FuzzMap.Pml4 + 0xFF8, FuzzMap.Pdpt | Table);
        Write(FuzzMap.Pdpt, FuzzMap.PageDirectory | Table);
        Write(FuzzMap.Pdpt + 0xFF8, FuzzMap.PageDirectory | Table);
        Write(FuzzMap.PageDirectory, FuzzMap.PageTable | Table);
        Write(FuzzMap.PageDirectory + 8, 0xE7);
        Write(FuzzMap.PageDirectory + 0xFF8, FuzzMap.PageTable | Table);
        Write(FuzzMap.PaePdpt, FuzzMap.PageDirectory | 1);
        Write(FuzzMap.LegacyDirectory, FuzzMap.LegacyTable | Table, 4);
        for (ulong page = 0; page < 512; page++)
        {
            ulong entry = ((page & 0xFF) << 12) | Table;
            if (_random.OneIn(16))
            {
                entry ^= 1UL << _random.Pick<int>([0, 1, 1, 2, 2, 5, 6, 6]);
                entry |= IsLong ? (ulong)_random.Below(16) << 59 : 0;
                entry |= IsLong && _random.OneIn(4) ? 1UL << 63 : 0;
            }

            Write(FuzzMap.PageTable + (8 * page), entry);
            Write(FuzzMap.LegacyTable + (4 * page), entry & uint.MaxValue, 4);
        }
    }

    /// <summary>Most handlers step over the instruction that faulted and return; some do as they like.</summary>
    private void WriteHandlers()
    {
        for (int vector = 0; vector < 32; vector++)
        {
            Span<byte> at = Image.AsSpan((int)FuzzMap.Handlers + (vector * FuzzMap.HandlerBytes), FuzzMap.HandlerBytes);
            _code.Fill(ref _random, at, HandlerBits);
            if (_random.OneIn(6))
            {
                continue;
            }

            bool hasError = Mode != FuzzMode.Real && vector is 8 or (>= 10 and <= 14) or 17 or 21;
            byte step = (byte)(vector is 1 or 2 or 3 or 4 || _random.OneIn(8) ? 0 : 1 + _random.Below(3));
            ReadOnlySpan<byte> drop = HandlerBits switch { 64 => [0x48, 0x83, 0xC4, 8], 32 => [0x83, 0xC4, 4], _ => [0x83, 0xC4, 2] };
            ReadOnlySpan<byte> back = HandlerBits switch
            {
                64 => [0x48, 0x83, 0x04, 0x24, step, 0x48, 0xCF],
                32 => [0x83, 0x04, 0x24, step, 0xCF],
                _ => [0x55, 0x89, 0xE5, 0x83, 0x46, 2, step, 0x5D, 0xCF],
            };
            if (hasError)
            {
                drop.CopyTo(at);
                at = at[drop.Length..];
            }

            back.CopyTo(at);
        }
    }

    private ulong Cr3 => Mode switch { FuzzMode.Paged32 => FuzzMap.LegacyDirectory, FuzzMode.Pae => FuzzMap.PaePdpt, _ => FuzzMap.Pml4 };

    private void Put(int index, ulong descriptor) => Write(FuzzMap.Gdt + (8 * (ulong)index), descriptor);

    private static ulong Flat(uint rights) => 0x000F_0000_0000_FFFF | ((ulong)rights << 40);

    private static ulong System(ulong address, uint rights, uint limit) =>
        (limit & 0xFFFF) | ((address & 0xFF_FFFF) << 16) | ((ulong)rights << 40) | ((address >> 24) << 56);

    private static ulong Gate(ulong target, ushort selector, uint rights, int count) =>
        (target & 0xFFFF) | ((ulong)selector << 16) | ((ulong)count << 32) | ((ulong)rights << 40) | ((target >> 16 & 0xFFFF) << 48);

    private void Write(ulong address, ulong value, int bytes = 8)
    {
        Span<byte> eight = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(eight, value);
        eight[..bytes].CopyTo(Image.AsSpan((int)address));
    }
}
