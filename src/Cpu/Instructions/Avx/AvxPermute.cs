using System.Numerics;
using System.Runtime.Intrinsics;

using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>
/// Permutations, blends, variable shifts and sign tests that only AVX and AVX2 have (SDM 1 "Intel AVX Instructions", "Intel AVX2
/// Instructions").
/// </summary>
internal static unsafe class AvxPermute
{
    public static void Register(ColdTable table)
    {
        table.Set(Code.VEX_Vpermilps_xmm_xmmm128_imm8, &BlockShells.BlockImmediate<VexForm, Shuffle4<uint>>);
        table.Set(Code.VEX_Vpermilps_ymm_ymmm256_imm8, &BlockShells.BlockImmediate<VexForm, Shuffle4<uint>>);
        table.Set(Code.VEX_Vpermilpd_xmm_xmmm128_imm8, &BlockShells.BlockImmediate<VexForm, PermuteDoubles>);
        table.Set(Code.VEX_Vpermilpd_ymm_ymmm256_imm8, &BlockShells.BlockImmediate<VexForm, PermuteDoubles>);
        table.Set(Code.VEX_Vpermilps_xmm_xmm_xmmm128, &BlockShells.Block<VexForm, PermuteSinglesVariable>);
        table.Set(Code.VEX_Vpermilps_ymm_ymm_ymmm256, &BlockShells.Block<VexForm, PermuteSinglesVariable>);
        table.Set(Code.VEX_Vpermilpd_xmm_xmm_xmmm128, &BlockShells.Block<VexForm, PermuteDoublesVariable>);
        table.Set(Code.VEX_Vpermilpd_ymm_ymm_ymmm256, &BlockShells.Block<VexForm, PermuteDoublesVariable>);
        table.SetVex(Mnemonic.Vpblendd, &BlockShells.BlockImmediate<VexForm, Blend<uint>>);

        table.SetVex(Mnemonic.Vperm2f128, &PermuteHalves);
        table.SetVex(Mnemonic.Vperm2i128, &PermuteHalves);
        table.SetVex(Mnemonic.Vpermd, &PermuteDoublewords);
        table.SetVex(Mnemonic.Vpermps, &PermuteDoublewords);
        table.SetVex(Mnemonic.Vpermq, &PermuteQuadwords);
        table.SetVex(Mnemonic.Vpermpd, &PermuteQuadwords);

        table.SetVex(Mnemonic.Vpsllvd, &BlockShells.Block<VexForm, Lanes<ShiftEach<ShiftLeft>, uint>>);
        table.SetVex(Mnemonic.Vpsllvq, &BlockShells.Block<VexForm, Lanes<ShiftEach<ShiftLeft>, ulong>>);
        table.SetVex(Mnemonic.Vpsrlvd, &BlockShells.Block<VexForm, Lanes<ShiftEach<ShiftRight>, uint>>);
        table.SetVex(Mnemonic.Vpsrlvq, &BlockShells.Block<VexForm, Lanes<ShiftEach<ShiftRight>, ulong>>);
        table.SetVex(Mnemonic.Vpsravd, &BlockShells.Block<VexForm, Lanes<ShiftEach<ShiftArithmetic>, int>>);

        table.SetVex(Mnemonic.Vtestps, &TestSigns<uint>);
        table.SetVex(Mnemonic.Vtestpd, &TestSigns<ulong>);
    }

    /// <summary>VPERM2F128, VPERM2I128: two bits choose each half out of four; bits 3 and 7 make it zero.</summary>
    private static Outcome PermuteHalves(Processor p, in Instruction i)
    {
        if (!p.AvxReady() || !VexForm.TryRead(p, in i, 2, 32, out Vector256<byte> second))
        {
            return Outcome.Fault;
        }

        Vector128<byte>* first = (Vector128<byte>*)p.VectorPointer(i.Op1Register);
        Vector256<byte> result = default;
        for (int half = 0; half < 2; half++)
        {
            int control = i.Immediate8 >> (4 * half);
            Vector128<byte>* from = (control & 2) != 0 ? (Vector128<byte>*)&second : first;
            ((Vector128<byte>*)&result)[half] = (control & 8) != 0 ? default : from[control & 1];
        }

        VexForm.Write(p, i.Op0Register, in result);
        return Outcome.Retired;
    }

    /// <summary>VPERMD, VPERMPS: each element of the first source chooses one of the second.</summary>
    private static Outcome PermuteDoublewords(Processor p, in Instruction i)
    {
        if (!p.AvxReady() || !VexForm.TryRead(p, in i, 2, 32, out Vector256<byte> source))
        {
            return Outcome.Fault;
        }

        Vector256<byte> result = *(Vector256<byte>*)p.VectorPointer(i.Op1Register);
        for (int k = 0; k < 8; k++)
        {
            uint* element = (uint*)&result + k;
            *element = ((uint*)&source)[*element & 7];
        }

        VexForm.Write(p, i.Op0Register, in result);
        return Outcome.Retired;
    }

    /// <summary>VPERMQ, VPERMPD: two bits of the immediate choose each quadword.</summary>
    private static Outcome PermuteQuadwords(Processor p, in Instruction i)
    {
        if (!p.AvxReady() || !VexForm.TryRead(p, in i, 1, 32, out Vector256<byte> source))
        {
            return Outcome.Fault;
        }

        Vector256<byte> result = default;
        Shuffle4<ulong>.Apply((byte*)&result, (byte*)&source, 32, i.Immediate8);
        VexForm.Write(p, i.Op0Register, in result);
        return Outcome.Retired;
    }

    /// <summary>VTESTPS, VTESTPD: as PTEST, of sign bits only.</summary>
    private static Outcome TestSigns<T>(Processor p, in Instruction i)
        where T : unmanaged
    {
        int size = VexForm.SizeOf(i.Op0Register);
        if (!p.AvxReady() || !VexForm.TryRead(p, in i, 1, size, out Vector256<byte> source))
        {
            return Outcome.Fault;
        }

        uint mask = (1u << (size / sizeof(T))) - 1;
        uint a = Signs<T>(*(Vector256<byte>*)p.VectorPointer(i.Op0Register)) & mask;
        uint b = Signs<T>(source) & mask;
        LazyFlags.Write(p.State, ((a & b) == 0 ? RflagsBits.ZF : 0) | ((~a & b) == 0 ? RflagsBits.CF : 0));
        return Outcome.Retired;
    }

    private static uint Signs<T>(Vector256<byte> value)
        where T : unmanaged =>
        sizeof(T) == 4 ? value.AsUInt32().ExtractMostSignificantBits() : value.AsUInt64().ExtractMostSignificantBits();
}

/// <summary>VPERMILPD with an immediate: one bit for each element.</summary>
internal readonly unsafe struct PermuteDoubles : IBlockImmediateOp
{
    public static int ImmediateBitsPerLane => 2;

    public static void Apply(byte* destination, byte* source, int sizeBytes, byte immediate)
    {
        ulong* from = (ulong*)source;
        ulong* to = (ulong*)destination;
        (to[0], to[1]) = (from[immediate & 1], from[(immediate >> 1) & 1]);
    }
}

/// <summary>VPERMILPS: bits 1:0 of each element of the source choose an element of the destination's lane.</summary>
internal readonly unsafe struct PermuteSinglesVariable : IBlockOp
{
    public static void Apply(byte* destination, byte* source, int sizeBytes)
    {
        uint* a = (uint*)destination;
        uint* control = (uint*)source;
        (a[0], a[1], a[2], a[3]) = (a[control[0] & 3], a[control[1] & 3], a[control[2] & 3], a[control[3] & 3]);
    }
}

/// <summary>VPERMILPD: bit 1 of each element of the source chooses an element of the destination's lane.</summary>
internal readonly unsafe struct PermuteDoublesVariable : IBlockOp
{
    public static void Apply(byte* destination, byte* source, int sizeBytes)
    {
        ulong* a = (ulong*)destination;
        ulong* control = (ulong*)source;
        (a[0], a[1]) = (a[(control[0] >> 1) & 1], a[(control[1] >> 1) & 1]);
    }
}

/// <summary>VPSLLV, VPSRLV, VPSRAV: each element has its own count, unsigned.</summary>
internal readonly unsafe struct ShiftEach<TShift> : ILaneOp<uint>, ILaneOp<int>, ILaneOp<ulong>
    where TShift : struct, ILaneShift
{
    public static uint Apply(uint destination, uint source) => TShift.Apply(destination, (int)uint.Min(source, 32));

    public static int Apply(int destination, int source) => TShift.Apply(destination, (int)uint.Min((uint)source, 32));

    public static ulong Apply(ulong destination, ulong source) => TShift.Apply(destination, (int)ulong.Min(source, 64));
}
