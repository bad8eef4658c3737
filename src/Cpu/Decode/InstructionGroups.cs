namespace Xenolith.Cpu;

/// <summary>Which instruction groups the processor has: every file with instructions is named here.</summary>
internal static class InstructionGroups
{
    public static void Register(ColdTable table)
    {
        DataTransfer.Register(table);
        BinaryArithmetic.Register(table);
        DecimalArithmetic.Register(table);
        BitManipulation.Register(table);
        ControlTransfer.Register(table);
        StackOperations.Register(table);
        StringOperations.Register(table);
        FlagControl.Register(table);
        Miscellaneous.Register(table);
        SimdGroups.Register(table);
        SystemInstructions.Register(table);
    }
}
