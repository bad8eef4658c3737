namespace Xenolith.Cpu;

/// <summary>A packed conversion of one element.</summary>
internal unsafe interface IConversion
{
    static abstract int SourceBytes { get; }

    static abstract int ResultBytes { get; }

    static abstract void Convert(byte* source, byte* result, ref FloatEnvironment environment);
}

/// <summary>Which rounding mode a conversion to integers obeys.</summary>
internal interface IRounding
{
    static abstract RoundingMode Of(in FloatEnvironment environment);
}

/// <summary>CVT: the mode in MXCSR.</summary>
internal readonly struct ByMxcsr : IRounding
{
    public static RoundingMode Of(in FloatEnvironment environment) => environment.Rounding;
}

/// <summary>CVTT: towards zero.</summary>
internal readonly struct Truncating : IRounding
{
    public static RoundingMode Of(in FloatEnvironment environment) => RoundingMode.Zero;
}

/// <summary>CVTPS2PD.</summary>
internal readonly unsafe struct SinglesToDoubles : IConversion
{
    public static int SourceBytes => 4;

    public static int ResultBytes => 8;

    public static void Convert(byte* source, byte* result, ref FloatEnvironment environment) =>
        *(ulong*)result = SseConvert.Between<SingleElement, uint, DoubleElement, ulong>(*(uint*)source, ref environment);
}

/// <summary>CVTPD2PS.</summary>
internal readonly unsafe struct DoublesToSingles : IConversion
{
    public static int SourceBytes => 8;

    public static int ResultBytes => 4;

    public static void Convert(byte* source, byte* result, ref FloatEnvironment environment) =>
        *(uint*)result = SseConvert.Between<DoubleElement, ulong, SingleElement, uint>(*(ulong*)source, ref environment);
}

/// <summary>CVTDQ2PS.</summary>
internal readonly unsafe struct IntegersToSingles : IConversion
{
    public static int SourceBytes => 4;

    public static int ResultBytes => 4;

    public static void Convert(byte* source, byte* result, ref FloatEnvironment environment) =>
        *(uint*)result = SseConvert.FromInteger<SingleElement, uint>(*(int*)source, ref environment);
}

/// <summary>CVTDQ2PD: always exact.</summary>
internal readonly unsafe struct IntegersToDoubles : IConversion
{
    public static int SourceBytes => 4;

    public static int ResultBytes => 8;

    public static void Convert(byte* source, byte* result, ref FloatEnvironment environment) => *(double*)result = *(int*)source;
}

/// <summary>CVTPS2DQ, CVTTPS2DQ.</summary>
internal readonly unsafe struct SinglesToIntegers<TMode> : IConversion
    where TMode : struct, IRounding
{
    public static int SourceBytes => 4;

    public static int ResultBytes => 4;

    public static void Convert(byte* source, byte* result, ref FloatEnvironment environment) =>
        *(int*)result = (int)SseConvert.ToInteger<SingleElement, uint>(*(uint*)source, 32, TMode.Of(in environment), ref environment);
}

/// <summary>CVTPD2DQ, CVTTPD2DQ.</summary>
internal readonly unsafe struct DoublesToIntegers<TMode> : IConversion
    where TMode : struct, IRounding
{
    public static int SourceBytes => 8;

    public static int ResultBytes => 4;

    public static void Convert(byte* source, byte* result, ref FloatEnvironment environment) =>
        *(int*)result = (int)SseConvert.ToInteger<DoubleElement, ulong>(*(ulong*)source, 32, TMode.Of(in environment), ref environment);
}
