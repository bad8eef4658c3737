using System;

using Xenolith.Cpu;
using Xenolith.Mmu;

namespace Xenolith.Machine;

/// <summary>
/// One machine: RAM, bus, isolation unit, processor, ports and clock, wired together. What runs on it (a bare-metal image, or the
/// emulated Xen) is not the board's business.
/// </summary>
public sealed class Board : IPlatform, IDisposable
{
    private ulong _idleTicks;
    private int _interruptVector = -1;

    /// <exception cref="ArgumentException">Memory or segment size do not fit the unit; the message is for the user.</exception>
    public Board(BoardOptions options)
    {
        Options = options;
        Memory = new HostMemory(options.MemoryBytes);
        Bus = new PhysicalBus(Memory);
        MemoryUnit = options.Isolation.Build(Bus, options.IsolationOptions, options.Sink);
        Ports = new PortMap();
        Processor = new Processor(MemoryUnit, this);
    }

    public BoardOptions Options { get; }

    public HostMemory Memory { get; }

    public PhysicalBus Bus { get; }

    public MemoryUnit MemoryUnit { get; }

    public Processor Processor { get; }

    public PortMap Ports { get; }

    /// <inheritdoc/>
    public ulong Now => RetiredInstructions + _idleTicks;

    /// <summary>Instructions retired since reset, all programs together.</summary>
    public ulong RetiredInstructions => Processor?.RetiredInstructions ?? 0; // the processor asks while it is being made

    /// <summary>Ticks that passed while nothing could run.</summary>
    public ulong IdleTicks => _idleTicks;

    /// <inheritdoc/>
    public bool InterruptPending => _interruptVector >= 0;

    /// <summary>Nothing can run before this tick: time jumps there. A tick in the past changes nothing.</summary>
    public void SkipIdleUntil(ulong tick)
    {
        ulong now = Now;
        if (tick > now)
        {
            _idleTicks += tick - now;
        }
    }

    /// <summary>Asserts INTR with this vector until the processor acknowledges it or <see cref="ClearInterrupt"/>.</summary>
    public void AssertInterrupt(byte vector) => _interruptVector = vector;

    public void ClearInterrupt() => _interruptVector = -1;

    /// <inheritdoc/>
    public byte AcknowledgeInterrupt()
    {
        byte vector = (byte)_interruptVector;
        _interruptVector = -1;
        return vector;
    }

    /// <inheritdoc/>
    public uint ReadPort(ushort port, int sizeBytes) => Ports.Read(port, sizeBytes);

    /// <inheritdoc/>
    public void WritePort(ushort port, int sizeBytes, uint value) => Ports.Write(port, sizeBytes, value);

    public void Dispose()
    {
        Processor.Dispose();
        Memory.Dispose();
    }
}
