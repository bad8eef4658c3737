using System;
using System.Numerics;
using System.Runtime.Intrinsics;

using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>
/// Conversions between integers, single and double precision (SDM 1 "SSE Conversion Instructions", "SSE2 Conversion Instructions",
/// SSE4.1 "Rounding Instructions").
/// </summary>
internal static unsafe class SseConvert
{
    public static void Register(ColdTable table)
    {
        RegisterGeneral<LegacyForm>(
            table,
            [Code.Cvtsi2ss_xmm_rm32, Code.Cvtsi2ss_xmm_rm64, Code.Cvtsi2sd_xmm_rm32, Code.Cvtsi2sd_xmm_rm64],
            [Code.Cvtss2si_r32_xmmm32, Code.Cvtss2si_r64_xmmm32, Code.Cvtsd2si_r32_xmmm64, Code.Cvtsd2si_r64_xmmm64],
            [Code.Cvttss2si_r32_xmmm32, Code.Cvttss2si_r64_xmmm32, Code.Cvttsd2si_r32_xmmm64, Code.Cvttsd2si_r64_xmmm64]);
        RegisterGeneral<VexForm>(
            table,
            [Code.VEX_Vcvtsi2ss_xmm_xmm_rm32, Code.VEX_Vcvtsi2ss_xmm_xmm_rm64, Code.VEX_Vcvtsi2sd_xmm_xmm_rm32, Code.VEX_Vcvtsi2sd_xmm_xmm_rm64],
            [Code.VEX_Vcvtss2si_r32_xmmm32, Code.VEX_Vcvtss2si_r64_xmmm32, Code.VEX_Vcvtsd2si_r32_xmmm64, Code.VEX_Vcvtsd2si_r64_xmmm64],
            [Code.VEX_Vcvttss2si_r32_xmmm32, Code.VEX_Vcvttss2si_r64_xmmm32, Code.VEX_Vcvttsd2si_r32_xmmm64, Code.VEX_Vcvttsd2si_r64_xmmm64]);

        table.Set(Mnemonic.Cvtss2sd, &ScalarBetween<LegacyForm, SingleElement, uint, DoubleElement, ulong>);
        table.SetVex(Mnemonic.Vcvtss2sd, &ScalarBetween<VexForm, SingleElement, uint, DoubleElement, ulong>);
        table.Set(Mnemonic.Cvtsd2ss, &ScalarBetween<LegacyForm, DoubleElement, ulong, SingleElement, uint>);
        table.SetVex(Mnemonic.Vcvtsd2ss, &ScalarBetween<VexForm, DoubleElement, ulong, SingleElement, uint>);
        SetPacked<SinglesToDoubles>(table, Mnemonic.Cvtps2pd, Mnemonic.Vcvtps2pd);
        SetPacked<DoublesToSingles>(table, Mnemonic.Cvtpd2ps, Mnemonic.Vcvtpd2ps);
        SetPacked<IntegersToSingles>(table, Mnemonic.Cvtdq2ps, Mnemonic.Vcvtdq2ps);
        SetPacked<IntegersToDoubles>(table, Mnemonic.Cvtdq2pd, Mnemonic.Vcvtdq2pd);
        SetPacked<SinglesToIntegers<ByMxcsr>>(table, Mnemonic.Cvtps2dq, Mnemonic.Vcvtps2dq);
        SetPacked<SinglesToIntegers<Truncating>>(table, Mnemonic.Cvttps2dq, Mnemonic.Vcvttps2dq);
        SetPacked<DoublesToIntegers<ByMxcsr>>(table, Mnemonic.Cvtpd2dq, Mnemonic.Vcvtpd2dq);
        SetPacked<DoublesToIntegers<Truncating>>(table, Mnemonic.Cvttpd2dq, Mnemonic.Vcvttpd2dq);

        table.Set(Mnemonic.Cvtpi2ps, &MmxToSingles);
        table.Set(Mnemonic.Cvtpi2pd, &MmxToDoubles);
        table.Set(Mnemonic.Cvtps2pi, &SinglesToMmx);
        table.Set(Mnemonic.Cvttps2pi, &SinglesToMmx);
        table.Set(Mnemonic.Cvtpd2pi, &DoublesToMmx);
        table.Set(Mnemonic.Cvttpd2pi, &DoublesToMmx);

        table.Set(Mnemonic.Roundps, &RoundPacked<LegacyForm, SingleElement, uint>);
        table.Set(Mnemonic.Roundpd, &RoundPacked<LegacyForm, DoubleElement, ulong>);
        table.Set(Mnemonic.Roundss, &RoundScalar<LegacyForm, SingleElement, uint>);
        table.Set(Mnemonic.Roundsd, &RoundScalar<LegacyForm, DoubleElement, ulong>);
        table.SetVex(Mnemonic.Vroundps, &RoundPacked<VexForm, SingleElement, uint>);
        table.SetVex(Mnemonic.Vroundpd, &RoundPacked<VexForm, DoubleElement, ulong>);
        table.SetVex(Mnemonic.Vroundss, &RoundScalar<VexForm, SingleElement, uint>);
        table.SetVex(Mnemonic.Vroundsd, &RoundScalar<VexForm, DoubleElement, ulong>);
    }

    /// <summary>
    /// Between general registers and scalars. Codes in the order: single and 32 bits, single and 64, double and 32, double and 64.
    /// </summary>
    private static void RegisterGeneral<TForm>(ColdTable table, ReadOnlySpan<Code> from, ReadOnlySpan<Code> to, ReadOnlySpan<Code> truncating)
        where TForm : struct, IVectorForm
    {
        table.Set(from[0], &FromGeneral<TForm, SingleElement, uint, int>);
        table.Set(from[1], &FromGeneral<TForm, SingleElement, uint, long>);
        table.Set(from[2], &FromGeneral<TForm, DoubleElement, ulong, int>);
        table.Set(from[3], &FromGeneral<TForm, DoubleElement, ulong, long>);
        table.Set(to[0], &ToGeneral<TForm, ByMxcsr, SingleElement, uint, int>);
        table.Set(to[1], &ToGeneral<TForm, ByMxcsr, SingleElement, uint, long>);
        table.Set(to[2], &ToGeneral<TForm, ByMxcsr, DoubleElement, ulong, int>);
        table.Set(to[3], &ToGeneral<TForm, ByMxcsr, DoubleElement, ulong, long>);
        table.Set(truncating[0], &ToGeneral<TForm, Truncating, SingleElement, uint, int>);
        table.Set(truncating[1], &ToGeneral<TForm, Truncating, SingleElement, uint, long>);
        table.Set(truncating[2], &ToGeneral<TForm, Truncating, DoubleElement, ulong, int>);
        table.Set(truncating[3], &ToGeneral<TForm, Truncating, DoubleElement, ulong, long>);
    }

    private static void SetPacked<TOp>(ColdTable table, Mnemonic legacy, Mnemonic vex)
        where TOp : struct, IConversion
    {
        table.Set(legacy, &Packed<LegacyForm, TOp>);
        table.SetVex(vex, &Packed<VexForm, TOp>);
    }

    /// <summary>An integer in a floating-point format, rounded.</summary>
    internal static T FromInteger<TElement, T>(long value, ref FloatEnvironment environment)
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        if (value == 0)
        {
            return T.Zero;
        }

        ulong magnitude = value < 0 ? 0UL - (ulong)value : (ulong)value;
        Unpacked result = SoftFloat.Round(value < 0, 63, (UInt128)magnitude << 64, TElement.Format, ref environment);
        return FloatElement<TElement, T>.Pack(in result);
    }

    /// <summary>
    /// A number as a signed integer of <paramref name="bits"/> bits. What does not fit is #I and gives the integer indefinite:
    /// the most negative number.
    /// </summary>
    internal static long ToInteger<TElement, T>(T bitsOfValue, int bits, RoundingMode mode, ref FloatEnvironment environment)
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        Unpacked value = FloatElement<TElement, T>.Unpack(FloatElement<TElement, T>.Flush(bitsOfValue, in environment));
        return SoftFloat.ToInteger(in value, bits, mode, ref environment);
    }

    /// <summary>From one format to the other; NaNs keep as much of their payload as fits.</summary>
    internal static TTo Between<TFromElement, TFrom, TToElement, TTo>(TFrom value, ref FloatEnvironment environment)
        where TFromElement : struct, IFloatElement<TFrom>
        where TFrom : unmanaged, IBinaryInteger<TFrom>, IUnsignedNumber<TFrom>
        where TToElement : struct, IFloatElement<TTo>
        where TTo : unmanaged, IBinaryInteger<TTo>, IUnsignedNumber<TTo>
    {
        Unpacked number = FloatElement<TFromElement, TFrom>.Unpack(FloatElement<TFromElement, TFrom>.Flush(value, in environment));
        environment.Raised |= number.Class == FloatClass.SignallingNaN ? MxcsrBits.IE : 0;
        environment.Raised |= number.IsDenormal ? MxcsrBits.DE : 0;
        if (number.Class == FloatClass.Finite)
        {
            number = SoftFloat.Round(number.Sign, number.Exponent, (UInt128)number.Significand << 64, TToElement.Format, ref environment);
        }

        return FloatElement<TToElement, TTo>.Pack(in number);
    }

    private static Outcome FromGeneral<TForm, TElement, T, TInteger>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
        where TInteger : unmanaged, IBinaryInteger<TInteger>
    {
        if (!TForm.IsReady(p) || !p.TryReadOperand(in i, TForm.SourceOf(in i), out TInteger source))
        {
            return Outcome.Fault;
        }

        FloatEnvironment environment = new(p.State->Mxcsr);
        Vector256<byte> result = *(Vector256<byte>*)p.VectorPointer(TForm.FirstOf(in i));
        *(T*)&result = FromInteger<TElement, T>(long.CreateTruncating(source), ref environment);
        return SseArithmetic.Finish<TForm>(p, in i, in environment, in result);
    }

    private static Outcome ToGeneral<TForm, TMode, TElement, T, TInteger>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm
        where TMode : struct, IRounding
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
        where TInteger : unmanaged, IBinaryInteger<TInteger>
    {
        if (!TForm.IsReady(p) || !p.TryReadVectorLow(in i, 1, out T source))
        {
            return Outcome.Fault;
        }

        FloatEnvironment environment = new(p.State->Mxcsr);
        long result = ToInteger<TElement, T>(source, sizeof(TInteger) * 8, TMode.Of(in environment), ref environment);
        if (!p.CommitSse(in environment))
        {
            return Outcome.Fault;
        }

        p.SetGpr(i.Op0Register, TInteger.CreateTruncating(result));
        return Outcome.Retired;
    }

    private static Outcome ScalarBetween<TForm, TFromElement, TFrom, TToElement, TTo>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm
        where TFromElement : struct, IFloatElement<TFrom>
        where TFrom : unmanaged, IBinaryInteger<TFrom>, IUnsignedNumber<TFrom>
        where TToElement : struct, IFloatElement<TTo>
        where TTo : unmanaged, IBinaryInteger<TTo>, IUnsignedNumber<TTo>
    {
        if (!TForm.IsReady(p) || !p.TryReadVectorLow(in i, TForm.SourceOf(in i), out TFrom source))
        {
            return Outcome.Fault;
        }

        FloatEnvironment environment = new(p.State->Mxcsr);
        Vector256<byte> result = *(Vector256<byte>*)p.VectorPointer(TForm.FirstOf(in i));
        *(TTo*)&result = Between<TFromElement, TFrom, TToElement, TTo>(source, ref environment);
        return SseArithmetic.Finish<TForm>(p, in i, in environment, in result);
    }

    private static int SourceSize(in Instruction i) =>
        i.Op1Kind == OpKind.Memory ? i.MemorySize.GetSize() : VexForm.SizeOf(i.Op1Register);

    /// <summary>A packed conversion: as many elements as the wider of source and result has; the rest of the result becomes zero.</summary>
    private static Outcome Packed<TForm, TOp>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm
        where TOp : struct, IConversion
    {
        // VCVTPD2PS xmm, ymm: the source says how many. VCVTPS2PD ymm, xmm: the destination.
        int size = TForm.IsVex && TOp.SourceBytes > TOp.ResultBytes ? SourceSize(in i) : TForm.SizeOf(i.Op0Register);
        int count = size / Math.Max(TOp.SourceBytes, TOp.ResultBytes);
        Vector256<byte> source = default;
        if (!TForm.IsReady(p) || (count * TOp.SourceBytes == 8
            ? !p.TryReadVectorLow(in i, 1, out *(ulong*)&source)
            : !TForm.TryRead(p, in i, 1, count * TOp.SourceBytes, out source)))
        {
            return Outcome.Fault;
        }

        FloatEnvironment environment = new(p.State->Mxcsr);
        Vector256<byte> result = default;
        for (int k = 0; k < count; k++)
        {
            TOp.Convert((byte*)&source + (k * TOp.SourceBytes), (byte*)&result + (k * TOp.ResultBytes), ref environment);
        }

        return SseArithmetic.Finish<TForm>(p, in i, in environment, in result);
    }

    /// <summary>CVTPI2PS: with a memory operand it leaves the x87 state alone (so does silicon; the manual does not say).</summary>
    private static Outcome MmxToSingles(Processor p, in Instruction i)
    {
        bool usesMmx = i.Op1Kind == OpKind.Register;
        if (!p.SseReady() || (usesMmx && !p.MmxReady()) || !p.TryReadMmx(in i, 1, out ulong source))
        {
            return Outcome.Fault;
        }

        FloatEnvironment environment = new(p.State->Mxcsr);
        uint low = FromInteger<SingleElement, uint>((int)source, ref environment);
        uint high = FromInteger<SingleElement, uint>((int)(source >> 32), ref environment);
        if (usesMmx)
        {
            p.EnterMmx();
        }

        if (!p.CommitSse(in environment))
        {
            return Outcome.Fault;
        }

        *(ulong*)p.Xmm(i.Op0Register) = low | ((ulong)high << 32);
        return Outcome.Retired;
    }

    /// <summary>CVTPI2PD: with a memory operand it leaves the x87 state alone (SDM 2A "CVTPI2PD").</summary>
    private static Outcome MmxToDoubles(Processor p, in Instruction i)
    {
        bool usesMmx = i.Op1Kind == OpKind.Register;
        if (!p.SseReady() || (usesMmx && !p.MmxReady()) || !p.TryReadMmx(in i, 1, out ulong source))
        {
            return Outcome.Fault;
        }

        if (usesMmx)
        {
            p.EnterMmx();
        }

        return FinishDoubles(p, in i, source);
    }

    private static Outcome SinglesToMmx(Processor p, in Instruction i)
    {
        if (!p.SseAndMmxReady() || !p.TryReadVectorLow(in i, 1, out ulong source))
        {
            return Outcome.Fault;
        }

        FloatEnvironment environment = new(p.State->Mxcsr);
        RoundingMode mode = i.Mnemonic == Mnemonic.Cvttps2pi ? RoundingMode.Zero : environment.Rounding;
        uint low = (uint)ToInteger<SingleElement, uint>((uint)source, 32, mode, ref environment);
        uint high = (uint)ToInteger<SingleElement, uint>((uint)(source >> 32), 32, mode, ref environment);
        return FinishMmx(p, in i, in environment, low | ((ulong)high << 32));
    }

    private static Outcome DoublesToMmx(Processor p, in Instruction i)
    {
        if (!p.SseAndMmxReady() || !p.TryReadXmm(in i, 1, out Vector128<byte> source))
        {
            return Outcome.Fault;
        }

        FloatEnvironment environment = new(p.State->Mxcsr);
        RoundingMode mode = i.Mnemonic == Mnemonic.Cvttpd2pi ? RoundingMode.Zero : environment.Rounding;
        uint low = (uint)ToInteger<DoubleElement, ulong>(source.AsUInt64()[0], 32, mode, ref environment);
        uint high = (uint)ToInteger<DoubleElement, ulong>(source.AsUInt64()[1], 32, mode, ref environment);
        return FinishMmx(p, in i, in environment, low | ((ulong)high << 32));
    }

    /// <summary>Two doublewords as doubles: always exact.</summary>
    private static Outcome FinishDoubles(Processor p, in Instruction i, ulong source)
    {
        Vector128<double> result = Vector128.Create((double)(int)source, (int)(source >> 32));
        *(Vector128<double>*)p.Xmm(i.Op0Register) = result;
        return Outcome.Retired;
    }

    private static Outcome FinishMmx(Processor p, in Instruction i, in FloatEnvironment environment, ulong result)
    {
        p.EnterMmx(); // before #XM, as silicon does
        if (!p.CommitSse(in environment))
        {
            return Outcome.Fault;
        }

        p.SetMmx(i.Op0Register, result);
        return Outcome.Retired;
    }

    private static Outcome RoundPacked<TForm, TElement, T>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        int size = TForm.SizeOf(i.Op0Register);
        if (!TForm.IsReady(p) || !TForm.TryRead(p, in i, 1, size, out Vector256<byte> source))
        {
            return Outcome.Fault;
        }

        FloatEnvironment environment = new(p.State->Mxcsr);
        for (int k = 0; k < size / sizeof(T); k++)
        {
            T* element = (T*)&source + k;
            *element = RoundToIntegral<TElement, T>(*element, i.Immediate8, ref environment);
        }

        return SseArithmetic.Finish<TForm>(p, in i, in environment, in source);
    }

    private static Outcome RoundScalar<TForm, TElement, T>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        if (!TForm.IsReady(p) || !p.TryReadVectorLow(in i, TForm.SourceOf(in i), out T source))
        {
            return Outcome.Fault;
        }

        FloatEnvironment environment = new(p.State->Mxcsr);
        Vector256<byte> result = *(Vector256<byte>*)p.VectorPointer(TForm.FirstOf(in i));
        *(T*)&result = RoundToIntegral<TElement, T>(source, i.Immediate8, ref environment);
        return SseArithmetic.Finish<TForm>(p, in i, in environment, in result);
    }

    /// <summary>ROUND: immediate bits 1:0 rounding mode, bit 2 MXCSR's instead, bit 3 no #P.</summary>
    private static T RoundToIntegral<TElement, T>(T bits, byte immediate, ref FloatEnvironment environment)
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        bits = FloatElement<TElement, T>.Flush(bits, in environment);
        Unpacked value = FloatElement<TElement, T>.Unpack(bits);
        environment.Raised |= value.Class == FloatClass.SignallingNaN ? MxcsrBits.IE : 0;
        if (value.Class != FloatClass.Finite || value.Exponent >= TElement.Format.Precision - 1)
        {
            return FloatElement<TElement, T>.Pack(in value);
        }

        RoundingMode mode = (immediate & 4) != 0 ? environment.Rounding : (RoundingMode)(immediate & 3);
        ulong magnitude = SoftFloat.RoundMagnitude(in value, mode, out bool inexact, out _);
        environment.Raised |= inexact && (immediate & 8) == 0 ? MxcsrBits.PE : 0;
        if (magnitude == 0)
        {
            return value.Sign ? TElement.SignBit : T.Zero;
        }

        Unpacked whole = SoftFloat.Round(value.Sign, 63, (UInt128)magnitude << 64, TElement.Format, ref environment);
        return FloatElement<TElement, T>.Pack(in whole);
    }
}
