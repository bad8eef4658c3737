using System.Text;

using Xunit;

namespace Xenolith.Machine.Tests;

// Method: the 16550A's registers by the data sheet. A character that is lost or comes early, an interrupt that is not ended by what
// ends it, or loopback that leaks outside makes it fail.
public sealed class UartTests
{
    private readonly TestClock _clock = new();
    private readonly InterruptLine _line = new(_ => { });
    private readonly StringBuilder _text = new();
    private readonly Uart16550 _uart;

    public UartTests()
    {
        _uart = new Uart16550(_clock.Clock, _line) { Output = b => _text.Append((char)b) };
        Out(3, 0x80);
        Out(0, 1); // 115,200
        Out(1, 0);
        Out(3, 0x03); // 8N1: ten bits, 86.8 us
        Out(4, 0x0B);
    }

    [Fact]
    public void RegistersKeepWhatTheyKeep()
    {
        Out(7, 0x5A);
        Out(1, 0xFF);
        Assert.Equal((0x5A, 0x0F, 0x03, 0x0B, 0xB0, 0x60), (In(7), In(1), In(3), In(4), In(6), In(5)));
        Out(3, 0x83);
        Assert.Equal((1, 0), (In(0), In(1)));
    }

    [Fact]
    public void TheTransmitterInterruptEndsWithItsIdentification()
    {
        Assert.Equal(1, In(2));
        Out(1, 2);
        Assert.True(_line.IsAsserted);
        Assert.Equal((2, 1, false), (In(2), In(2), _line.IsAsserted));
        Out(0, (byte)'x');
        Assert.True(_line.IsAsserted);
        Out(4, 0x03); // OUT2 is the PC's gate
        Assert.False(_line.IsAsserted);
        Assert.Equal("x", _text.ToString());
    }

    [Fact]
    public void CharactersArriveAtTheirRate()
    {
        Out(1, 1);
        _uart.Enqueue("ab"u8);
        _clock.Pass(1);
        Assert.Equal((4, 0x61, (int)'a', 0x60), (In(2), In(5), In(0), In(5)));
        _clock.Pass(86_000);
        Assert.False(_line.IsAsserted);
        _clock.Pass(1000);
        Assert.True(_line.IsAsserted);
        Assert.Equal('b', (char)In(0));
        Assert.Equal((1, 0), (In(2), _uart.QueuedInput));
    }

    [Fact]
    public void TheFifoHasTriggerAndTimeout()
    {
        Out(2, 0x81); // FIFO, trigger at 8
        Out(1, 1);
        _uart.Enqueue("0123456789"u8);
        _clock.Pass((7 * 86_805) - 10_000);
        Assert.Equal((0xC1, 0x61), (In(2), In(5)));
        _clock.Pass(100_000);
        Assert.Equal(0xC4, In(2));
        _clock.Pass(300_000);
        for (int n = 0; n < 9; n++)
        {
            Assert.Equal('0' + n, In(0));
        }

        Assert.Equal(0xC1, In(2));
        _clock.Pass(4 * 86_806);
        Assert.Equal((0xCC, true), (In(2), _line.IsAsserted));
        Assert.Equal(('9', 0xC1), ((char)In(0), In(2)));
        _uart.Enqueue("z"u8);
        _clock.Pass(100_000);
        Out(2, 0x83); // clears it
        Assert.Equal(0x60, In(5));
    }

    [Fact]
    public void LoopbackStaysInside()
    {
        Out(4, 0x1A);
        Assert.Equal(0x90, In(6) & 0xF0); // RTS to CTS, OUT2 to DCD
        Out(0, 0x55);
        Assert.Equal((0x61, 0x55, 0x60), (In(5), In(0), In(5)));
        Out(0, 1);
        Out(0, 2);
        Assert.Equal((0x63, 0x61, 2), (In(5), In(5), In(0))); // overrun, told once
        Out(4, 0x15);
        Assert.Equal(0x60 | 0x0B, In(6));
        Out(4, 0x11);
        Assert.Equal(0x20 | 0x04, In(6)); // the ring indicator counts when it ends
        Assert.Equal(0, _text.Length);
    }

    [Fact]
    public void AProgramThatLooksOrWaitsIsAskedFor()
    {
        int asked = 0;
        _uart.InputNeeded = () =>
        {
            asked++;
            _uart.Enqueue("q"u8);
        };
        Assert.Equal((0x60, 1), (In(5), asked));
        _clock.Pass(1);
        Assert.Equal((0x61, 'q'), (In(5), (char)In(0)));
        Out(1, 1); // waits for an interrupt instead
        _clock.Pass(3_000_000);
        Assert.Equal((true, 2), (_line.IsAsserted, asked));
    }

    private void Out(ushort offset, byte value) => _uart.WriteByte(offset, value);

    private byte In(ushort offset) => _uart.ReadByte(offset);
}
