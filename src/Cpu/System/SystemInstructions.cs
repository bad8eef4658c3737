namespace Xenolith.Cpu;

/// <summary>The groups of system instructions (SDM 1 "System Instructions").</summary>
internal static class SystemInstructions
{
    public static void Register(ColdTable table)
    {
        SegmentInstructions.Register(table);
        TableInstructions.Register(table);
        FarTransferInstructions.Register(table);
        FastSystemCalls.Register(table);
        PortInstructions.Register(table);
        ControlRegisterInstructions.Register(table);
        ProcessorControl.Register(table);
        StateSave.Register(table);
        VmxInstructionGroup.Register(table);
    }
}
