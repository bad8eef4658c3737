using System;
using System.Buffers.Binary;

using Iced.Intel;

namespace Xenolith.Oracle.Silicon;

/// <summary>Cases of FXSAVE and the XSAVE family: all state, whole areas.</summary>
internal static unsafe class StateCases
{
    private const int MxcsrOffset = 24;
    private const int HeaderOffset = 512;

    public static bool Is(Mnemonic mnemonic) => IsSave(mnemonic) || IsRestore(mnemonic) || mnemonic == Mnemonic.Xgetbv;

    private static bool IsSave(Mnemonic mnemonic) => mnemonic is Mnemonic.Fxsave or Mnemonic.Fxsave64 or Mnemonic.Xsave or Mnemonic.Xsave64
        or Mnemonic.Xsaveopt or Mnemonic.Xsaveopt64 or Mnemonic.Xsavec or Mnemonic.Xsavec64;

    private static bool IsRestore(Mnemonic mnemonic) =>
        mnemonic is Mnemonic.Fxrstor or Mnemonic.Fxrstor64 or Mnemonic.Xrstor or Mnemonic.Xrstor64;

    /// <summary>Registers, the requested-feature bitmap and the area.</summary>
    public static void Fill(ref SiliconRequest request, in Instruction instruction, Random random, EdgeValues values)
    {
        ref MachineState state = ref request.State;
        FillRegisters(ref state, random, values);
        state.SetGeneral(0, (uint)random.Next(8) | (random.Next(4) == 0 ? (uint)random.Next() & 0xFFFF_FFF8 : 0));
        state.SetGeneral(2, random.Next(4) == 0 ? (uint)random.Next() : 0);
        if (instruction.Mnemonic == Mnemonic.Xgetbv)
        {
            state.SetGeneral(1, (uint)random.Next(3));
            return;
        }

        fixed (byte* window = request.Window)
        {
            Span<byte> area = new(window, MemoryMap.MaxWindowSize);
            random.NextBytes(area);
            BinaryPrimitives.WriteUInt32LittleEndian(area[MxcsrOffset..], (uint)random.Next(random.Next(8) == 0 ? 0x2_0000 : 0x1_0000));
            area[HeaderOffset..(HeaderOffset + 64)].Clear();
            ulong present = (ulong)random.Next(random.Next(10) == 0 ? 1024 : 8);
            bool compacted = random.Next(2) == 0;
            ulong layout = compacted ? 1UL << 63 | (random.Next(10) == 0 ? (ulong)random.Next(1024) : random.Next(3) == 0 ? (ulong)random.Next(8) : 7) : 0;
            layout |= random.Next(16) == 0 ? (ulong)random.Next(8) : 0;
            BinaryPrimitives.WriteUInt64LittleEndian(area[HeaderOffset..], compacted && random.Next(8) != 0 ? present & layout : present);
            BinaryPrimitives.WriteUInt64LittleEndian(area[(HeaderOffset + 8)..], layout);
            if (random.Next(16) == 0)
            {
                area[HeaderOffset + random.Next(16, 64)] = 1;
            }
        }
    }

    /// <summary>Every component in use, or one or the other in its initial configuration.</summary>
    private static void FillRegisters(ref MachineState state, Random random, EdgeValues values)
    {
        if (random.Next(4) != 0)
        {
            state.Ftw = (byte)random.Next(256);
            state.Fsw = (ushort)((random.Next(8) << 11) | (random.Next(8) << 8));
            state.Fcw = (ushort)(0x37F | (random.Next(4) << 10));
            for (int i = 0; i < 8; i++)
            {
                state.SetSt(i, values.Vector64(ElementKind.Integer64), (ushort)random.Next(0x10000));
            }
        }

        bool low = random.Next(4) != 0;
        bool high = random.Next(4) != 0;
        for (int i = 0; i < 16; i++)
        {
            for (int half = 0; half < 2; half++)
            {
                state.SetXmm(i, half, low ? values.Vector64(ElementKind.Integer32) : 0);
                state.YmmHigh[(2 * i) + half] = high ? values.Vector64(ElementKind.Integer32) : 0;
            }
        }

        state.Mxcsr = random.Next(2) == 0 ? 0x1F80U : 0x1F80U | (uint)random.Next(0x40) | ((uint)random.Next(8) << 13);
    }

    /// <summary>
    /// AMD processors have a 17th bit in MXCSR, which MXCSR_MASK tells: the emulated processor, an Intel one, does not.
    /// </summary>
    public static void Normalise(in SiliconRequest request, in Instruction instruction, ref SiliconReply reply)
    {
        for (int at = 0; IsSave(instruction.Mnemonic) && at + 4 <= request.WindowSize; at += 4)
        {
            fixed (byte* window = reply.Window)
            {
                uint* word = (uint*)(window + at);
                fixed (byte* before = request.Window)
                {
                    *word = *word == 0x2_FFFF && *(uint*)(before + at) != *word ? 0xFFFF : *word;
                }
            }
        }
    }
}
