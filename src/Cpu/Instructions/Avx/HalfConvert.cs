using System;
using System.Runtime.Intrinsics;

using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>Half precision in 16 bits (SDM 1 "Half-Precision Floating-Point Conversion").</summary>
internal readonly struct HalfElement : IFloatElement<ushort>
{
    public static FloatFormat Format => FloatFormat.Half;

    public static ushort SignBit => 0x8000;

    public static ushort ExponentMask => 0x7C00;

    public static ushort QuietBit => 0x0200;

    public static ushort Indefinite => 0xFE00;
}

/// <summary>VCVTPH2PS, VCVTPS2PH (F16C): half precision is a format of storage only.</summary>
internal static unsafe class HalfConvert
{
    public static void Register(ColdTable table)
    {
        table.SetVex(Mnemonic.Vcvtph2ps, &FromHalf);
        table.SetVex(Mnemonic.Vcvtps2ph, &ToHalf);
    }

    /// <summary>VCVTPH2PS: always exact. MXCSR.DAZ does not touch half-precision denormals, and they are no #D.</summary>
    private static Outcome FromHalf(Processor p, in Instruction i)
    {
        int count = VexForm.SizeOf(i.Op0Register) / 4;
        Vector128<byte> source = default;
        if (!p.AvxReady() || !(count == 4 ? p.TryReadVectorLow(in i, 1, out *(ulong*)&source) : p.TryReadVectorLow(in i, 1, out source)))
        {
            return Outcome.Fault;
        }

        FloatEnvironment environment = new(p.State->Mxcsr) { DenormalsAreZero = false };
        Vector256<byte> result = default;
        for (int k = 0; k < count; k++)
        {
            ((uint*)&result)[k] = SseConvert.Between<HalfElement, ushort, SingleElement, uint>(((ushort*)&source)[k], ref environment);
        }

        environment.Raised &= ~MxcsrBits.DE;
        return SseArithmetic.Finish<VexForm>(p, in i, in environment, in result);
    }

    /// <summary>VCVTPS2PH: rounds as imm8 bits 1:0 say, or with bit 2 as MXCSR does. MXCSR.FTZ does not touch the results.</summary>
    private static Outcome ToHalf(Processor p, in Instruction i)
    {
        if (!p.AvxReady())
        {
            return Outcome.Fault;
        }

        FloatEnvironment environment = new(p.State->Mxcsr) { FlushToZero = false };
        environment.Rounding = (i.Immediate8 & 4) != 0 ? environment.Rounding : (RoundingMode)(i.Immediate8 & 3);
        int count = VexForm.SizeOf(i.Op1Register) / 4;
        uint* source = (uint*)p.VectorPointer(i.Op1Register);
        Vector256<byte> result = default;
        for (int k = 0; k < count; k++)
        {
            ((ushort*)&result)[k] = SseConvert.Between<SingleElement, uint, HalfElement, ushort>(source[k], ref environment);
        }

        if (i.Op0Kind == OpKind.Register)
        {
            return SseArithmetic.Finish<VexForm>(p, in i, in environment, in result);
        }

        // Faults of the store come before #XM (so does silicon).
        Processor.WriteTarget target;
        bool prepared = count == 4 ? p.TryPrepareOperand<ulong>(in i, out target) : p.TryPrepareOperand<Vector128<byte>>(in i, out target);
        if (!prepared || !p.CommitSse(in environment))
        {
            return Outcome.Fault;
        }

        p.CommitWrite(in target, (byte*)&result);
        return Outcome.Retired;
    }
}
