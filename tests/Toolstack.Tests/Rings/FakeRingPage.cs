using System;

using Xenolith.Toolstack.Rings;

namespace Xenolith.Toolstack.Tests;

/// <summary>A shared page without a machine: the test plays the guest on <see cref="Bytes"/>.</summary>
internal sealed class FakeRingPage : IRingPage
{
    public byte[] Bytes { get; } = new byte[4096];

    public int Notifications { get; private set; }

    /// <summary>As if the isolation unit refused Dom0 the page.</summary>
    public bool IsRefused { get; set; }

    public bool TryRead(int offset, Span<byte> destination)
    {
        Bytes.AsSpan(offset, destination.Length).CopyTo(destination);
        return !IsRefused;
    }

    public bool TryWrite(int offset, ReadOnlySpan<byte> source)
    {
        if (!IsRefused)
        {
            source.CopyTo(Bytes.AsSpan(offset, source.Length));
        }

        return !IsRefused;
    }

    public void Notify() => Notifications++;

    public uint Get(int offset) => BitConverter.ToUInt32(Bytes, offset);

    public void Set(int offset, uint value) => BitConverter.TryWriteBytes(Bytes.AsSpan(offset), value);

    /// <summary>The guest produces bytes into a ring, without looking for room.</summary>
    public void Produce(int bufferOffset, int size, int producerOffset, ReadOnlySpan<byte> bytes)
    {
        uint producer = Get(producerOffset);
        foreach (byte b in bytes)
        {
            Bytes[bufferOffset + (int)(producer++ & (uint)(size - 1))] = b;
        }

        Set(producerOffset, producer);
    }

    /// <summary>The guest takes all that a ring holds.</summary>
    public byte[] Consume(int bufferOffset, int size, int consumerOffset, int producerOffset)
    {
        uint consumer = Get(consumerOffset);
        byte[] taken = new byte[Get(producerOffset) - consumer];
        for (int i = 0; i < taken.Length; i++)
        {
            taken[i] = Bytes[bufferOffset + (int)(consumer++ & (uint)(size - 1))];
        }

        Set(consumerOffset, consumer);
        return taken;
    }
}
