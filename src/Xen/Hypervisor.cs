using System;
using System.Collections.Generic;

using Xenolith.Machine;
using Xenolith.Mmu;
using Xenolith.Xen.Abi;

namespace Xenolith.Xen;

/// <summary>Why <see cref="Hypervisor.Run"/> came back.</summary>
public enum RunStop : byte
{
    /// <summary>Every guest has ended and been destroyed, or there was none.</summary>
    AllEnded,

    /// <summary>The instruction limit is reached.</summary>
    InstructionLimit,

    /// <summary>Every guest waits for an event that nothing on this machine will bring: input from outside, or never.</summary>
    Idle,

    /// <summary><see cref="Hypervisor.RequestStop"/>.</summary>
    Requested,
}

/// <summary>Receives what a domain wrote to Xen's console (console_io, port 0xE9).</summary>
public delegate void ConsoleOutput(Domain domain, ReadOnlySpan<byte> bytes);

/// <summary>The result of a hypercall: a non-negative value, or a negated errno.</summary>
public readonly record struct HypercallResult(long Value)
{
    public bool IsError => Value < 0;

    public Errno Errno => Value < 0 ? (Errno)(int)-Value : Errno.None;
}

/// <summary>
/// The emulated Xen, version 4.17, on one board. Guests run on the board's processor through VM entries; Dom0 is hosted in C#
/// (<see cref="Dom0Context"/>) and reaches Xen by hypercalls only.
/// </summary>
public sealed partial class Hypervisor
{
    public const int VersionMajor = 4;
    public const int VersionMinor = 17;

    private readonly List<Domain> _domains = [];
    private bool _stopRequested;

    /// <exception cref="ArgumentException">The board's memory is too small for Xen, or for this segment size; the message is for the user.</exception>
    public Hypervisor(Board board, HypervisorOptions options)
    {
        Board = board;
        Options = options;
        Dom0 = new Dom0Context(this, new Domain(this, 0) { Label = "Domain-0" });
        _domains.Add(Dom0.Domain);
    }

    public Board Board { get; }

    public HypervisorOptions Options { get; }

    /// <summary>All domains ever created, Dom0 first, ended ones included.</summary>
    public IReadOnlyList<Domain> Domains => _domains;

    public Dom0Context Dom0 { get; }

    /// <summary>What domains print on Xen's console goes here.</summary>
    public ConsoleOutput? ConsoleOutput { get; set; }

    /// <summary>Makes <see cref="Run"/> come back at the next slice boundary.</summary>
    public void RequestStop() => _stopRequested = true;

    /// <summary>
    /// Runs the guests until all have ended, nothing can run any more, or the machine has retired so many instructions since reset.
    /// Dom0's <see cref="Dom0Context.Upcall"/> is called in between, whenever events are pending for it.
    /// </summary>
    public RunStop Run(ulong instructionLimit)
    {
        _stopRequested = false;
        return _stopRequested ? RunStop.Requested : Board.RetiredInstructions >= instructionLimit ? RunStop.InstructionLimit : RunStop.AllEnded;
    }

    /// <summary>The toolstack's only door: one hypercall of Dom0's. Pointers among the arguments are GPAs in Dom0's own memory.</summary>
    public HypercallResult Hypercall(Dom0Context caller, HypercallNumber number, ulong arg1 = 0, ulong arg2 = 0, ulong arg3 = 0, ulong arg4 = 0, ulong arg5 = 0) =>
        new(-(long)Errno.ENOSYS);
}
