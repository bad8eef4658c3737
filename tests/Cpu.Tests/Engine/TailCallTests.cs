using System;
using System.Collections.Generic;
using System.IO;

using Iced.Intel;

using Xunit;

namespace Xenolith.Cpu.Tests;

/// <summary>
/// The machine code of every handler that lowering can choose is read: it must reach the next handler by a jump. It fails when a
/// handler gets an address-taken local or anything else that makes the JIT emit a call there, which would let the stack grow.
/// </summary>
public sealed unsafe class TailCallTests
{
    [Fact]
    public void EveryHandlerJumpsToTheNext()
    {
        Assert.True(TailCalls.Work);
        CompileAll();
        List<(string Name, nint Code)> handlers = HandlerTable.ThreadedCode();
        Assert.True(handlers.Count > 500, $"only {handlers.Count} handlers");
        List<string> calling = [];
        foreach ((string name, nint code) in handlers)
        {
            if (!name.StartsWith("Exit", StringComparison.Ordinal) && !Jumps((byte*)code))
            {
                calling.Add(name);
            }
        }

        Assert.Empty(calling);
    }

    /// <summary>Lowers one instruction of every opcode that exists, with register and with memory operands, in both modes.</summary>
    private static void CompileAll()
    {
        Lowering lowering = new(typeof(TailThreaded));
        Op* op = stackalloc Op[1];
        byte[] code = new byte[16];
        foreach (int bits in (int[])[64, 32])
        {
            ExecutionMode size = bits == 64 ? ExecutionMode.Code64 : ExecutionMode.Code32 | ExecutionMode.Stack32;
            lowering.Begin(size | ExecutionMode.Flat | ExecutionMode.FlatCode | ExecutionMode.Sse);
            foreach (byte prefix in (byte[])[0x40, 0x48, 0x66, 0xF2, 0xF3, 0x64])
            {
                for (int opcode = 0; opcode < 0x200; opcode++)
                {
                    foreach (byte modRm in (byte[])[0xC3, 0x03, 0x44, 0xEB, 0x6B, 0xD3, 0xDB, 0xE3, 0xF3, 0xFB, 0x13, 0x23, 0x33])
                    {
                        Fill(code, prefix, opcode, modRm);
                        Decoder decoder = Decoder.Create(bits, code);
                        decoder.IP = FlatMachine.CodeStart;
                        decoder.Decode(out Instruction i);
                        *op = default;
                        _ = lowering.TryLower(in i, op, FlagNeed.Wanted, out _);
                        *op = default;
                        _ = lowering.TryLower(in i, op, FlagNeed.None, out _);
                    }
                }
            }
        }

        for (int seed = 1; seed < 40; seed++)
        {
            using FlatMachine machine = new();
            machine.Load(RandomProgram.Make(seed)); // fused pairs
            _ = machine.Processor.Run(10_000);
        }
    }

    private static void Fill(byte[] code, byte prefix, int opcode, byte modRm)
    {
        Array.Fill(code, (byte)0x11);
        int n = 0;
        code[n++] = prefix;
        if (opcode >= 0x100)
        {
            code[n++] = 0x0F;
        }

        code[n++] = (byte)opcode;
        code[n] = modRm;
    }

    /// <summary>Reads to the end of the method: a jump through a register or through the op must be there, and no such call.</summary>
    private static bool Jumps(byte* code)
    {
        using UnmanagedMemoryStream stream = new(code, 4096);
        Decoder decoder = Decoder.Create(64, new StreamCodeReader(stream));
        bool jumps = false;
        ulong reached = 0; // the furthest address that a jump inside the method leads to
        while (true)
        {
            decoder.Decode(out Instruction i);
            bool indirect = i.Op0Kind == OpKind.Register || (i.Op0Kind == OpKind.Memory && i.MemoryBase is not (Register.RIP or Register.None));
            if (i.IsInvalid || (i.Mnemonic == Mnemonic.Call && indirect))
            {
                return false;
            }

            jumps |= i.Mnemonic == Mnemonic.Jmp && indirect;
            if (i.Op0Kind == OpKind.NearBranch64 && i.Mnemonic != Mnemonic.Call)
            {
                reached = ulong.Max(reached, i.NearBranch64);
            }

            if (i.FlowControl is FlowControl.Return or FlowControl.IndirectBranch or FlowControl.UnconditionalBranch && i.NextIP > reached)
            {
                return jumps;
            }
        }
    }
}
