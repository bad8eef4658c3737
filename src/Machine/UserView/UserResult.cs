using System;

using Xenolith.Cpu;

namespace Xenolith.Machine;

/// <summary>Why a program in the user-mode view came to its end.</summary>
public enum UserStop : byte
{
    /// <summary>The next instruction is HLT, which is the end here.</summary>
    Hlt,

    /// <summary>An exception: a process would get a signal, or be ended.</summary>
    Exception,

    /// <summary>As many instructions as were allowed have been executed.</summary>
    Limit,
}

/// <summary>What a program left behind.</summary>
public sealed class UserResult
{
    public UserStop Stop { get; internal set; }

    /// <summary>Meaningful for <see cref="UserStop.Exception"/> only.</summary>
    public Vector Vector { get; internal set; }

    /// <summary>The exception has an error code.</summary>
    public bool HasError { get; internal set; }

    /// <summary>The error code, zero when there is none.</summary>
    public uint Error { get; internal set; }

    /// <summary>CR2: the address of the page fault, zero when there was none.</summary>
    public ulong Cr2 { get; internal set; }

    /// <summary>
    /// Instructions executed to their end; HLT and the one that faulted are not among them. A repeated string instruction is one.
    /// </summary>
    public ulong Instructions { get; internal set; }

    /// <summary>
    /// Registers at the end; RIP is the address of the HLT, of the instruction that faulted, or of the next one (traps, limit).
    /// </summary>
    public UserRegisters Registers { get; } = new();
}

/// <summary>One step of a traced program: the instruction, and what it left.</summary>
public sealed class UserStep
{
    public const int MaxBytes = 15;

    private readonly byte[] _bytes = new byte[MaxBytes];

    public ulong Rip { get; internal set; }

    /// <summary>Bytes at RIP, as far as they are mapped: at most 15.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes.AsSpan(0, Length);

    /// <summary>The instruction did not come to its end.</summary>
    public bool Faulted { get; internal set; }

    public required UserRegisters Before { get; init; }

    public required UserRegisters After { get; init; }

    internal byte[] Buffer => _bytes;

    internal int Length { get; set; }
}
