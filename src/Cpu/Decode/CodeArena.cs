using System;
using System.Runtime.InteropServices;

namespace Xenolith.Cpu;

/// <summary>
/// Where blocks live: unmanaged memory that is only ever filled upward. When it is full the block cache throws everything away and
/// starts again; nothing else is freed.
/// </summary>
internal sealed unsafe class CodeArena : IDisposable
{
    private readonly nuint _sizeBytes;
    private byte* _start;
    private byte* _next;

    public CodeArena(nuint sizeBytes)
    {
        _sizeBytes = sizeBytes;
        _start = (byte*)NativeMemory.AlignedAlloc(sizeBytes, 64);
        _next = _start;
    }

    /// <summary>A block that never fits into a budget: the target of exits that are not linked.</summary>
    public static Block* NoBlock { get; } = MakeNoBlock();

    public bool Contains(void* pointer) => pointer >= _start && pointer < _next;

    public bool HasRoom(nuint sizeBytes) => sizeBytes <= _sizeBytes - (nuint)(_next - _start);

    /// <summary>Room of which <see cref="Commit"/> says how much was used.</summary>
    public byte* Next => _next;

    public void Commit(byte* end) => _next = (byte*)(((nuint)end + 31) & ~(nuint)31);

    public void Clear() => _next = _start;

    public void Dispose()
    {
        NativeMemory.AlignedFree(_start);
        _start = null;
    }

    private static Block* MakeNoBlock()
    {
        Block* block = (Block*)NativeMemory.AlignedAlloc((nuint)sizeof(Block), 64);
        *block = default;
        block->Count = long.MaxValue;
        block->Rip = ulong.MaxValue;
        block->Mode = (ExecutionMode)uint.MaxValue;
        return block;
    }
}
