using System;
using System.Runtime.CompilerServices;

using Iced.Intel;

namespace Xenolith.Oracle.Silicon;

/// <summary>Operands of AVX, AVX2 and FMA that random values would hardly hit.</summary>
internal static unsafe class VectorCases
{
    /// <summary>
    /// Indices that reach into the window, and now and then read-only, unmapped or non-canonical addresses; masks of every kind.
    /// </summary>
    public static void PlaceGather(ref SiliconRequest request, in Instruction instruction, Random random, EdgeValues values)
    {
        ref MachineState state = ref request.State;
        for (int at = 0; at < MemoryMap.WindowSize; at += 8)
        {
            ulong word = values.Vector64(ElementKind.Integer64);
            for (int k = 0; k < 8; k++)
            {
                request.Window[at + k] = (byte)(word >> (8 * k));
            }
        }

        bool narrow = instruction.MemoryBase is >= Register.EAX and <= Register.R15D || request.Bits == 32;
        ulong start = request.WindowAddress + (ulong)random.Next(0xC0);
        if (instruction.MemoryBase == Register.None)
        {
            start = instruction.MemoryDisplacement64;
        }
        else
        {
            ulong value = start - instruction.MemoryDisplacement64;
            state.SetGeneral(instruction.MemoryBase.GetFullRegister() - Register.RAX, narrow ? (uint)value : value);
        }

        bool wideIndex = instruction.Mnemonic is Mnemonic.Vpgatherqd or Mnemonic.Vpgatherqq or Mnemonic.Vgatherqps or Mnemonic.Vgatherqpd;
        bool faults = random.Next(3) == 0;
        int index = instruction.MemoryIndex.GetNumber();
        for (int k = 0; k < 4; k++)
        {
            ulong word = Index(in request, start, (uint)instruction.MemoryIndexScale, wideIndex, faults, random);
            word = wideIndex ? word : (uint)word | (Index(in request, start, (uint)instruction.MemoryIndexScale, false, faults, random) << 32);
            SetWord(ref state, index, k, word);
            uint low = random.Next(3) == 0 ? (uint)random.Next() : 0x8000_0000 | (uint)random.Next();
            uint high = random.Next(3) == 0 ? (uint)random.Next() : 0x8000_0000 | (uint)random.Next();
            SetWord(ref state, instruction.Op2Register.GetNumber(), k, low | ((ulong)high << 32));
        }

        state.Rflags |= random.Next(24) == 0 ? 0x4_0000UL : 0;
    }

    private static ulong Index(in SiliconRequest request, ulong start, uint scale, bool isWide, bool faults, Random random)
    {
        ulong target = (faults ? random.Next(8) : 8) switch
        {
            0 => MemoryMap.ReadOnly + (ulong)random.Next(0x800),
            1 => MemoryMap.Data + MemoryMap.DataSize + (ulong)random.Next(0x800),
            2 => MemoryMap.Data + MemoryMap.DataSize - (ulong)random.Next(16),
            3 when isWide && request.Bits == 64 => 0x8000_0000_0000_0000 ^ (ulong)random.NextInt64(1L << 60),
            _ => request.WindowAddress + (ulong)random.Next(MemoryMap.WindowSize - 8),
        };
        return (ulong)((long)(target - start) / scale);
    }

    /// <summary>Addends of FMA that cancel the product, whole or nearly: where a second rounding would show.</summary>
    public static void BalanceFused(ref MachineState state, in Instruction instruction, Random random)
    {
        string name = instruction.Mnemonic.ToString();
        if (!name.StartsWith("Vfm", StringComparison.Ordinal) && !name.StartsWith("Vfnm", StringComparison.Ordinal))
        {
            return;
        }

        string order = name.Contains("132", StringComparison.Ordinal) ? "132" : name.Contains("213", StringComparison.Ordinal) ? "213" : "231";
        int addend = order[2] - '1';
        if (random.Next(2) == 0 || instruction.GetOpKind(addend) != OpKind.Register)
        {
            return;
        }

        bool isSingle = name.EndsWith('s');
        int x = order[0] - '1';
        int y = order[1] - '1';
        for (int k = 0; k < 4; k++)
        {
            ulong a = Word(in state, in instruction, x, k, random);
            ulong b = Word(in state, in instruction, y, k, random);
            ulong sign = (ulong)random.Next(2) << 63;
            ulong nudge = (ulong)random.Next(3);
            ulong c = isSingle
                ? Product(unchecked((uint)a), unchecked((uint)b)) | ((ulong)Product((uint)(a >> 32), (uint)(b >> 32)) << 32)
                : BitConverter.DoubleToUInt64Bits(BitConverter.UInt64BitsToDouble(a) * BitConverter.UInt64BitsToDouble(b));
            SetWord(ref state, instruction.GetOpRegister(addend).GetNumber(), k, (c ^ sign) + nudge - 1);
        }
    }

    private static uint Product(uint a, uint b) => BitConverter.SingleToUInt32Bits(BitConverter.UInt32BitsToSingle(a) * BitConverter.UInt32BitsToSingle(b));

    /// <summary>Memory operands are not filled yet: something else stands for them.</summary>
    private static ulong Word(in MachineState state, in Instruction instruction, int operand, int k, Random random)
    {
        if (instruction.GetOpKind(operand) != OpKind.Register)
        {
            return (ulong)random.NextInt64();
        }

        int number = instruction.GetOpRegister(operand).GetNumber();
        return k < 2 ? state.Xmm(number, k) : Unsafe.AsRef(in state).YmmHigh[(2 * number) + k - 2];
    }

    private static void SetWord(ref MachineState state, int number, int k, ulong value)
    {
        if (k < 2)
        {
            state.SetXmm(number, k, value);
        }
        else
        {
            state.YmmHigh[(2 * number) + k - 2] = value;
        }
    }
}
