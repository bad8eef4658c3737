using System;

namespace Xenolith.Machine;

/// <summary>
/// QEMU's isa-debug-exit: a write ends the machine. What the shell is told is (value &lt;&lt; 1) | 1, so that it is never 0.
/// </summary>
/// <param name="exit">Called with the value that was written.</param>
public sealed class DebugExit(Action<uint> exit) : IPortDevice
{
    public const ushort FirstPort = 0xF4;
    public const ushort PortCount = 4;

    /// <summary>The process's exit status for a value, as the operating system cuts it.</summary>
    public static int StatusOf(uint value) => (byte)((value << 1) | 1);

    public uint Read(ushort offset, int sizeBytes) => 0;

    public void Write(ushort offset, int sizeBytes, uint value) => exit(value);
}
