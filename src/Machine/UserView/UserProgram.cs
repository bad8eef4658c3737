using System;
using System.Collections.Generic;

namespace Xenolith.Machine;

/// <summary>Flat code, the memory that it may use, and the registers that it starts from.</summary>
public sealed class UserProgram
{
    /// <summary>Where code goes when nobody says where.</summary>
    public const ulong DefaultBase = 0x1_0000;

    /// <summary>Enough for what people ask, and over within a second.</summary>
    public const ulong DefaultLimit = 10_000_000;

    public string Name { get; set; } = "";

    /// <summary>64, or 32: a 32-bit code segment of the same processor (compatibility mode).</summary>
    public int Mode { get; set; } = 64;

    /// <summary>Where the code lies, and where it begins unless <see cref="Start"/> says otherwise.</summary>
    public ulong Base { get; set; } = DefaultBase;

    public ReadOnlyMemory<byte> Code { get; set; }

    /// <summary>Ranges to be mapped, besides the code's own; rounded out to pages. They may overlap.</summary>
    public IList<(ulong Start, ulong Length)> Maps { get; } = [];

    /// <summary>What mapped memory holds at the start, written in this order after the code; the rest is zero.</summary>
    public IList<(ulong Address, ReadOnlyMemory<byte> Bytes)> Contents { get; } = [];

    /// <summary>At the start; RIP counts only when <see cref="HasStart"/>.</summary>
    public UserRegisters Registers { get; } = new();

    /// <summary>The program begins at the RIP of <see cref="Registers"/> and not at <see cref="Base"/>.</summary>
    public bool HasStart { get; set; }

    /// <summary>How many instructions may be executed.</summary>
    public ulong Limit { get; set; } = DefaultLimit;

    public ulong Start => HasStart ? Registers.Rip : Base;
}

/// <summary>A program that cannot be loaded, or that wants more memory than there is; the message is one line for the user.</summary>
public sealed class UserProgramException(string message) : Exception(message);
