using Iced.Intel;

namespace Xenolith.Cpu;


/// <summary>Data transfer instructions (SDM 1 "Data Transfer Instructions").</summary>
internal static unsafe class DataTransfer
{
    public static void Register(ColdTable table)
    {
        table.Set(Mnemonic.Nop, &Nop);
    }

    private static Outcome Nop(Processor p, in Instruction i) => Outcome.Retired;
}
