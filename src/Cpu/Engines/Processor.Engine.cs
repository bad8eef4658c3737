using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <content>The engine: finds, builds, links and runs blocks.</content>
public sealed unsafe partial class Processor : ICodePageObserver
{
    private BlockCache? _blocks;
    private BlockBuilder? _builder;
    private byte* _cutBuffer;
    private Outcome _outcome;
    private long _held;
    private long _untilSample;
    private bool _sampleDue;

    /// <summary>Use the loop over the same handlers instead of tail-threading; to be set before the first run.</summary>
    public bool UseLoopEngine { get; set; } = !TailCalls.Work;

    /// <summary>Execute every instruction the careful way, one at a time: the reference that the engines are compared with.</summary>
    public bool UseCarefulEngine { get; set; }

    /// <summary>What makes blocks hot.</summary>
    internal HotCode Hot { get; } = new();

    void ICodePageObserver.OnCodePageMarked(Mfn frame) => Tlb.DropWriteTags(frame);

    bool ICodePageObserver.OnCodePageWritten(Hpa address, ulong sizeBytes) =>
        MeetsMonitor(address, sizeBytes) | (_blocks is not null && _blocks.OnWrite(address, sizeBytes));

    /// <summary>Runs blocks until something needs attention, or the budget is used up.</summary>
    private Outcome RunBlocks()
    {
        if (_untilSample <= 0)
        {
            _untilSample = Hot.Interval;
            _sampleDue = true;
        }

        long before = State->Budget;
        Hold();
        Outcome outcome = RunWhileHolding();
        Release(long.MaxValue);
        _untilSample -= before - State->Budget;
        return outcome;
    }

    /// <summary>Keeps back what is more than a sampling interval, so that the engine comes out to be sampled.</summary>
    private void Hold()
    {
        _held = long.Max(0, State->Budget - _untilSample);
        State->Budget -= _held;
        _sliceInstructions -= _held;
    }

    /// <summary>Gives back what was kept back, or a part.</summary>
    internal void Release(long most)
    {
        long part = long.Min(_held, most);
        _held -= part;
        State->Budget += part;
        _sliceInstructions += part;
    }

    private Outcome RunWhileHolding()
    {
        CpuState* cpu = State;
        BlockCache blocks = _blocks ?? StartEngine();
        Op* exit = null;
        do
        {
            if (!blocks.Arena.HasRoom(BlockBuilder.MaxSizeBytes) || _areBlocksVoid)
            {
                _areBlocksVoid = false;
                blocks.Clear();
                exit = null;
            }

            Block* block = LookUp(blocks, out Outcome failure);
            if (block == null)
            {
                return failure;
            }

            if (exit != null && blocks.Arena.Contains(exit))
            {
                Link(exit, block);
            }

            if (block->Count > cpu->Budget && _held > 0)
            {
                Release(Hot.Interval);
                _untilSample += Hot.Interval;
                _sampleDue = true;
            }

            if (_sampleDue)
            {
                _sampleDue = false;
                Hot.OnSample(block);
            }

            if (block->Count > cpu->Budget)
            {
                block = BuildCut(blocks, block);
            }

            cpu->Budget -= block->Count;
            cpu->DataAccesses += block->Accesses;
            cpu->LastExit = null;
            _outcome = Outcome.Retired;
            Execute(block);
            blocks.Cut = null;
            exit = cpu->LastExit;
        }
        while (_outcome == Outcome.Retired && cpu->Budget + _held > 0 && !IsBoundaryRequested && !_stopRequested);
        return _outcome;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)] // the loop of the debugging engine
    private void Execute(Block* block)
    {
        CpuState* cpu = State;
        Op* op = Block.Ops(block);
        do
        {
            op = op->Handler(cpu, op); // threaded handlers come back only with null
        }
        while (op != null);

        DeferredFlags.Settle(cpu);
    }

    private BlockCache StartEngine()
    {
        System.Type dispatch = UseLoopEngine ? typeof(Looped) : typeof(TailThreaded);
        _blocks = new BlockCache { DeadHandler = HandlerTable.Find(typeof(ControlHandlers), nameof(ControlHandlers.Dead), dispatch) };
        _builder = new BlockBuilder(dispatch);
        _cutBuffer = (byte*)NativeMemory.AlignedAlloc(BlockBuilder.MaxSizeBytes, 64);
        State->JumpCache = _blocks.Jumps;
        return _blocks;
    }

    /// <summary>
    /// The block at CS:RIP, decoded now if need be. Null when the fetch faulted, or one instruction was executed without a block.
    /// </summary>
    private Block* LookUp(BlockCache blocks, out Outcome failure)
    {
        CpuState* cpu = State;
        ulong rip = cpu->Rip;
        bool is64 = Is64BitMode;
        ref SegmentRegister code = ref cpu->Segments[(int)SegmentIndex.CS];
        ulong linear = is64 ? rip : (uint)(code.Base + rip);
        AccessMode mode = cpu->Cpl == 3 ? AccessMode.User : AccessMode.Supervisor;
        failure = Outcome.Retired;
        if (!IsBranchTarget(rip))
        {
            _ = Raise(Vector.GP, 0);
            failure = DeliverFault();
            return null;
        }

        if (!TryTranslate(linear, AccessKind.Execute, mode, out Hpa address))
        {
            failure = DeliverFault();
            return null;
        }

        Block* block = blocks.Find(address, rip, cpu->Mode);
        if (block != null)
        {
            if (block->SecondHpa != 0 && !SecondPageIsStill(block, linear, mode))
            {
                failure = Step();
                return null;
            }

            JumpCache.Add(cpu, block);
            return block;
        }

        block = BuildAt(rip, linear, address, mode, BlockBuilder.MaxInstructions, blocks.Arena.Next, out byte* end);
        if (block == null)
        {
            failure = Step(); // devices as code, limits, faults in the second page, overlong instructions
            return null;
        }

        blocks.Arena.Commit(end);
        blocks.Add(block);
        JumpCache.Add(cpu, block);
        return block;
    }

    private bool SecondPageIsStill(Block* block, ulong linear, AccessMode mode)
    {
        ulong second = ((linear & ~Pages.OffsetMask) + Pages.Size) & LinearMask;
        Fault before = PendingFault;
        bool same = TryTranslate(second, AccessKind.Execute, mode, out Hpa address) && address.Value == block->SecondHpa;
        PendingFault = before;
        return same;
    }

    private Block* BuildAt(ulong rip, ulong linear, Hpa address, AccessMode mode, int maxInstructions, byte* destination, out byte* end)
    {
        PhysicalBus bus = Memory.Bus;
        end = destination;
        if (!bus.IsRam(address, 1))
        {
            return null;
        }

        ulong inPage = Pages.Size - (linear & Pages.OffsetMask);
        ulong inSegment = Is64BitMode ? inPage : State->Segments[(int)SegmentIndex.CS].Limit - rip + 1;
        byte* host = bus.RamPointer(address);
        BlockSource source = new()
        {
            Rip = rip,
            Address = address,
            Mode = State->Mode,
            Bytes = host,
            HostCode = host,
            Length = (int)ulong.Min(inPage, inSegment),
        };
        bus.MarkCode(address.Frame);
        Block* block = _builder!.Build(in source, maxInstructions, destination, out end);
        if (block != null || inPage >= MaxInstructionLength || inSegment <= inPage)
        {
            return block;
        }

        ulong next = (linear + inPage) & LinearMask;
        if (!TryTranslate(next, AccessKind.Execute, mode, out Hpa second) || !bus.IsRam(second, 1) || second.Value == 0)
        {
            return null; // zero means that there is no second page: what goes on in the first of memory has no block
        }

        byte* gathered = stackalloc byte[MaxInstructionLength];
        int total = (int)ulong.Min(MaxInstructionLength, inSegment);
        for (int n = 0; n < total; n++)
        {
            gathered[n] = n < (int)inPage ? host[n] : bus.RamPointer(second)[n - (int)inPage];
        }

        bus.MarkCode(second.Frame);
        source.Bytes = gathered;
        source.Length = total;
        source.Second = second;
        return _builder.Build(in source, 1, destination, out end);
    }

    /// <summary>A copy of a block that is cut to the budget, outside the cache; it is never linked.</summary>
    private Block* BuildCut(BlockCache blocks, Block* whole)
    {
        Block* cut = BuildAt(
            whole->Rip, LinearOf(whole->Rip), new Hpa(whole->Hpa), State->Cpl == 3 ? AccessMode.User : AccessMode.Supervisor,
            (int)State->Budget, _cutBuffer, out _);
        blocks.Cut = cut;
        return cut;
    }

    private ulong LinearOf(ulong rip) => Is64BitMode ? rip : (uint)(State->Segments[(int)SegmentIndex.CS].Base + rip);

    /// <summary>
    /// Lets an exit lead straight to a block: in the same page always, as the page was proved when the exit's block was entered;
    /// in another one behind a check of the fetch tag.
    /// </summary>
    private void Link(Op* exit, Block* block)
    {
        Block* from = Block.Of(exit);
        if (exit->Target != CodeArena.NoBlock || exit->TargetRip != block->Rip || from->IsDead
            || (from->DefersFlags && !block->OverwritesFlags))
        {
            return;
        }

        bool samePage = block->Hpa - from->Hpa == block->Rip - from->Rip && (block->Hpa ^ from->Hpa) >> Pages.Shift == 0;
        if (samePage && block->SecondHpa == 0 && from->Mode == block->Mode)
        {
            exit->Target = block;
        }
        else if (block->SecondHpa == 0 && from->Mode == block->Mode && (block->Mode & ExecutionMode.FlatCode) != 0)
        {
            exit->CrossTarget = block;
            exit->Handler = HandlerTable.Find(
                typeof(ControlHandlers), nameof(ControlHandlers.CrossPage), UseLoopEngine ? typeof(Looped) : typeof(TailThreaded));
        }
    }

    /// <summary>Makes RIP and counts exact at an op: what the block's head took for it and all behind it is given back.</summary>
    internal void GiveBack(Op* op)
    {
        CpuState* cpu = State;
        Block* block = Block.Of(op);
        cpu->Rip = CutRip(block->Rip + op->IpOffset);
        cpu->Budget += block->Count - op->InstructionIndex;
        cpu->DataAccesses -= block->Accesses - op->AccessesBefore;
    }

    /// <summary>Undoes <see cref="GiveBack"/>: the op runs after all.</summary>
    internal void TakeAgain(Op* op)
    {
        Block* block = Block.Of(op);
        State->Budget -= block->Count - op->InstructionIndex;
        State->DataAccesses += block->Accesses - op->AccessesBefore;
    }

    /// <summary>The instruction at an op is executed the careful way, and the engine is left behind it.</summary>
    internal void StepInstead(Op* op)
    {
        GiveBack(op);
        DeferredFlags.Settle(State);
        _outcome = Left(Step());
    }

    /// <summary>The instruction at RIP has faulted: its fault is delivered, and the engine is left.</summary>
    internal void SettleFault()
    {
        DeferredFlags.Settle(State);
        _outcome = Left(DeliverFault());
    }

    /// <summary>Executes a cold op. True when the block goes on behind it.</summary>
    internal bool RunCold(Op* op)
    {
        CpuState* cpu = State;
        GiveBack(op);
        DeferredFlags.Settle(cpu);
        ColdSite* site = (ColdSite*)op->Imm;
        NextRip = CutRip(cpu->Rip + op->Length);
        Outcome outcome = site->Method == null ? Raise(Vector.UD) : site->Method(this, in site->Instruction);
        switch (outcome)
        {
            case Outcome.Retired:
                cpu->Budget--;
                bool attention = (cpu->Interruptibility & InterruptShadow) != 0 || (cpu->RflagsSystem & RflagsBits.TF) != 0
                    || IsBoundaryRequested || _stopRequested;
                if (!attention)
                {
                    Block* block = Block.Of(op);
                    cpu->Budget -= block->Count - op->InstructionIndex - 1;
                    cpu->DataAccesses += block->Accesses - op->AccessesBefore;
                    return true;
                }

                cpu->Rip = NextRip;
                _outcome = Outcome.Branched;
                return false;
            case Outcome.Branched or Outcome.Repeat:
                cpu->Budget--;
                cpu->RflagsSystem |= outcome == Outcome.Repeat ? RflagsBits.RF : 0; // as an interrupt between iterations saves it
                _outcome = outcome;
                return false;
            case Outcome.Fault:
                RefreshMode();
                _outcome = Left(DeliverFault());
                return false;
            default:
                _outcome = outcome;
                return false;
        }
    }

    /// <summary>The engine must be left even when nothing more is to be done.</summary>
    private static Outcome Left(Outcome outcome) => outcome == Outcome.Retired ? Outcome.Branched : outcome;
}
