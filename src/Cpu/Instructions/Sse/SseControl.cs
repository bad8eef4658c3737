using Iced.Intel;

namespace Xenolith.Cpu;

/// <summary>
/// MXCSR, fences, prefetches (SDM 1 "SSE MXCSR State Management Instructions", "SSE Cacheability Control, Prefetch, and Instruction
/// Ordering Instructions").
/// </summary>
internal static unsafe class SseControl
{
    /// <summary>Bits that MXCSR has: what FXSAVE reports as MXCSR_MASK.</summary>
    public const uint MxcsrMask = 0xFFFF;

    public static void Register(ColdTable table)
    {
        table.Set(Mnemonic.Ldmxcsr, &Load<LegacyForm>);
        table.Set(Mnemonic.Stmxcsr, &Store<LegacyForm>);
        table.SetVex(Mnemonic.Vldmxcsr, &Load<VexForm>);
        table.SetVex(Mnemonic.Vstmxcsr, &Store<VexForm>);
        table.Set(Mnemonic.Lfence, &Nothing);
        table.Set(Mnemonic.Mfence, &Nothing);
        table.Set(Mnemonic.Sfence, &Nothing);
        table.Set(Mnemonic.Prefetchnta, &Nothing);
        table.Set(Mnemonic.Prefetcht0, &Nothing);
        table.Set(Mnemonic.Prefetcht1, &Nothing);
        table.Set(Mnemonic.Prefetcht2, &Nothing);
        table.Set(Mnemonic.Prefetchw, &Nothing);
    }

    private static Outcome Load<TForm>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm
    {
        if (!TForm.IsReady(p) || !p.TryReadOperand(in i, 0, out uint value))
        {
            return Outcome.Fault;
        }

        if ((value & ~MxcsrMask) != 0)
        {
            return p.Raise(Vector.GP, 0);
        }

        p.State->Mxcsr = value;
        return Outcome.Retired;
    }

    private static Outcome Store<TForm>(Processor p, in Instruction i)
        where TForm : struct, IVectorForm =>
        TForm.IsReady(p) && p.TryWriteOperand(in i, 0, p.State->Mxcsr) ? Outcome.Retired : Outcome.Fault;

    /// <summary>Ordering and hints: this processor has no order but program order, and no cache.</summary>
    private static Outcome Nothing(Processor p, in Instruction i) => Outcome.Retired;
}
