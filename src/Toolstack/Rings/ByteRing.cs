using System;
using System.Runtime.InteropServices;

namespace Xenolith.Toolstack.Rings;

/// <summary>How a look at a ring ended.</summary>
public enum RingStatus
{
    Ok,

    /// <summary>The page cannot be reached: unmapped, or refused by the isolation unit.</summary>
    Unreachable,

    /// <summary>Producer and consumer are further apart than the ring is long: no guest that follows the protocol does that.</summary>
    BadIndex,
}

/// <summary>
/// One direction of a byte ring in a shared page: free-running 32-bit producer and consumer indices, a buffer whose size is a power
/// of two (xen/include/public/io/console.h, xs_wire.h).
/// </summary>
public readonly struct ByteRing(IRingPage page, int bufferOffset, int sizeBytes, int consumerOffset, int producerOffset)
{
    /// <summary>
    /// Takes bytes that the guest produced. The buffer is read before the consumer index is moved, as the protocol demands.
    /// </summary>
    public RingStatus TryTake(Span<byte> destination, out int taken)
    {
        taken = 0;
        RingStatus status = TryIndices(out uint consumer, out _, out int used);
        if (status != RingStatus.Ok || used == 0)
        {
            return status;
        }

        int count = Math.Min(used, destination.Length);
        for (int done = 0; done < count;)
        {
            int position = (int)((consumer + (uint)done) & (uint)(sizeBytes - 1));
            int part = Math.Min(count - done, sizeBytes - position);
            if (!page.TryRead(bufferOffset + position, destination.Slice(done, part)))
            {
                return RingStatus.Unreachable;
            }

            done += part;
        }

        if (!TryWriteIndex(consumerOffset, consumer + (uint)count))
        {
            return RingStatus.Unreachable;
        }

        taken = count;
        return RingStatus.Ok;
    }

    /// <summary>Puts as many bytes as there is room for.</summary>
    public RingStatus TryPut(ReadOnlySpan<byte> source, out int put)
    {
        put = 0;
        RingStatus status = TryIndices(out _, out uint producer, out int used);
        if (status != RingStatus.Ok)
        {
            return status;
        }

        int count = Math.Min(sizeBytes - used, source.Length);
        for (int done = 0; done < count;)
        {
            int position = (int)((producer + (uint)done) & (uint)(sizeBytes - 1));
            int part = Math.Min(count - done, sizeBytes - position);
            if (!page.TryWrite(bufferOffset + position, source.Slice(done, part)))
            {
                return RingStatus.Unreachable;
            }

            done += part;
        }

        if (count > 0 && !TryWriteIndex(producerOffset, producer + (uint)count))
        {
            return RingStatus.Unreachable;
        }

        put = count;
        return RingStatus.Ok;
    }

    /// <summary>Forgets what the ring holds: the consumer catches up with the producer.</summary>
    public bool TryClear()
    {
        Span<byte> index = stackalloc byte[4];
        return page.TryRead(producerOffset, index) && page.TryWrite(consumerOffset, index);
    }

    private RingStatus TryIndices(out uint consumer, out uint producer, out int used)
    {
        consumer = producer = 0;
        used = 0;
        if (!TryReadIndex(consumerOffset, out consumer) || !TryReadIndex(producerOffset, out producer))
        {
            return RingStatus.Unreachable;
        }

        uint distance = producer - consumer;
        used = (int)Math.Min(distance, (uint)sizeBytes);
        return distance > (uint)sizeBytes ? RingStatus.BadIndex : RingStatus.Ok;
    }

    private bool TryReadIndex(int offset, out uint value)
    {
        value = 0;
        return page.TryRead(offset, MemoryMarshal.AsBytes(new Span<uint>(ref value)));
    }

    private bool TryWriteIndex(int offset, uint value) => page.TryWrite(offset, MemoryMarshal.AsBytes(new ReadOnlySpan<uint>(in value)));
}
