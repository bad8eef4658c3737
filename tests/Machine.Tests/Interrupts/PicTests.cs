using System.Collections.Generic;

using Xunit;

namespace Xenolith.Machine.Tests;

// Method: the pair of 8259As by the data sheet's commands. A vector from the wrong line, a priority that does not rotate, an EOI that
// clears another's bit, or a spurious interrupt that sets one makes it fail.
public sealed class PicTests
{
    private readonly List<bool> _output = [];
    private readonly PicPair _pics;
    private readonly PortMap _ports = new();

    public PicTests()
    {
        _pics = new PicPair(_output.Add);
        _pics.AttachTo(_ports);
        Initialize(0x20, 0x08, 0x04, 0x01);
        Initialize(0xA0, 0x70, 0x02, 0x01);
    }

    [Fact]
    public void LinesHaveVectorsAndPriorities()
    {
        _pics.SetLine(4, true);
        _pics.SetLine(1, true);
        _pics.SetLine(12, true);
        Assert.True(_pics.Master.Output);
        Assert.Equal(0x09, _pics.Acknowledge());
        Assert.False(_pics.Master.Output); // all else is below
        Out(0x20, 0x20);
        Assert.Equal(0x74, _pics.Acknowledge());
        Out(0xA0, 0x20);
        Out(0x20, 0x20);
        Assert.Equal(0x0C, _pics.Acknowledge());
        Out(0x20, 0x20);
        Assert.False(_pics.Master.Output); // edges: the lines are still up, and ask no more
    }

    [Fact]
    public void MaskAndRegistersRead()
    {
        Out(0x21, 0x10);
        Assert.Equal(0x10, In(0x21));
        _pics.SetLine(4, true);
        Assert.Equal((0x10, false), (In(0x20), _pics.Master.Output)); // IRR
        Out(0x20, 0x0B);
        Assert.Equal(0, In(0x20)); // ISR
        Out(0x21, 0);
        Assert.Equal((0x0C, 0x10), (_pics.Acknowledge(), In(0x20)));
        Out(0x20, 0x0A);
        Assert.Equal(0, In(0x20));
    }

    [Fact]
    public void ARequestThatGoesAwayIsSpurious()
    {
        _pics.SetLine(3, true);
        _pics.SetLine(3, false);
        Assert.False(_pics.Master.Output);
        Assert.Equal(0x0F, _pics.Acknowledge());
        Out(0x20, 0x0B);
        Assert.Equal(0, In(0x20));
        _pics.SetLine(10, true);
        _pics.Slave.WriteByte(1, 0xFF); // masked between INTR and INTA: the master still has seen an edge that is gone
        Assert.Equal(0x0F, _pics.Acknowledge());
    }

    [Fact]
    public void LevelsAskAgain()
    {
        Out(0x4D1, 0xFF);
        Assert.Equal((0x00, 0xDE), (In(0x4D0), In(0x4D1))); // IRQ 8 and 13 stay edges
        _pics.SetLine(11, true);
        Assert.Equal(0x73, _pics.Acknowledge());
        Out(0xA0, 0x20);
        Out(0x20, 0x20);
        Assert.Equal(0x73, _pics.Acknowledge());
        _pics.SetLine(11, false);
        Out(0xA0, 0x20);
        Out(0x20, 0x20);
        Assert.False(_pics.Master.Output);
    }

    [Fact]
    public void PrioritiesRotate()
    {
        for (int line = 0; line < 8; line += 3)
        {
            _pics.SetLine(line, true);
        }

        Assert.Equal(0x08, _pics.Acknowledge());
        Out(0x20, 0xA0); // non-specific EOI with rotation: line 0 is the lowest now
        _pics.SetLine(0, false);
        _pics.SetLine(0, true);
        Assert.Equal(0x0B, _pics.Acknowledge());
        Out(0x20, 0x60 | 3); // specific EOI
        Assert.Equal(0x0E, _pics.Acknowledge());
        Out(0x20, 0xE0 | 6); // rotate on specific EOI: 6 is the lowest, 7 the highest
        Assert.Equal(0x08, _pics.Acknowledge());
        Out(0x20, 0x20);
        Out(0x20, 0xC0 | 2); // set priority: 3 is the highest
        _pics.SetLine(1, true);
        _pics.SetLine(4, true);
        Assert.Equal(0x0C, _pics.Acknowledge());
    }

    [Fact]
    public void AutomaticEoiLeavesNothingInService()
    {
        Initialize(0x20, 0x08, 0x04, 0x03);
        _pics.SetLine(5, true);
        Assert.Equal(0x0D, _pics.Acknowledge());
        Out(0x20, 0x0B);
        Assert.Equal(0, In(0x20));
        Out(0x20, 0x80); // and rotate
        _pics.SetLine(0, true);
        Assert.Equal(0x08, _pics.Acknowledge());
        _pics.SetLine(0, false);
        _pics.SetLine(0, true);
        _pics.SetLine(7, true);
        Assert.Equal(0x0F, _pics.Acknowledge());
    }

    [Fact]
    public void SpecialMaskModeLetsLowerLinesThrough()
    {
        _pics.SetLine(1, true);
        Assert.Equal(0x09, _pics.Acknowledge());
        _pics.SetLine(6, true);
        Assert.False(_pics.Master.Output);
        Out(0x20, 0x68); // special mask mode
        Out(0x21, 0x02);
        Assert.Equal(0x0E, _pics.Acknowledge());
        Out(0x20, 0x20); // ends 6: 1 is masked, and left alone
        Out(0x20, 0x0B);
        Assert.Equal(0x02, In(0x20));
    }

    [Fact]
    public void SpecialFullyNestedModeLetsTheSlaveNest()
    {
        Initialize(0x20, 0x08, 0x04, 0x11);
        _pics.SetLine(12, true);
        Assert.Equal(0x74, _pics.Acknowledge());
        _pics.SetLine(9, true);
        Assert.Equal(0x71, _pics.Acknowledge());
    }

    [Fact]
    public void PollingAcknowledges()
    {
        Out(0x20, 0x0C);
        Assert.Equal(0, In(0x20));
        _pics.SetLine(6, true);
        Out(0x20, 0x0C);
        Assert.Equal(0x86, In(0x20));
        Out(0x20, 0x0B);
        Assert.Equal(0x40, In(0x20));
    }

    [Fact]
    public void InitializationForgets()
    {
        _pics.SetLine(4, true);
        Out(0x21, 0x55);
        Initialize(0x20, 0x30, 0x04, 0x01);
        Assert.Equal((0, 0, false), (In(0x21), In(0x20), _pics.Master.Output));
        _pics.SetLine(4, false);
        _pics.SetLine(4, true);
        Assert.Equal(0x34, _pics.Acknowledge());
    }

    private void Initialize(ushort port, byte icw2, byte icw3, byte icw4)
    {
        Out(port, 0x11);
        Out((ushort)(port + 1), icw2);
        Out((ushort)(port + 1), icw3);
        Out((ushort)(port + 1), icw4);
    }

    private void Out(ushort port, byte value) => _ports.Write(port, 1, value);

    private byte In(ushort port) => (byte)_ports.Read(port, 1);
}
