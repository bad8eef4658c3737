using System;

namespace Xenolith.Oracle.Fuzz;

/// <content>Branches and system instructions.</content>
internal sealed partial class FuzzCode
{
    private static readonly uint[] s_msrs =
    [
        0x10, 0x1B, 0x3A, 0x3B, 0x8B, 0xFE, 0x174, 0x175, 0x176, 0x179, 0x1A0, 0x1D9, 0x200, 0x20F, 0x250, 0x277, 0x2FF, 0x480, 0x48C, 0x6E0, 0x802, 0x808,
        0x80B, 0x830, 0x838, 0xC000_0080, 0xC000_0081, 0xC000_0082, 0xC000_0083, 0xC000_0084, 0xC000_0100, 0xC000_0101, 0xC000_0102, 0xC000_0103,
    ];

    private static readonly byte[][] s_simple =
    [
        [0xF4], [0xFA], [0xFB], [0x9C], [0x9D], [0xCF], [0xCB], [0xC3], [0xCC], [0xCE], [0xF1], [0x60], [0x61], [0xC9], [0x06], [0x07], [0x1E], [0x1F], [0x16],
        [0x17], [0x0F, 0xA0], [0x0F, 0xA1], [0x0F, 0xA8], [0x0F, 0xA9], [0x0F, 0x05], [0x0F, 0x07], [0x48, 0x0F, 0x07], [0x0F, 0x34], [0x0F, 0x35],
        [0x48, 0x0F, 0x35], [0x0F, 0x06], [0x0F, 0x08], [0x0F, 0x09], [0xF3, 0x0F, 0x09], [0x0F, 0x31], [0x0F, 0x33], [0x0F, 0xA2], [0x0F, 0x01, 0xC8],
        [0x0F, 0x01, 0xC9], [0x0F, 0x01, 0xCA], [0x0F, 0x01, 0xCB], [0x0F, 0x01, 0xD0], [0x0F, 0x01, 0xD1], [0x0F, 0x01, 0xEE], [0x0F, 0x01, 0xEF],
        [0x0F, 0x01, 0xF8], [0x0F, 0x01, 0xF9], [0x0F, 0x01, 0xC1], [0x0F, 0x01, 0xC2], [0x0F, 0x01, 0xC3], [0x0F, 0x01, 0xC4], [0xF3, 0x90], [0x48, 0xCF],
        [0x66, 0xCF], [0x48, 0xCB], [0x0F, 0xAA], [0xEC], [0xED], [0xEE], [0xEF], [0xF3, 0x6C], [0xF3, 0x6D], [0xF3, 0x6E], [0xF3, 0x6F], [0x9B], [0xDB, 0xE3],
        [0x0F, 0x77], [0xD6], [0x8E, 0xD0], [0x8E, 0xD8], [0x8E, 0xC0], [0x8E, 0xE0], [0x8E, 0xE8], [0x0F, 0x00, 0xD0], [0x0F, 0x00, 0xD8], [0x0F, 0x00, 0xC0],
        [0x0F, 0x00, 0xC8], [0x0F, 0x01, 0xE0], [0x0F, 0x01, 0xF0], [0x0F, 0x02, 0xC8], [0x0F, 0x03, 0xC8], [0x0F, 0x00, 0xE0], [0x0F, 0x00, 0xE8],
        [0x63, 0xC8], [0xF3, 0x0F, 0xAE, 0xC0], [0xF3, 0x48, 0x0F, 0xAE, 0xD1], [0xF3, 0x48, 0x0F, 0xAE, 0xD8], [0x0F, 0xC7, 0xF0], [0x0F, 0xC7, 0xF9],
        [0xF3, 0x0F, 0xC7, 0xF8], [0x0F, 0x0B], [0xF3, 0xA4], [0xF3, 0xA5], [0xF3, 0xAA], [0xF3, 0xAB], [0xF2, 0xAE], [0xF3, 0xA6], [0xF3, 0xAC], [0xFD], [0xFC],
    ];

    /// <summary>Short branches within the stream, calls, loops, and the interrupts that software can ask for.</summary>
    private void Branch(ref FuzzRandom random)
    {
        byte distance = (byte)(random.Below(96) - 32);
        switch (random.Below(7))
        {
            case 0:
                Add(0xEB, distance);
                break;
            case 1 or 2:
                Add((byte)(0x70 + random.Below(16)), distance);
                break;
            case 3:
                Add((byte)(0xE0 + random.Below(4)), distance);
                break;
            case 4:
                Add(0xCD, (byte)random.Below(random.OneIn(2) ? 32 : 256));
                break;
            case 5:
                Add(0xE8, distance, (byte)(distance > 127 ? 0xFF : 0));
                if (_bits != 16)
                {
                    Add((byte)(distance > 127 ? 0xFF : 0), (byte)(distance > 127 ? 0xFF : 0));
                }

                break;
            default:
                Add(0xC3);
                break;
        }
    }

    private void System(ref FuzzRandom random)
    {
        switch (random.Below(12))
        {
            case 0:
                Move(ref random, 1, random.Pick<uint>(s_msrs));
                Move(ref random, 0, (uint)random.Edge());
                Move(ref random, 2, random.OneIn(2) ? 0 : (uint)random.Edge());
                Add(0x0F, random.OneIn(2) ? (byte)0x30 : (byte)0x32);
                break;
            case 1:
                ControlRegister(ref random);
                break;
            case 2:
                DebugRegister(ref random);
                break;
            case 3:
                Move(ref random, 0, Selector(ref random));
                Add(random.Pick<byte[]>(s_simple));
                break;
            case 4:
                FarPointer(ref random);
                break;
            case 5:
                // Flags through the stack: PUSH imm, POPF.
                Add(0x68, (byte)random.Next(), (byte)random.Next());
                if (_bits != 16)
                {
                    Add((byte)random.Below(64), 0);
                }

                Add(0x9D);
                break;
            case 6:
                Move(ref random, 1, (uint)random.Below(64));
                Add(random.Pick<byte[]>(s_simple));
                break;
            case 7:
                TableRegister(ref random);
                break;
            default:
                Add(random.Pick<byte[]>(s_simple));
                break;
        }
    }

    private void ControlRegister(ref FuzzRandom random)
    {
        int number = random.Pick<int>([0, 3, 4, 8, 2]);
        ulong value = number switch
        {
            0 => (_bits == 64 ? 0x8000_0031UL : 0x31) ^ (random.OneIn(2) ? 0 : 1UL << random.Below(32)),
            3 => FuzzMap.Pml4 | (random.OneIn(3) ? random.Next() & 0xFFF : 0),
            4 => (_bits == 64 ? 0x20UL : 0) | (1UL << random.Below(23)) | (1UL << random.Below(23)),
            _ => (ulong)random.Below(20),
        };
        Move(ref random, 0, (uint)value);
        Add(0x0F, random.OneIn(4) ? (byte)0x20 : (byte)0x22, (byte)(0xC0 | (number << 3)));
    }

    private void DebugRegister(ref FuzzRandom random)
    {
        int number = random.Below(8);
        uint value = number switch
        {
            6 => 0xFFFF_0FF0u | (uint)random.Below(16),
            7 => (uint)random.Next() & 0xFFFF_27FF,
            _ => (uint)FuzzMap.Code + (uint)random.Below(512),
        };
        Move(ref random, 0, value);
        Add(0x0F, random.OneIn(4) ? (byte)0x21 : (byte)0x23, (byte)(0xC0 | (number << 3)));
    }

    /// <summary>Far JMP or CALL by immediate (outside 64-bit mode) or by memory that some register may point to.</summary>
    private void FarPointer(ref FuzzRandom random)
    {
        if (_bits == 64)
        {
            Add(0xFF, (byte)((random.OneIn(2) ? 0x28 : 0x18) | random.Pick<int>([0, 1, 2, 3, 6, 7])));
            return;
        }

        ushort selector = (ushort)Selector(ref random);
        Add(random.OneIn(2) ? (byte)0xEA : (byte)0x9A, (byte)random.Next(), (byte)random.Below(2));
        if (_bits == 32)
        {
            Add((byte)random.Below(4), 0);
        }

        Add((byte)selector, (byte)(selector >> 8));
    }

    private void TableRegister(ref FuzzRandom random)
    {
        // LGDT, LIDT, SGDT, SIDT, LMSW, INVLPG by a register.
        Add(0x0F, 0x01, (byte)((random.Pick<int>([0, 1, 2, 3, 6, 7]) << 3) | random.Pick<int>([0, 1, 2, 3, 6, 7])));
    }

    private static uint Selector(ref FuzzRandom random) =>
        (uint)(random.Below(FuzzMap.GdtEntries + 2) * 8) | (random.OneIn(8) ? 4u : 0) | (random.OneIn(2) ? (uint)random.Below(4) : 0);

    private void Move(ref FuzzRandom random, int register, uint value)
    {
        if (random.OneIn(16))
        {
            return; // whatever is there
        }

        if (_bits == 16)
        {
            Add(0x66);
        }

        Add((byte)(0xB8 + register), (byte)value, (byte)(value >> 8), (byte)(value >> 16), (byte)(value >> 24));
    }
}
