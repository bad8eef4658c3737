namespace Xenolith.Cpu;

/// <summary>
/// Bits of MXCSR (SDM 1 "MXCSR Control and Status Register"); the exception flags have the same places in the x87 status word.
/// </summary>
internal static class MxcsrBits
{
    public const uint IE = 1 << 0;
    public const uint DE = 1 << 1;
    public const uint ZE = 1 << 2;
    public const uint OE = 1 << 3;
    public const uint UE = 1 << 4;
    public const uint PE = 1 << 5;
    public const uint Flags = 0x3F;
    public const uint DAZ = 1 << 6;
    public const int MaskShift = 7;
    public const int RoundingShift = 13;
    public const uint FTZ = 1 << 15;

    /// <summary>Known before the operation: an unmasked one stops it (SDM 1 "Handling Unmasked Exceptions").</summary>
    public const uint PreComputation = IE | DE | ZE;
}

/// <summary>Rounding control, in the encoding of MXCSR and of the x87 control word.</summary>
internal enum RoundingMode : byte
{
    Nearest = 0,
    Down = 1,
    Up = 2,
    Zero = 3,
}

/// <summary>How the arithmetic of one instruction shall behave, and the exceptions that it met.</summary>
internal struct FloatEnvironment
{
    public RoundingMode Rounding;
    public bool DenormalsAreZero;
    public bool FlushToZero;

    /// <summary>Exceptions that are masked, in the places of the flags.</summary>
    public uint Masked;

    /// <summary>Exceptions raised so far.</summary>
    public uint Raised;

    /// <summary>The result's magnitude was increased by rounding (x87's C1).</summary>
    public bool RoundedUp;

    public FloatEnvironment(uint mxcsr)
    {
        Rounding = (RoundingMode)((mxcsr >> MxcsrBits.RoundingShift) & 3);
        DenormalsAreZero = (mxcsr & MxcsrBits.DAZ) != 0;
        FlushToZero = (mxcsr & MxcsrBits.FTZ) != 0;
        Masked = (mxcsr >> MxcsrBits.MaskShift) & MxcsrBits.Flags;
        Raised = 0;
        RoundedUp = false;
    }

    /// <summary>The behaviour that an x87 control word asks for.</summary>
    public static FloatEnvironment FromControlWord(ushort fcw) => new()
    {
        Rounding = (RoundingMode)((fcw >> 10) & 3),
        Masked = fcw & MxcsrBits.Flags,
    };

    public readonly bool UnderflowMasked => (Masked & MxcsrBits.UE) != 0;

    public readonly bool OverflowMasked => (Masked & MxcsrBits.OE) != 0;
}
