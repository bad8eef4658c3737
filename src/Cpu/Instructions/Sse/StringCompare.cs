using System;
using System.Numerics;
using System.Runtime.Intrinsics;

using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>
/// PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM (SDM 2B "Imm8 Control Byte Operation for PCMPESTRI / PCMPESTRM / PCMPISTRI / PCMPISTRM").
/// The immediate:
/// <code>
/// 1:0 elements: 0 bytes, 1 words, 2 signed bytes, 3 signed words       3:2 aggregation: 0 any, 1 ranges, 2 each, 3 ordered
/// 5:4 polarity: 1 negates, 3 negates where the second string goes on   6 the index of the highest bit, or a mask of whole elements
/// </code>
/// </summary>
internal static unsafe class StringCompare
{
    public static void Register(ColdTable table)
    {
        foreach (Mnemonic mnemonic in (ReadOnlySpan<Mnemonic>)
            [Mnemonic.Pcmpestri, Mnemonic.Pcmpestri64, Mnemonic.Pcmpestrm, Mnemonic.Pcmpestrm64, Mnemonic.Pcmpistri, Mnemonic.Pcmpistrm])
        {
            table.Set(mnemonic, &Compare<LegacyForm>);
        }

        foreach (Mnemonic mnemonic in (ReadOnlySpan<Mnemonic>)
            [Mnemonic.Vpcmpestri, Mnemonic.Vpcmpestri64, Mnemonic.Vpcmpestrm, Mnemonic.Vpcmpestrm64, Mnemonic.Vpcmpistri, Mnemonic.Vpcmpistrm])
        {
            table.SetVex(mnemonic, &Compare<VexForm>);
        }
    }

    /// <summary>Memory operands need no alignment in either form.</summary>
    private static Outcome Compare<TForm>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm
    {
        if (!TForm.IsReady(p) || !p.TryReadVectorLow(in i, 1, out Vector128<byte> second))
        {
            return Outcome.Fault;
        }

        byte control = i.Immediate8;
        int count = (control & 1) != 0 ? 8 : 16;
        Vector128<byte> first = *(Vector128<byte>*)p.Xmm(i.Op0Register);
        Elements a = new(first, control);
        Elements b = new(second, control);
        bool isIndex;
        switch (i.Mnemonic)
        {
            case Mnemonic.Pcmpistri or Mnemonic.Vpcmpistri or Mnemonic.Pcmpistrm or Mnemonic.Vpcmpistrm:
                a.EndAtZero();
                b.EndAtZero();
                isIndex = i.Mnemonic is Mnemonic.Pcmpistri or Mnemonic.Vpcmpistri;
                break;
            case Mnemonic.Pcmpestri64 or Mnemonic.Vpcmpestri64 or Mnemonic.Pcmpestrm64 or Mnemonic.Vpcmpestrm64:
                a.Length = Saturated((long)p.Gpr<ulong>(Iced.Intel.Register.RAX), count);
                b.Length = Saturated((long)p.Gpr<ulong>(Iced.Intel.Register.RDX), count);
                isIndex = i.Mnemonic is Mnemonic.Pcmpestri64 or Mnemonic.Vpcmpestri64;
                break;
            default:
                a.Length = Saturated((int)p.Gpr<uint>(Iced.Intel.Register.EAX), count);
                b.Length = Saturated((int)p.Gpr<uint>(Iced.Intel.Register.EDX), count);
                isIndex = i.Mnemonic is Mnemonic.Pcmpestri or Mnemonic.Vpcmpestri;
                break;
        }

        uint result = Aggregate(in a, in b, (control >> 2) & 3);
        uint all = (1u << count) - 1;
        result ^= ((control >> 4) & 3) switch
        {
            1 => all,
            3 => (1u << b.Length) - 1,
            _ => 0,
        };
        bool high = (control & 0x40) != 0;
        if (isIndex)
        {
            int index = result == 0 ? count : high ? BitOperations.Log2(result) : BitOperations.TrailingZeroCount(result);
            p.State->Gpr[1] = (uint)index;
        }
        else
        {
            Vector128<byte> mask = high ? Expand(result, count) : Vector128.CreateScalar(result).AsByte();
            TForm.Write(p, Iced.Intel.Register.XMM0, mask.ToVector256());
        }

        LazyFlags.Write(
            p.State,
            (result != 0 ? RflagsBits.CF : 0) | (b.Length < count ? RflagsBits.ZF : 0) | (a.Length < count ? RflagsBits.SF : 0)
                | ((result & 1) != 0 ? RflagsBits.OF : 0));
        return Outcome.Retired;
    }

    /// <summary>The absolute value of a length register, at most the number of elements.</summary>
    private static int Saturated(long length, int count) => (int)Math.Min(length < 0 ? 0UL - (ulong)length : (ulong)length, (ulong)count);

    /// <summary>
    /// IntRes1: a bit for each element of the second string. What lies behind the end of a string is equal to nothing ("any" and
    /// "ranges"), to its like ("each"), or, in the first string, to everything ("ordered").
    /// </summary>
    private static uint Aggregate(in Elements a, in Elements b, int aggregation)
    {
        uint result = 0;
        for (int j = 0; j < b.Count; j++)
        {
            bool bit = aggregation switch
            {
                0 => j < b.Length && IsAny(in a, b[j]),
                1 => j < b.Length && IsInRange(in a, b[j]),
                2 => j < a.Length && j < b.Length ? a[j] == b[j] : j >= a.Length && j >= b.Length,
                _ => StartsAt(in a, in b, j),
            };
            result |= bit ? 1u << j : 0;
        }

        return result;
    }

    private static bool IsAny(in Elements a, int element)
    {
        for (int k = 0; k < a.Length; k++)
        {
            if (a[k] == element)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Pairs of lowest and highest; half a pair at the end of the string holds nothing.</summary>
    private static bool IsInRange(in Elements a, int element)
    {
        for (int k = 0; k + 1 < a.Length; k += 2)
        {
            if (a[k] <= element && element <= a[k + 1])
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The first string stands in the second from here on, as far as the register goes.</summary>
    private static bool StartsAt(in Elements a, in Elements b, int start)
    {
        for (int k = 0; k < a.Length && start + k < b.Count; k++)
        {
            if (start + k >= b.Length || a[k] != b[start + k])
            {
                return false;
            }
        }

        return true;
    }

    private static Vector128<byte> Expand(uint bits, int count)
    {
        Vector128<byte> mask = default;
        byte* bytes = (byte*)&mask;
        int width = 16 / count;
        for (int k = 0; k < 16; k++)
        {
            bytes[k] = ((bits >> (k / width)) & 1) != 0 ? (byte)0xFF : (byte)0;
        }

        return mask;
    }

    /// <summary>A register as elements of one of the four kinds.</summary>
    private struct Elements(Vector128<byte> value, byte control)
    {
        private readonly Vector128<byte> _value = value;

        public readonly int Count => (control & 1) != 0 ? 8 : 16;

        public int Length { get; set; }

        public readonly int this[int index] => (control & 3) switch
        {
            0 => _value.GetElement(index),
            1 => _value.AsUInt16().GetElement(index),
            2 => _value.AsSByte().GetElement(index),
            _ => _value.AsInt16().GetElement(index),
        };

        public void EndAtZero()
        {
            Length = 0;
            while (Length < Count && this[Length] != 0)
            {
                Length++;
            }
        }
    }
}
