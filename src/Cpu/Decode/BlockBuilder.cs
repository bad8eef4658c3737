using System;
using System.Runtime.InteropServices;

using Iced.Intel;

using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <summary>Where a block's bytes are, and under which name it is known.</summary>
internal unsafe ref struct BlockSource
{
    public ulong Rip;
    public Hpa Address;
    public ExecutionMode Mode;

    /// <summary>The bytes in the page of the first one, as far as the page and CS go.</summary>
    public byte* Bytes;
    public int Length;

    /// <summary>For one instruction that goes on in another page: where, else zero; then <see cref="Bytes"/> is a gathered copy.</summary>
    public Hpa Second;

    /// <summary>Host pointer of the first byte in memory.</summary>
    public byte* HostCode;
}

/// <summary>
/// Decodes runs of instructions into blocks: up to a branch, an instruction that may change what code means, the end of the page,
/// or <see cref="MaxInstructions"/>.
/// </summary>
internal sealed unsafe class BlockBuilder(Type dispatch)
{
    public const int MaxInstructions = 48;

    /// <summary>Room that a block may need: header, ops, exits, and a cold site for every instruction.</summary>
    public static readonly nuint MaxSizeBytes =
        (nuint)(sizeof(Block) + (sizeof(Op) * (MaxInstructions + 4)) + ((sizeof(ColdSite) + 16) * MaxInstructions) + 64);

    private readonly Lowering _lowering = new(dispatch);
    private readonly Instruction[] _instructions = new Instruction[MaxInstructions];
    private readonly FlagNeed[] _flags = new FlagNeed[MaxInstructions];
    private readonly MemoryReader _reader = new();
    private readonly Decoder?[] _decoders = new Decoder?[3];

    /// <summary>
    /// Builds at <paramref name="destination"/>, which has <see cref="MaxSizeBytes"/>. Null when not even the first instruction can
    /// be decoded from these bytes: it goes on elsewhere, or is no instruction of at most 15 bytes.
    /// </summary>
    /// <param name="end">Behind the last byte used.</param>
    public Block* Build(in BlockSource source, int maxInstructions, byte* destination, out byte* end)
    {
        end = destination;
        int count = Decode(in source, maxInstructions, out bool endsInBranch);
        if (count == 0)
        {
            return null;
        }

        bool overwritesFlags = FlagLiveness.Mark(_instructions.AsSpan(0, count), _flags);
        Block* block = (Block*)destination;
        *block = default;
        block->Rip = source.Rip;
        block->Hpa = source.Address.Value;
        block->Mode = source.Mode;
        block->HostCode = (nint)source.HostCode;
        block->SecondHpa = source.Second.Value;
        block->Count = count;
        block->OverwritesFlags = overwritesFlags;
        ulong next = _instructions[count - 1].NextIP;
        block->Length = (ushort)(next - source.Rip);
        Lower(block, count, endsInBranch, out end);
        return block;
    }

    private int Decode(in BlockSource source, int maxInstructions, out bool endsInBranch)
    {
        endsInBranch = false;
        int bits = (source.Mode & ExecutionMode.Code64) != 0 ? 64 : (source.Mode & ExecutionMode.Code32) != 0 ? 32 : 16;
        Decoder decoder = _decoders[bits >> 5] ??= Decoder.Create(bits, _reader);
        _reader.Bytes = source.Bytes;
        _reader.Length = source.Length;
        _reader.Position = 0;
        _reader.RanOut = false;
        decoder.IP = source.Rip;
        int limit = source.Second.Value != 0 ? 1 : Math.Min(maxInstructions, MaxInstructions);
        int count = 0;
        while (count < limit && !endsInBranch)
        {
            ref Instruction i = ref _instructions[count];
            int start = _reader.Position;
            decoder.Decode(out i);
            X87Opcode.Note(ref i, source.Bytes + start);
            bool tooLong = i.IsInvalid && _reader.Position - start >= Processor.MaxInstructionLength;
            if (_reader.RanOut || tooLong)
            {
                break;
            }

            count++;
            endsInBranch = i.IsInvalid || i.FlowControl is not (FlowControl.Next or FlowControl.Interrupt) || ColdTable.Instance.EndsBlock(i.Code)
                || !ColdTable.Instance.Has(i.Code);
        }

        return count;
    }

    /// <summary>Ops, then exits, then cold sites.</summary>
    private void Lower(Block* block, int count, bool endsInBranch, out byte* end)
    {
        _lowering.Begin(block->Mode);
        Op* ops = Block.Ops(block);
        ColdSite* sites = (ColdSite*)(ops + MaxInstructions + 4);
        int opCount = 0;
        bool hasExits = false;
        for (int n = 0; n < count; n++)
        {
            ref readonly Instruction i = ref _instructions[n];
            Op* op = Start(block, ops, opCount++, in i, n);
            uint accesses;
            if (n == count - 2 && _instructions[n + 1].FlowControl == FlowControl.ConditionalBranch
                && IsReachable(block->Mode, in _instructions[n + 1])
                && _lowering.TryFuse(in i, in _instructions[n + 1], op, _flags[n], out accesses))
            {
                op->Length += (byte)_instructions[n + 1].Length;
                block->Accesses += accesses;
                block->ExitCount = AddExits(ops, opCount, in _instructions[n + 1]);
                hasExits = true;
                break;
            }

            if (IsReachable(block->Mode, in i) && _lowering.TryLower(in i, op, _flags[n], out accesses))
            {
                block->Accesses += accesses;
                if (n == count - 1 && endsInBranch)
                {
                    block->ExitCount = AddExits(ops, opCount, in i);
                    hasExits = true;
                }

                continue;
            }

            op = Start(block, ops, opCount - 1, in i, n);
            sites->Method = ColdTable.Instance.Find(i.Code, block->Mode);
            sites->Instruction = i;
            _lowering.LowerCold(op, sites++);
        }

        block->OpCount = (byte)opCount;
        if (!hasExits)
        {
            Op* through = Start(block, ops, opCount, in _instructions[count - 1], count);
            through->IpOffset = block->Length;
            _lowering.LowerFallThrough(through);
            AddExit(ops, opCount + 1, _instructions[count - 1].NextIP);
            block->ExitCount = 2; // the op that goes through, and the exit behind it
        }

        end = (byte*)sites;
    }

    private static Op* Start(Block* block, Op* ops, int opIndex, in Instruction i, int instructionIndex)
    {
        Op* op = ops + opIndex;
        *op = default;
        op->OpIndex = (byte)opIndex;
        op->InstructionIndex = (byte)instructionIndex;
        op->IpOffset = (ushort)(i.IP - block->Rip);
        op->Length = (byte)i.Length;
        op->AccessesBefore = (byte)block->Accesses;
        return op;
    }

    /// <summary>A direct branch to an address that does not exist must fault at the branch: the careful way does.</summary>
    private static bool IsReachable(ExecutionMode mode, in Instruction i) =>
        i.Op0Kind != OpKind.NearBranch64 || (mode & ExecutionMode.Code64) == 0
        || (ulong)((long)(i.NearBranch64 << 16) >> 16) == i.NearBranch64;

    /// <summary>How many there are.</summary>
    private byte AddExits(Op* ops, int opIndex, in Instruction branch)
    {
        bool isDirect = branch.FlowControl is FlowControl.ConditionalBranch or FlowControl.UnconditionalBranch or FlowControl.Call;
        AddExit(ops, opIndex, isDirect && branch.FlowControl != FlowControl.ConditionalBranch ? branch.NearBranchTarget : branch.NextIP);
        if (branch.FlowControl != FlowControl.ConditionalBranch)
        {
            return 1;
        }

        AddExit(ops, opIndex + 1, branch.NearBranchTarget);
        return 2;
    }

    /// <param name="target">Where it leads; outside 64-bit mode EIP wraps at 32 bits.</param>
    private void AddExit(Op* ops, int opIndex, ulong target)
    {
        if ((Block.Of(ops)->Mode & ExecutionMode.Code64) == 0)
        {
            target = (uint)target;
        }

        Op* op = ops + opIndex;
        *op = default;
        _lowering.LowerExit(op, target);
        op->OpIndex = (byte)opIndex;
    }

    private sealed class MemoryReader : CodeReader
    {
        public byte* Bytes { get; set; }

        public int Length { get; set; }

        public int Position { get; set; }

        public bool RanOut { get; set; }

        public override int ReadByte()
        {
            if (Position < Length)
            {
                return Bytes[Position++];
            }

            RanOut = true;
            return -1;
        }
    }
}
