using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>EXTRQ, INSERTQ, MOVNTSS, MOVNTSD: AMD's SSE4a (AMD64 volumes 4 and 1), which programs ask CPUID 80000001H for.</summary>
internal static unsafe class Sse4a
{
    public static void Register(ColdTable table)
    {
        table.Set(Mnemonic.Extrq, &Extract);
        table.Set(Mnemonic.Insertq, &Insert);
        table.Set(Mnemonic.Movntss, &Store<uint>);
        table.Set(Mnemonic.Movntsd, &Store<ulong>);
    }

    /// <summary>
    /// EXTRQ: a field of the low quadword moves to bit 0. Length and index come from the immediates or from the second operand.
    /// </summary>
    private static Outcome Extract(Processor p, in Instruction i)
    {
        if (!p.SseReady())
        {
            return Outcome.Fault;
        }

        int length = i.Immediate8;
        int index = i.Immediate8_2nd;
        if (i.Op1Kind == OpKind.Register)
        {
            byte* control = p.Xmm(i.Op1Register);
            length = control[0];
            index = control[1];
        }

        ulong* target = (ulong*)p.Xmm(i.Op0Register);
        target[0] = (target[0] >> (index & 63)) & Mask(length);
        target[1] = 0;
        return Outcome.Retired;
    }

    /// <summary>INSERTQ: the low bits of the second operand go into a field of the first one's low quadword.</summary>
    private static Outcome Insert(Processor p, in Instruction i)
    {
        if (!p.SseReady())
        {
            return Outcome.Fault;
        }

        ulong* source = (ulong*)p.Xmm(i.Op1Register);
        int length = i.Immediate8;
        int index = i.Immediate8_2nd;
        if (i.OpCount == 2)
        {
            length = ((byte*)source)[8];
            index = ((byte*)source)[9];
        }

        ulong* target = (ulong*)p.Xmm(i.Op0Register);
        ulong field = Mask(length) << (index & 63);
        target[0] = (target[0] & ~field) | ((source[0] << (index & 63)) & field);
        target[1] = 0;
        return Outcome.Retired;
    }

    /// <summary>A length of 0 means 64.</summary>
    private static ulong Mask(int length) => (length & 63) == 0 ? ulong.MaxValue : (1UL << (length & 63)) - 1;

    private static Outcome Store<T>(Processor p, in Instruction i)
        where T : unmanaged =>
        p.SseReady() && p.TryWriteOperand(in i, 0, *(T*)p.Xmm(i.Op1Register)) ? Outcome.Retired : Outcome.Fault;
}
