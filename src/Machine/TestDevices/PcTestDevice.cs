using System;

using Xenolith.Mmu;

namespace Xenolith.Machine;

/// <summary>
/// QEMU's pc-testdev (hw/misc/pc-testdev.c): places where test images can see their own port and memory accesses. A latch of four bytes at
/// ports E0H to E3H, which E8H to EBH show byte by byte; E4H, which makes a hypervisor forget a page's mapping (there is none to forget
/// here); interrupt lines at 2000H and up; and 64 KiB at FF000000H that behave like RAM behind a device.
/// </summary>
public sealed class PcTestDevice
{
    public const ushort LatchPort = 0xE0;
    public const ushort FlushPort = 0xE4;
    public const ushort LatchBytesPort = 0xE8;
    public const ushort InterruptPort = 0x2000;
    public const ushort InterruptCount = 24;
    public const uint MemoryAddress = 0xFF00_0000;
    public const uint MemorySize = 0x1_0000;

    private readonly byte[] _latch = new byte[4];
    private readonly byte[] _memory = new byte[MemorySize];

    /// <param name="setInterrupt">Told the number and the new level of an interrupt line.</param>
    /// <param name="console">
    /// Told single bytes that are written to port E9H: Bochs's debug console, which stands at the same place.
    /// </param>
    public PcTestDevice(Action<int, bool> setInterrupt, Action<byte>? console = null)
    {
        Interrupts = new InterruptPorts(setInterrupt);
        Latch = new LatchPorts(_latch, null);
        LatchBytes = new LatchPorts(_latch, console);
        Flush = new NoPorts();
        Memory = new MemoryWindow(_memory);
    }

    public IPortDevice Latch { get; }

    /// <summary>The same four bytes, each at a port of its own.</summary>
    public IPortDevice LatchBytes { get; }

    public IPortDevice Flush { get; }

    /// <summary>A byte written to port n sets line n to its level.</summary>
    public IPortDevice Interrupts { get; }

    public IMmioDevice Memory { get; }

    /// <summary>Puts everything in its place.</summary>
    public void Attach(PortMap ports, PhysicalBus bus)
    {
        ports.Attach(LatchPort, 4, Latch);
        ports.Attach(FlushPort, 4, Flush);
        ports.Attach(LatchBytesPort, 4, LatchBytes);
        ports.Attach(InterruptPort, InterruptCount, Interrupts);
        bus.Attach(new Hpa(MemoryAddress), MemorySize, Memory);
    }

    private sealed class LatchPorts(byte[] latch, Action<byte>? console) : IPortDevice
    {
        private const ushort ConsoleOffset = 1;

        public uint Read(ushort offset, int sizeBytes)
        {
            uint value = 0;
            for (int n = 0; n < sizeBytes; n++)
            {
                value |= (uint)latch[(offset + n) & 3] << (8 * n);
            }

            return value;
        }

        public void Write(ushort offset, int sizeBytes, uint value)
        {
            for (int n = 0; n < sizeBytes; n++)
            {
                latch[(offset + n) & 3] = (byte)(value >> (8 * n));
            }

            if (offset == ConsoleOffset && sizeBytes == 1)
            {
                console?.Invoke((byte)value);
            }
        }
    }

    private sealed class NoPorts : IPortDevice
    {
        public uint Read(ushort offset, int sizeBytes) => 0;

        public void Write(ushort offset, int sizeBytes, uint value)
        {
        }
    }

    private sealed class InterruptPorts(Action<int, bool> set) : IPortDevice
    {
        public uint Read(ushort offset, int sizeBytes) => 0;

        public void Write(ushort offset, int sizeBytes, uint value)
        {
            if (sizeBytes == 1)
            {
                set(offset, value != 0);
            }
        }
    }

    private sealed class MemoryWindow(byte[] bytes) : IMmioDevice
    {
        public ulong Read(ulong offset, int sizeBytes)
        {
            ulong value = 0;
            for (int i = 0; i < sizeBytes && offset + (ulong)i < MemorySize; i++)
            {
                value |= (ulong)bytes[offset + (ulong)i] << (8 * i);
            }

            return value;
        }

        public void Write(ulong offset, int sizeBytes, ulong value)
        {
            for (int i = 0; i < sizeBytes && offset + (ulong)i < MemorySize; i++)
            {
                bytes[offset + (ulong)i] = (byte)(value >> (8 * i));
            }
        }
    }
}
