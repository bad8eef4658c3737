using System;
using System.Collections.Generic;
using System.Text;
using Xenolith.Cpu;
using Xenolith.Machine;
using Xenolith.Mmu;

namespace Xenolith.Guests.Tests;

/// <summary>
/// A board that starts a PVH image as QEMU's -kernel does: no Xen, no second stage, flat RAM from 0, a debug console on port
/// 0xE9 and an exit device on port 0xF4.
/// </summary>
internal sealed unsafe class BareBoard : IDisposable
{
    private readonly Board _board;
    private readonly DebugConsole _console = new();
    private readonly ExitPort _exit;

    public BareBoard(string elf, ulong ramBytes, string commandLine)
    {
        _board = new Board(new BoardOptions { MemoryBytes = ramBytes, Isolation = new NoIsolationFactory() });
        _exit = new ExitPort(_board.Processor);
        _board.Ports.Attach(0xE9, 1, _console);
        _board.Ports.Attach(0xF4, 4, _exit);

        PvhLoadPlan plan = PvhLoadPlan.Of(ElfImage.Load(elf), ramBytes);
        foreach (LoadChunk chunk in plan.Chunks)
        {
            chunk.Bytes.Span.CopyTo(new Span<byte>(_board.Memory.Base + chunk.Start.Value, chunk.Bytes.Length));
        }

        byte[] info = PvhStartInfo.Build(plan.End, commandLine, [], [new MemoryRange(new Gpa(0), ramBytes, MemoryRangeType.Ram)]);
        info.CopyTo(new Span<byte>(_board.Memory.Base + plan.End.Value, info.Length));
        EnterPvh(plan.Entry, plan.End);
    }

    public string Output => _console.Text;

    /// <summary>What the guest wrote to the exit port; null while it runs.</summary>
    public uint? ExitCode => _exit.Value;

    public Processor Processor => _board.Processor;

    public StopReason Run(long instructions) => _board.Processor.Run(instructions);

    public void Dispose()
    {
        _board.Processor.Dispose();
        _board.Dispose();
    }

    // The state that the PVH boot protocol promises (docs/misc/pvh.pandoc in Xen): flat 32-bit protected mode, paging off.
    private void EnterPvh(Gpa entry, Gpa startInfo)
    {
        CpuState* cpu = _board.Processor.State;
        for (SegmentIndex index = SegmentIndex.ES; index <= SegmentIndex.GS; index++)
        {
            uint rights = index == SegmentIndex.CS ? 0xC09Bu : 0xC093u;
            cpu->Segments[(int)index] = new SegmentRegister { Limit = uint.MaxValue, AccessRights = rights };
        }

        cpu->Segments[(int)SegmentIndex.TR] = new SegmentRegister { Limit = 0x67, AccessRights = 0x8B };
        cpu->Paging.Cr0 = 0x11; // PE, ET
        cpu->Gpr[3] = startInfo.Value; // EBX
        cpu->Rip = entry.Value;
    }

    private sealed class DebugConsole : IPortDevice
    {
        private readonly List<byte> _bytes = [];

        public string Text => Encoding.Latin1.GetString([.. _bytes]);

        public uint Read(ushort offset, int sizeBytes) => 0xE9;

        public void Write(ushort offset, int sizeBytes, uint value) => _bytes.Add((byte)value);
    }

    private sealed class ExitPort(Processor processor) : IPortDevice
    {
        public uint? Value { get; private set; }

        public uint Read(ushort offset, int sizeBytes) => 0;

        public void Write(ushort offset, int sizeBytes, uint value)
        {
            Value = value;
            processor.RequestStop();
        }
    }
}
