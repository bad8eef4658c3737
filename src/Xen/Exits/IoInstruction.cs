using System;

using Xenolith.Cpu;
using Xenolith.Mmu;

namespace Xenolith.Xen.Exits;

/// <summary>
/// IN, OUT, INS, OUTS (SDM 3C "Exit Qualification for I/O Instructions"). PVH domains have one port, Xen's debug console at E9H; where
/// nothing answers, reads give all ones.
/// </summary>
internal readonly struct IoInstruction : IExitHandler
{
    private const ulong In = 1 << 3;
    private const ulong String = 1 << 4;
    private const ulong Rep = 1 << 5;
    private const ushort DebugConsole = 0xE9;
    private const ulong RflagsDf = 1 << 10;

    /// <summary>
    /// Iterations of a repeated string instruction per exit; then the guest comes again, and interrupts have their chance.
    /// </summary>
    private const int MaxIterations = 1024;

    public static void Handle(in ExitContext exit)
    {
        ulong qualification = exit.Qualification;
        int size = (int)(qualification & 7) + 1;
        ushort port = (ushort)(qualification >> 16);
        if ((qualification & String) != 0)
        {
            HandleString(in exit, qualification, port, size);
            return;
        }

        ulong mask = size == 4 ? uint.MaxValue : (1UL << (8 * size)) - 1;
        ulong rax = exit.Register(ExitContext.Rax);
        if ((qualification & In) != 0)
        {
            exit.SetRegister(ExitContext.Rax, size == 4 ? mask : rax | mask);
        }
        else
        {
            Span<byte> bytes = stackalloc byte[sizeof(uint)];
            _ = BitConverter.TryWriteBytes(bytes, (uint)rax);
            Write(in exit, port, bytes[..size]);
        }

        exit.SkipInstruction();
    }

    private static void Write(in ExitContext exit, ushort port, ReadOnlySpan<byte> bytes)
    {
        if (port == DebugConsole)
        {
            exit.Hypervisor.WriteConsole(exit.Domain, bytes[..1]);
        }
    }

    private static void HandleString(in ExitContext exit, ulong qualification, ushort port, int size)
    {
        bool isIn = (qualification & In) != 0;
        bool repeats = (qualification & Rep) != 0;
        ulong addressMask = ((exit.Vmcs[VmcsField.ExitInstructionInformation] >> 7) & 7) switch
        {
            0 => ushort.MaxValue,
            1 => uint.MaxValue,
            _ => ulong.MaxValue,
        };
        int index = isIn ? ExitContext.Rdi : ExitContext.Rsi;
        ulong step = (exit.Vmcs[VmcsField.GuestRflags] & RflagsDf) != 0 ? (ulong)-size : (ulong)size;
        ulong linear = exit.Vmcs[VmcsField.GuestLinearAddress];
        ulong left = repeats ? exit.Register(ExitContext.Rcx) & addressMask : 1;
        exit.Vcpu.DescribeCaller();
        CallerMemory memory = exit.Vcpu.Caller;
        memory.Mode = exit.Cpl == 3 ? AccessMode.User : memory.Mode;
        Span<byte> bytes = stackalloc byte[size];
        for (int i = 0; i < MaxIterations && left > 0; i++, left--, linear += step)
        {
            bytes.Fill(0xFF);
            if (!(isIn ? memory.TryWrite(linear, bytes) : memory.TryRead(linear, bytes)))
            {
                exit.Crash(DomainExitKind.Unemulated, $"string I/O at linear address 0x{linear:x}, which is not mapped");
                return;
            }

            if (!isIn)
            {
                Write(in exit, port, bytes);
            }

            Merge(in exit, index, exit.Register(index) + step, addressMask);
        }

        if (repeats)
        {
            Merge(in exit, ExitContext.Rcx, left, addressMask);
        }

        if (left == 0)
        {
            exit.SkipInstruction();
        }
    }

    /// <summary>A register as an instruction of this address size leaves it: 16 bits merge, 32 bits extend with zeros.</summary>
    private static void Merge(in ExitContext exit, int register, ulong value, ulong mask) =>
        exit.SetRegister(register, mask == ushort.MaxValue ? (exit.Register(register) & ~mask) | (value & mask) : value & mask);
}
