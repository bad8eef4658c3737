using System.Numerics;
using System.Runtime.Intrinsics;

using Iced.Intel;

using HostAes = System.Runtime.Intrinsics.X86.Aes;
using HostPclmulqdq = System.Runtime.Intrinsics.X86.Pclmulqdq;

namespace Xenolith.Cpu;

/// <summary>AES and carry-less multiplication (SDM 1 "AESNI and PCLMULQDQ"), and their VEX forms on 16 or 32 bytes.</summary>
/// <remarks>Each has a plain form and one that uses the host's instruction, which gives the same.</remarks>
internal static unsafe class Cryptography
{
    public static void Register(ColdTable table)
    {
        BlockShells.Set<AesEncrypt>(table, Mnemonic.Aesenc, Mnemonic.Vaesenc);
        BlockShells.Set<AesEncryptLast>(table, Mnemonic.Aesenclast, Mnemonic.Vaesenclast);
        BlockShells.Set<AesDecrypt>(table, Mnemonic.Aesdec, Mnemonic.Vaesdec);
        BlockShells.Set<AesDecryptLast>(table, Mnemonic.Aesdeclast, Mnemonic.Vaesdeclast);
        BlockShells.Set<AesInverseMixColumns>(table, Mnemonic.Aesimc, Mnemonic.Vaesimc);
        BlockShells.SetImmediate<AesKeyGenerationAssist>(table, Mnemonic.Aeskeygenassist, Mnemonic.Vaeskeygenassist);
        BlockShells.SetImmediate<CarrylessMultiply>(table, Mnemonic.Pclmulqdq, Mnemonic.Vpclmulqdq);
    }
}

/// <summary>The steps of AES (FIPS 197) on a state of 16 bytes, column after column.</summary>
internal static unsafe class AesSteps
{
    private static readonly byte[] s_box = SubstitutionBox();
    private static readonly byte[] s_inverseBox = Inverse(s_box);

    public static byte Substitute(byte value) => s_box[value];

    /// <summary>SubBytes and ShiftRows: row r goes r places to the left.</summary>
    public static Vector128<byte> SubstituteAndShift(Vector128<byte> state)
    {
        Vector128<byte> result = default;
        for (int k = 0; k < 16; k++)
        {
            result = result.WithElement(k, s_box[state.GetElement((k + (4 * (k & 3))) & 15)]);
        }

        return result;
    }

    public static Vector128<byte> InverseSubstituteAndShift(Vector128<byte> state)
    {
        Vector128<byte> result = default;
        for (int k = 0; k < 16; k++)
        {
            result = result.WithElement(k, s_inverseBox[state.GetElement((k - (4 * (k & 3))) & 15)]);
        }

        return result;
    }

    public static Vector128<byte> MixColumns(Vector128<byte> state) => Mix(state, 2, 3, 1, 1);

    public static Vector128<byte> InverseMixColumns(Vector128<byte> state) => Mix(state, 14, 11, 13, 9);

    /// <summary>Each column times the circulant matrix of the four coefficients.</summary>
    private static Vector128<byte> Mix(Vector128<byte> state, byte c0, byte c1, byte c2, byte c3)
    {
        Vector128<byte> result = default;
        for (int k = 0; k < 16; k++)
        {
            int column = k & 12;
            int sum = Multiply(state.GetElement(k), c0)
                ^ Multiply(state.GetElement(column | ((k + 1) & 3)), c1)
                ^ Multiply(state.GetElement(column | ((k + 2) & 3)), c2)
                ^ Multiply(state.GetElement(column | ((k + 3) & 3)), c3);
            result = result.WithElement(k, (byte)sum);
        }

        return result;
    }

    /// <summary>In GF(2^8) modulo x^8 + x^4 + x^3 + x + 1.</summary>
    private static int Multiply(int a, int b)
    {
        int product = 0;
        for (; b != 0; b >>= 1)
        {
            product ^= (b & 1) != 0 ? a : 0;
            a = (a << 1) ^ ((a & 0x80) != 0 ? 0x11B : 0);
        }

        return product;
    }

    /// <summary>The reciprocal in the field, then an affine map over bits.</summary>
    private static byte[] SubstitutionBox()
    {
        byte[] box = new byte[256];
        for (int value = 0; value < 256; value++)
        {
            // a^254 is the reciprocal of a, and 0 of 0.
            int reciprocal = 1;
            for (int k = 0; k < 254; k++)
            {
                reciprocal = Multiply(reciprocal, value);
            }

            byte b = (byte)reciprocal;
            box[value] = (byte)(b ^ byte.RotateLeft(b, 1) ^ byte.RotateLeft(b, 2) ^ byte.RotateLeft(b, 3) ^ byte.RotateLeft(b, 4) ^ 0x63);
        }

        return box;
    }

    private static byte[] Inverse(byte[] box)
    {
        byte[] inverse = new byte[256];
        for (int value = 0; value < 256; value++)
        {
            inverse[box[value]] = (byte)value;
        }

        return inverse;
    }
}

/// <summary>An AES round: what happens to a state before the key is added.</summary>
internal interface IAesRound
{
    static abstract Vector128<byte> Plain(Vector128<byte> state, Vector128<byte> key);

    static abstract Vector128<byte> Host(Vector128<byte> state, Vector128<byte> key);
}

/// <summary>A round: the state is the first operand, the key the second.</summary>
internal static unsafe class AesRounds
{
    public static void Apply<TRound>(byte* state, byte* key)
        where TRound : struct, IAesRound
    {
        Vector128<byte>* target = (Vector128<byte>*)state;
        Vector128<byte> roundKey = *(Vector128<byte>*)key;
        *target = HostAes.IsSupported ? TRound.Host(*target, roundKey) : TRound.Plain(*target, roundKey);
    }
}

/// <summary>AESENC.</summary>
internal readonly unsafe struct AesEncrypt : IBlockOp, IAesRound
{
    public static void Apply(byte* destination, byte* source, int sizeBytes) => AesRounds.Apply<AesEncrypt>(destination, source);

    public static Vector128<byte> Plain(Vector128<byte> state, Vector128<byte> key) =>
        AesSteps.MixColumns(AesSteps.SubstituteAndShift(state)) ^ key;

    public static Vector128<byte> Host(Vector128<byte> state, Vector128<byte> key) => HostAes.Encrypt(state, key);
}

/// <summary>AESENCLAST.</summary>
internal readonly unsafe struct AesEncryptLast : IBlockOp, IAesRound
{
    public static void Apply(byte* destination, byte* source, int sizeBytes) => AesRounds.Apply<AesEncryptLast>(destination, source);

    public static Vector128<byte> Plain(Vector128<byte> state, Vector128<byte> key) => AesSteps.SubstituteAndShift(state) ^ key;

    public static Vector128<byte> Host(Vector128<byte> state, Vector128<byte> key) => HostAes.EncryptLast(state, key);
}

/// <summary>AESDEC.</summary>
internal readonly unsafe struct AesDecrypt : IBlockOp, IAesRound
{
    public static void Apply(byte* destination, byte* source, int sizeBytes) => AesRounds.Apply<AesDecrypt>(destination, source);

    public static Vector128<byte> Plain(Vector128<byte> state, Vector128<byte> key) =>
        AesSteps.InverseMixColumns(AesSteps.InverseSubstituteAndShift(state)) ^ key;

    public static Vector128<byte> Host(Vector128<byte> state, Vector128<byte> key) => HostAes.Decrypt(state, key);
}

/// <summary>AESDECLAST.</summary>
internal readonly unsafe struct AesDecryptLast : IBlockOp, IAesRound
{
    public static void Apply(byte* destination, byte* source, int sizeBytes) => AesRounds.Apply<AesDecryptLast>(destination, source);

    public static Vector128<byte> Plain(Vector128<byte> state, Vector128<byte> key) => AesSteps.InverseSubstituteAndShift(state) ^ key;

    public static Vector128<byte> Host(Vector128<byte> state, Vector128<byte> key) => HostAes.DecryptLast(state, key);
}

/// <summary>AESIMC: of the source operand; the destination is only written.</summary>
internal readonly unsafe struct AesInverseMixColumns : IBlockOp, IAesRound
{
    public static void Apply(byte* destination, byte* source, int sizeBytes) => AesRounds.Apply<AesInverseMixColumns>(destination, source);

    public static Vector128<byte> Plain(Vector128<byte> state, Vector128<byte> key) => AesSteps.InverseMixColumns(key);

    public static Vector128<byte> Host(Vector128<byte> state, Vector128<byte> key) => HostAes.InverseMixColumns(key);
}

/// <summary>AESKEYGENASSIST: SubWord of doublewords 1 and 3 of the source, and these rotated, with the round constant.</summary>
internal readonly unsafe struct AesKeyGenerationAssist : IBlockImmediateOp
{
    public static void Apply(byte* destination, byte* source, int sizeBytes, byte immediate)
    {
        for (int k = 0; k < 4; k += 2)
        {
            uint word = ((uint*)source)[k + 1];
            uint substituted = AesSteps.Substitute((byte)word) | ((uint)AesSteps.Substitute((byte)(word >> 8)) << 8)
                | ((uint)AesSteps.Substitute((byte)(word >> 16)) << 16) | ((uint)AesSteps.Substitute((byte)(word >> 24)) << 24);
            ((uint*)destination)[k] = substituted;
            ((uint*)destination)[k + 1] = BitOperations.RotateRight(substituted, 8) ^ immediate;
        }
    }
}

/// <summary>PCLMULQDQ: immediate bits 0 and 4 choose the quadwords.</summary>
internal readonly unsafe struct CarrylessMultiply : IBlockImmediateOp
{
    public static void Apply(byte* destination, byte* source, int sizeBytes, byte immediate)
    {
        ulong a = ((ulong*)destination)[immediate & 1];
        ulong b = ((ulong*)source)[(immediate >> 4) & 1];
        *(Vector128<ulong>*)destination = HostPclmulqdq.IsSupported
            ? HostPclmulqdq.CarrylessMultiply(Vector128.CreateScalar(a), Vector128.CreateScalar(b), 0)
            : Multiply(a, b);
    }

    /// <summary>Long multiplication without carries.</summary>
    internal static Vector128<ulong> Multiply(ulong a, ulong b)
    {
        ulong low = (b & 1) != 0 ? a : 0;
        ulong high = 0;
        for (int k = 1; k < 64; k++)
        {
            if (((b >> k) & 1) != 0)
            {
                low ^= a << k;
                high ^= a >> (64 - k);
            }
        }

        return Vector128.Create(low, high);
    }
}
