namespace Xenolith.Cpu;

/// <summary>The groups of system instructions (SDM 1 "System Instructions").</summary>
internal static class SystemInstructions
{
    public static void Register(ColdTable table)
    {
        ControlRegisterInstructions.Register(table);
        ProcessorControl.Register(table);
    }
}
