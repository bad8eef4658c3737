using System.Runtime.CompilerServices;

using Xenolith.Mmu;

namespace Xenolith.Cpu;

/// <summary>How a handler goes on: by a jump into the next handler, or by returning to a loop. A type parameter of every handler.</summary>
internal interface IDispatch
{
    static abstract bool Threaded { get; }
}

/// <summary>Handlers end in a call of the next handler, which the JIT turns into a jump (<see cref="TailCalls"/> makes sure).</summary>
internal readonly struct TailThreaded : IDispatch
{
    public static bool Threaded => true;
}

/// <summary>Handlers return the next op to a loop: slower, and independent of what the JIT does. The debugging engine.</summary>
internal readonly struct Looped : IDispatch
{
    public static bool Threaded => false;
}

/// <summary>How the linear address of a memory operand is formed, in modes where segments are flat.</summary>
internal unsafe interface IAddress
{
    static abstract ulong Of(CpuState* cpu, Op* op);
}

/// <summary>Base and displacement; 64-bit.</summary>
internal readonly unsafe struct BaseAddress : IAddress
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static ulong Of(CpuState* cpu, Op* op) => *(ulong*)((byte*)cpu + op->Base) + op->Imm;
}

/// <summary>Base, scaled index and displacement; 64-bit.</summary>
internal readonly unsafe struct IndexedAddress : IAddress
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static ulong Of(CpuState* cpu, Op* op) =>
        *(ulong*)((byte*)cpu + op->Base) + (*(ulong*)((byte*)cpu + op->Index) << op->Scale) + op->Imm;
}

/// <summary>FS or GS in 64-bit mode: the segment's base is added.</summary>
internal readonly unsafe struct SegmentAddress : IAddress
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static ulong Of(CpuState* cpu, Op* op) =>
        IndexedAddress.Of(cpu, op) + ((SegmentRegister*)&cpu->Segments)[op->Segment].Base;
}

/// <summary>32-bit address size: the sum wraps.</summary>
internal readonly unsafe struct Address32 : IAddress
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static ulong Of(CpuState* cpu, Op* op) => (uint)IndexedAddress.Of(cpu, op);
}

/// <summary>Registers by byte offset.</summary>
internal static unsafe class Reg
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // one load
    public static T Get<T>(CpuState* cpu, byte offset)
        where T : unmanaged => *(T*)((byte*)cpu + offset);

    /// <summary>32-bit results clear the upper half, smaller ones leave the rest.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // one store
    public static void Set<T>(CpuState* cpu, byte offset, T value)
        where T : unmanaged
    {
        if (sizeof(T) == 4)
        {
            *(ulong*)((byte*)cpu + offset) = *(uint*)&value;
        }
        else
        {
            *(T*)((byte*)cpu + offset) = value;
        }
    }

    public const byte Rsp = 4 * 8;
}

/// <summary>The inline TLB probe: one index, one compare; an access that crosses a page compares unequal by itself.</summary>
internal static unsafe class Probe
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // the hit path of every memory handler
    public static FastTlbEntry* Entry(CpuState* cpu, ulong linear) => cpu->Tlb + ((linear >> Pages.Shift) & 0xFFFF);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // the hit path of every memory handler
    public static ulong Tag(ulong linear, int sizeBytes) => (linear + (uint)(sizeBytes - 1)) & ~Pages.OffsetMask;
}
