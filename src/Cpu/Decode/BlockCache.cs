using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;

using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <summary>
/// The decoded blocks of one processor, found by host-physical address, RIP and mode; told by the bus when bytes under them change.
/// </summary>
internal sealed unsafe class BlockCache : IDisposable
{
    private const int BucketCount = 1 << 16;
    private const int ArenaSizeBytes = 64 << 20;

    private readonly Dictionary<ulong, nint> _pages = [];
    private readonly Dictionary<ulong, List<nint>> _secondPages = [];
    private Block** _buckets = (Block**)NativeMemory.AllocZeroed(BucketCount, (nuint)sizeof(Block*));

    public BlockCache()
    {
        Jumps = (Block**)NativeMemory.Alloc(JumpCache.Size, (nuint)sizeof(Block*));
        ClearJumps();
    }

    public CodeArena Arena { get; } = new(ArenaSizeBytes);

    /// <summary>Targets of indirect branches: see <see cref="JumpCache"/>.</summary>
    public Block** Jumps { get; private set; }

    /// <summary>What is put into the ops of a dead block.</summary>
    public delegate*<CpuState*, Op*, Op*> DeadHandler { get; set; }

    /// <summary>A block outside the cache that may be running: one cut to a budget.</summary>
    public Block* Cut { get; set; }

    public Block* Find(Hpa address, ulong rip, ExecutionMode mode)
    {
        for (Block* block = _buckets[Bucket(address, rip)]; block != null; block = block->NextInBucket)
        {
            if (block->Hpa == address.Value && block->Rip == rip && block->Mode == mode && !block->IsDead)
            {
                return block;
            }
        }

        return null;
    }

    /// <summary>Takes a block in; a dead one of the same key hands over to it.</summary>
    public void Add(Block* block)
    {
        Block** link = &_buckets[Bucket(new Hpa(block->Hpa), block->Rip)];
        block->NextInBucket = *link;
        *link = block;
        for (Block** other = &block->NextInBucket; *other != null;)
        {
            Block* old = *other;
            if (old->IsDead && old->Hpa == block->Hpa && old->Rip == block->Rip && old->Mode == block->Mode)
            {
                old->Successor = block;
                *other = old->NextInBucket;
            }
            else
            {
                other = &old->NextInBucket;
            }
        }

        ref nint head = ref CollectionsMarshal.GetValueRefOrAddDefault(_pages, block->Hpa >> Pages.Shift, out _);
        block->NextInPage = (Block*)head;
        head = (nint)block;
        if (block->SecondHpa != 0)
        {
            ref List<nint>? list = ref CollectionsMarshal.GetValueRefOrAddDefault(_secondPages, block->SecondHpa >> Pages.Shift, out _);
            (list ??= []).Add((nint)block);
        }
    }

    /// <summary>
    /// Bytes are about to change: blocks over them die. True while the page still holds blocks, the cut one among them: it is in no list,
    /// and may be the only one left.
    /// </summary>
    public bool OnWrite(Hpa address, ulong sizeBytes)
    {
        ulong start = address.Value;
        ulong end = start + sizeBytes;
        ulong page = start >> Pages.Shift;
        bool left = false;
        if (Cut != null && !Cut->IsDead)
        {
            if (Overlaps(Cut, start, end))
            {
                Kill(Cut);
            }
            else
            {
                left = Cut->Hpa >> Pages.Shift == page;
            }
        }

        if (_pages.TryGetValue(page, out nint head))
        {
            Block* first = (Block*)head;
            Block** link = &first;
            while (*link != null)
            {
                Block* block = *link;
                if (Overlaps(block, start, end))
                {
                    Kill(block);
                    *link = block->NextInPage;
                }
                else
                {
                    link = &block->NextInPage;
                    left = true;
                }
            }

            _pages[page] = (nint)first;
        }

        if (_secondPages.TryGetValue(page, out List<nint>? seconds))
        {
            foreach (nint block in seconds)
            {
                Kill((Block*)block); // few, and seldom worth a closer look
            }

            _ = _secondPages.Remove(page);
        }

        return left;
    }

    /// <summary>Throws everything away. No op pointer may be live.</summary>
    public void Clear()
    {
        Arena.Clear();
        new Span<nint>(_buckets, BucketCount).Clear();
        _pages.Clear();
        _secondPages.Clear();
        Cut = null;
        ClearJumps();
    }

    public void Dispose()
    {
        Arena.Dispose();
        NativeMemory.Free(_buckets);
        NativeMemory.Free(Jumps);
        _buckets = null;
        Jumps = null;
    }

    private static bool Overlaps(Block* block, ulong start, ulong end) =>
        (block->Hpa < end && start < block->Hpa + block->Length)
        || (block->SecondHpa != 0 && (block->SecondHpa ^ start) >> Pages.Shift == 0);

    /// <summary>Every op leads out, also those that a running handler will dispatch next.</summary>
    private void Kill(Block* block)
    {
        block->IsDead = true;
        Op* ops = Block.Ops(block);
        for (int i = 0; i < block->OpCount; i++)
        {
            ops[i].Handler = DeadHandler;
        }
    }

    private void ClearJumps()
    {
        for (int i = 0; i < JumpCache.Size; i++)
        {
            Jumps[i] = CodeArena.NoBlock;
        }
    }

    private static int Bucket(Hpa address, ulong rip)
    {
        ulong mixed = (address.Value ^ (rip << 7)) * 0x9E37_79B9_7F4A_7C15;
        return (int)(mixed >> 48);
    }
}
