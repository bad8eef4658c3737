using System;
using System.Collections.Generic;

using Iced.Intel;

namespace Xenolith.Oracle.Silicon;

/// <summary>
/// Makes cases for one Iced <see cref="Code"/>: encodes it with random operands in register and memory forms, and fills exactly
/// the registers and bytes that it reads. The same seed gives the same cases.
/// </summary>
public sealed unsafe class CaseGenerator
{
    private const int FaultOneIn = 24;

    private readonly Random _random;
    private readonly OpCodeInfo _opCode;
    private readonly int _bits;
    private readonly InstructionInfoFactory _info = new();
    private readonly ByteWriter _bytes = new();
    private readonly OperandMaker _operands;

    /// <summary>Where the memory operand of the case at hand was put.</summary>
    private ulong _target;

    /// <param name="code">What to encode.</param>
    /// <param name="bits">64 or 32: the mode.</param>
    /// <param name="seed">Chooses the cases.</param>
    public CaseGenerator(Code code, int bits, int seed)
    {
        _random = new Random(HashCode32((int)code, bits, seed));
        _opCode = code.ToOpCode();
        _bits = bits;
        _operands = new OperandMaker(_random, bits);
    }

    /// <summary>Encodes and fills one case. False when this code has an operand that the generator does not make.</summary>
    public bool TryNext(out SiliconRequest request, out Instruction instruction)
    {
        for (int attempt = 0; attempt < 64; attempt++)
        {
            if (TryOnce(out request, out instruction))
            {
                return true;
            }
        }

        request = default;
        instruction = default;
        return false;
    }

    private bool TryOnce(out SiliconRequest request, out Instruction instruction)
    {
        request = default;
        EdgeValues values = new(_random);
        ulong rip = MemoryMap.Code + 0x800 + (ulong)_random.Next(16);
        instruction = default;
        instruction.Code = _opCode.Code;
        if (!_operands.TryMake(_opCode, ref instruction, values, rip))
        {
            return false;
        }

        Encoder encoder = Encoder.Create(_bits, _bytes);
        _bytes.Clear();
        if (!encoder.TryEncode(instruction, rip, out uint length, out _))
        {
            return false;
        }

        Decoder decoder = Decoder.Create(_bits, _bytes.ToArray(), rip);
        decoder.Decode(out Instruction decoded);
        if (decoded.Code != _opCode.Code || decoded.Length != (int)length)
        {
            return false; // another encoding of the same thing won
        }

        instruction = decoded;
        if (_random.Next(200) == 0)
        {
            rip = MemoryMap.Code + 0x1000 - (ulong)_random.Next(1, (int)length + 1); // fetched up to, or across, the end of the page
            if (instruction.IsIPRelativeMemoryOperand || length > MemoryMap.Code + 0x1000 - rip)
            {
                rip = MemoryMap.Code + 0x1000 - length;
                if (instruction.IsIPRelativeMemoryOperand || instruction.Op0Kind is OpKind.NearBranch32 or OpKind.NearBranch64)
                {
                    return false;
                }
            }

            decoder = Decoder.Create(_bits, _bytes.ToArray(), rip);
            decoder.Decode(out instruction);
        }

        request.Bits = (uint)_bits;
        AppendEnvironmentStore(in instruction);
        request.SetCode(_bytes.ToArray());
        request.State = MachineState.Default(rip);
        request.WindowBytes = StateCases.Is(instruction.Mnemonic) ? MemoryMap.MaxWindowSize : 0UL;
        request.WindowAddress = request.WindowBytes == 0 && _random.Next(4) == 0 ? MemoryMap.WindowEnd : MemoryMap.WindowMiddle;
        request.State.Gpr[4] = request.WindowAddress + 0x80;
        FillRegisters(ref request, in instruction, values);
        return TryPlaceMemory(ref request, in instruction, values) && FixUp(ref request, in instruction);
    }

    /// <summary>Behind some x87 instructions, an FNSTENV into the window shows the pointers and the opcode that they left.</summary>
    private void AppendEnvironmentStore(in Instruction instruction)
    {
        bool isX87 = Array.Exists(_opCode.Code.CpuidFeatures(), f => f is CpuidFeature.FPU or CpuidFeature.FPU287 or CpuidFeature.FPU387);
        if (!isX87 || Comparison.IsApproximate(in instruction) || instruction.IP > MemoryMap.Code + 0x900 || _random.Next(3) != 0)
        {
            return;
        }

        const uint Target = (uint)MemoryMap.WindowMiddle + 0xC0;
        if (_random.Next(4) == 0)
        {
            _bytes.WriteByte(0x66); // the 16-bit format
        }

        foreach (byte b in _bits == 64 ? (ReadOnlySpan<byte>)[0xD9, 0x34, 0x25] : [0xD9, 0x35])
        {
            _bytes.WriteByte(b);
        }

        for (int shift = 0; shift < 32; shift += 8)
        {
            _bytes.WriteByte((byte)(Target >> shift));
        }
    }

    private void FillRegisters(ref SiliconRequest request, in Instruction instruction, EdgeValues values)
    {
        ref MachineState state = ref request.State;
        ElementKind kind = _operands.Kind(_opCode, in instruction);
        bool mmx = instruction.Mnemonic == Mnemonic.Emms;
        foreach (UsedRegister used in _info.GetInfo(instruction).GetUsedRegisters())
        {
            mmx |= used.Register is >= Register.MM0 and <= Register.MM7;
            if (used.Register.IsVectorRegister())
            {
                // Upper halves are there for every form: VEX zeroes what it does not write, SSE keeps it.
                int number = used.Register.GetNumber();
                state.YmmHigh[2 * number] = values.Vector64(kind);
                state.YmmHigh[(2 * number) + 1] = values.Vector64(kind);
            }

            if (used.Access is OpAccess.Write or OpAccess.None or OpAccess.NoMemAccess)
            {
                continue;
            }

            Register full = used.Register.GetFullRegister();
            if (used.Register.IsGPR() && !(full == Register.RSP && instruction.IsStackInstruction))
            {
                int width = used.Register.GetSize() * 8;
                ulong value = used.Register == Register.CL ? values.Count() : values.Integer(_random.Next(4) == 0 ? 64 : width);
                int number = Number(full);
                bool high = used.Register is Register.AH or Register.BH or Register.CH or Register.DH;
                ulong kept = state.Gpr[number];
                state.Gpr[number] = high ? (kept & ~0xFF00UL) | ((value & 0xFF) << 8)
                    : width == 64 ? value
                    : (kept & ~((1UL << width) - 1)) | (value & ((1UL << width) - 1));
            }
            else if (used.Register.IsVectorRegister())
            {
                int number = used.Register.GetNumber();
                state.SetXmm(number, 0, values.Vector64(kind));
                state.SetXmm(number, 1, values.Vector64(kind));
            }
        }

        if (_bits == 32)
        {
            for (int i = 0; i < 8; i++)
            {
                state.Gpr[i] = (uint)state.Gpr[i];
            }
        }

        const ulong Arithmetic = 0x8D5;
        state.Rflags |= (ulong)_random.Next() & Arithmetic;
        if (instruction.IsStringInstruction || instruction.Mnemonic is Mnemonic.Maskmovdqu or Mnemonic.Maskmovq)
        {
            state.Rflags |= _random.Next(3) == 0 ? 0x400UL : 0;
        }

        if (mmx)
        {
            X87Cases.FillMmx(ref state, _random, values, kind);
        }

        VectorCases.BalanceFused(ref state, in instruction, _random);
        foreach (CpuidFeature feature in _opCode.Code.CpuidFeatures())
        {
            X87Cases.FillSse(ref state, feature, _random);
            X87Cases.FillX87(ref state, feature, _random);
        }
    }

    /// <summary>Points the memory operands into the window (or, now and then, at a fault) and puts operands there.</summary>
    private bool TryPlaceMemory(ref SiliconRequest request, in Instruction instruction, EdgeValues values)
    {
        if (instruction.IsVsib)
        {
            VectorCases.PlaceGather(ref request, in instruction, _random, values);
            return true;
        }

        if (StateCases.Is(instruction.Mnemonic))
        {
            StateCases.Fill(ref request, in instruction, _random, values);
            return instruction.OpCount == 0 || PlaceArea(ref request, in instruction);
        }

        bool first = true;
        foreach (UsedMemory memory in _info.GetInfo(instruction).GetUsedMemory())
        {
            if (memory.Access == OpAccess.NoMemAccess)
            {
                continue;
            }

            int size = Math.Max(memory.MemorySize.GetSize(), 1);
            if (size > 128)
            {
                return false;
            }

            bool stack = memory.Base is Register.RSP or Register.ESP && instruction.IsStackInstruction;
            ulong target = stack ? request.State.Gpr[4] : Target(in request, size);
            if (IsSha(instruction.Code))
            {
                target &= ~15UL;
                bool exact = memory.Index == Register.None || (memory.Base != Register.None && memory.Base != memory.Index);
                if (!exact)
                {
                    return false;
                }
            }

            if (!stack && !Aim(ref request.State, in memory, target))
            {
                return false;
            }

            if (first && _random.Next(FaultOneIn) == 0)
            {
                request.State.Rflags |= 0x4_0000; // AC: misaligned accesses fault
            }

            first = false;
            _target = target;
            if (memory.Access is OpAccess.Write && !instruction.IsStringInstruction)
            {
                continue;
            }

            FillMemory(ref request, in instruction, values, target, size);
        }

        return true;
    }

    /// <summary>Operands at the target, and below it for string instructions that run downwards.</summary>
    private void FillMemory(ref SiliconRequest request, in Instruction instruction, EdgeValues values, ulong target, int size)
    {
        int span = instruction.HasRepPrefix || instruction.HasRepnePrefix ? 24 : size;
        ElementKind kind = _operands.Kind(_opCode, in instruction);
        bool down = instruction.IsStringInstruction && (request.State.Rflags & 0x400) != 0;
        for (int i = down ? -span : 0; i < span; i += 8)
        {
            ulong value = values.Vector64(kind);
            Put(ref request, target + unchecked((ulong)i), value, Math.Min(8, Math.Abs(span - i)));
        }
    }

    /// <summary>Legacy SSE operands must be aligned, says the manual; AMD processors do not ask it of SHA.</summary>
    private static bool IsSha(Code code) => code.CpuidFeatures()[0] == CpuidFeature.SHA;

    /// <summary>The window is the area; now and then the operand is elsewhere, or not aligned.</summary>
    private bool PlaceArea(ref SiliconRequest request, in Instruction instruction)
    {
        UsedMemory memory = new(
            instruction.MemorySegment, instruction.MemoryBase, instruction.MemoryIndex, instruction.MemoryIndexScale,
            instruction.MemoryDisplacement64, instruction.MemorySize, OpAccess.Read,
            instruction.MemoryBase.GetSize() == 4 || instruction.MemoryIndex.GetSize() == 4 ? CodeSize.Code32 : CodeSize.Code64, 0);
        ulong target = _random.Next(24) switch
        {
            0 => MemoryMap.ReadOnly + (ulong)(_random.Next(0x10) * 64),
            1 => MemoryMap.Data + MemoryMap.DataSize + (ulong)(_random.Next(0x10) * 64),
            2 => MemoryMap.Data + MemoryMap.DataSize - (ulong)(_random.Next(1, 14) * 64),
            3 => request.WindowAddress + (ulong)_random.Next(256),
            4 when _bits == 64 => 0x8000_0000_0000_0000 ^ (ulong)_random.NextInt64(1L << 60),
            _ => request.WindowAddress,
        };
        request.State.Rflags |= _random.Next(24) == 0 ? 0x4_0000UL : 0;
        return instruction.MemoryBase is not (Register.EAX or Register.RAX or Register.EDX or Register.RDX or Register.RIP)
            && instruction.MemoryIndex is not (Register.EAX or Register.RAX or Register.EDX or Register.RDX)
            && Aim(ref request.State, in memory, target)
            && (memory.Base != Register.None || memory.Index != Register.None);
    }

    private ulong Target(in SiliconRequest request, int size)
    {
        int choice = _random.Next(FaultOneIn);
        ulong target = choice switch
        {
            0 => MemoryMap.ReadOnly + (ulong)(_random.Next(0x80) * 16),
            1 => MemoryMap.Data + MemoryMap.DataSize + (ulong)_random.Next(0x800),
            2 => MemoryMap.Data + MemoryMap.DataSize - (ulong)_random.Next(1, size + 1), // ends, or crosses, where memory ends
            3 when _bits == 64 => 0x8000_0000_0000_0000 ^ (ulong)_random.NextInt64(1L << 60), // most are not canonical
            4 => request.WindowAddress + 0x40 + (ulong)_random.Next(0x80),
            _ => request.WindowAddress + 0x40 + (ulong)(_random.Next(8) * 16),
        };
        return target;
    }

    /// <summary>Chooses base or index so that the address comes out as <paramref name="target"/>.</summary>
    private bool Aim(ref MachineState state, in UsedMemory memory, ulong target)
    {
        if (memory.Segment is Register.FS or Register.GS)
        {
            return false;
        }

        // IP-relative and absolute operands have been encoded with an address in the window.
        if (memory.Base == Register.None && memory.Index == Register.None)
        {
            return memory.Displacement >= MemoryMap.Data && memory.Displacement < MemoryMap.Data + MemoryMap.DataSize;
        }

        ulong index = memory.Index == Register.None ? 0 : state.Gpr[Number(memory.Index)];
        if (memory.Base == Register.None)
        {
            // Only an index: its value must be a multiple.
            ulong needed = target - memory.Displacement;
            state.Gpr[Number(memory.Index)] = needed / (ulong)memory.Scale;
            return true;
        }

        if (memory.Index == Register.AL)
        {
            index &= 0xFF; // XLAT
        }
        else if (memory.Index != Register.None)
        {
            if (memory.Index.GetFullRegister() == memory.Base.GetFullRegister())
            {
                state.Gpr[Number(memory.Base)] = (target - memory.Displacement) / (1 + (ulong)memory.Scale);
                return true;
            }

            index = memory.AddressSize == CodeSize.Code32 ? (uint)index : memory.AddressSize == CodeSize.Code16 ? (ushort)index : index;
        }

        ulong value = target - memory.Displacement - (index * (ulong)memory.Scale);
        int number = Number(memory.Base);
        state.Gpr[number] = memory.AddressSize switch
        {
            CodeSize.Code16 => 0,
            CodeSize.Code32 => (_bits == 64 && _random.Next(2) == 0 ? 0xABCD_0000_0000_0000UL : 0) | (uint)value,
            _ => value,
        };
        return memory.AddressSize != CodeSize.Code16;
    }

    private static void Put(ref SiliconRequest request, ulong address, ulong value, int count)
    {
        for (int i = 0; i < count; i++)
        {
            ulong offset = address + (ulong)i - request.WindowAddress;
            if (offset < (ulong)request.WindowSize)
            {
                request.Window[offset] = (byte)(value >> (8 * i));
            }
        }
    }

    /// <summary>Instructions whose operands must not be just anything if the case is to say something.</summary>
    private bool FixUp(ref SiliconRequest request, in Instruction instruction)
    {
        ulong code = MemoryMap.Code + (ulong)_random.Next(0x200, 0x700);
        switch (instruction.FlowControl)
        {
            case FlowControl.IndirectBranch or FlowControl.IndirectCall or FlowControl.Return when _random.Next(4) != 0:
                if (instruction.OpCount == 1 && instruction.Op0Kind == OpKind.Register)
                {
                    request.State.Gpr[Number(instruction.Op0Register)] = code;
                }
                else
                {
                    foreach (UsedMemory memory in _info.GetInfo(instruction).GetUsedMemory())
                    {
                        if (memory.Access == OpAccess.Read)
                        {
                            ulong at = instruction.FlowControl == FlowControl.Return ? request.State.Gpr[4] : _target;
                            Put(ref request, at, code, 8);
                        }
                    }
                }

                break;
            case FlowControl.Interrupt:
                return false;
        }

        if (instruction.HasRepPrefix || instruction.HasRepnePrefix)
        {
            request.State.Gpr[1] = (ulong)_random.Next(6);
        }

        // A bit offset in a register reaches far: keep most of them inside the window.
        if (instruction.Mnemonic is Mnemonic.Bt or Mnemonic.Bts or Mnemonic.Btr or Mnemonic.Btc
            && instruction.Op0Kind == OpKind.Memory && instruction.Op1Kind == OpKind.Register && _random.Next(8) != 0)
        {
            Register full = instruction.Op1Register.GetFullRegister();
            if (full != instruction.MemoryBase.GetFullRegister() && full != instruction.MemoryIndex.GetFullRegister())
            {
                long offset = _random.Next(-256, 256);
                request.State.Gpr[Number(full)] = _bits == 64 ? (ulong)offset : (uint)offset;
            }
        }

        if (instruction.Mnemonic is Mnemonic.Popf or Mnemonic.Popfd or Mnemonic.Popfq)
        {
            ulong offset = request.State.Gpr[4] - request.WindowAddress;
            request.Window[offset + 1] &= 0xFE; // TF: the kernel's single-step handling would show
        }
        else if (instruction.Mnemonic is Mnemonic.Enter)
        {
            request.State.Gpr[5] = request.WindowAddress + 0xC0;
        }
        else if (instruction.Mnemonic is Mnemonic.Leave && _random.Next(4) != 0)
        {
            request.State.Gpr[5] = request.WindowAddress + 0x90;
        }

        return true;
    }

    /// <summary>The encoding number of a general register.</summary>
    private static int Number(Register register)
    {
        int number = register.GetFullRegister() - Register.RAX;
        return number is >= 0 and < 16 ? number : throw new ArgumentOutOfRangeException(nameof(register), register, "no general register");
    }

    private static int HashCode32(int a, int b, int c)
    {
        uint hash = 2166136261;
        foreach (int part in (ReadOnlySpan<int>)[a, b, c])
        {
            hash = (hash ^ (uint)part) * 16777619;
            hash ^= hash >> 15;
        }

        return (int)(hash & int.MaxValue);
    }

    private sealed class ByteWriter : CodeWriter
    {
        private readonly List<byte> _bytes = [];

        public override void WriteByte(byte value) => _bytes.Add(value);

        public void Clear() => _bytes.Clear();

        public byte[] ToArray() => [.. _bytes];
    }
}
