using System;

using Xenolith.Cpu;
using Xenolith.Mmu;

namespace Xenolith.Machine;

/// <summary>
/// The user-mode view: a processor at CPL 3 with paging on, and nothing around it. It runs flat code in exactly the ranges that are
/// given, until HLT, an exception, or a limit. One machine runs any number of programs, one after the other; each finds it as new.
/// </summary>
/// <remarks>
/// HLT is privileged, so that it raises #GP(0) at CPL 3: a #GP(0) at a HLT is the end of the program. Exceptions are delivered as an
/// operating system would get them, through an IDT to handlers at CPL 0, and taken back from there.
/// </remarks>
public sealed unsafe class UserMachine : IDisposable
{
    /// <summary>What a program may touch: all that 32 bits can address. Nothing of it costs anything before.</summary>
    private const ulong MemoryBytes = (4UL << 30) + UserMemory.SystemBytes;

    /// <summary>
    /// So many instructions run one at a time: most programs end before the engine has made blocks and compiled handlers for them.
    /// </summary>
    private const ulong CarefulInstructions = 2000;

    /// <summary>So much at once, that nothing runs out of hand.</summary>
    private const ulong MaxSlice = 1 << 24;

    /// <summary>
    /// A repeated string instruction counts as one instruction, but all of them together may not iterate for ever.
    /// </summary>
    private const ulong MaxExtraIterations = 1 << 26;

    private readonly HostMemory _memory;
    private readonly UserMemory _unit;
    private readonly Processor _processor;
    private readonly InstructionFetch _fetch = new();
    private UserProgram _program = new();
    private ulong _extraAtStart;

    public UserMachine()
    {
        _memory = new HostMemory(MemoryBytes);
        _unit = new UserMemory(new PhysicalBus(_memory));
        UserSystem.Build(_memory);
        QuietPlatform platform = new();
        _processor = new Processor(_unit, platform);
        platform.Processor = _processor;
    }

    /// <summary>Runs a program to its end.</summary>
    /// <param name="onStep">Told each instruction with the registers before and after it; the same object each time.</param>
    /// <exception cref="UserProgramException">The program does not fit together, or needs more memory than there is.</exception>
    public UserResult Run(UserProgram program, Action<UserStep>? onStep = null)
    {
        Load(program);
        if (onStep is not null)
        {
            RunTraced(program, onStep);
        }
        else
        {
            _processor.UseCarefulEngine = true;
            if (AdvanceTo(ulong.Min(program.Limit, CarefulInstructions)) && program.Limit > CarefulInstructions)
            {
                _processor.UseCarefulEngine = false;
                _ = AdvanceTo(program.Limit);
            }
        }

        if (_unit.IsExhausted)
        {
            throw new UserProgramException("the program touches more than 4 GiB of memory");
        }

        return Finish();
    }

    /// <summary>Reads memory as the last program left it. False when some of it is not mapped.</summary>
    public bool TryRead(ulong address, Span<byte> destination)
    {
        for (int i = 0; i < destination.Length; i++)
        {
            byte* source = _unit.Touch(address + (ulong)i);
            if (source == null)
            {
                return false;
            }

            destination[i] = *source;
        }

        return true;
    }

    public void Dispose()
    {
        _processor.Dispose();
        _memory.Dispose();
    }

    private void Load(UserProgram program)
    {
        Check(program);
        _program = program;
        _unit.Reset();
        _unit.Map(program.Base, (ulong)program.Code.Length);
        foreach ((ulong start, ulong length) in program.Maps)
        {
            _unit.Map(start, length);
        }

        _ = _unit.TryPut(program.Base, program.Code.Span);
        foreach ((ulong address, ReadOnlyMemory<byte> bytes) in program.Contents)
        {
            if (!_unit.TryPut(address, bytes.Span))
            {
                throw new UserProgramException($"mem: 0x{address:x} and {bytes.Length} bytes lie outside what is mapped");
            }
        }

        _processor.Reset();
        _processor.SeedRandom(0);
        CpuState* cpu = _processor.State;
        cpu->Retired = 0;
        _extraAtStart = _processor.ExtraIterations;
        cpu->TscOffset = 0;
        UserSystem.Load(cpu, program);
        program.Registers.LoadInto(cpu);
        cpu->Rip = program.Start;
        _processor.Rflags = program.Registers.Rflags;
        _processor.RefreshMode();
    }

    private static void Check(UserProgram program)
    {
        if (program.Mode is not (32 or 64))
        {
            throw new UserProgramException($"mode: {program.Mode} is neither 64 nor 32");
        }

        CheckRange(program.Mode, "code", program.Base, (ulong)program.Code.Length);
        foreach ((ulong start, ulong length) in program.Maps)
        {
            CheckRange(program.Mode, "map", start, length);
        }

        foreach ((ulong address, ReadOnlyMemory<byte> bytes) in program.Contents)
        {
            CheckRange(program.Mode, "mem", address, (ulong)bytes.Length);
        }

        if (((program.Registers.Rflags & ~UserRegisters.RflagsMask) | 2) != 2)
        {
            throw new UserProgramException($"rflags: 0x{program.Registers.Rflags:x} has bits that no program can have");
        }

        if (program.Registers.Mxcsr > 0xFFFF)
        {
            throw new UserProgramException($"mxcsr: 0x{program.Registers.Mxcsr:x} has reserved bits");
        }
    }

    /// <summary>All of a range can be addressed: 4 GiB in 32-bit mode, canonical addresses in 64-bit mode.</summary>
    private static void CheckRange(int mode, string what, ulong start, ulong length)
    {
        ulong last = length == 0 ? start : start + length - 1;
        bool fits = last >= start && (mode == 32
            ? last <= uint.MaxValue
            : last <= 0x7FFF_FFFF_FFFF || start >= 0xFFFF_8000_0000_0000);
        if (!fits)
        {
            throw new UserProgramException($"{what}: 0x{start:x} and 0x{length:x} bytes are not within the addresses of {mode}-bit mode");
        }

        if (start < UserMemory.SystemBase + UserMemory.SystemBytes && last >= UserMemory.SystemBase)
        {
            throw new UserProgramException($"{what}: 0x{start:x} and 0x{length:x} bytes meet the system's own pages at 0x{UserMemory.SystemBase:x}");
        }
    }

    private ulong ExtraIterations => _processor.ExtraIterations - _extraAtStart;

    private ulong Executed => _processor.RetiredInstructions - ExtraIterations;

    /// <summary>Runs until so many instructions have been executed. True when the program is still going then.</summary>
    private bool AdvanceTo(ulong instructions)
    {
        while (Executed < instructions && ExtraIterations < MaxExtraIterations)
        {
            // In the middle of a long repeated instruction the count stands still, and what is left of it may run at once.
            ulong wanted = ulong.Max(instructions - Executed, IterationsLeft());
            if (_processor.Run((long)ulong.Min(wanted, MaxSlice)) != StopReason.Budget || IsInHandler)
            {
                return false;
            }
        }

        return Executed >= instructions;
    }

    /// <summary>
    /// Iterations that the instruction at RIP will make in any case; zero when it is none that repeats, or when it may end sooner.
    /// </summary>
    private ulong IterationsLeft()
    {
        CpuState* cpu = _processor.State;
        if ((cpu->RflagsSystem & RflagsBits.RF) == 0)
        {
            return 0; // set between iterations
        }

        Span<byte> bytes = stackalloc byte[UserStep.MaxBytes];
        int length = ReadCode(cpu->Rip, bytes);
        int bits = _fetch.CountBits(_program.Mode, bytes[..length]);
        return bits switch { 64 => cpu->Gpr[1], 32 => (uint)cpu->Gpr[1], 16 => (ushort)cpu->Gpr[1], _ => 0 };
    }

    private bool IsInHandler => _processor.State->Cpl == 0;

    private void RunTraced(UserProgram program, Action<UserStep> onStep)
    {
        _processor.UseCarefulEngine = true;
        UserStep step = new() { Before = new UserRegisters(), After = new UserRegisters() };
        while (Executed < program.Limit && ExtraIterations < MaxExtraIterations && !IsInHandler)
        {
            CpuState* cpu = _processor.State;
            step.Rip = cpu->Rip;
            step.Length = ReadCode(step.Rip, step.Buffer);
            Snapshot(step.Before);
            _ = _processor.Run(1);
            step.Faulted = IsInHandler;
            if (step.Faulted && IsHlt(step.Rip))
            {
                return;
            }

            if (step.Faulted)
            {
                _ = TakeBack(step.After, out _);
            }
            else
            {
                Snapshot(step.After);
            }

            onStep(step);
        }
    }

    private void Snapshot(UserRegisters registers)
    {
        registers.StoreFrom(_processor.State);
        registers.Rip = _processor.State->Rip;
        registers.Rflags = _processor.Rflags & ~(ulong)RflagsBits.RF;
    }

    private UserResult Finish()
    {
        CpuState* cpu = _processor.State;
        UserResult result = new() { Stop = UserStop.Limit, Instructions = Executed, Cr2 = cpu->Cr2 };
        if (!IsInHandler)
        {
            Snapshot(result.Registers);
            result.Stop = IsHlt(cpu->Rip) ? UserStop.Hlt : UserStop.Limit;
            return result;
        }

        bool isFault = TakeBack(result.Registers, out Fault fault);
        result.Instructions -= (isFault ? 1UL : 0) + (cpu->Activity == ActivityState.Active ? 0UL : 1); // delivery, and the handler's own HLT
        if (fault is { Vector: Vector.GP, ErrorCode: 0 } && IsHlt(result.Registers.Rip))
        {
            result.Stop = UserStop.Hlt;
            return result;
        }

        result.Stop = UserStop.Exception;
        result.Vector = fault.Vector;
        result.HasError = fault.HasErrorCode;
        result.Error = fault.ErrorCode;
        return result;
    }

    /// <summary>
    /// The program's registers from the frame that an exception has pushed. True for faults: their frames have RF, and the instruction
    /// was not executed.
    /// </summary>
    private bool TakeBack(UserRegisters registers, out Fault fault)
    {
        CpuState* cpu = _processor.State;
        uint vector = (uint)(cpu->Rip - UserSystem.Handlers) / 16;
        bool hasErrorCode = vector is 8 or (>= 10 and <= 14) or 17 or 21;
        ulong* frame = (ulong*)(_memory.Base + (cpu->Gpr[4] - UserMemory.SystemBase));
        fault = new Fault { Vector = (Vector)vector, HasErrorCode = hasErrorCode, ErrorCode = hasErrorCode ? (uint)frame[0] : 0 };
        frame += hasErrorCode ? 1 : 0;
        registers.StoreFrom(cpu);
        registers.Rip = frame[0];
        registers.Rflags = frame[2] & ~(ulong)RflagsBits.RF;
        registers.General[4] = frame[3];
        return (frame[2] & RflagsBits.RF) != 0;
    }

    private bool IsHlt(ulong rip)
    {
        Span<byte> bytes = stackalloc byte[UserStep.MaxBytes];
        int length = ReadCode(rip, bytes);
        return _fetch.IsHlt(_program.Mode, bytes[..length]);
    }

    private int ReadCode(ulong rip, Span<byte> bytes)
    {
        ulong mask = _program.Mode == 64 ? ulong.MaxValue : uint.MaxValue;
        int length = 0;
        while (length < bytes.Length)
        {
            ulong address = (rip + (ulong)length) & mask;
            byte* source = _unit.IsMapped(address) ? _unit.Touch(address) : null;
            if (source == null)
            {
                break;
            }

            bytes[length++] = *source;
        }

        return length;
    }

    /// <summary>Decodes one instruction at a time.</summary>
    private sealed class InstructionFetch
    {
        private readonly byte[] _bytes = new byte[UserStep.MaxBytes];

        /// <summary>Width of the count of a repeated MOVS or STOS; zero for anything else.</summary>
        public int CountBits(int bits, ReadOnlySpan<byte> bytes)
        {
            bytes.CopyTo(_bytes);
            Iced.Intel.Instruction instruction = Iced.Intel.Decoder.Create(bits, new Iced.Intel.ByteArrayCodeReader(_bytes, 0, bytes.Length)).Decode();
            if (!instruction.HasRepPrefix && !instruction.HasRepnePrefix)
            {
                return 0;
            }

            Iced.Intel.OpKind memory = instruction.Mnemonic switch
            {
                Iced.Intel.Mnemonic.Stosb or Iced.Intel.Mnemonic.Stosw or Iced.Intel.Mnemonic.Stosd or Iced.Intel.Mnemonic.Stosq => instruction.Op0Kind,
                Iced.Intel.Mnemonic.Movsb or Iced.Intel.Mnemonic.Movsw or Iced.Intel.Mnemonic.Movsd or Iced.Intel.Mnemonic.Movsq => instruction.Op0Kind,
                _ => Iced.Intel.OpKind.Register,
            };
            return memory switch
            {
                Iced.Intel.OpKind.MemoryESRDI => 64,
                Iced.Intel.OpKind.MemoryESEDI => 32,
                Iced.Intel.OpKind.MemoryESDI => 16,
                _ => 0,
            };
        }

        public bool IsHlt(int bits, ReadOnlySpan<byte> bytes)
        {
            if (!bytes.Contains((byte)0xF4))
            {
                return false;
            }

            bytes.CopyTo(_bytes);
            Iced.Intel.ByteArrayCodeReader reader = new(_bytes, 0, bytes.Length);
            return Iced.Intel.Decoder.Create(bits, reader).Decode().Code == Iced.Intel.Code.Hlt;
        }
    }

    /// <summary>No ports, no interrupts, and a clock that counts the program's instructions.</summary>
    private sealed class QuietPlatform : IPlatform
    {
        public Processor? Processor { get; set; }

        public ulong Now => Processor?.RetiredInstructions ?? 0;

        public bool InterruptPending => false;

        public uint ReadPort(ushort port, int sizeBytes) => uint.MaxValue;

        public void WritePort(ushort port, int sizeBytes, uint value)
        {
        }

        public byte AcknowledgeInterrupt() => 0;
    }
}
