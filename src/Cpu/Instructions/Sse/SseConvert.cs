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
        table.Set(Code.Cvtsi2ss_xmm_rm32, &FromGeneral<SingleElement, uint, int>);
        table.Set(Code.Cvtsi2ss_xmm_rm64, &FromGeneral<SingleElement, uint, long>);
        table.Set(Code.Cvtsi2sd_xmm_rm32, &FromGeneral<DoubleElement, ulong, int>);
        table.Set(Code.Cvtsi2sd_xmm_rm64, &FromGeneral<DoubleElement, ulong, long>);
        table.Set(Code.Cvtss2si_r32_xmmm32, &ToGeneral<SingleElement, uint, int>);
        table.Set(Code.Cvtss2si_r64_xmmm32, &ToGeneral<SingleElement, uint, long>);
        table.Set(Code.Cvtsd2si_r32_xmmm64, &ToGeneral<DoubleElement, ulong, int>);
        table.Set(Code.Cvtsd2si_r64_xmmm64, &ToGeneral<DoubleElement, ulong, long>);
        table.Set(Code.Cvttss2si_r32_xmmm32, &ToGeneralTruncating<SingleElement, uint, int>);
        table.Set(Code.Cvttss2si_r64_xmmm32, &ToGeneralTruncating<SingleElement, uint, long>);
        table.Set(Code.Cvttsd2si_r32_xmmm64, &ToGeneralTruncating<DoubleElement, ulong, int>);
        table.Set(Code.Cvttsd2si_r64_xmmm64, &ToGeneralTruncating<DoubleElement, ulong, long>);

        table.Set(Mnemonic.Cvtss2sd, &ScalarBetween<SingleElement, uint, DoubleElement, ulong>);
        table.Set(Mnemonic.Cvtsd2ss, &ScalarBetween<DoubleElement, ulong, SingleElement, uint>);
        table.Set(Mnemonic.Cvtps2pd, &Widen);
        table.Set(Mnemonic.Cvtpd2ps, &Narrow);
        table.Set(Mnemonic.Cvtdq2ps, &IntegersToSingles);
        table.Set(Mnemonic.Cvtdq2pd, &IntegersToDoubles);
        table.Set(Mnemonic.Cvtps2dq, &SinglesToIntegers);
        table.Set(Mnemonic.Cvttps2dq, &SinglesToIntegers);
        table.Set(Mnemonic.Cvtpd2dq, &DoublesToIntegers);
        table.Set(Mnemonic.Cvttpd2dq, &DoublesToIntegers);

        table.Set(Mnemonic.Cvtpi2ps, &MmxToSingles);
        table.Set(Mnemonic.Cvtpi2pd, &MmxToDoubles);
        table.Set(Mnemonic.Cvtps2pi, &SinglesToMmx);
        table.Set(Mnemonic.Cvttps2pi, &SinglesToMmx);
        table.Set(Mnemonic.Cvtpd2pi, &DoublesToMmx);
        table.Set(Mnemonic.Cvttpd2pi, &DoublesToMmx);

        table.Set(Mnemonic.Roundps, &RoundPacked<SingleElement, uint>);
        table.Set(Mnemonic.Roundpd, &RoundPacked<DoubleElement, ulong>);
        table.Set(Mnemonic.Roundss, &RoundScalar<SingleElement, uint>);
        table.Set(Mnemonic.Roundsd, &RoundScalar<DoubleElement, ulong>);
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
    private static TTo Between<TFromElement, TFrom, TToElement, TTo>(TFrom value, ref FloatEnvironment environment)
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

    private static Outcome FromGeneral<TElement, T, TInteger>(Processor p, in Instruction i)
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
        where TInteger : unmanaged, IBinaryInteger<TInteger>
    {
        if (!p.SseReady() || !p.TryReadOperand(in i, 1, out TInteger source))
        {
            return Outcome.Fault;
        }

        FloatEnvironment environment = new(p.State->Mxcsr);
        T result = FromInteger<TElement, T>(long.CreateTruncating(source), ref environment);
        if (!p.CommitSse(in environment))
        {
            return Outcome.Fault;
        }

        *(T*)p.Xmm(i.Op0Register) = result;
        return Outcome.Retired;
    }

    private static Outcome ToGeneral<TElement, T, TInteger>(Processor p, in Instruction i)
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
        where TInteger : unmanaged, IBinaryInteger<TInteger> =>
        ToGeneral<TElement, T, TInteger>(p, in i, new FloatEnvironment(p.State->Mxcsr).Rounding);

    private static Outcome ToGeneralTruncating<TElement, T, TInteger>(Processor p, in Instruction i)
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
        where TInteger : unmanaged, IBinaryInteger<TInteger> =>
        ToGeneral<TElement, T, TInteger>(p, in i, RoundingMode.Zero);

    private static Outcome ToGeneral<TElement, T, TInteger>(Processor p, in Instruction i, RoundingMode mode)
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
        where TInteger : unmanaged, IBinaryInteger<TInteger>
    {
        if (!p.SseReady() || !p.TryReadXmmLow(in i, 1, out T source))
        {
            return Outcome.Fault;
        }

        FloatEnvironment environment = new(p.State->Mxcsr);
        long result = ToInteger<TElement, T>(source, sizeof(TInteger) * 8, mode, ref environment);
        if (!p.CommitSse(in environment))
        {
            return Outcome.Fault;
        }

        p.SetGpr(i.Op0Register, TInteger.CreateTruncating(result));
        return Outcome.Retired;
    }

    private static Outcome ScalarBetween<TFromElement, TFrom, TToElement, TTo>(Processor p, in Instruction i)
        where TFromElement : struct, IFloatElement<TFrom>
        where TFrom : unmanaged, IBinaryInteger<TFrom>, IUnsignedNumber<TFrom>
        where TToElement : struct, IFloatElement<TTo>
        where TTo : unmanaged, IBinaryInteger<TTo>, IUnsignedNumber<TTo>
    {
        if (!p.SseReady() || !p.TryReadXmmLow(in i, 1, out TFrom source))
        {
            return Outcome.Fault;
        }

        FloatEnvironment environment = new(p.State->Mxcsr);
        TTo result = Between<TFromElement, TFrom, TToElement, TTo>(source, ref environment);
        if (!p.CommitSse(in environment))
        {
            return Outcome.Fault;
        }

        *(TTo*)p.Xmm(i.Op0Register) = result;
        return Outcome.Retired;
    }

    /// <summary>CVTPS2PD: two singles become two doubles.</summary>
    private static Outcome Widen(Processor p, in Instruction i)
    {
        if (!p.SseReady() || !p.TryReadXmmLow(in i, 1, out ulong source))
        {
            return Outcome.Fault;
        }

        FloatEnvironment environment = new(p.State->Mxcsr);
        ulong low = Between<SingleElement, uint, DoubleElement, ulong>((uint)source, ref environment);
        ulong high = Between<SingleElement, uint, DoubleElement, ulong>((uint)(source >> 32), ref environment);
        return Finish(p, in i, in environment, Vector128.Create(low, high).AsByte());
    }

    /// <summary>CVTPD2PS: two doubles become two singles; the high half becomes zero.</summary>
    private static Outcome Narrow(Processor p, in Instruction i)
    {
        if (!p.SseReady() || !p.TryReadXmm(in i, 1, out Vector128<byte> source))
        {
            return Outcome.Fault;
        }

        FloatEnvironment environment = new(p.State->Mxcsr);
        uint low = Between<DoubleElement, ulong, SingleElement, uint>(source.AsUInt64()[0], ref environment);
        uint high = Between<DoubleElement, ulong, SingleElement, uint>(source.AsUInt64()[1], ref environment);
        return Finish(p, in i, in environment, Vector128.Create(low, high, 0, 0).AsByte());
    }

    private static Outcome IntegersToSingles(Processor p, in Instruction i)
    {
        if (!p.SseReady() || !p.TryReadXmm(in i, 1, out Vector128<byte> source))
        {
            return Outcome.Fault;
        }

        FloatEnvironment environment = new(p.State->Mxcsr);
        Vector128<uint> result = default;
        for (int k = 0; k < 4; k++)
        {
            result = result.WithElement(k, FromInteger<SingleElement, uint>(source.AsInt32()[k], ref environment));
        }

        return Finish(p, in i, in environment, result.AsByte());
    }

    private static Outcome IntegersToDoubles(Processor p, in Instruction i)
    {
        if (!p.SseReady() || !p.TryReadXmmLow(in i, 1, out ulong source))
        {
            return Outcome.Fault;
        }

        return FinishDoubles(p, in i, source);
    }

    private static Outcome SinglesToIntegers(Processor p, in Instruction i)
    {
        if (!p.SseReady() || !p.TryReadXmm(in i, 1, out Vector128<byte> source))
        {
            return Outcome.Fault;
        }

        FloatEnvironment environment = new(p.State->Mxcsr);
        RoundingMode mode = i.Mnemonic == Mnemonic.Cvttps2dq ? RoundingMode.Zero : environment.Rounding;
        Vector128<int> result = default;
        for (int k = 0; k < 4; k++)
        {
            result = result.WithElement(k, (int)ToInteger<SingleElement, uint>(source.AsUInt32()[k], 32, mode, ref environment));
        }

        return Finish(p, in i, in environment, result.AsByte());
    }

    private static Outcome DoublesToIntegers(Processor p, in Instruction i)
    {
        if (!p.SseReady() || !p.TryReadXmm(in i, 1, out Vector128<byte> source))
        {
            return Outcome.Fault;
        }

        FloatEnvironment environment = new(p.State->Mxcsr);
        RoundingMode mode = i.Mnemonic == Mnemonic.Cvttpd2dq ? RoundingMode.Zero : environment.Rounding;
        int low = (int)ToInteger<DoubleElement, ulong>(source.AsUInt64()[0], 32, mode, ref environment);
        int high = (int)ToInteger<DoubleElement, ulong>(source.AsUInt64()[1], 32, mode, ref environment);
        return Finish(p, in i, in environment, Vector128.Create(low, high, 0, 0).AsByte());
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
        if (!p.SseAndMmxReady() || !p.TryReadXmmLow(in i, 1, out ulong source))
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

    private static Outcome Finish(Processor p, in Instruction i, in FloatEnvironment environment, Vector128<byte> result)
    {
        if (!p.CommitSse(in environment))
        {
            return Outcome.Fault;
        }

        *(Vector128<byte>*)p.Xmm(i.Op0Register) = result;
        return Outcome.Retired;
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

    private static Outcome RoundPacked<TElement, T>(Processor p, in Instruction i)
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        if (!p.SseReady() || !p.TryReadXmm(in i, 1, out Vector128<byte> source))
        {
            return Outcome.Fault;
        }

        FloatEnvironment environment = new(p.State->Mxcsr);
        for (int k = 0; k < 16 / sizeof(T); k++)
        {
            T* element = (T*)&source + k;
            *element = RoundToIntegral<TElement, T>(*element, i.Immediate8, ref environment);
        }

        return Finish(p, in i, in environment, source);
    }

    private static Outcome RoundScalar<TElement, T>(Processor p, in Instruction i)
        where TElement : struct, IFloatElement<T>
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        if (!p.SseReady() || !p.TryReadXmmLow(in i, 1, out T source))
        {
            return Outcome.Fault;
        }

        FloatEnvironment environment = new(p.State->Mxcsr);
        T result = RoundToIntegral<TElement, T>(source, i.Immediate8, ref environment);
        if (!p.CommitSse(in environment))
        {
            return Outcome.Fault;
        }

        *(T*)p.Xmm(i.Op0Register) = result;
        return Outcome.Retired;
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
