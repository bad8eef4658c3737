using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace Xenolith.Cpu;

/// <summary>MOV r, r</summary>
internal readonly unsafe struct MovReg<T> : IBody
    where T : unmanaged, IBinaryInteger<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op) => Reg.Set(cpu, op->Dst, Reg.Get<T>(cpu, op->Src));
}

/// <summary>MOV r, imm</summary>
internal readonly unsafe struct MovImm<T> : IBody
    where T : unmanaged, IBinaryInteger<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op) => Reg.Set(cpu, op->Dst, T.CreateTruncating(op->Imm));
}

/// <summary>MOV r, m</summary>
internal readonly unsafe struct Load<T> : IMemoryBody
    where T : unmanaged, IBinaryInteger<T>
{
    public static int SizeBytes => sizeof(T);

    public static bool Writes => false;

    public static bool Aligned => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op, ulong linear, byte* at) => Reg.Set(cpu, op->Dst, *(T*)at);
}

/// <summary>MOV m, r</summary>
internal readonly unsafe struct Store<T> : IMemoryBody
    where T : unmanaged, IBinaryInteger<T>
{
    public static int SizeBytes => sizeof(T);

    public static bool Writes => true;

    public static bool Aligned => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op, ulong linear, byte* at) => *(T*)at = Reg.Get<T>(cpu, op->Src);
}

/// <summary>MOV m, imm</summary>
internal readonly unsafe struct StoreImm<T> : IMemoryBody
    where T : unmanaged, IBinaryInteger<T>
{
    public static int SizeBytes => sizeof(T);

    public static bool Writes => true;

    public static bool Aligned => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op, ulong linear, byte* at) => *(T*)at = T.CreateTruncating(op->Small);
}

/// <summary>MOVZX, MOVSX, MOVSXD, CBW, CWDE and CDQE: TFrom is unsigned or signed</summary>
internal readonly unsafe struct ExtendReg<TFrom, TTo> : IBody
    where TFrom : unmanaged, IBinaryInteger<TFrom>
    where TTo : unmanaged, IBinaryInteger<TTo>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op) => Reg.Set(cpu, op->Dst, TTo.CreateTruncating(Reg.Get<TFrom>(cpu, op->Src)));
}

/// <summary>MOVZX, MOVSX and MOVSXD r, m: TFrom is unsigned or signed</summary>
internal readonly unsafe struct ExtendMem<TFrom, TTo> : IMemoryBody
    where TFrom : unmanaged, IBinaryInteger<TFrom>
    where TTo : unmanaged, IBinaryInteger<TTo>
{
    public static int SizeBytes => sizeof(TFrom);

    public static bool Writes => false;

    public static bool Aligned => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op, ulong linear, byte* at) => Reg.Set(cpu, op->Dst, TTo.CreateTruncating(*(TFrom*)at));
}

/// <summary>LEA</summary>
internal readonly unsafe struct Lea<T, TAddress> : IBody
    where T : unmanaged, IBinaryInteger<T>
    where TAddress : struct, IAddress
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op) => Reg.Set(cpu, op->Dst, T.CreateTruncating(TAddress.Of(cpu, op)));
}

/// <summary>XCHG r, r</summary>
internal readonly unsafe struct ExchangeReg<T> : IBody
    where T : unmanaged, IBinaryInteger<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op)
    {
        T first = Reg.Get<T>(cpu, op->Dst);
        Reg.Set(cpu, op->Dst, Reg.Get<T>(cpu, op->Src));
        Reg.Set(cpu, op->Src, first);
    }
}

/// <summary>CMOVcc r, r: a 32-bit destination is zero-extended either way</summary>
internal readonly unsafe struct CmovReg<TCondition, T> : IBody
    where TCondition : struct, ICondition
    where T : unmanaged, IBinaryInteger<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op)
    {
        T value = Reg.Get<T>(cpu, op->Src);
        T old = Reg.Get<T>(cpu, op->Dst);
        Reg.Set(cpu, op->Dst, TCondition.Holds(cpu) ? value : old);
    }
}

/// <summary>CMOVcc r, m: memory is read whatever the condition</summary>
internal readonly unsafe struct CmovMem<TCondition, T> : IMemoryBody
    where TCondition : struct, ICondition
    where T : unmanaged, IBinaryInteger<T>
{
    public static int SizeBytes => sizeof(T);

    public static bool Writes => false;

    public static bool Aligned => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op, ulong linear, byte* at)
    {
        T value = *(T*)at;
        T old = Reg.Get<T>(cpu, op->Dst);
        Reg.Set(cpu, op->Dst, TCondition.Holds(cpu) ? value : old);
    }
}

/// <summary>SETcc r</summary>
internal readonly unsafe struct SetReg<TCondition> : IBody
    where TCondition : struct, ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op) => Reg.Set(cpu, op->Dst, TCondition.Holds(cpu) ? (byte)1 : (byte)0);
}

/// <summary>SETcc m</summary>
internal readonly unsafe struct SetMem<TCondition> : IMemoryBody
    where TCondition : struct, ICondition
{
    public static int SizeBytes => 1;

    public static bool Writes => true;

    public static bool Aligned => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op, ulong linear, byte* at) => *at = TCondition.Holds(cpu) ? (byte)1 : (byte)0;
}

/// <summary>CDQ, CQO</summary>
internal readonly unsafe struct SignToRdx<T> : IBody
    where T : unmanaged, IBinaryInteger<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op) =>
        Reg.Set(cpu, 2 * 8, T.CreateTruncating((long)(cpu->Gpr[0] << (64 - (sizeof(T) * 8))) >> 63));
}

/// <summary>BSWAP</summary>
internal readonly unsafe struct ByteSwap<T> : IBody
    where T : unmanaged, IBinaryInteger<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op)
    {
        ulong reversed = BinaryPrimitives.ReverseEndianness(*(ulong*)((byte*)cpu + op->Dst)) >> (64 - (sizeof(T) * 8));
        Reg.Set(cpu, op->Dst, T.CreateTruncating(reversed));
    }
}

/// <summary>NOP and the like</summary>
internal readonly unsafe struct Nothing : IBody
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op)
    {
    }
}
