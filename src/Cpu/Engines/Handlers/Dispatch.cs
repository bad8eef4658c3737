using System.Runtime.CompilerServices;
using System.Threading;

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

/// <summary>
/// The same dispatch in another copy of the handler. The JIT compiles a handler for every struct type anew, and so each use of it in a hot
/// loop can have machine code, and above all an indirect jump, of its own (<see cref="HotCode"/>).
/// </summary>
internal readonly struct Copy<TDispatch> : IDispatch
    where TDispatch : struct, IDispatch
{
    public static bool Threaded => TDispatch.Threaded;
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

/// <summary>
/// Registers by byte offset. Memory is always read and written in words of 32 bits and more: a byte loaded from a word just stored, or
/// a word with a byte just stored into it, costs the host seven cycles and more instead of one.
/// </summary>
internal static unsafe class Reg
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // one load
    public static T Get<T>(CpuState* cpu, byte offset)
        where T : unmanaged
    {
        if (sizeof(T) == 1)
        {
            // AH, CH, DH and BH have odd offsets.
            byte value = (byte)(Volatile.Read(ref *(uint*)((byte*)cpu + (offset & ~7))) >> ((offset & 1) * 8));
            return Unsafe.BitCast<byte, T>(value);
        }

        if (sizeof(T) == 2)
        {
            ushort value = (ushort)Volatile.Read(ref *(uint*)((byte*)cpu + offset)); // otherwise the JIT narrows the load
            return Unsafe.BitCast<ushort, T>(value);
        }

        return *(T*)((byte*)cpu + offset);
    }

    /// <summary>32-bit results clear the upper half, smaller ones leave the rest.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // one store
    public static void Set<T>(CpuState* cpu, byte offset, T value)
        where T : unmanaged
    {
        if (sizeof(T) == 1)
        {
            ulong* whole = (ulong*)((byte*)cpu + (offset & ~7));
            int shift = (offset & 1) * 8;
            *whole = (*whole & ~(0xFFUL << shift)) | ((ulong)Unsafe.BitCast<T, byte>(value) << shift);
        }
        else if (sizeof(T) == 2)
        {
            ulong* whole = (ulong*)((byte*)cpu + offset);
            *whole = (*whole & ~0xFFFFUL) | Unsafe.BitCast<T, ushort>(value);
        }
        else if (sizeof(T) == 4)
        {
            *(ulong*)((byte*)cpu + offset) = Unsafe.BitCast<T, uint>(value);
        }
        else
        {
            *(T*)((byte*)cpu + offset) = value;
        }
    }

    public const byte Rsp = 4 * 8;
}

/// <summary>What an access asks of memory, as constants of a memory op's type.</summary>
internal interface IAccess
{
    static abstract int SizeBytes { get; }

    static abstract bool Writes { get; }

    /// <summary>An address that is no multiple of 16 is left to the careful way, which knows whether it faults.</summary>
    static abstract bool Aligned { get; }
}

/// <summary>The inline TLB probe: one index, one compare; an access that crosses a page compares unequal by itself.</summary>
internal static unsafe class Probe
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // the hit path of every memory handler
    public static FastTlbEntry* Entry(CpuState* cpu, ulong linear) => cpu->Tlb + ((linear >> Pages.Shift) & 0xFFFF);

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // the hit path of every memory handler
    public static ulong Tag(ulong linear, int sizeBytes) => (linear + (uint)(sizeBytes - 1)) & ~Pages.OffsetMask;

    /// <summary>True when the access must go the slow way.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // the hit path of every memory handler
    public static bool Misses<TAccess>(FastTlbEntry* entry, ulong linear)
        where TAccess : struct, IAccess
    {
        // The low bits that must be clear stay in the tag; no tag has them set.
        ulong tag = TAccess.Aligned ? linear & ~(Pages.OffsetMask & ~15UL) : Tag(linear, TAccess.SizeBytes);
        return (TAccess.Writes ? entry->WriteTag : entry->ReadTag) != tag;
    }

    /// <summary>The constants of an access in one word, for <see cref="SlowPath.Miss"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a constant
    public static int Describe<TAccess>()
        where TAccess : struct, IAccess =>
        TAccess.SizeBytes | (TAccess.Writes ? SlowPath.WriteBit : 0) | (TAccess.Aligned ? SlowPath.AlignedBit : 0);
}
