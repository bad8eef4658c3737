using System.Collections.Generic;

namespace Xenolith.Cpu;

/// <summary>
/// Gives the ops of hot loops copies of their handlers, so that the indirect jump at the end of each leads to one place only and the
/// host predicts it in a cycle: a handler that is used twice in a loop would jump to two places, and cost five cycles and more each
/// time. Where the engine happens to be after every so many instructions is hot, and so are the blocks linked behind it.
/// </summary>
/// <remarks>What an op does stays the same; only its machine code is another copy. Runs are as deterministic as before.</remarks>
internal sealed unsafe class HotCode
{
    /// <summary>Instructions between two samples. Tests make it small.</summary>
    public long Interval { get; set; } = 200_000;

    /// <summary>A block that has its copies.</summary>
    public const byte Hot = 255;

    /// <summary>Samples that make a block hot: a handler costs about a millisecond of compilation when it is not there yet.</summary>
    public byte Enough { get; set; } = 2;

    /// <summary>Blocks that one sample may reach.</summary>
    private const int Reach = 16;

    /// <summary>Ops in one handler.</summary>
    private const int MaxChain = 16;

    private readonly Queue<nint> _queue = new();

    /// <summary>A block was met by a sample.</summary>
    public void OnSample(Block* block)
    {
        if (block->Heat == Hot || ++block->Heat < Enough)
        {
            return;
        }

        _queue.Clear();
        _queue.Enqueue((nint)block);
        for (int left = Reach; left > 0 && _queue.TryDequeue(out nint next); left--)
        {
            Promote((Block*)next);
        }
    }

    private void Promote(Block* block)
    {
        if (block->Heat == Hot || block->IsDead)
        {
            return;
        }

        block->Heat = Hot;
        Op* ops = Block.Ops(block);
        DeferFlags(block, ops);
        Chain(ops, block->OpCount);
        for (int n = 0; n < block->OpCount + block->ExitCount; n++)
        {
            if (!HandlerTable.IsChain(ops[n].Handler))
            {
                ops[n].Handler = HandlerTable.NextCopy(ops[n].Handler);
            }

            if (n >= block->OpCount && ops[n].Target != null && ops[n].Target != CodeArena.NoBlock)
            {
                _queue.Enqueue((nint)ops[n].Target);
            }
        }
    }

    /// <summary>Where a compare and branch leads to blocks that overwrite the flags, its own only a fault could show.</summary>
    private static void DeferFlags(Block* block, Op* ops)
    {
        Op* branch = ops + block->OpCount - 1;
        for (Op* exit = branch + 1; exit <= branch + block->ExitCount; exit++)
        {
            Block* target = HandlerTable.IsCrossPage(exit->Handler) ? exit->CrossTarget : exit->Target;
            if (target != CodeArena.NoBlock && (target == null || !target->OverwritesFlags))
            {
                return;
            }
        }

        delegate*<CpuState*, Op*, Op*> deferring = HandlerTable.Deferring(branch->Handler);
        block->DefersFlags = (nint)deferring != (nint)branch->Handler;
        branch->Handler = deferring;
    }

    /// <summary>Puts a chain's handler into the first op of each run; the others keep theirs, for when a chain ends early.</summary>
    private static void Chain(Op* ops, int count)
    {
        for (int n = 0; n < count;)
        {
            int length = 0;
            while (n + length < count && length < MaxChain && HandlerTable.IsStep(ops[n + length].Handler))
            {
                length++;
            }

            if (length > 0 && n + length < count && HandlerTable.IsTest(ops[n + length].Handler))
            {
                length++;
            }

            if (length > 1)
            {
                ops[n].Handler = HandlerTable.Chain(ops + n, length);
            }

            n += int.Max(1, length);
        }
    }
}
