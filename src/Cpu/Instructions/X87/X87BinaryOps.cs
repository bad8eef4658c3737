namespace Xenolith.Cpu;

/// <summary>An x87 operation on two operands, of which neither is a NaN: DEST op SRC.</summary>
internal interface IX87BinaryOp
{
    /// <summary>As <see cref="X87Fast"/> does it, of normal numbers. False: <see cref="Apply"/> has to.</summary>
    static abstract bool TryFast(ulong destination, uint destinationExponent, ulong source, uint sourceExponent, ushort fcw, out X87Sum result);

    static abstract Unpacked Apply(in Unpacked destination, in Unpacked source, in FloatFormat format, ref FloatEnvironment environment);
}

/// <summary>FADD, FADDP, FIADD.</summary>
internal readonly struct X87Add : IX87BinaryOp
{
    public static bool TryFast(ulong destination, uint destinationExponent, ulong source, uint sourceExponent, ushort fcw, out X87Sum result) =>
        X87Fast.TryAdd(destination, destinationExponent, source, sourceExponent, fcw, out result);

    public static Unpacked Apply(in Unpacked destination, in Unpacked source, in FloatFormat format, ref FloatEnvironment environment) =>
        SoftFloat.Add(in destination, in source, in format, ref environment);
}

/// <summary>FSUB, FSUBP, FISUB.</summary>
internal readonly struct X87Subtract : IX87BinaryOp
{
    public static bool TryFast(ulong destination, uint destinationExponent, ulong source, uint sourceExponent, ushort fcw, out X87Sum result) =>
        X87Fast.TryAdd(destination, destinationExponent, source, sourceExponent ^ 0x8000, fcw, out result);

    public static Unpacked Apply(in Unpacked destination, in Unpacked source, in FloatFormat format, ref FloatEnvironment environment) =>
        SoftFloat.Add(in destination, source with { Sign = !source.Sign }, in format, ref environment);
}

/// <summary>FSUBR, FSUBRP, FISUBR: SRC - DEST.</summary>
internal readonly struct X87SubtractReversed : IX87BinaryOp
{
    public static bool TryFast(ulong destination, uint destinationExponent, ulong source, uint sourceExponent, ushort fcw, out X87Sum result) =>
        X87Fast.TryAdd(source, sourceExponent, destination, destinationExponent ^ 0x8000, fcw, out result);

    public static Unpacked Apply(in Unpacked destination, in Unpacked source, in FloatFormat format, ref FloatEnvironment environment) =>
        SoftFloat.Add(in source, destination with { Sign = !destination.Sign }, in format, ref environment);
}

/// <summary>FMUL, FMULP, FIMUL.</summary>
internal readonly struct X87Multiply : IX87BinaryOp
{
    public static bool TryFast(ulong destination, uint destinationExponent, ulong source, uint sourceExponent, ushort fcw, out X87Sum result) =>
        X87Fast.TryMultiply(destination, destinationExponent, source, sourceExponent, fcw, out result);

    public static Unpacked Apply(in Unpacked destination, in Unpacked source, in FloatFormat format, ref FloatEnvironment environment) =>
        SoftFloat.Multiply(in destination, in source, in format, ref environment);
}

/// <summary>FDIV, FDIVP, FIDIV.</summary>
internal readonly struct X87Divide : IX87BinaryOp
{
    public static bool TryFast(ulong destination, uint destinationExponent, ulong source, uint sourceExponent, ushort fcw, out X87Sum result) =>
        X87Fast.TryDivide(destination, destinationExponent, source, sourceExponent, fcw, out result);

    public static Unpacked Apply(in Unpacked destination, in Unpacked source, in FloatFormat format, ref FloatEnvironment environment) =>
        SoftFloat.Divide(in destination, in source, in format, ref environment);
}

/// <summary>FDIVR, FDIVRP, FIDIVR: SRC / DEST.</summary>
internal readonly struct X87DivideReversed : IX87BinaryOp
{
    public static bool TryFast(ulong destination, uint destinationExponent, ulong source, uint sourceExponent, ushort fcw, out X87Sum result) =>
        X87Fast.TryDivide(source, sourceExponent, destination, destinationExponent, fcw, out result);

    public static Unpacked Apply(in Unpacked destination, in Unpacked source, in FloatFormat format, ref FloatEnvironment environment) =>
        SoftFloat.Divide(in source, in destination, in format, ref environment);
}
