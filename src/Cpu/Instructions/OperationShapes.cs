using System.Numerics;

namespace Xenolith.Cpu;

/// <summary>Whether an operation's status flags will be read by anybody: a type parameter, so that dead flags cost nothing.</summary>
internal interface IFlagsWanted
{
    static abstract bool Wanted { get; }

    /// <summary>
    /// Only a fault could show them: an operation that knows how notes its operands instead (<see cref="DeferredFlags"/>).
    /// </summary>
    static abstract bool Deferred { get; }
}

internal readonly struct WithFlags : IFlagsWanted
{
    public static bool Wanted => true;

    public static bool Deferred => false;
}

internal readonly struct FaultOnlyFlags : IFlagsWanted
{
    public static bool Wanted => true;

    public static bool Deferred => true;
}

internal readonly struct WithoutFlags : IFlagsWanted
{
    public static bool Wanted => false;

    public static bool Deferred => false;
}

/// <summary>DEST := DEST op SRC, with flags.</summary>
internal unsafe interface IBinaryOp
{
    /// <summary>False for CMP and TEST.</summary>
    static abstract bool WritesDestination { get; }

    static abstract T Apply<T, TFlags>(CpuState* cpu, T a, T b)
        where T : unmanaged, IBinaryInteger<T>
        where TFlags : struct, IFlagsWanted;
}

/// <summary>DEST := op DEST.</summary>
internal unsafe interface IUnaryOp
{
    static abstract T Apply<T, TFlags>(CpuState* cpu, T a)
        where T : unmanaged, IBinaryInteger<T>
        where TFlags : struct, IFlagsWanted;
}

/// <summary>DEST := DEST shifted or rotated by a count that is masked already and not zero.</summary>
internal unsafe interface IShiftOp
{
    static abstract T Apply<T, TFlags>(CpuState* cpu, T value, int count)
        where T : unmanaged, IBinaryInteger<T>
        where TFlags : struct, IFlagsWanted;
}

/// <summary>Tests one bit and perhaps changes it.</summary>
internal interface IBitOp
{
    static abstract bool WritesDestination { get; }

    static abstract T Change<T>(T value, T mask)
        where T : unmanaged, IBinaryInteger<T>;
}

/// <summary>DEST := op SRC.</summary>
internal unsafe interface IMoveOp
{
    static abstract T Apply<T, TFlags>(CpuState* cpu, T source, T old)
        where T : unmanaged, IBinaryInteger<T>
        where TFlags : struct, IFlagsWanted;
}
