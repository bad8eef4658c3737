namespace Xenolith.Machine;

/// <summary>The two 8259As of a PC: the slave's output is the master's line 2. Ports 20H, A0H, and the ELCRs at 4D0H.</summary>
public sealed class PicPair
{
    private const int CascadeLine = 2;

    /// <param name="onOutput">Told when INTR changes.</param>
    public PicPair(System.Action<bool> onOutput)
    {
        Master = new Pic8259(isMaster: true, onOutput);
        Slave = new Pic8259(isMaster: false, asserted => Master.SetLine(CascadeLine, asserted));
    }

    public Pic8259 Master { get; }

    public Pic8259 Slave { get; }

    public void AttachTo(PortMap ports)
    {
        ports.Attach(0x20, 2, Master);
        ports.Attach(0xA0, 2, Slave);
        ports.Attach(0x4D0, 2, new EdgeLevelPorts(this));
    }

    /// <summary>An ISA line, 0 to 15. Line 2 is the cascade: nobody else has it.</summary>
    public void SetLine(int line, bool asserted)
    {
        if (line >= 8)
        {
            Slave.SetLine(line - 8, asserted);
        }
        else if (line != CascadeLine)
        {
            Master.SetLine(line, asserted);
        }
    }

    /// <summary>The vector that an INTA cycle finds.</summary>
    public byte Acknowledge()
    {
        int line = Master.Acknowledge();
        return line == CascadeLine ? Slave.VectorOf(Slave.Acknowledge()) : Master.VectorOf(line);
    }

    public void Reset()
    {
        Slave.Reset();
        Master.Reset();
    }

    private sealed class EdgeLevelPorts(PicPair pair) : BytePortDevice
    {
        public override byte ReadByte(ushort offset) => offset == 0 ? pair.Master.EdgeLevel : pair.Slave.EdgeLevel;

        public override void WriteByte(ushort offset, byte value)
        {
            if (offset == 0)
            {
                pair.Master.EdgeLevel = value;
            }
            else
            {
                pair.Slave.EdgeLevel = value;
            }
        }
    }
}
