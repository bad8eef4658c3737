using System;
using System.Runtime.Intrinsics;
using System.Security.Cryptography;

using Xunit;

using HostAes = System.Runtime.Intrinsics.X86.Aes;
using HostPclmulqdq = System.Runtime.Intrinsics.X86.Pclmulqdq;

namespace Xenolith.Cpu.Tests.Simd;

/// <summary>
/// Method: AES rounds and carry-less products have a plain form and one that uses the host's instructions; which one runs depends on the
/// host. Both must give the same on random operands, and the plain form must encrypt a block as the .NET library does. A wrong box, matrix
/// or shift in the form that this host does not use would show here only.
/// </summary>
public sealed class CryptographyTests
{
    private readonly Random _random = new(99);

    [Fact]
    public void PlainRoundsDoAsTheHostDoes()
    {
        for (int i = 0; HostAes.IsSupported && i < 500; i++)
        {
            Vector128<byte> state = Bytes();
            Vector128<byte> key = Bytes();
            Check<AesEncrypt>(state, key);
            Check<AesEncryptLast>(state, key);
            Check<AesDecrypt>(state, key);
            Check<AesDecryptLast>(state, key);
            Check<AesInverseMixColumns>(state, key);
        }
    }

    [Fact]
    public void PlainRoundsEncryptABlock()
    {
        byte[] key = new byte[16];
        byte[] block = new byte[16];
        for (int i = 0; i < 20; i++)
        {
            _random.NextBytes(key);
            _random.NextBytes(block);
            using Aes aes = Aes.Create();
            aes.Key = key;
            byte[] expected = aes.EncryptEcb(block, PaddingMode.None);

            Vector128<byte> roundKey = Vector128.Create(key);
            Vector128<byte> state = Vector128.Create(block) ^ roundKey;
            for (int round = 1; round <= 10; round++)
            {
                roundKey = NextKey(roundKey, round);
                state = round < 10 ? AesEncrypt.Plain(state, roundKey) : AesEncryptLast.Plain(state, roundKey);
            }

            Assert.Equal(Vector128.Create(expected), state);
        }
    }

    [Fact]
    public void PlainProductsAreThoseOfTheHost()
    {
        for (int i = 0; HostPclmulqdq.IsSupported && i < 500; i++)
        {
            Vector128<ulong> a = Bytes().AsUInt64();
            Vector128<ulong> b = Bytes().AsUInt64();
            Assert.Equal(HostPclmulqdq.CarrylessMultiply(a, b, 0), CarrylessMultiply.Multiply(a[0], b[0]));
        }
    }

    private static void Check<TRound>(Vector128<byte> state, Vector128<byte> key)
        where TRound : struct, IAesRound => Assert.Equal(TRound.Host(state, key), TRound.Plain(state, key));

    /// <summary>The key schedule of FIPS 197, by AESKEYGENASSIST as programs use it.</summary>
    private static unsafe Vector128<byte> NextKey(Vector128<byte> key, int round)
    {
        byte constant = 1;
        for (int k = 1; k < round; k++)
        {
            constant = (byte)((constant << 1) ^ ((constant & 0x80) != 0 ? 0x1B : 0));
        }

        Vector128<byte> assist = default;
        AesKeyGenerationAssist.Apply((byte*)&assist, (byte*)&key, 16, constant);
        uint word = assist.AsUInt32()[3];
        Vector128<uint> next = key.AsUInt32();
        for (int k = 0; k < 4; k++)
        {
            word ^= next[k];
            next = next.WithElement(k, word);
        }

        return next.AsByte();
    }

    private Vector128<byte> Bytes()
    {
        Span<byte> bytes = stackalloc byte[16];
        _random.NextBytes(bytes);
        return Vector128.Create<byte>(bytes);
    }
}
