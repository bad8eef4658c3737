using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Xenolith.Cpu;

/// <summary>
/// The work of handlers whose operations need locals with an address: apart, because the JIT makes no jump of the last call of a
/// method that has such locals, and the handlers' stack would grow.
/// </summary>
internal static unsafe class VectorWork
{
    /// <summary>Copies the source first: it may be the destination.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void Block<TOp>(byte* destination, byte* source)
        where TOp : struct, IBlockOp
    {
        Vector128<byte> copy = *(Vector128<byte>*)source;
        TOp.Apply(destination, (byte*)&copy, 16);
    }

    /// <inheritdoc cref="Block"/>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void BlockImmediate<TOp>(byte* destination, byte* source, byte immediate)
        where TOp : struct, IBlockImmediateOp
    {
        Vector128<byte> copy = *(Vector128<byte>*)source;
        TOp.Apply(destination, (byte*)&copy, 16, immediate);
    }

    /// <summary>A scalar operation. False when an unmasked exception was met, and nothing has changed.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static bool Scalar<TOp, TElement, T>(CpuState* cpu, byte* destination, T source)
        where TOp : struct, IFloatOp
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        FloatEnvironment environment = new(cpu->Mxcsr);
        T result = TOp.Apply<TElement, T>(*(T*)destination, source, ref environment);
        if ((environment.Raised & ~environment.Masked) != 0)
        {
            return false;
        }

        cpu->Mxcsr |= environment.Raised;
        *(T*)destination = result;
        return true;
    }

    /// <summary>A packed operation. False when an unmasked exception was met, and nothing has changed.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static bool Packed<TOp, TElement, T>(CpuState* cpu, byte* destination, byte* source)
        where TOp : struct, IFloatOp
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        FloatEnvironment environment = new(cpu->Mxcsr);
        Vector128<byte> result = default;
        for (int k = 0; k < 16 / sizeof(T); k++)
        {
            ((T*)&result)[k] = TOp.Apply<TElement, T>(((T*)destination)[k], ((T*)source)[k], ref environment);
        }

        if ((environment.Raised & ~environment.Masked) != 0)
        {
            return false;
        }

        cpu->Mxcsr |= environment.Raised;
        *(Vector128<byte>*)destination = result;
        return true;
    }
}
