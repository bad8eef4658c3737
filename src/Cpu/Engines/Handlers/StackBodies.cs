using System.Numerics;
using System.Runtime.CompilerServices;

namespace Xenolith.Cpu;

/// <summary>Where a push of T writes. A flat 32-bit stack wraps.</summary>
internal readonly unsafe struct BelowStack<T> : IAddress
    where T : unmanaged, IBinaryInteger<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static ulong Of(CpuState* cpu, Op* op) => sizeof(T) == 4 ? (uint)cpu->Gpr[4] - 4U : cpu->Gpr[4] - 8;
}

/// <summary>Where a pop of T reads.</summary>
internal readonly unsafe struct TopOfStack<T> : IAddress
    where T : unmanaged, IBinaryInteger<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static ulong Of(CpuState* cpu, Op* op) => sizeof(T) == 4 ? (uint)cpu->Gpr[4] : cpu->Gpr[4];
}

/// <summary>Where LEAVE reads.</summary>
internal readonly unsafe struct FramePointer<T> : IAddress
    where T : unmanaged, IBinaryInteger<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static ulong Of(CpuState* cpu, Op* op) => sizeof(T) == 4 ? (uint)cpu->Gpr[5] : cpu->Gpr[5];
}

/// <summary>PUSH r: PUSH rSP pushes the old value</summary>
internal readonly unsafe struct PushReg<T> : IMemoryBody
    where T : unmanaged, IBinaryInteger<T>
{
    public static int SizeBytes => sizeof(T);

    public static bool Writes => true;

    public static bool Aligned => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op, ulong linear, byte* at)
    {
        *(T*)at = Reg.Get<T>(cpu, op->Src);
        cpu->Gpr[4] = linear;
    }
}

/// <summary>PUSH imm</summary>
internal readonly unsafe struct PushImm<T> : IMemoryBody
    where T : unmanaged, IBinaryInteger<T>
{
    public static int SizeBytes => sizeof(T);

    public static bool Writes => true;

    public static bool Aligned => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op, ulong linear, byte* at)
    {
        *(T*)at = T.CreateTruncating(op->Imm);
        cpu->Gpr[4] = linear;
    }
}

/// <summary>POP r; POP rSP ends with the popped value</summary>
internal readonly unsafe struct PopReg<T> : IMemoryBody
    where T : unmanaged, IBinaryInteger<T>
{
    public static int SizeBytes => sizeof(T);

    public static bool Writes => false;

    public static bool Aligned => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op, ulong linear, byte* at)
    {
        T value = *(T*)at;
        Reg.Set(cpu, Reg.Rsp, T.CreateTruncating(linear + (uint)sizeof(T)));
        Reg.Set(cpu, op->Dst, value);
    }
}

/// <summary>LEAVE</summary>
internal readonly unsafe struct Leave<T> : IMemoryBody
    where T : unmanaged, IBinaryInteger<T>
{
    public static int SizeBytes => sizeof(T);

    public static bool Writes => false;

    public static bool Aligned => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a handler's body
    public static void Run(CpuState* cpu, Op* op, ulong linear, byte* at)
    {
        T frame = *(T*)at;
        Reg.Set(cpu, Reg.Rsp, T.CreateTruncating(linear + (uint)sizeof(T)));
        Reg.Set(cpu, 5 * 8, frame);
    }
}
