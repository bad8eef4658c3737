using System;
using System.Collections.Generic;

using Iced.Intel;

using static Iced.Intel.AssemblerRegisters;

namespace Xenolith.Cpu.Tests;

/// <summary>
/// A machine whose #DB handler writes down the RIP, DR6 and RFLAGS that it finds, clears DR6, sets RF in the frame and returns.
/// </summary>
internal sealed unsafe class DebugMachine : TestMachine
{
    public const ulong Data = 0x9_0000;
    private const ulong LogPointer = 0xA_0000;
    private const ulong Log = 0xA_0100;
    private const ulong Dr6Clear = 0xFFFF_0FF0;

    public DebugMachine()
    {
        EnterLongMode();
        Write(LogPointer, Log);
        SetGate(1, HandlerStart);
        Program(HandlerStart, 64, a =>
        {
            a.push(rax);
            a.push(rbx);
            a.mov(rbx, __qword_ptr[LogPointer]);
            a.mov(rax, __qword_ptr[rsp + 16]);
            a.mov(__qword_ptr[rbx], rax);
            a.mov(rax, dr6);
            a.mov(__qword_ptr[rbx + 8], rax);
            a.mov(rax, __qword_ptr[rsp + 32]);
            a.mov(__qword_ptr[rbx + 16], rax);
            a.add(rbx, 24);
            a.mov(__qword_ptr[LogPointer], rbx);
            a.mov(eax, (uint)Dr6Clear);
            a.mov(dr6, rax);
            a.or(__dword_ptr[rsp + 32], RflagsBits.RF);
            a.pop(rbx);
            a.pop(rax);
            a.iretq();
        });
    }

    /// <summary>What the handler has found: RIP from the start of the code, bits of DR6 that differ from its clear state, RFLAGS.</summary>
    public List<(long Offset, ulong Dr6, ulong Flags)> Traps
    {
        get
        {
            List<(long, ulong, ulong)> traps = [];
            for (ulong at = Log; at < Read<ulong>(LogPointer); at += 24)
            {
                traps.Add(((long)(Read<ulong>(at) - CodeStart), Read<ulong>(at + 8) ^ Dr6Clear, Read<ulong>(at + 16)));
            }

            return traps;
        }
    }

    /// <summary>"offset:DR6 bits" of each trap, in order.</summary>
    public string Summary => string.Join(' ', Traps.ConvertAll(t => $"{t.Offset:x}:{t.Dr6:x}"));

    /// <summary>Arms a breakpoint: kind as in DR7.R/W, length as in DR7.LEN.</summary>
    public void Arm(int number, ulong address, int kind, int length = 0)
    {
        State->Dr[number] = address;
        State->Dr[7] |= 0x400 | (2UL << (2 * number)) | ((ulong)((length << 2) | kind) << (16 + (4 * number)));
    }

    /// <summary>Runs code to its HLT, which is added.</summary>
    public void RunToHalt(Action<Assembler> write)
    {
        Program(CodeStart, 64, a =>
        {
            write(a);
            a.hlt();
        });
        StopReason reason = Run();
        Xunit.Assert.Equal(StopReason.Halted, reason);
    }
}
