using System.Numerics;
using System.Runtime.Intrinsics;

using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>SHA1RNDS4 and its family, SHA256RNDS2 and its (SDM 1 "Intel SHA Extensions"; the functions are those of FIPS 180-4).</summary>
/// <remarks>Element 3 is the first of the manual's words: a state is A B C D, or C D G H and A B E F, from the top down.</remarks>
internal static unsafe class ShaInstructions
{
    public static void Register(ColdTable table)
    {
        table.Set(Mnemonic.Sha1rnds4, &BlockShells.BlockImmediate<LegacyForm, Sha1FourRounds>);
        table.Set(Mnemonic.Sha1nexte, &BlockShells.Block<LegacyForm, Sha1NextE>);
        table.Set(Mnemonic.Sha1msg1, &BlockShells.Block<LegacyForm, Sha1Message1>);
        table.Set(Mnemonic.Sha1msg2, &BlockShells.Block<LegacyForm, Sha1Message2>);
        table.Set(Mnemonic.Sha256rnds2, &Sha256TwoRounds);
        table.Set(Mnemonic.Sha256msg1, &BlockShells.Block<LegacyForm, Sha256Message1>);
        table.Set(Mnemonic.Sha256msg2, &BlockShells.Block<LegacyForm, Sha256Message2>);
    }

    /// <summary>SHA256RNDS2: C D G H in the destination, A B E F in the source, two sums of message word and constant in XMM0.</summary>
    private static Outcome Sha256TwoRounds(Processor p, in Instruction i)
    {
        if (!p.SseReady() || !p.TryReadXmm(in i, 1, out Vector128<byte> source))
        {
            return Outcome.Fault;
        }

        uint* target = (uint*)p.Xmm(i.Op0Register);
        uint* words = (uint*)p.Xmm(Iced.Intel.Register.XMM0);
        uint* second = (uint*)&source;
        uint word0 = words[0];
        uint word1 = words[1];
        (uint a, uint b, uint e, uint f) = (second[3], second[2], second[1], second[0]);
        (uint c, uint d, uint g, uint h) = (target[3], target[2], target[1], target[0]);
        for (int round = 0; round < 2; round++)
        {
            uint choice = (e & f) ^ (~e & g);
            uint majority = (a & b) ^ (a & c) ^ (b & c);
            uint sum1 = BitOperations.RotateRight(e, 6) ^ BitOperations.RotateRight(e, 11) ^ BitOperations.RotateRight(e, 25);
            uint sum0 = BitOperations.RotateRight(a, 2) ^ BitOperations.RotateRight(a, 13) ^ BitOperations.RotateRight(a, 22);
            uint step = choice + sum1 + (round == 0 ? word0 : word1) + h;
            (a, b, c, d, e, f, g, h) = (step + majority + sum0, a, b, c, step + d, e, f, g);
        }

        (target[3], target[2], target[1], target[0]) = (a, b, e, f);
        return Outcome.Retired;
    }
}

/// <summary>SHA1RNDS4: four rounds with the function and constant that the immediate's low bits choose.</summary>
internal readonly unsafe struct Sha1FourRounds : IBlockImmediateOp
{
    public static void Apply(byte* destination, byte* source, int sizeBytes, byte immediate)
    {
        uint* target = (uint*)destination;
        uint* words = (uint*)source; // the first one with E already added
        (uint a, uint b, uint c, uint d) = (target[3], target[2], target[1], target[0]);
        uint e = 0;
        for (int round = 0; round < 4; round++)
        {
            uint mixed = (immediate & 3) switch
            {
                0 => ((b & c) ^ (~b & d)) + 0x5A82_7999,
                1 => (b ^ c ^ d) + 0x6ED9_EBA1,
                2 => ((b & c) ^ (b & d) ^ (c & d)) + 0x8F1B_BCDC,
                _ => (b ^ c ^ d) + 0xCA62_C1D6,
            };
            uint next = mixed + BitOperations.RotateLeft(a, 5) + words[3 - round] + e;
            (a, b, c, d, e) = (next, a, BitOperations.RotateLeft(b, 30), c, d);
        }

        (target[3], target[2], target[1], target[0]) = (a, b, c, d);
    }
}

/// <summary>SHA1NEXTE: the E of four rounds later, added to the next message word.</summary>
internal readonly unsafe struct Sha1NextE : IBlockOp
{
    public static void Apply(byte* destination, byte* source, int sizeBytes)
    {
        uint next = BitOperations.RotateLeft(((uint*)destination)[3], 30);
        *(Vector128<uint>*)destination = *(Vector128<uint>*)source;
        ((uint*)destination)[3] += next;
    }
}

/// <summary>SHA1MSG1.</summary>
internal readonly unsafe struct Sha1Message1 : IBlockOp
{
    public static void Apply(byte* destination, byte* source, int sizeBytes)
    {
        uint* target = (uint*)destination;
        uint* next = (uint*)source;
        target[3] ^= target[1];
        target[2] ^= target[0];
        target[1] ^= next[3];
        target[0] ^= next[2];
    }
}

/// <summary>SHA1MSG2: the last of the four new words depends on the first.</summary>
internal readonly unsafe struct Sha1Message2 : IBlockOp
{
    public static void Apply(byte* destination, byte* source, int sizeBytes)
    {
        uint* target = (uint*)destination;
        uint* next = (uint*)source;
        uint first = BitOperations.RotateLeft(target[3] ^ next[2], 1);
        target[2] = BitOperations.RotateLeft(target[2] ^ next[1], 1);
        target[1] = BitOperations.RotateLeft(target[1] ^ next[0], 1);
        target[0] = BitOperations.RotateLeft(target[0] ^ first, 1);
        target[3] = first;
    }
}

/// <summary>SHA256MSG1.</summary>
internal readonly unsafe struct Sha256Message1 : IBlockOp
{
    public static void Apply(byte* destination, byte* source, int sizeBytes)
    {
        uint* target = (uint*)destination;
        uint following = *(uint*)source;
        target[0] += Sigma(target[1]);
        target[1] += Sigma(target[2]);
        target[2] += Sigma(target[3]);
        target[3] += Sigma(following);
    }

    private static uint Sigma(uint x) => BitOperations.RotateRight(x, 7) ^ BitOperations.RotateRight(x, 18) ^ (x >> 3);
}

/// <summary>SHA256MSG2: words 2 and 3 depend on the new words 0 and 1.</summary>
internal readonly unsafe struct Sha256Message2 : IBlockOp
{
    public static void Apply(byte* destination, byte* source, int sizeBytes)
    {
        uint* target = (uint*)destination;
        uint* next = (uint*)source;
        target[0] += Sigma(next[2]);
        target[1] += Sigma(next[3]);
        target[2] += Sigma(target[0]);
        target[3] += Sigma(target[1]);
    }

    private static uint Sigma(uint x) => BitOperations.RotateRight(x, 17) ^ BitOperations.RotateRight(x, 19) ^ (x >> 10);
}
