using System;
using System.Runtime.CompilerServices;

using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>A condition code as a type, so that a handler is compiled for it.</summary>
internal unsafe interface ICondition
{
    static abstract bool Holds(CpuState* cpu);
}

/// <summary>The condition-code types, by <see cref="ConditionCode"/>.</summary>
internal static class ConditionTypes
{
    private static readonly Type?[] ByCode =
    [
        null, typeof(IfO), typeof(IfNo), typeof(IfB), typeof(IfAe), typeof(IfE), typeof(IfNe), typeof(IfBe), typeof(IfA),
        typeof(IfS), typeof(IfNs), typeof(IfP), typeof(IfNp), typeof(IfL), typeof(IfGe), typeof(IfLe), typeof(IfG),
    ];

    public static Type Of(ConditionCode code) => ByCode[(int)code] ?? throw new ArgumentOutOfRangeException(nameof(code));
}

internal readonly unsafe struct IfO : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool Holds(CpuState* cpu) => LazyFlags.Overflow(cpu);
}

internal readonly unsafe struct IfNo : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool Holds(CpuState* cpu) => !LazyFlags.Overflow(cpu);
}

internal readonly unsafe struct IfB : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool Holds(CpuState* cpu) => LazyFlags.Carry(cpu);
}

internal readonly unsafe struct IfAe : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool Holds(CpuState* cpu) => !LazyFlags.Carry(cpu);
}

internal readonly unsafe struct IfE : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool Holds(CpuState* cpu) => LazyFlags.Zero(cpu);
}

internal readonly unsafe struct IfNe : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool Holds(CpuState* cpu) => !LazyFlags.Zero(cpu);
}

internal readonly unsafe struct IfBe : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool Holds(CpuState* cpu) => LazyFlags.Carry(cpu) | LazyFlags.Zero(cpu);
}

internal readonly unsafe struct IfA : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool Holds(CpuState* cpu) => !(LazyFlags.Carry(cpu) | LazyFlags.Zero(cpu));
}

internal readonly unsafe struct IfS : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool Holds(CpuState* cpu) => LazyFlags.Sign(cpu);
}

internal readonly unsafe struct IfNs : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool Holds(CpuState* cpu) => !LazyFlags.Sign(cpu);
}

internal readonly unsafe struct IfP : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool Holds(CpuState* cpu) => LazyFlags.Parity(cpu);
}

internal readonly unsafe struct IfNp : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool Holds(CpuState* cpu) => !LazyFlags.Parity(cpu);
}

internal readonly unsafe struct IfL : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool Holds(CpuState* cpu) => LazyFlags.Less(cpu);
}

internal readonly unsafe struct IfGe : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool Holds(CpuState* cpu) => !LazyFlags.Less(cpu);
}

internal readonly unsafe struct IfLe : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool Holds(CpuState* cpu) => LazyFlags.Less(cpu) | LazyFlags.Zero(cpu);
}

internal readonly unsafe struct IfG : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // part of a handler
    public static bool Holds(CpuState* cpu) => !(LazyFlags.Less(cpu) | LazyFlags.Zero(cpu));
}
