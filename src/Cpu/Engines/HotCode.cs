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
    /// <summary>Instructions between two samples.</summary>
    public const long Interval = 200_000;

    /// <summary>A block that has its copies.</summary>
    public const byte Hot = 255;

    /// <summary>Samples that make a block hot: copies cost half a millisecond of compilation each, when they are not there yet.</summary>
    private const byte Enough = 2;

    /// <summary>Blocks that one sample may reach.</summary>
    private const int Reach = 16;

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
        for (int n = 0; n < block->OpCount + block->ExitCount; n++)
        {
            ops[n].Handler = HandlerTable.NextCopy(ops[n].Handler);
            if (n >= block->OpCount && ops[n].Target != null && ops[n].Target != CodeArena.NoBlock)
            {
                _queue.Enqueue((nint)ops[n].Target);
            }
        }
    }
}
