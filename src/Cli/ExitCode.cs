namespace Xenolith.Cli;

/// <summary>What the command returns to the shell: docs/exit-codes.md.</summary>
internal static class ExitCode
{
    /// <summary>Everything went as it should.</summary>
    public const int Ok = 0;

    /// <summary>A guest crashed, was stopped for what it did, or, in the demo, the story did not come out.</summary>
    public const int GuestFailed = 1;

    /// <summary>Bad input: arguments, configuration, image.</summary>
    public const int BadInput = 2;

    /// <summary>The instruction limit was reached before all guests had ended.</summary>
    public const int InstructionLimit = 3;

    /// <summary>Guests were left that wait for something that nothing will bring.</summary>
    public const int Idle = 4;

    /// <summary>In <c>boot</c>: all processors are halted for good. Codes there are even: a guest's own are odd.</summary>
    public const int BootHalted = 4;

    /// <summary>In <c>boot</c>: a triple fault.</summary>
    public const int BootTripleFault = 6;

    /// <summary>In <c>boot</c>: the instruction limit was reached.</summary>
    public const int BootLimit = 8;

    /// <summary>A bug in Xenolith (EX_SOFTWARE of sysexits.h).</summary>
    public const int Internal = 70;

    /// <summary>Interrupted from the keyboard (128 + SIGINT).</summary>
    public const int Interrupted = 130;

    /// <summary>For --help.</summary>
    public const string Help =
        "Exit codes: 0 all is well; 1 a guest crashed or was stopped; 2 bad input; 3 the instruction limit was reached;\n"
        + "4 a guest waits for what nothing will bring; 70 a bug in xenolith; 130 interrupted.";

    /// <summary>For boot --help.</summary>
    public const string BootHelp =
        "Exit codes: odd: the guest's own, (value << 1) | 1 of what it wrote to port F4H; 0 it powered off or asked for a reset;\n"
        + "2 bad input; 4 all processors are halted for good; 6 triple fault; 8 the instruction limit was reached; 70 a bug in xenolith;\n"
        + "130 interrupted.";
}
